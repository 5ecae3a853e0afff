"""The methods paragraph says what was done, and nothing that was not."""

import pytest

from remodal.report.methods_text import methods_text
from remodal.report.page import _environment as templates
from remodal.report.page import versions
from remodal.report.preparation_text import label_use
from remodal.report.training_text import Trained
from remodal.settings.composition import compose

PHASES = ["arterial", "venous"]
SPLITS = {
    "patients": {"a": "a", "b": "b"},
    "modalities": {"a": PHASES, "b": PHASES},
    "labels": {"a": ["venous"], "b": ["venous"]},
    "folds": [{"test": ["b"]}],
    "quarantined": {},
}
NOTHING = Trained()
#: No image is read as it was scanned.
REGISTERED = {"arterial_native": {"space": "registered"}}


@pytest.fixture
def text_of(make_settings):
    def write(trained=NOTHING, split=SPLITS, **overrides):
        return methods_text(templates(), make_settings(**overrides), split, trained, versions())

    return write


def test_statistics_are_of_the_voxels_inside_the_clip_range(text_of):
    text = text_of()
    assert "clipped to the 0.5 and 99.5 percentiles of the training cases' foreground" in text
    assert "mean and standard deviation of voxels inside these limits of each case" in text
    text = text_of(preprocessing={"clip": "none", "normalise": "case_nonzero"})
    assert "not clipped and normalised by the mean and standard deviation of the non-zero" in text
    assert "these limits" not in text
    text = text_of(preprocessing={"clip": "none", "normalise": "image"})
    assert "mean and standard deviation of each image before it was cropped" in text


def test_just_the_augmentation_that_was_on_is_named(text_of):
    text = text_of()
    assert "rotated (0.2), scaled (0.2), deformed (0.2), mirrored (0.5) and gamma-corrected" in text
    assert "blurred" not in text
    off = dict.fromkeys(("rotation", "scale", "elastic", "mirror", "gamma"), 0)
    nothing = {f"{name}_probability": chance for name, chance in off.items()}
    assert "not augmented" in text_of(recipe={"augmentation": nothing})
    alone = {**nothing, "blur_probability": 0.25}
    text = text_of(recipe={"augmentation": alone})
    assert "Patches were blurred (0.25) at random" in text
    assert "background" not in text
    masked = text_of(recipe={"augmentation": alone | {"zero_background": True}})
    assert "brackets, and their zero background was restored." in masked


def test_where_a_scenario_reads_images_as_they_were_scanned_is_said(text_of):
    text = text_of()
    assert "In the scenario arterial_native the image was segmented as it was scanned" in text
    assert "as it was scanned" not in text_of(scenarios=REGISTERED)


def test_a_method_with_a_recipe_of_its_own_is_named(text_of):
    assert "Otherwise trained" not in text_of()
    own = {"maml": {"recipe": {"optimiser": "sgd", "augmentation": {"gamma_probability": 0.9}}}}
    said = "Otherwise trained were MAML (optimiser sgd, gamma probability 0.9)."
    assert said in text_of(methods=own)


def test_where_samples_come_from_and_how_much_is_predicted_at_once_are_said(text_of):
    text = text_of()
    assert "by sliding windows with a step of 0.5 patches and Gaussian weights" in text
    assert "pools" not in text
    strided = text_of(inference={"step": [4, 18, 18], "weights": "uniform"})
    assert "a step of 4 x 18 x 18 voxels (z, y, x) and equal weights" in strided
    pools = [{"cases": "labelled", "samples": 1}, {"cases": "unlabelled", "samples": 1}]
    other = text_of(
        recipe={"labelled": 12, "pools": pools},
        preprocessing={"clip": "case"},
        inference={"window": "whole", "mirror": False},
    )
    assert "The labels of 12 training cases were used, no others were read." in other
    assert "samples of pools: 1 of labelled cases and 1 of unlabelled cases." in other
    assert "Cases were segmented whole, padded with zeros where the networks need it," in other
    own = {"maml": {"recipe": {"batch": 2, "pools": pools}}}
    assert "MAML (pools labelled 1, unlabelled 1)" in text_of(methods=own)


def test_the_interval_is_said_to_be_of_what_stands_behind_it(text_of):
    assert "which is about these trainings only" in text_of()
    of_seeds = text_of(seeds=[0, 1, 2])
    assert "over the trainings of each method" in of_seeds
    assert "the mean of their t quantiles, weighted by these variances [7]" in of_seeds
    assert "[7] Cochran WG, Cox GM." in of_seeds
    of_folds = text_of(splits={"scheme": "kfold", "folds": 5})
    assert "interval of the mean difference over folds, taken as independent" in of_folds
    assert "[7]." not in of_folds


