import json
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from remodal.settings import SplitSettings
from remodal.splits import SplitCase, make_splits
from remodal.splits.scikit_learn import shuffled_folds

#: From numpy 2.4.
FIRST = [33, 106, 52, 175, 97]
SPLITS = Path(__file__).parents[2] / "config/splits"


def folds_of(name: str) -> list[dict[str, list[str]]]:
    return json.loads((SPLITS / name).read_text(encoding="utf-8"))["folds"]


@pytest.fixture(scope="module")
def brats2018() -> list[str]:
    """The 285 cases of BraTS 2018 by the names that our data source gives them."""
    return sorted(chain(*folds_of("brats2018_uhved.json")[0].values()))


@pytest.mark.parametrize(("count", "folds", "seed"), [(285, 3, 12345), (10, 3, 0), (17, 5, 7)])
def test_folds_are_those_of_scikit_learn(count, folds, seed):
    model_selection = pytest.importorskip("sklearn.model_selection")
    names = np.array([f"case{number:03d}" for number in range(count)])
    expected = model_selection.KFold(folds, shuffle=True, random_state=seed).split(names)
    found = shuffled_folds(reversed(names.tolist()), folds, seed)
    assert found == [set(names[test]) for _, test in expected]


def test_folds_are_stretches_of_a_shuffle_by_numpys_frozen_generator():
    order = np.arange(285)
    np.random.RandomState(12345).shuffle(order)
    # The generator's stream is frozen: these are its first places whatever the version.
    assert order[:5].tolist() == FIRST
    names = [f"{number:03d}" for number in range(285)]
    first, second, third = shuffled_folds(names, 3, 12345)
    assert first == {names[place] for place in order[:95]}
    assert second == {names[place] for place in order[95:190]}
    assert third == {names[place] for place in order[190:]}


def test_there_are_285_cases_of_which_210_are_of_high_grade(brats2018):
    assert len(set(brats2018)) == len(brats2018) == 285
    assert sum(name.startswith("HGG__Brats18_") for name in brats2018) == 210


def test_mamls_folds_are_a_file_that_follows_from_the_rule(brats2018):
    folds = folds_of("brats2018_maml.json")
    expected = shuffled_folds(brats2018, 3, 12345)
    assert [set(fold["test"]) for fold in folds] == expected
    assert [(len(fold["train"]), len(fold["test"])) for fold in folds] == [(190, 95)] * 3
    assert [sorted(fold["train"] + fold["test"]) for fold in folds] == [brats2018] * 3


def test_u_hveds_splits_have_the_sizes_that_it_reports(brats2018):
    folds = folds_of("brats2018_uhved.json")
    sizes = [tuple(len(fold[part]) for part in ("train", "validation", "test")) for fold in folds]
    assert sizes == [(199, 29, 57)] * 3
    assert [sorted(chain(*fold.values())) for fold in folds] == [brats2018] * 3


@pytest.mark.parametrize("name", ["brats2018_maml.json", "brats2018_uhved.json"])
def test_the_files_can_be_imported(name, brats2018):
    cases = [SplitCase(case, case, case[:3]) for case in brats2018]
    settings = SplitSettings(scheme="file", file=SPLITS / name, folds=3)
    splits = make_splits(cases, settings)
    assert [fold["test"] for fold in splits["folds"]] == [fold["test"] for fold in folds_of(name)]
    assert splits["quarantined"] == {}


def test_the_rule_needs_no_file(brats2018):
    settings = SplitSettings(scheme="kfold", folds=3, order="scikit-learn", validation_fraction=0)
    made = make_splits([SplitCase(case, case) for case in brats2018], settings)["folds"]
    expected = folds_of("brats2018_maml.json")
    assert [fold["test"] for fold in made] == [fold["test"] for fold in expected]
    assert [fold["train"] for fold in made] == [fold["train"] for fold in expected]


def test_a_quarantined_case_leaves_the_others_in_their_folds(brats2018):
    settings = SplitSettings(scheme="kfold", folds=3, order="scikit-learn", validation_fraction=0)
    bad = brats2018[100]
    usable = [SplitCase(case, case) for case in brats2018 if case != bad]
    whole = make_splits([SplitCase(case, case) for case in brats2018], settings)["folds"]
    folds = make_splits(usable, settings, {bad: "empty"}, everyone=brats2018)["folds"]
    for fold, of_all in zip(folds, whole):
        assert fold["test"] == [case for case in of_all["test"] if case != bad]


def test_visits_of_a_patient_stay_together():
    cases = [SplitCase(f"p{number // 2}-{number % 2}", f"p{number // 2}") for number in range(20)]
    settings = SplitSettings(scheme="kfold", folds=3, order="scikit-learn")
    for fold in make_splits(cases, settings)["folds"]:
        patients = [{case[:2] for case in fold[part]} for part in fold]
        assert sum(map(len, patients)) == len(set.union(*patients)) == 10
