"""One model's predictions of its fold's test cases, in one scenario."""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from remodal.errors import FaultOfOurs, UserError
from remodal.inference.foreign import Pairing
from remodal.inference.images import ForeignRegistered, Images, NativeImages, RegisteredImages
from remodal.inference.model import Segmenter
from remodal.intake.nifti import write_volume
from remodal.preprocessing import restore_image, restore_probabilities
from remodal.process.progress import progress
from remodal.results.files import sha256, write_json
from remodal.results.paths import prediction_file
from remodal.results.records import Record, noting_faults, read_record
from remodal.settings import ScenarioSettings, Settings
from remodal.splits import fold_of, read_splits
from remodal.splits.completeness import left_out_of, partners

#: Attention is stored in steps of this: exact in binary, and far smaller when compressed.
_ATTENTION_STEP = 1 / 256


def infer_fold(
    settings: Settings,
    model: Path,
    scenario: str,
    preprocessed: Path,
    splits: Path,
    fold: int,
    output: Path,
    data: Path | None = None,
    *,
    quarantine: bool = False,
) -> None:
    """Segment a fold's test cases with the modalities of one scenario.

    Writes `<case>.nii.gz` (uint8 class indices in the source's geometry) and, for methods that have
    attention maps and are given all their modalities, `attention-<name>/<case>.nii.gz` (float32).
    predictions.json is written last: `method`, `scenario`, the `modalities` used, the `target` (see
    `Settings.target_of`), `cases` with the sha256 of their segmentations, `attention` (names of the
    maps), `not_applicable` (cases that the scenario cannot be tried on, with what each lacks),
    `quarantined` cases with their reasons, `failed` cases that have no segmentation because of a
    fault of ours, and the sha256 of the `weights`. A case is written while the next is predicted.

    In a scenario with foreign images each case is segmented with those of every test case of other
    patients, into `foreign-<other case>/<case>.nii.gz`; then `pairs` holds the sha256 by case and
    other case, and `cases` is empty.

    In a scenario in native space the image is read as it was converted. Its segmentation is written
    there, to `native/<case>.nii.gz`, and `<case>.nii.gz` is what becomes of it on the grid of the
    case's truth. There are no attention maps.

    Args:
        settings: the study; only `inference`, `compute` and `scenarios` matter here, and the
            registration where foreign images are registered.
        model: folder of the trained model.
        scenario: key of `settings.scenarios`.
        preprocessed: folder of the fold's preprocessed cases.
        splits: splits.json.
        fold: its number.
        output: folder to write to.
        data: folder of the data set's results; needed for a scenario in native space and for one
            that registers foreign images.
        quarantine: go on after a fault of ours in a case, unless it is in every case.

    Raises:
        UserError: unknown scenario, a method that needs a modality that is missing, a model that
            was trained on one of the test cases, a case that is not preprocessed, or a transform
            of a case that is missing or cannot be applied.
        BadCase: an image that cannot be prepared by itself in native space, or a foreign one that
            cannot be registered.
    """
    chosen, target = _scenario(settings, scenario), settings.target_of(scenario)
    segmenter = Segmenter.load(model, chosen.present, settings.inference, settings.compute, target)
    split = read_splits(splits)
    cases = fold_of(split, fold, splits)["test"]
    _require_unseen(segmenter, cases, model)
    records = {case: _record(preprocessed, case) for case in cases}
    tested = _Tested(records, left_out_of(settings, split, scenario, fold))
    pairings = _pairings(chosen, tested.usable, split)
    failed: dict[str, str] = {}
    # A fault in every case is not put down to one case, so that of an only case is raised.
    noting = partial(noting_faults, failed=failed, wanted=quarantine and len(tested.usable) > 1)
    stored = RegisteredImages(preprocessed, tested.details, segmenter.modalities, chosen.foreign)
    images = _images(settings, chosen, segmenter, stored, data, output)
    attention = _segment(segmenter, pairings, images, output, noting)
    _set_aside(failed, tested.usable, output)
    written = [pairing for pairing in pairings if pairing.case not in failed]
    predicted = {
        "method": segmenter.description["method"],
        "weights": segmenter.description["weights_sha256"],
        "scenario": scenario,
        "modalities": segmenter.modalities,
        "target": target,
        **_digests(output, written),
        "failed": failed,
        "attention": attention,
        "not_applicable": tested.not_applicable,
        "quarantined": tested.quarantined,
    }
    write_json(output / "predictions.json", predicted)


class _Tested(NamedTuple):
    """A fold's test cases.

    Attributes:
        records: of all of them, in order.
        lacking: what those lack that the scenario cannot be tried on.
    """

    records: dict[str, Record]
    lacking: dict[str, list[str]]

    @property
    def details(self) -> dict[str, dict[str, Any]]:
        """Properties of the prepared cases."""
        return {case: record.details for case, record in self.records.items() if record.ok}

    @property
    def usable(self) -> list[str]:
        """The cases that are segmented."""
        return [case for case in self.details if not self.lacking.get(case)]

    @property
    def not_applicable(self) -> dict[str, list[str]]:
        """The prepared cases that are not, with what each lacks."""
        return {case: self.lacking[case] for case in self.details if self.lacking.get(case)}

    @property
    def quarantined(self) -> dict[str, str]:
        """The others, each with its reason."""
        return {case: record.reason for case, record in self.records.items() if not record.ok}


