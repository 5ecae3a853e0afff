"""The page on a paper is made of the file of choices, the printed numbers and what is committed."""

from pathlib import Path

import pytest

from remodal.report.paper_notes import ExactNumber, read_notes
from remodal.report.published import Key, Published, read_published
from remodal.report.reproduction import reproduction
from remodal.results.files import write_json
from remodal.settings.composition import compose

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("paper", sorted(p.stem for p in ROOT.glob("docs/reproduction/*.md")))
def test_the_page_of_a_paper_is_up_to_date(paper):
    page = (ROOT / f"docs/reproduction/{paper}.md").read_text(encoding="utf-8")
    assert page == reproduction(paper), f"remodal describe-reproduction --paper {paper} -o ..."


def test_the_page_shows_every_printed_number_of_the_paper():
    page = reproduction("maml")
    for key, value in read_published("maml").items():
        if key.table in ("table1", "table2", "table3"):
            spread = "" if value.sd is None else f" ± {value.sd:.2f}"
            assert f"{value.mean:.2f}{spread}" in page
    assert "Tumour core: Dice [%] 83.36 ± 1.23" in page


def test_printed_tables_that_no_study_has_are_listed(monkeypatch):
    assert "## Not built yet" not in reproduction("maml")
    notes = read_notes("maml")
    of_liver = [row for row in notes.rows if row.table in ("table1", "table2")]
    fewer = notes.model_copy(update={"studies": ["liver"], "rows": of_liver})
    monkeypatch.setattr("remodal.report.reproduction.read_notes", lambda paper: fewer)
    assert reproduction("maml").count("- Zhang 2021, Table 3") == 1


def test_exact_numbers_are_listed_with_what_is_printed(monkeypatch):
    assert "## Numbers that follow exactly" not in reproduction("maml")
    known = {
        Key("table1", "maml", "", "", "", "", "parameters", ""): Published(
            62.38, None, "none", "A", "a table", truncated=True
        )
    }
    exact = {"method": "maml", "record": "parameters", "value": 62.384412, "reason": "cut off"}
    notes = read_notes("maml").model_copy(update={"exact": [ExactNumber(**exact)]})
    monkeypatch.setattr("remodal.report.reproduction.read_notes", lambda paper: notes)
    monkeypatch.setattr("remodal.report.reproduction.printed_numbers", lambda paper: known)
    page = reproduction("maml")
    assert "| MAML | Parameters [M] | 62.384412 | 62.38 | cut off |" in page
    assert "- **Published:** Parameters [M] 62.38" in page


def test_a_method_without_a_label_is_called_by_its_key(monkeypatch):
    def unlabelled(study):
        settings = compose({"study": study, "preset": "paper"})
        methods = {
            name: one.model_copy(update={"label": ""}) for name, one in settings.methods.items()
        }
        return settings.model_copy(update={"methods": methods})

    monkeypatch.setattr("remodal.report.reproduction._paper_settings", unlabelled)
    page = reproduction("maml")
    assert "### ms_ensemble, " in page
    assert "| ms_ensemble |" in page
    assert "|  |" not in page


def test_committed_results_are_shown_with_their_preset_and_number_of_cases(tmp_path):
    rows = len(read_notes("maml").rows)
    assert reproduction("maml", tmp_path).count("nothing committed yet") == rows
    key = "table2.maml.venous.dice"
    summary = {key: 61.5, f"{key}.sd": 7.25, f"{key}.n": 20, "claims.hold": 0}
    write_json(tmp_path / "liver-trend" / "summary.json", summary)
    page = reproduction("maml", tmp_path)
    assert "preset trend: Dice [%] 61.50 ± 7.25 (n = 20)" in page
    assert page.count("nothing committed yet") == rows - 1