def test_what_the_trained_models_say_of_themselves_stands_in_the_paragraph(text_of):
    options = {"MAML": {"dice_over": "batch", "intra_deep_supervision": True, "ma": "repo"}}
    text = text_of(Trained(options, [("bf16-mixed", "a card")]))
    assert "The Dice term was computed over the batch. Deep supervision" in text
    assert "Options of the methods: MAML (ma = repo)." in text
    assert "Training ran in mixed precision (bfloat16) on a card." in text


def test_nothing_is_said_of_models_that_are_not_there(text_of):
    text = text_of()
    assert "Dice term" not in text
    assert "precision" not in text
    assert "  " not in text.partition("References")[0]


def test_the_measures_are_listed_once(text_of):
    assert "Reported are Dice [%], ASSD [voxel] and MASD [voxel], mean" in text_of()


def tables_of(*metrics: str, **changes: str) -> dict[str, dict]:
    """All tables of the study with these metrics alone, in the key that each of them has."""
    shared = changes | {"title": "T", "rows": [{"method": "maml", "scenario": "both"}]}
    short = shared | {"metrics": list(metrics)}
    long = shared | {"columns": [{"metric": name} for name in metrics]}
    return {"table1": short, "table2": short, "table2_native": long}


def test_means_and_spreads_are_said_to_be_those_of_the_tables(text_of):
    assert "means ± standard deviations over test cases, each averaged" in text_of()
    tables = tables_of("dice", mean="folds", spread="folds")
    text = text_of(tables=tables)
    assert "Reported are Dice [%], means ± standard deviations over the folds' means, with" in text
    assert "over test cases" not in text
    tables["table2"] = tables["table2"] | {"mean": "cases", "spread": "seeds"}
    text = text_of(tables=tables)
    assert "each averaged over its seeds ± standard deviations over the seeds' means or" in text
    assert "(each table says which)" in text


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (["dice", "assd_voxel"], "cases; an empty prediction has Dice 0 and no surface distance."),
        (["jaccard"], "cases; an empty prediction has Jaccard 0."),
        (["dice_dtc", "asd_voxel_dtc"], "cases. Methods were compared"),
        (["dice_largest_dtc"], "cases. Methods were compared"),
        (["jaccard_largest"], "an empty prediction has Jaccard 0."),
        (["dice", "asd_voxel_dtc"], "has Dice 0, unless a measure's name says otherwise."),
        (["lesion_recall"], "cases. Methods were compared"),
    ],
)
def test_an_empty_prediction_is_said_to_count_what_it_counts(text_of, metrics, said):
    assert said in text_of(tables=tables_of(*metrics))


@pytest.mark.parametrize(
    ("quarantined", "said"),
    [
        ({}, "for training only."),
        ({"x": "bad"}, "(1 more was excluded for their quality)."),
        ({"y": "bare"}, "(1 more was excluded for lack of a label)."),
        ({"x": "bad", "y": "bare"}, "(2 more were excluded for their quality or, 1 of them, for"),
    ],
)
def test_unlabelled_cases_are_counted_in_use_and_out_of_it(text_of, quarantined, said):
    splits = SPLITS | {
        "patients": {"a": "a", "b": "b", "u": "u"},
        "modalities": dict.fromkeys("abuxy", PHASES),
        "labels": {"a": ["venous"], "b": ["venous"], "u": [], "x": ["venous"], "y": []},
        "quarantined": quarantined,
    }
    text = text_of(split=splits)
    assert "1 of them had no label, and served for training only" in text
    assert said in text
    assert "had no label" not in text_of()


