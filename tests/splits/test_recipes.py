"""Recipes whose labelled or unlabelled cases a data set or a fold does not have: one line each."""

import json
from pathlib import Path

import pytest

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.label_source import LabelSource
from remodal.settings import Settings, SplitSettings
from remodal.settings.composition import compose
from remodal.splits.recipes import chosen_labels, require_recipes
from remodal.splits.study import require_possible_recipes

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
        "splits": {"scheme": "holdout", "validation_fraction": 0},
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


LABELLED, UNLABELLED = ("venous",), ()


def test_named_labels_are_used_where_their_cases_train_and_counted_ones_are_the_first():
    """`z` is tested in this fold."""
    there, cases, known = ["b", "a", "c"], {*"abcu"}, {*"abcuz"}
    assert chosen_labels(None, there, cases, known) == {*"abc"}
    assert chosen_labels(2, there, cases, known) == {*"ab"}
    assert chosen_labels(3, there, cases, known) == {*"abc"}
    assert chosen_labels(["a", "z"], there, cases, known) == {"a"}
    with pytest.raises(UserError, match="`u` has no label"):
        chosen_labels(["a", "u"], there, cases, known)
    with pytest.raises(UserError, match="`y` is no case of the study"):
        chosen_labels(["a", "y"], there, cases, known)


@pytest.mark.parametrize(
    ("settings", "found", "said"),
    [
        (study(labelled=4), cases(*[LABELLED] * 4), "labelled: 4 labelled cases wanted, 3 there"),
        (
            study("train", labelled=3),
            cases(LABELLED, LABELLED, LABELLED, UNLABELLED),
            "labelled: 3 labelled cases wanted, 2 there; expected no more than the cases of the "
            "training set of fold 0",
        ),
        (
            study(labelled=1),
            cases(LABELLED, LABELLED, images=("venous",)),
            "labelled: 1 labelled cases wanted, 0 there",
        ),
        (
            study(labelled=["c0", "c9"]),
            cases(LABELLED, LABELLED),
            "labelled: `c9` is no case of the study",
        ),
        (
            study("train", labelled=["c0", "c2"]),
            cases(LABELLED, LABELLED, UNLABELLED),
            "labelled: `c2` has no label",
        ),
        (
            study(pools=POOLS),
            cases(LABELLED, LABELLED),
            "pools: no unlabelled case in the training set of fold 0 .*set recipe.labelled below 1",
        ),
        # Cases without labels are left out of this study.
        (study(pools=POOLS), cases(LABELLED, LABELLED, UNLABELLED), "pools: no unlabelled case"),
        (
            study(pools=POOLS, labelled=2),
            cases(LABELLED, LABELLED, LABELLED),
            "pools: no unlabelled case",
        ),
    ],
)
def test_what_the_folds_cannot_have_is_said_before_anything_runs(settings, found, said):
    with pytest.raises(UserError, match=rf"^methods\.semi, recipe\.{said}") as raised:
        require_possible_recipes(settings, found)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (study(labelled=1, pools=POOLS), cases(LABELLED, LABELLED, LABELLED)),
        (study("train", pools=POOLS), cases(LABELLED, LABELLED, UNLABELLED)),
        # Both labels may be needed: then such a case counts as unlabelled.
        (study("train", "image", pools=POOLS), cases(*[LABELLED] * 4)),
    ],
)
def test_what_a_fold_may_have_is_not_refused(settings, found):
    require_possible_recipes(settings, found)


def test_a_split_file_is_looked_at_before_anything_runs_where_a_recipe_withholds_labels(tmp_path):
    file = tmp_path / "split.json"
    file.write_text(json.dumps([{"train": ["c1", "c0"], "test": ["c2"]}]))
    found = cases(LABELLED, LABELLED, LABELLED)

    def named(**recipe):
        split = SplitSettings(scheme="file", file=file, folds=1)
        return study(**recipe).model_copy(update={"splits": split})

    require_possible_recipes(named(labelled=2), found)
    with pytest.raises(UserError, match="3 labelled cases wanted, 2 there"):
        require_possible_recipes(named(labelled=3), found)
    file.write_text(json.dumps([{"train": ["c1", "other"], "test": ["c2"]}]))
    with pytest.raises(UserError, match="unknown cases in `train`: other"):
        require_possible_recipes(named(labelled=1), found)


def test_of_several_folds_the_one_with_too_few_labels_is_named():
    settings = study(labelled=2)
    splits = {
        "folds": [{"train": ["a", "b"]}, {"train": ["c"]}],
        "modalities": dict.fromkeys("abc", BOTH),
        "labels": dict.fromkeys("abc", LABELLED),
    }
    said = "recipe.labelled: 2 labelled cases wanted, 1 there; .* the training set of fold 1"
    with pytest.raises(UserError, match=said):
        require_recipes(settings, splits)