def _images(
    settings: Settings,
    scenario: ScenarioSettings,
    segmenter: Segmenter,
    stored: RegisteredImages,
    data: Path | None,
    output: Path,
) -> Images:
    """The images that a scenario wants: the stored ones, or some that are prepared for it."""
    if scenario.space == "native":
        return NativeImages(segmenter, data, output, settings.data)
    if scenario.register_foreign:
        return ForeignRegistered(segmenter, settings, scenario.foreign, data)
    return stored


def _pairings(
    scenario: ScenarioSettings, cases: list[str], splits: Mapping[str, Any]
) -> list[Pairing]:
    """What is to be segmented, in order: each case, or each with every other that it can have."""
    if not scenario.foreign:
        return [Pairing(case) for case in cases]
    return [
        Pairing(case, other)
        for case in cases
        for other in partners(case, cases, splits, scenario.foreign)
    ]


def _digests(output: Path, written: list[Pairing]) -> dict[str, Any]:
    """The sha256 of the segmentations, by case, or by case and the case whose images it had."""
    cases: dict[str, str] = {}
    pairs: dict[str, dict[str, str]] = {}
    for case, foreign in written:
        digest = sha256(prediction_file(output, case, foreign))
        if foreign:
            pairs.setdefault(case, {})[foreign] = digest
        else:
            cases[case] = digest
    return {"cases": cases, "pairs": pairs}


def _segment(
    segmenter: Segmenter,
    pairings: list[Pairing],
    images: Images,
    output: Path,
    noting: Callable[[str], AbstractContextManager[None]],
) -> list[str]:
    """Segment cases, with the images of their pairings; return the names of the attention maps."""
    attention: set[str] = set()
    exports: list[tuple[str, Future]] = []  # at most one case waits in memory

    def finish() -> None:
        while exports:
            case, export = exports.pop()
            with noting(case):
                export.result()

    with ThreadPoolExecutor(max_workers=1) as exporter:
        for pairing in progress(pairings, "Segmenting", total=len(pairings)):
            with noting(pairing.case):
                prepared = images.prepared(pairing)
                if images.registered and not pairing.foreign:
                    probabilities, maps = segmenter.with_attention(prepared.array)
                else:
                    probabilities, maps = segmenter.probabilities(prepared.array), {}
                attention |= set(maps)
                finish()
                export = exporter.submit(
                    _export, output, pairing, images, probabilities, maps, prepared.properties
                )
                exports.append((pairing.case, export))
        finish()
    return sorted(attention)


def _set_aside(failed: Collection[str], usable: Collection[str], output: Path) -> None:
    """Remove what was written for cases before they failed.

    Raises:
        FaultOfOurs: all of them did.
    """
    if usable and len(failed) == len(usable):
        raise FaultOfOurs("every test case met a fault of ours; the tracebacks are above")
    for case in failed:
        for path in [prediction_file(output, case), *output.glob(f"*/{case}.nii.gz")]:
            path.unlink(missing_ok=True)


def _scenario(settings: Settings, scenario: str) -> ScenarioSettings:
    if scenario not in settings.scenarios:
        raise UserError(
            f"unknown scenario `{scenario}`", expected=f"one of {', '.join(settings.scenarios)}"
        )
    return settings.scenarios[scenario]


def _require_unseen(segmenter: Segmenter, cases: list[str], model: Path) -> None:
    """Check that no test case was trained on, whatever fold the caller names."""
    seen = sorted(set(cases) & set(segmenter.description["fingerprint"]["cases"]))
    if seen:
        raise UserError(
            f"the model was trained on the test case `{seen[0]}`",
            where=str(model),
            expected="a model of the same fold",
        )


def _record(preprocessed: Path, case: str) -> Record:
    path = preprocessed / f"{case}.json"
    if not path.is_file():
        raise UserError("is missing", where=str(path), remedy="run `remodal preprocess` first")
    return read_record(path)


def _export(
    output: Path,
    pairing: Pairing,
    images: Images,
    probabilities: np.ndarray,
    maps: dict[str, np.ndarray],
    properties: dict[str, Any],
) -> None:
    """Bring a case's results back to the source's geometry, then to its truth, and write them."""
    segmentation = restore_probabilities(probabilities, properties)
    write_volume(prediction_file(output, *pairing), images.placed(pairing.case, segmentation))
    for name, values in maps.items():
        # A map with values below zero is a level set; what was cropped away is outside of it.
        outside = float(values.max()) if values.min() < 0 else 0.0
        restored = restore_image(values, properties, outside)
        stepped = np.round(restored.array / _ATTENTION_STEP) * np.float32(_ATTENTION_STEP)
        write_volume(
            output / f"attention-{name}" / f"{pairing.case}.nii.gz", restored.with_array(stepped)
        )
