"""Recipes whose labelled or unlabelled cases a data set or a fold does not have: one line each."""

from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.label_source import LabelSource
from remodal.settings import Settings
from remodal.settings.composition import compose
from remodal.splits.recipes import require_possible_recipes, require_recipes_of_folds

CONFIG = Path(__file__).parents[2] / "config"
BOTH = ("arterial", "venous")
POOLS = [{"cases": "labelled", "samples": 1}, {"cases": "unlabelled", "samples": 1}]


def study(unlabelled: str = "quarantine", truth: str = "case", **recipe) -> Settings:
    """A liver study of one method, trained by this recipe."""
    method = {"type": "nnunet", "recipe": recipe}
    target = "venous" if truth == "image" else ""
    change = {
        "methods": {"semi": method},
        "preprocessing": {"clip": "case"},
        "data": {"truth": truth},
        "scenarios": {"both": {"present": [*BOTH], "target": target}},
    }
    settings = compose({"study": "liver", "preset": "smoke"} | change, CONFIG)
    data = settings.data.model_copy(update={"unlabelled": unlabelled})
    only = {"data": data, "methods": {"semi": settings.methods["semi"]}}
    return settings.model_copy(update=only)


def cases(*labels: tuple[str, ...], images: tuple[str, ...] = BOTH) -> list[CaseSource]:
    """One case per tuple, which names the images that have a label."""
    source = LabelSource((Path("label"),))
    return [
        CaseSource(f"c{n}", f"p{n}", "", {m: Path(m) for m in images}, dict.fromkeys(drawn, source))
        for n, drawn in enumerate(labels)
    ]


def splits(settings: Settings, found: list[CaseSource]) -> dict:
    """Two folds: one trains on all cases but the last, one on the last alone."""
    names = [case.case for case in found]
    return {
        "folds": [{"train": names[:-1]}, {"train": names[-1:]}],
        "modalities": {case.case: list(case.images) for case in found},
        "labels": {case.case: list(case.labels) for case in found},
    }


LABELLED, UNLABELLED = ("venous",), ()


@pytest.mark.parametrize(
    ("settings", "found", "said"),
    [
        (
            study(labelled=3),
            cases(LABELLED, LABELLED),
            "labelled: 3 labelled cases wanted, 2 there",
        ),
        (
            study("train", labelled=2),
            cases(LABELLED, UNLABELLED),
            "labelled: 2 labelled cases wanted, 1 there",
        ),
        (
            study(labelled=1),
            cases(LABELLED, LABELLED, images=("venous",)),
            "labelled: 1 labelled cases wanted, 0 there",
        ),
        (study(labelled=["c0", "c9"]), cases(LABELLED), "labelled: `c9` is no case of the study"),
        (
            study("train", labelled=["c0", "c1"]),
            cases(LABELLED, UNLABELLED),
            "labelled: `c1` has no label",
        ),
        (
            study(pools=POOLS),
            cases(LABELLED, LABELLED),
            "pools: no unlabelled case in the data set",
        ),
        # Cases without labels are left out of this study.
        (study(pools=POOLS), cases(LABELLED, UNLABELLED), "pools: no unlabelled case in the data"),
        (
            study(pools=POOLS, labelled=2),
            cases(LABELLED, LABELLED),
            "pools: no unlabelled case in the data set",
        ),
    ],
)
def test_what_no_fold_can_have_is_said_before_anything_runs(settings, found, said):
    with pytest.raises(UserError, match=rf"^methods\.semi, recipe\.{said}") as raised:
        require_possible_recipes(settings, found)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (study(labelled=1, pools=POOLS), cases(LABELLED, LABELLED)),
        (study("train", pools=POOLS), cases(LABELLED, UNLABELLED)),
        # Both labels may be needed: then the case counts as unlabelled.
        (study(truth="image", pools=POOLS), cases(BOTH, LABELLED)),
    ],
)
def test_what_a_fold_may_have_is_not_refused(settings, found):
    require_possible_recipes(settings, found)


def test_a_fold_with_too_few_labels_is_named():
    settings, found = study(labelled=2), cases(LABELLED, LABELLED, LABELLED)
    require_possible_recipes(settings, found)
    said = "recipe.labelled: 2 labelled cases wanted, 1 there; .* the training set of fold 1"
    with pytest.raises(UserError, match=said):
        require_recipes_of_folds(settings, splits(settings, found))


def test_a_fold_without_unlabelled_cases_is_named():
    settings, found = study("train", pools=POOLS), cases(LABELLED, UNLABELLED, LABELLED)
    require_possible_recipes(settings, found)
    said = "recipe.pools: no unlabelled case in the training set of fold 1 .*recipe.labelled below"
    with pytest.raises(UserError, match=said):
        require_recipes_of_folds(settings, splits(settings, found))
