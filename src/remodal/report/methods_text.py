"""A methods paragraph for a manuscript, made from the settings of the run."""

from collections import Counter
from typing import Any

from jinja2 import Environment

from remodal.counting import counted
from remodal.metrics.contrasts import FEWEST_TRAININGS
from remodal.metrics.statistics import MOST_EXACT
from remodal.report.evaluation_text import evaluation_sentence
from remodal.report.incomplete import without_label
from remodal.report.preparation_text import preparation_text
from remodal.report.recipe_text import (
    checkpoint_sentence,
    clipping_words,
    optimiser_words,
    plan_sentence,
    samples_sentence,
    schedule_words,
    start_sentence,
    window_words,
)
from remodal.report.training_text import (
    Trained,
    listed,
    loss_sentence,
    options_sentence,
    own_recipes_sentence,
    precision_sentence,
)
from remodal.settings import Settings
from remodal.splits import unlabelled_cases
from remodal.splits.completeness import lacking

#: What happens with each of the augmentation's probabilities, in the order of application.
_AUGMENTED = {
    "rotation_probability": "rotated",
    "scale_probability": "scaled",
    "elastic_probability": "deformed",
    "mirror_probability": "mirrored",
    "quarter_turn_probability": "turned by right angles within the slices",
    "one_mirror_probability": "mirrored along one axis of the slices",
    "noise_probability": "given noise",
    "blur_probability": "blurred",
    "brightness_probability": "changed in brightness",
    "contrast_probability": "changed in contrast",
    "low_resolution_probability": "coarsened",
    "gamma_probability": "gamma-corrected",
    "gamma_inverted_probability": "gamma-corrected as negatives",
    "offset_probability": "shifted in intensity",
    "translation_probability": "moved",
}
_SPLIT = {
    "holdout": "{fraction} % of the patients",
    "kfold": "each fold of the patients in turn ({folds}-fold cross-validation)",
    "file": "the patients of a shared split file ({folds} folds)",
}


def methods_text(
    environment: Environment,
    settings: Settings,
    splits: dict[str, Any],
    trained: Trained,
    versions: dict[str, str],
) -> str:
    """The text of data, training, inference, evaluation and software, with references.

    Args:
        environment: holds the template.
        settings: the study.
        splits: content of splits.json.
        trained: what is known about the trained models.
        versions: of the software.
    """
    return environment.get_template("methods.txt.j2").render(
        settings=settings,
        versions=versions,
        data_sentence=_data_sentence(settings, splits),
        preparation=preparation_text(settings),
        split_sentence=_split_sentence(settings, splits),
        method_list=_method_list(settings),
        optimiser=optimiser_words(settings.recipe),
        schedule=schedule_words(settings.recipe),
        clipping=clipping_words(settings.recipe),
        windows=window_words(settings.inference),
        training_sentences=_sentences(
            plan_sentence(settings),
            samples_sentence(settings.recipe),
            loss_sentence(trained),
            options_sentence(trained),
            _augmentation_sentence(settings),
            precision_sentence(trained),
            start_sentence(settings.recipe),
            own_recipes_sentence(settings),
            _seeds_sentence(settings),
            checkpoint_sentence(settings.recipe),
        ),
        exact_pairs=MOST_EXACT,
        compared=any(table.compares for table in settings.tables.values()),
        native_sentence=_native_sentence(settings),
        evaluation_sentence=evaluation_sentence(settings),
        interval_sentence=_interval_sentence(settings),
        claims_sentence=_claims_sentence(settings),
    )


def _sentences(*sentences: str) -> str:
    """The sentences that are not empty, one after another."""
    return " ".join(filter(None, sentences))


