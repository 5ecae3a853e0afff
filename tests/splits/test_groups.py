"""A fold that lacks a group of cases, such as a lesion type, says so in one line."""

from remodal.splits.groups import missing_groups

GROUPS = {"a": "cyst", "b": "cyst", "c": "FNH", "d": "HCC", "e": "", "f": "METS"}


def said(*folds: tuple[str, str]) -> list[str]:
    content = [{"train": [*train], "validation": [], "test": [*test]} for train, test in folds]
    return missing_groups({"groups": GROUPS, "folds": content})


def test_a_group_that_a_set_lacks_is_named_with_its_fold():
    assert said(("acd", "b"), ("bce", "ad")) == [
        "Fold 0: the test set has no case of FNH or HCC.",
        "Fold 1: the training set has no case of HCC.",
        "Fold 1: the test set has no case of FNH.",
    ]


def test_three_groups_are_listed_and_one_of_quarantined_cases_is_no_group_of_the_study():
    """`f` is in no set."""
    assert said(("acd", "e")) == ["Fold 0: the test set has no case of FNH, HCC or cyst."]


def test_nothing_is_said_where_there_are_no_groups_or_none_is_missing():
    assert said(("acd", "bcd")) == []
    assert missing_groups({"groups": {}, "folds": [{"train": ["a"], "test": ["b"]}]}) == []