def test_images_are_said_to_be_cropped_and_by_what(text_of):
    crop = {"mask": {"study": "region-paper", "method": "nnunet", "scenario": "both"}}
    changed = {"crop": crop, "clip": {"range": [-70, 180]}, "normalise": "unit"}
    text = text_of(preprocessing=changed, scenarios=REGISTERED)
    assert "cropped to the box of a structure predicted by study region-paper, by models" in text
    assert "Intensities were clipped to -70 to 180 and scaled to 0 to 1" in text
    crop = {"mask": {"label": [1]}, "outside": -1000}
    text = text_of(preprocessing={"crop": crop}, scenarios=REGISTERED)
    assert "the reference label (values 1), also in test cases; voxels outside it were" in text


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({}, ""),
        (
            {"preprocessing": {"crop": {"mask": {"label": [1]}}}, "scenarios": REGISTERED},
            "Labels of test cases were used to crop the images.",
        ),
        (
            {
                "registration": {
                    "method": "centroid",
                    "options": {"centroid": {"mask": {"label": [2]}}},
                }
            },
            "Labels of test cases were used to lay the images of a case on each other.",
        ),
    ],
)
def test_a_use_of_test_cases_labels_is_named(make_settings, overrides, said):
    found = label_use(make_settings(**overrides))
    assert "".join(found[:1]) == said
    assert "that a training does not see" not in " ".join(found)


def test_a_use_of_labels_that_a_training_does_not_see_is_named_too():
    withheld, all_seen = (
        label_use(compose({"study": name, "preset": "paper"}))
        for name in ("pancreas", "mpct_fll_oracle")
    )
    assert "So were labels that a training does not see." in withheld
    assert len(all_seen) == 2


def test_tests_are_described_where_rows_are_compared_and_nowhere_else(text_of, make_settings):
    assert "with the Wilcoxon signed-rank test [4]" in text_of()
    settings = make_settings()
    for table in settings.tables.values():
        table.reference.clear()
    text = methods_text(templates(), settings, SPLITS, NOTHING, versions())
    assert "No test compared the methods." in text
    assert "signed-rank test [4]" not in text


def test_folds_of_scikit_learn_are_said_to_be_such(text_of):
    splits = {"scheme": "kfold", "folds": 3}
    said = "each fold of the patients in turn (3-fold cross-validation)"
    assert f"{said}: " in text_of(splits=splits)
    text = text_of(splits=splits | {"order": "scikit-learn", "seed": 12345})
    assert f"{said} in the folds of scikit-learn's KFold (shuffled, seed 12345): " in text


def test_cases_that_are_tested_in_several_folds_are_counted_once_and_told(text_of):
    several = SPLITS | {"folds": [{"test": ["a", "b"]}, {"test": ["b"]}]}
    said = "(2 folds): 2 cases (1 of them in several folds, whose means are thus not independent)"
    assert said in text_of(split=several, splits={"scheme": "file", "file": "x", "folds": 2})
    assert "several folds" not in text_of()


def test_a_published_split_that_trains_on_a_tested_patient_is_told(text_of):
    imported = {"splits": {"scheme": "file", "file": "shared.json", "folds": 1}}
    assert ": 1 case, none of whose patients was trained on." in text_of(**imported)
    known = text_of(split=SPLITS | {"separates": ["b"]}, **imported)
    assert ": 1 case, 1 of whose patients was also trained on, as published." in known
    assert "none of whose" not in known


def test_cases_with_a_label_of_one_image_only_are_counted(text_of):
    both = {"present": PHASES, "target": "venous"}
    studied = {"data": {"truth": "image"}, "scenarios": {"both": both}}
    said = "2 of them lacked the label of an image, and served where"
    assert said in text_of(**studied)
    labels = {"labels": {"a": PHASES, "b": PHASES}}
    assert "lacked the label" not in text_of(split=SPLITS | labels, **studied)
    assert "lacked the label" not in text_of()


def test_an_image_that_is_registered_twice_is_named_once(make_settings):
    copied = {"modalities": ["arterial", "venous", "again"], "copies": {"again": "arterial"}}
    settings = make_settings()
    data = settings.data.model_copy(update=copied)
    settings = settings.model_copy(update={"data": data})
    text = methods_text(templates(), settings, SPLITS, NOTHING, versions())
    assert "with arterial and venous images were used" in text


def test_a_planned_network_is_named_with_what_it_was_planned_for(text_of):
    assert "nnU-Net v2" not in text_of()
    network = {
        "strides": [[1, 2, 2], [2, 2, 2]],
        "kernels": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
        "planned": {"cases": 22, "gpu_memory": 24, "file": "plan.yaml"},
    }
    text = text_of(network=network)
    assert "are the plan of plan.yaml, made as by nnU-Net v2 [3] from 22 training cases" in text
    assert "for 24 GB of GPU memory: strides 1x2x2, 2x2x2 and kernels 1x3x3, 3x3x3, 3x3x3" in text
    network["planned"] |= {"method": "maml", "times": 2.6}
    assert "memory, of which MAML needs 2.6 times what one U-Net does: str" in text_of(
        network=network
    )