def _data_sentence(settings: Settings, splits: dict[str, Any]) -> str:
    cases, patients = splits["patients"], set(splits["patients"].values())
    kind = "simulated patient" if settings.data.simulated else "patient"
    wanted = settings.data.originals
    text = (
        f"{counted(len(cases), 'examination')} of {counted(len(patients), kind)} with "
        f"{listed(wanted)} images {'was' if len(cases) == 1 else 'were'} used"
    )
    incomplete = sum(bool(lacking(splits["modalities"][case], wanted)) for case in cases)
    if incomplete:
        text += f"; {incomplete} of them lacked an image, and served where the others sufficed"
    if partly := sum(bool(without_label(settings, splits, case)) for case in cases):
        text += (
            f"; {partly} of them lacked the label of an image, and served where it was not needed"
        )
    if unlabelled := len(unlabelled_cases(splits)):
        text += f"; {unlabelled} of them had no label, and served for training only"
    excluded = splits.get("quarantined", {})
    bare = sum(not splits["labels"][case] for case in excluded)
    reason = f"for their quality or, {bare} of them, for lack of a label"
    if bare in (0, len(excluded)):
        reason = "for lack of a label" if bare else "for their quality"
    more = counted(len(excluded), "more was", "more were")
    return text + (f" ({more} excluded {reason})." if excluded else ".")


def _augmentation_sentence(settings: Settings) -> str:
    """Which augmentations were on, with their probabilities."""
    chances = {
        done: getattr(settings.recipe.augmentation, name) for name, done in _AUGMENTED.items()
    }
    done = [f"{what} ({chance:g})" for what, chance in chances.items() if chance]
    if not done:
        return "Patches were not augmented."
    masked = ", and their zero background was restored"
    return (
        f"Patches were {listed(done)} at random, with the probability in brackets"
        f"{masked * settings.recipe.augmentation.zero_background}."
    )


def _split_sentence(settings: Settings, splits: dict[str, Any]) -> str:
    split = settings.splits
    tested = _SPLIT[split.scheme].format(
        fraction=round(100 * split.test_fraction), folds=split.folds
    )
    if split.scheme == "kfold" and split.order == "scikit-learn":
        tested += f" in the folds of scikit-learn's KFold (shuffled, seed {split.seed})"
    times = Counter(case for fold in splits["folds"] for case in fold["test"])
    again = sum(count > 1 for count in times.values())
    tests = counted(len(times), "case")
    if again:
        tests += f" ({again} of them in several folds, whose means are thus not independent)"
    known = len(splits.get("separates", []))
    leak = f"{counted(known, 'of whose patients was', 'of whose patients were')} also trained on, "
    leak += "as published"
    none = "none of whose patients was trained on"
    return f"The test set was {tested}: {tests}, {leak if known else none}."


def _method_list(settings: Settings) -> str:
    """The methods' names, and which others some of them start from."""
    described = []
    for name, chosen in settings.methods.items():
        inputs = dict.fromkeys(map(settings.title_of, chosen.inputs.values()))
        start = f" (from the trained {' and '.join(inputs)})" if inputs else ""
        described.append(settings.title_of(name) + start)
    return ", ".join(dict.fromkeys(described))


def _seeds_sentence(settings: Settings) -> str:
    count = len(settings.seeds)
    if count == 1:
        return "Every model was trained once."
    return f"Every model was trained {count} times with different seeds."


def _interval_sentence(settings: Settings) -> str:
    trainings = settings.splits.fold_count * len(settings.seeds)
    if trainings < FEWEST_TRAININGS:
        return ", which is about these trainings only"
    if settings.splits.fold_count >= FEWEST_TRAININGS:
        return " over folds, taken as independent although they share training patients"
    return (
        ", whose variance is the sum of those over patients and over the trainings of each method, "
        "and whose quantile is the mean of their t quantiles, weighted by these variances [7]"
    )


def _claims_sentence(settings: Settings) -> str:
    if not settings.claims:
        return ""
    return (
        "The claims were tested with the same variance, Holm-corrected over the "
        f"{len(settings.claims)} claims."
    )


def _native_sentence(settings: Settings) -> str:
    """Which scenarios read an image as it was scanned, and where their predictions are measured."""
    native = [name for name, chosen in settings.scenarios.items() if chosen.space == "native"]
    if not native:
        return ""
    word = "scenario" if len(native) == 1 else "scenarios"
    return (
        f"In the {word} {listed(native)} the image was segmented as it was scanned, on its own "
        "grid, and the segmentation was carried onto the reference label's grid by the transforms "
        "of the registration, by nearest neighbour."
    )
