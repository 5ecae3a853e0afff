"""The report: one file, offline, complete, and clear about what is missing."""

import base64
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser

import pytest

from remodal.errors import UserError
from remodal.report.page import write_report
from remodal.report.tables import tabulate
from remodal.results.files import read_json, write_json
from remodal.results.records import Record, write_record
from remodal.settings import Settings

VOID = {"meta", "link", "img", "br", "path", "use", "rect", "line", "circle"}


class Outline(HTMLParser):
    """Ids, links and open tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.alts: list[str | None] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        for name in ("href", "src", "xlink:href"):
            self.links += [values[name]] if name in values else []
        if tag == "img":
            self.alts.append(values.get("alt"))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(whole_study, tmp_path_factory) -> str:
    return made(*whole_study, tmp_path_factory.mktemp("report"))


def made(settings, study, data, folder) -> str:
    write_report(settings, study, data, folder / "index.html")
    return (folder / "index.html").read_text()


@pytest.fixture
def own_study(whole_study, tmp_path):
    """A copy of the study, without pictures to draw, that a test may change."""
    settings, study, data = whole_study
    shutil.copytree(study, tmp_path / "study", ignore=shutil.ignore_patterns("predictions"))
    shutil.copytree(data, tmp_path / "data")
    return settings, tmp_path / "study", tmp_path / "data"


def text_of(page: str) -> str:
    body = re.sub(r"<(style|svg).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_the_page_is_well_formed_and_needs_no_network_and_no_script(page):
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert all(link.startswith(("#", "data:")) for link in outline.links)
    assert {link[1:] for link in outline.links if link.startswith("#")} <= set(outline.ids)
    assert "<script" not in page
    assert not re.search(r"url\((?!#)|@import", page)
    assert outline.alts
    assert all(outline.alts)


def test_the_contents_list_every_section(page):
    listed = re.findall(r'<li><a href="#([^"]+)">', page)
    assert listed == re.findall(r'<section id="([^"]+)">', page)


def test_a_banner_and_every_title_say_that_the_data_are_simulated(page):
    banner = page[page.index('class="banner"') :]
    assert "Simulated data" in banner[: banner.index("</div>")]
    assert "654 volumes" in banner[: banner.index("</div>")]
    assert "Of ten patients five have metastases" in banner[: banner.index("</div>")]
    titles = re.findall(r"<caption><b>(.*?)</b>", page)
    about_results = [t for t in titles if not t.startswith(("Choices", "Trained", "Quarantined"))]
    assert len(about_results) >= 7
    assert all("(simulated data)" in title for title in about_results)


def test_tables_show_the_published_value_ours_and_the_difference(page):
    text = text_of(page)
    assert "78.76 ± 18.91" in text
    assert "Paired comparisons behind Table 1" in text
    assert "Class C: the paper's data are private" in text


def test_lesions_are_told_by_size(page):
    (table,) = re.findall(r"Lesions found by size.*?</table>", page, re.DOTALL)
    # Lesions of 2.5 ml are as large as a ball of 16.8 mm.
    cells = re.findall(r"<td>(.*?)</td>", table.partition("<tbody>")[2])
    assert set(cells[::3]) == set(cells[2::3]) == {"–"}
    assert all(re.match(r"\d+ of \d+", cell) for cell in cells[1::3])
    assert "Each point is a lesion" in page


def test_downloads_are_the_tables_files(page, whole_study, tmp_path):
    settings, study, _ = whole_study
    tabulate(settings, study, tmp_path)
    links = re.findall(r'download="([^"]+)" href="data:[^,]*,([^"]*)"', page)
    assert len(links) == 3 * 3 + 2
    for name, content in links:
        if name != "methods.txt":
            assert base64.b64decode(content) == (tmp_path / name).read_bytes()


def test_claims_have_a_verdict_and_evidence(page, settings):
    text = text_of(page)
    for claim in settings.claims:
        assert claim.text in text
    assert "95 % interval" in text
    assert "no term covers training on other patients" in text


@pytest.mark.parametrize(
    ("whose", "heading", "marked"),
    [
        ([False, False], "The paper's claims, tested", 0),
        ([False, True], "Claims of the paper, and ours, tested", 1),
        ([True, True], "Our claims, tested", 2),
    ],
)
def test_a_claim_of_ours_is_not_said_to_be_the_papers(
    own_study, make_settings, tmp_path, whose, heading, marked
):
    settings, study, data = own_study
    claims = [claim.model_dump() | {"ours": ours} for claim, ours in zip(settings.claims, whose)]
    page = made(make_settings(claims=claims), study, data, tmp_path)
    assert heading in text_of(page)
    assert text_of(page).count("(ours, not the paper's)") == marked


def test_figures_choices_methods_and_configuration_are_there(page):
    text = text_of(page)
    for words in (
        "Attention map",
        "Single modality: nnUNet",
        "How is the attention gate formed?",
        "registered to the venous image with elastix",
        "Effective configuration (settings.yaml)",
        "31.19 M",
        "12 min 34 s",
        "assembled",
    ):
        assert words in text


def test_a_quarantined_case_is_listed_with_stage_and_reason(own_study, tmp_path):
    settings, study, data = own_study
    record = Record(
        case="patient900",
        stage="convert",
        status="quarantined",
        modality="arterial",
        reason="patient900, arterial: one slice; expected <a series> of 2 or more",
    )
    write_record(data / "registered" / "patient900" / "registration.json", record)
    splits = read_json(study / "splits.json")
    splits["quarantined"] = {"patient900": record.reason}
    splits["modalities"]["patient900"] = ["arterial", "venous"]
    splits["labels"]["patient900"] = ["venous"]
    write_json(study / "splits.json", splits)
    page = made(settings, study, data, tmp_path)
    row = page[page.index("patient900") :]
    row = row[: row.index("</tr>")]
    assert "convert" in row
    assert "expected &lt;a series&gt; of 2 or more" in row
    assert "Quarantined cases.</b> They are in no number" in page


def rows_of(page: str, title: str) -> list[list[str]]:
    """Texts of the cells of the table with this title."""
    table = page[page.index(title) :]
    body = table[table.index("<tbody>") : table.index("</tbody>")]
    return [
        [text_of(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)
    ]


def test_a_set_of_a_fold_without_a_group_is_named_below_the_folds(page):
    """The training set of the study is empty."""
    section = page.partition('<section id="cases">')[2].partition("</section>")[0]
    assert "Fold 0: the training set has no case of" in section
    assert "the test set has no case of" not in section


def test_a_case_that_lacks_a_modality_is_listed_with_its_use_and_is_no_quarantined_one(
    own_study, tmp_path
):
    settings, study, data = own_study
    splits = read_json(study / "splits.json")
    splits["modalities"]["patient003"] = ["venous"]
    splits["patients"]["patient800"] = "patient800"
    splits["modalities"]["patient800"] = ["venous"]
    splits["labels"]["patient800"] = ["venous"]
    splits["folds"][0]["train"] = ["patient800"]
    write_json(study / "splits.json", splits)
    # What was found of the arterial image that an earlier sheet named concerns nobody now.
    stale = Record(case="patient003", stage="convert", status="quarantined", reason="one slice")
    write_record(data / "converted" / "patient003" / "arterial.json", stale)
    for method in settings.methods:
        for scenario in ("both", "arterial"):
            path = study / "metrics" / method / "fold0-seed0" / f"{scenario}.csv"
            if path.is_file():
                lines = path.read_text().splitlines(keepends=True)
                path.write_text("".join(x for x in lines if not x.startswith("patient003")))
        path = study / "models" / method / "fold0-seed0" / "training.json"
        trained = ["patient800"] if method == "nnunet_venous" else []
        write_json(path, read_json(path) | {"cases": {"train": trained, "validation": []}})
    page = made(settings, study, data, tmp_path)
    assert rows_of(page, "Cases that lack a modality") == [
        ["patient003", "arterial", "test", "–", "venous"],
        ["patient800", "arterial", "training", "nnUNet (venous)", "–"],
    ]
    text = text_of(page)
    assert "No case was quarantined" in text
    assert "Not in the rows of the scenario both: patient003 lacks arterial." in text
    assert "15 cases, 2 lack an image" in text
    assert "2 of them lacked an image" in text
    cases = {row[1]: row[2] for row in rows_of(page, "<b>All metrics")}
    assert cases == {"Both": "13", "Arterial": "13", "Venous": "14"}
    counts = {row[0]: row[3] for row in rows_of(page, "<b>Trained models")}
    assert counts["nnUNet (venous)"] == "1"
    assert counts["MAML"] == "–"


def test_images_that_may_be_swapped_are_warned_of(own_study, tmp_path):
    settings, study, data = own_study
    doubts = {"doubts": {"patient003": "t1 and t2 may be swapped"}}
    write_json(study / "splits.json", read_json(study / "splits.json") | doubts)
    page = made(settings, study, data, tmp_path)
    assert ["patient003", "split", "t1 and t2 may be swapped"] in rows_of(page, "about cases that")


def test_without_being_asked_for_surfaces_the_page_has_none(page):
    assert "#surfaces" not in page
    assert 'id="surfaces"' not in page


def test_without_such_cases_nothing_is_said_of_them(page):
    assert "lack a modality" not in page
    assert "lack an image" not in page
    assert "without a label" not in page


def test_cases_without_a_label_are_counted_in_the_table_of_the_folds(own_study, tmp_path):
    settings, study, data = own_study
    splits = read_json(study / "splits.json")
    for case in ("patient801", "patient802"):
        splits["patients"][case] = case
        splits["modalities"][case], splits["labels"][case] = ["arterial", "venous"], []
        splits["folds"][0]["train"].append(case)
    write_json(study / "splits.json", splits)
    page = made(settings, study, data, tmp_path)
    [fold] = rows_of(page, "<b>Cases of each fold")
    assert fold[1] == f"{len(splits['folds'][0]['train'])} (2 without a label)"
    assert "2 without a label" in text_of(page)


def test_with_metrics_of_some_methods_alone_the_rest_is_said_to_be_missing(own_study, tmp_path):
    settings, study, data = own_study
    for method in ("maml", "nnunet"):
        shutil.rmtree(study / "metrics" / method)
    shutil.rmtree(study / "models")
    shutil.rmtree(data / "registered")
    page = made(settings, study, data, tmp_path)
    text = text_of(page)
    assert text.count("not run") >= 4
    assert 'id="attention"' not in page
    assert "#attention" not in page
    for words in (
        "there is no test case to show",
        "No curves were recorded",
        "No quality of a registration",
        "the method's default",
    ):
        assert words in text


def test_nothing_measured_is_the_users_error(own_study, tmp_path):
    settings, study, data = own_study
    shutil.rmtree(study / "metrics")
    with pytest.raises(UserError, match="evaluate"):
        write_report(settings, study, data, tmp_path / "index.html")


def test_a_study_without_a_paper_has_no_published_columns(own_study, make_settings, tmp_path):
    _, study, data = own_study
    settings = make_settings(published="", citation="", data={"simulated": False}, claims=[])
    page = made(settings, study, data, tmp_path)
    text = text_of(page)
    assert "Published" not in text
    assert "simulated data" not in text
    assert "claims, tested" not in text
    assert "Where the paper is silent" not in text
    assert set(re.findall(r'href="#(\w+)"', page)) <= set(re.findall(r'id="(\w+)"', page))


def test_neither_tables_nor_report_import_torch():
    code = "import sys, remodal.report.page, remodal.report.tables; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_table_with_marks_records_and_headings_over_its_columns(own_study, tmp_path):
    settings, study, data = own_study
    content = settings.model_dump()
    columns = [
        {"record": "present.arterial"},
        {"record": "present.venous"},
        {"method": "maml", "metric": "dice", "heading": "Overlap"},
        {"method": "maml", "metric": "jaccard", "heading": "Overlap"},
        {"method": "maml", "record": "parameters"},
    ]
    rows = [{"scenario": "arterial"}, {"scenario": "both"}]
    content["tables"] = {"pivot": {"title": "A pivot", "rows": rows, "columns": columns}}
    text = made(Settings.model_validate(content), study, data, tmp_path)
    assert 'colspan="2">Overlap</th>' in text
    table = text_of(text[text.index('<section id="pivot">') :])
    assert "Arterial ● ○" in table
    assert "Both ● ●" in table
    assert "31.19" in table
    outline = Outline()
    outline.feed(text)
    assert outline.open == []


def test_variants_noise_and_pictures_that_a_study_asks_for_are_on_the_page(whole_study, tmp_path):
    settings, study, data = whole_study
    content = settings.model_dump() | {"noise": {"method": "maml"}, "compute": {}}
    columns = [{"variant": name, "metric": "dice"} for name in ("any", "own")]
    rows = [
        {"label": "MA", "variants": {"any": {"method": "maml", "scenario": "both"}}},
        {"label": "One", "variants": {"own": {"method": "nnunet_venous", "scenario": "venous"}}},
    ]
    rows[0]["variants"]["own"] = {"method": "maml", "scenario": "venous"}
    rows[0]["reference"] = True
    content["tables"] = {"strategies": {"title": "Strategies", "rows": rows, "columns": columns}}
    cells = [{"method": "maml", "scenario": name} for name in ("both", "venous")]
    content["figures"] = {
        "truths": [{"images": ["arterial", "venous"]}],
        "predictions": [{"title": "Phases", "cells": cells}],
        "against": [{"number": "arterial.displacement_mean_mm", "cells": cells}],
    }
    page = made(Settings.model_validate(content), study, data, tmp_path)
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    shown = page[page.index('<section id="shown">') : page.index('<section id="attention">')]
    assert shown.count("<img") == 2 * 2 + 2 * 2
    text = text_of(shown)
    assert "The red line is the tumour" in text
    assert "red is the prediction, green the truth of that image ." not in text
    assert "Dice [%] against arterial.displacement_mean_mm" in text
    table = text_of(page[page.index('<section id="strategies">') :])
    assert "The noise floor is not measured: MAML was trained only once on each fold." in table
    (row,) = re.findall(r'<th scope="row">One</th>\s*(<td>\s*</td>)', page)
    assert row


def test_a_study_of_one_modality_says_nothing_of_others(whole_study, tmp_path):
    settings, study, data = whole_study
    content = settings.model_dump(mode="json") | {"claims": [], "compute": {}}
    content["data"]["modalities"] = ["venous"]
    content["scenarios"] = {"venous": content["scenarios"]["venous"]}
    content["methods"] = {
        name: content["methods"][name] | {"modalities": ["venous"], "scenarios": [], "inputs": {}}
        for name in ("nnunet_venous", "maml")
    }
    table = content["tables"]["table2"]
    rows = [row for row in table["rows"] if row["scenario"] == "venous"]
    content["tables"] = {"table2": table | {"rows": rows, "reference": {"venous": "maml"}}}
    page = made(Settings.model_validate(content), study, data, tmp_path)
    text = text_of(page)
    assert "Where a method fails" in text
    assert "A case in which another method fails" in text
    assert "Other: nnUNet" in text
    for words in ("one modality", "single modality", "Single modality", "image alone"):
        assert words not in text.partition("Methods, ready to paste")[0]
