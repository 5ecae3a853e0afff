"""One model's predictions of its fold's test cases, in one scenario."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from remodal.errors import FaultOfOurs, UserError
from remodal.inference.model import Segmenter
from remodal.intake.nifti import write_volume
from remodal.preprocessing import restore_image, restore_probabilities
from remodal.process.progress import progress
from remodal.results.files import sha256, write_json
from remodal.results.records import Record, noting_faults, read_record
from remodal.settings import Settings
from remodal.splits import read_fold
from remodal.splits.completeness import lacking

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
    *,
    quarantine: bool = False,
) -> None:
    """Segment a fold's test cases with the modalities of one scenario.

    Writes `<case>.nii.gz` (uint8 class indices in the source's geometry) and, from methods that
    have attention maps and with all their modalities, `attention-<name>/<case>.nii.gz` (float32);
    last predictions.json: `method`, `scenario`, the `modalities` used, `cases` with the sha256 of
    their segmentations, `attention` (names of the maps), `not_applicable` (cases that the scenario
    cannot be tried on, with the modalities of it that each lacks), `quarantined` cases with their
    reasons, `failed` ones that have no segmentation by a fault of ours, and the sha256 of the
    `weights`. A case is written while the next one is predicted.

    Args:
        settings: the study; `inference`, `compute` and `scenarios` count.
        model: folder of the trained model.
        scenario: key of `settings.scenarios`.
        preprocessed: folder of the fold's preprocessed cases.
        splits: splits.json.
        fold: its number.
        output: folder to write to.
        quarantine: go on after a fault of ours in a case, unless it is in every case.

    Raises:
        UserError: unknown scenario, a method that cannot do without a modality, a model that was
            trained on one of the test cases, or a case that is not preprocessed.
    """
    segmenter = Segmenter(model, _present(settings, scenario), settings.inference, settings.compute)
    cases = read_fold(splits, fold)["test"]
    _require_unseen(segmenter, cases, model)
    records = {case: _record(preprocessed, case) for case in cases}
    usable = [case for case in cases if records[case].ok]
    missing = {
        case: lacking(records[case].details["modalities"], settings.scenarios[scenario])
        for case in usable
    }
    usable = [case for case in usable if not missing[case]]
    failed: dict[str, str] = {}
    # A fault in all of them is not of one case.
    noting = partial(noting_faults, failed=failed, wanted=quarantine and len(usable) > 1)
    attention = _segment(
        segmenter, {c: records[c].details for c in usable}, preprocessed, output, noting
    )
    if usable and len(failed) == len(usable):
        raise FaultOfOurs("every test case met a fault of ours; the tracebacks are above")
    for case in failed:
        _remove(output, case)
    write_json(
        output / "predictions.json",
        {
            "method": segmenter.description["method"],
            "weights": segmenter.description["weights_sha256"],
            "scenario": scenario,
            "modalities": segmenter.modalities,
            "cases": {c: sha256(output / f"{c}.nii.gz") for c in usable if c not in failed},
            "failed": failed,
            "attention": attention,
            "not_applicable": {case: names for case, names in missing.items() if names},
            "quarantined": {c: records[c].reason for c in cases if not records[c].ok},
        },
    )


def _segment(
    segmenter: Segmenter,
    cases: Mapping[str, dict[str, Any]],
    preprocessed: Path,
    output: Path,
    noting: Callable[[str], AbstractContextManager[None]],
) -> list[str]:
    """Segment cases, given with their properties; the names of the attention maps written."""
    attention: set[str] = set()
    exports: list[tuple[str, Future]] = []  # at most one case waits in memory

    def finish() -> None:
        while exports:
            case, export = exports.pop()
            with noting(case):
                export.result()

    with ThreadPoolExecutor(max_workers=1) as exporter:
        for case, properties in progress(cases.items(), "Segmenting", total=len(cases)):
            with noting(case):
                image = _read_image(preprocessed / f"{case}.npy", properties, segmenter.modalities)
                probabilities, maps = segmenter.probabilities(image), segmenter.attention(image)
                attention |= set(maps)
                finish()
                export = exporter.submit(_export, output, case, probabilities, maps, properties)
                exports.append((case, export))
        finish()
    return sorted(attention)


def _remove(output: Path, case: str) -> None:
    """What was written of a case before it failed."""
    for path in [output / f"{case}.nii.gz", *output.glob(f"attention-*/{case}.nii.gz")]:
        path.unlink(missing_ok=True)


def _present(settings: Settings, scenario: str) -> list[str]:
    if scenario not in settings.scenarios:
        raise UserError(
            f"unknown scenario `{scenario}`", expected=f"one of {', '.join(settings.scenarios)}"
        )
    return settings.scenarios[scenario]


def _require_unseen(segmenter: Segmenter, cases: list[str], model: Path) -> None:
    """No test case may have been trained on, whatever fold the caller names."""
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


def _read_image(path: Path, properties: dict[str, Any], modalities: list[str]) -> np.ndarray:
    """The wanted modalities of a stored case, (M, z, y, x); the others are not read."""
    channels = [properties["modalities"].index(name) for name in modalities]
    return np.load(path, mmap_mode="r")[channels]


def _export(
    output: Path,
    case: str,
    probabilities: np.ndarray,
    maps: dict[str, np.ndarray],
    properties: dict[str, Any],
) -> None:
    """Bring a case's results back to the source's geometry and write them."""
    write_volume(output / f"{case}.nii.gz", restore_probabilities(probabilities, properties))
    for name, values in maps.items():
        restored = restore_image(values, properties)
        stepped = np.round(restored.array / _ATTENTION_STEP) * np.float32(_ATTENTION_STEP)
        write_volume(output / f"attention-{name}" / f"{case}.nii.gz", restored.with_array(stepped))
