import pandas as pd

from remodal.report.incomplete import incomplete_cases
from remodal.settings.composition import compose

CASES = pd.DataFrame({"case": ["d", "d"], "scenario": ["venous", "both"]})
SPLITS = {
    "patients": {name: name for name in "abcd"},
    "modalities": {
        **{"a": ["arterial", "venous"], "b": ["arterial", "venous"]},
        **{"c": ["venous"], "d": ["arterial", "venous"]},
    },
    "labels": {"a": ["arterial", "venous"], "b": [], "c": ["venous"], "d": ["venous"]},
    "folds": [{"train": ["a", "b", "c"], "validation": [], "test": ["d"]}],
}


def found(truth):
    images = {"present": ["arterial", "venous"], "target": "venous" if truth == "image" else ""}
    change = {"study": "liver", "preset": "smoke", "data": {"truth": truth}}
    settings = compose(change | {"scenarios": {"both": images}})
    return {case.case: case for case in incomplete_cases(settings, SPLITS, [], CASES)}


def test_a_case_with_the_label_of_one_image_is_listed_but_not_one_without_any():
    cases = found("image")
    assert {name: case.lacks for name, case in cases.items()} == {
        "c": ["arterial"],
        "d": ["label of arterial"],
    }
    assert (cases["d"].sets, cases["d"].tested) == (["test"], ["venous", "both"])


def test_where_all_images_share_a_truth_only_images_are_lacking():
    assert list(found("case")) == ["c"]
