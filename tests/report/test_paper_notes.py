"""What the MAML paper leaves open, as the file has it and as the report shows it."""

import pytest

from remodal.errors import UserError
from remodal.methods import method_options
from remodal.report.choices import in_words, made_choices
from remodal.report.paper_notes import Choice, PaperNotes, read_notes
from remodal.results.files import write_json
from remodal.settings.composition import compose

NOTES = read_notes("maml")


def test_a_study_without_a_paper_has_nothing_open():
    assert read_notes("") == PaperNotes()


def test_every_row_of_the_studies_has_a_definition():
    noted = {(row.table, row.method, row.scenario) for row in NOTES.rows}
    for name in NOTES.studies:
        for table, chosen in compose({"study": name, "preset": "paper"}).tables.items():
            of_table_1 = {row.method for row in NOTES.rows if row.table == "table1"}
            for row in filter(lambda row: row.method, chosen.rows):
                known = (table, row.method, row.scenario) in noted
                assert known or (table == "ablation" and row.method in of_table_1)


def test_the_paper_study_has_the_values_that_the_reasons_are_about(tmp_path):
    settings = compose({"study": "liver", "preset": "paper"})
    for name in ("maml", "ms_ensemble"):  # as a trained model's description has its defaults
        defaults = {option.name: option.default for option in method_options(name)}
        description = tmp_path / "models" / name / "fold0-seed0" / "model.json"
        write_json(description, {"options": defaults})
    for made in made_choices(settings, tmp_path):
        assert made.reason == made.choice.reason, made.choice.question
        if made.choice.option:
            assert made.used == in_words(made.choice.here)


def test_another_value_than_the_papers_does_not_get_its_reason(tmp_path):
    settings = compose({"study": "liver_repo", "preset": "paper"})
    (made,) = (
        one for one in made_choices(settings, tmp_path) if one.choice.question == "Which optimiser?"
    )
    assert made.used == "sgd"
    assert made.reason == "Set by this study or preset. Else adam: The paper's."


def test_a_choice_about_a_method_that_the_study_lacks_is_left_out(tmp_path, make_settings):
    gates = "How is the attention gate formed?"
    whole = make_settings()
    other = whole.model_copy(update={"methods": {"nnunet": whole.methods["nnunet"]}})
    questions = [[m.choice.question for m in made_choices(s, tmp_path)] for s in (whole, other)]
    assert gates in questions[0]
    assert gates not in questions[1]


def test_a_choice_about_a_table_that_the_study_lacks_is_left_out(make_settings):
    about = {"question": "Which phase?", "paper": "not said", "reason": "The usual one."}
    settings = make_settings()
    assert Choice(**about, tables=["table1", "table3"]).concerns(settings)
    assert not Choice(**about, tables=["table3"]).concerns(settings)
    assert not Choice(**about, tables=["table1"], methods=["hemis"]).concerns(settings)
    assert Choice(**about).concerns(settings)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("choices: [{question: What, paper: a}]", "choices.0.reason"),
        ("rows: [{tabel: one}]", "rows.0"),
        ("choices: [{question: What, paper: a, reason: b, here: 3}]", "names no `option`"),
    ],
)
def test_a_wrong_key_is_named(tmp_path, text, says):
    (tmp_path / "paper.yaml").write_text(text)
    with pytest.raises(UserError, match=says):
        read_notes("paper", tmp_path)
