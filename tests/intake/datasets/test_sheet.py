from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource, cases_of, sources
from remodal.intake.label_source import LabelSource
from remodal.settings import Settings
from remodal.settings.composition import validated


def _settings(sheet, source="sheet", truth="case") -> Settings:
    both = {"present": ["arterial", "venous"]}
    content = {
        **{"study": "own", "preset": "paper", "title": "Our scans"},
        "data": {
            **{"name": "own", "source": source, "sheet": sheet, "truth": truth},
            **{"modalities": ["arterial", "venous"], "classes": {"tumour": [1]}},
        },
        "registration": {"fixed": "venous"},
        "methods": {"maml": {"type": "maml"}},
        "scenarios": {"both": both | ({"target": "venous"} if truth == "image" else {})},
    }
    return validated(content, "test")


def test_lines_become_cases_in_the_order_of_the_sheet(tmp_path):
    sheet = tmp_path / "samples.tsv"
    sheet.write_text(
        "case\tmodality\tpath\tlabel\tgroup\tpatient\n"
        "b\tvenous\tbv\tbl\thcc\tp1\n"
        "a\tvenous\tav\n"
        "b\tarterial\tba\n"
    )
    first, second = cases_of(_settings(sheet))
    images = {"arterial": Path("ba"), "venous": Path("bv")}
    assert first == CaseSource("b", "p1", "hcc", images, {"venous": LabelSource((Path("bl"),))})
    assert list(first.images) == ["arterial", "venous"]
    # A missing phase is not a mistake: the case serves where the other suffices.
    assert second == CaseSource("a", "a", "", {"venous": Path("av")}, {})


@pytest.mark.parametrize(
    ("images", "said"),
    [({}, "the case has no image"), ({"arterial": Path("a")}, "drawn on the venous image")],
)
def test_a_source_gives_no_case_without_an_image_or_without_the_labelled_one(
    monkeypatch, images, said
):
    from remodal.intake.datasets import sheet

    wrong = CaseSource("a", "a", "", images, {"venous": LabelSource((Path("l"),))})
    monkeypatch.setattr(sheet, "cases", lambda settings: [wrong])
    with pytest.raises(UserError, match=f"a: .*{said}"):
        cases_of(_settings(None))


@pytest.mark.parametrize(
    ("case", "patient", "modality", "said"),
    [
        (
            "../a",
            "p",
            "venous",
            r"data: `\.\./a` is not a valid name of a case; expected 1 to 64 letters",
        ),
        ("a", "Doe, Jane", "venous", "data: `Doe, Jane` is not a valid name of a patient"),
        ("a", "p", "t1", "a: has a t1 image; expected one of arterial, venous"),
        ("b", "p", "venous", "b: the case is there 2 times; expected once"),
    ],
)
def test_the_names_of_any_source_are_checked(monkeypatch, case, patient, modality, said):
    from remodal.intake.datasets import sheet

    good = CaseSource("b", "b", "", {"venous": Path("v")}, {})
    wrong = CaseSource(case, patient, "", {modality: Path("v")}, {})
    monkeypatch.setattr(sheet, "cases", lambda settings: [good, wrong])
    with pytest.raises(UserError, match=f"^{said}"):
        cases_of(_settings(None))


def test_each_image_may_have_its_label_where_the_study_says_so(monkeypatch):
    from remodal.intake.datasets import sheet

    images = {name: Path(name) for name in ("arterial", "venous")}
    labels = {name: LabelSource((Path(f"{name}-mask"),)) for name in images}
    case = CaseSource("a", "a", "", images, labels)
    assert list(case.sources) == ["arterial", "venous", "label-arterial", "label-venous"]
    assert case.paths[2:] == [Path("arterial-mask"), Path("venous-mask")]
    monkeypatch.setattr(sheet, "cases", lambda settings: [case])
    assert cases_of(_settings(None, truth="image")) == [case]
    with pytest.raises(UserError, match=r"a: 2 labels, drawn on arterial and venous;.*truth: ima"):
        cases_of(_settings(None))


def test_no_sheet_is_named():
    with pytest.raises(UserError, match="no sample sheet is named"):
        cases_of(_settings(None))


def test_an_unknown_source_is_refused_with_those_that_there_are():
    assert "sheet" in sources()
    with pytest.raises(UserError, match=r"unknown data source `magic`; expected one of .*sheet"):
        cases_of(_settings(None, source="magic"))
    with pytest.raises(UserError, match="unknown data source"):
        cases_of(_settings(None, source="../sheet"))
