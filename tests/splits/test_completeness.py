"""Which cases a method and a scenario have, and what is refused before anything runs."""

from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.label_source import LabelSource
from remodal.settings.composition import compose
from remodal.splits.completeness import (
    lacking,
    left_out,
    left_out_of,
    partners,
    require_enough_patients,
    require_usable_folds,
)

CONFIG = Path(__file__).parents[2] / "config"
BOTH = ("arterial", "venous")


def liver(**overrides):
    return compose({"study": "liver", "preset": "smoke"} | overrides, CONFIG)


def patients(*modalities: tuple[str, ...], visits: int = 1) -> list[CaseSource]:
    """One patient per tuple of modalities, with this many examinations."""
    return [
        CaseSource(
            f"c{n}-{visit}",
            f"p{n}",
            "",
            {m: Path(m) for m in present},
            {present[0]: LabelSource((Path("l"),))},
        )
        for n, present in enumerate(modalities)
        for visit in range(visits)
    ]


def test_what_is_lacking_comes_in_the_wanted_order():
    assert lacking(["t2"], ["t1", "t2", "flair"]) == ["t1", "flair"]
    assert lacking(BOTH, ["venous"]) == []


def test_test_cases_are_left_out_by_the_scenarios_whose_images_they_lack():
    splits = {
        "folds": [{"train": ["a"], "test": ["b"]}, {"train": ["b"], "test": ["c"]}],
        "modalities": {"a": ["venous"], "b": ["venous"], "c": [*BOTH]},
    }
    assert left_out(liver(), splits) == {
        "both": {"b": ["arterial"]},
        "arterial": {"b": ["arterial"]},
        "venous": {},
        "arterial_native": {"b": ["arterial"]},
    }


#: Two examinations of one patient, and two other patients, of whom one has no arterial image.
VISITS = {
    "folds": [{"train": [], "test": ["a1", "a2", "b", "c"]}, {"train": [], "test": ["a1", "a2"]}],
    "patients": {"a1": "a", "a2": "a", "b": "b", "c": "c", "d": "d"},
    "modalities": {"a1": [*BOTH], "a2": [*BOTH], "b": [*BOTH], "c": ["venous"], "d": [*BOTH]},
    "labels": {"a1": [*BOTH], "a2": ["venous"], "b": ["arterial"], "c": ["venous"], "d": []},
}


def test_foreign_images_are_of_other_patients_of_the_same_test_set():
    tested = VISITS["folds"][0]["test"]
    assert partners("a1", tested, VISITS, ["arterial"]) == ["b"]
    assert partners("b", tested, VISITS, ["arterial"]) == ["a1", "a2"]
    assert partners("a1", reversed(tested), VISITS, ["venous"]) == ["b", "c"]
    assert partners("a1", VISITS["folds"][1]["test"], VISITS, ["venous"]) == []


def test_a_case_may_lack_the_label_of_its_target_or_another_patients_image():
    image = {"present": [*BOTH], "target": "venous"}
    settings = liver(
        data={"truth": "image"},
        scenarios={"both": image, "foreign": image | {"foreign": ["arterial"]}},
    )
    label, other = "the label of venous", "arterial of another patient"
    assert left_out_of(settings, VISITS, "both", 0) == {"b": [label], "c": ["arterial"]}
    assert left_out_of(settings, VISITS, "foreign", 0) == {"b": [label]}
    assert left_out_of(settings, VISITS, "foreign", 1) == {"a1": [other], "a2": [other]}


def test_two_complete_patients_are_enough():
    require_enough_patients(liver(), patients(BOTH, BOTH, ("venous",)))


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        (patients(BOTH, ("venous",), ("venous",)), "arterial and venous images.*`nnunet`.*: 1;"),
        (patients(BOTH, visits=2), "arterial and venous images.*: 1;"),
        (patients(("venous",), ("venous",)), "arterial and venous images.*: 0;"),
    ],
)
def test_fewer_are_refused_in_one_line(cases, said):
    with pytest.raises(UserError, match=f"{said}.*at least 2, to train on one and test") as raised:
        require_enough_patients(liver(), cases)
    assert "\n" not in str(raised.value)


def of_both(*labels: tuple[str, ...]) -> list[CaseSource]:
    """One patient with both images per tuple, which names the images that have labels."""
    images = {modality: Path(modality) for modality in BOTH}
    return [
        CaseSource(f"c{n}", f"p{n}", "", images, {m: LabelSource((Path("l"),)) for m in drawn})
        for n, drawn in enumerate(labels)
    ]


def test_patients_without_a_label_do_not_count():
    require_enough_patients(liver(), of_both(("venous",), ("arterial",)))
    with pytest.raises(UserError, match=r"labelled patients with arterial and venous images.*: 1;"):
        require_enough_patients(liver(), of_both(("venous",), ()))


def test_where_each_image_has_its_truth_the_label_of_the_target_must_be_there():
    study = liver(
        data={"truth": "image"},
        scenarios={"both": {"present": [*BOTH], "target": "venous"}},
    )
    methods = {"nnunet_venous": study.methods["nnunet_venous"]}
    study = study.model_copy(update={"methods": methods})
    require_enough_patients(study, of_both(("venous",), BOTH, ("arterial",)))
    said = "labelled patients with venous image and the label of venous, which method.*: 1;"
    with pytest.raises(UserError, match=said):
        require_enough_patients(study, of_both(("venous",), ("arterial",), ("arterial",)))
    splits = {
        "folds": [{"train": ["a"], "validation": [], "test": ["b"]}],
        "modalities": {"a": BOTH, "b": BOTH},
        "labels": {"a": ["venous"], "b": ["arterial"]},
    }
    said = "no labelled case of the test set has venous image and the label of venous.*scenario"
    with pytest.raises(UserError, match=said):
        require_usable_folds(study, splits)
    require_usable_folds(study, splits | {"labels": {"a": ["venous"], "b": BOTH}})


def test_a_method_of_two_images_may_learn_from_the_label_of_one():
    study = liver(
        data={"truth": "image"},
        scenarios={"both": {"present": [*BOTH], "target": "venous"}},
        methods={"octopusnet": {"scenarios": ["both"]}},
    )
    study = study.model_copy(update={"methods": {"octopusnet": study.methods["octopusnet"]}})
    require_enough_patients(study, of_both(("venous",), ("venous",)))
    said = "labelled patients with arterial and venous images and the label of venous, which scen.*"
    with pytest.raises(UserError, match=f"{said}: 0;"):
        require_enough_patients(study, of_both(("arterial",), ("arterial",)))


def test_a_case_without_the_venous_phase_is_in_no_row_of_the_study_of_lesions():
    """Each of its methods predicts on the venous image; a fold of such cases alone is refused."""
    study = compose({"study": "mpct_fll", "preset": "smoke"}, CONFIG)
    splits = {
        "folds": [{"train": ["a"], "validation": [], "test": ["b", "c"]}],
        "modalities": {"a": BOTH, "b": BOTH, "c": ["arterial"]},
        "labels": {"a": ["venous"], "b": ["venous"], "c": ["arterial"]},
    }
    require_usable_folds(study, splits)
    assert left_out(study, splits) == {"both": {"c": ["venous"]}, "venous": {"c": ["venous"]}}
    splits["folds"][0]["test"] = ["c"]
    with pytest.raises(UserError, match=r"no labelled case of the test set has .*venous") as raised:
        require_usable_folds(study, splits)
    assert "\n" not in str(raised.value)
