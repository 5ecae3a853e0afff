"""A study of a raw data set of nnU-Net: its YAML, and its folds as a split file."""

import os
from pathlib import Path
from typing import Any

import yaml

from remodal.counting import counted
from remodal.errors import UserError
from remodal.exchange.nnunet_export import PREPROCESSED
from remodal.exchange.nnunet_splits import NAME, read_splits
from remodal.intake.nnunet import RawDataset, read_dataset
from remodal.results.files import write_json, write_text

#: nnU-Net's normalisation and crop by the kind of image (DefaultPreprocessor, ImageNormalization).
_OF_CT = {"clip": "dataset_foreground", "normalise": "dataset_foreground", "crop": "nonzero"}
_OF_OTHERS = {"clip": "none", "normalise": "crop", "crop": "nonzero"}

#: Folds that nnU-Net makes where there is no file of them (nnUNetTrainer.do_split).
_DEFAULT_SPLITS = {
    **{"scheme": "kfold", "order": "scikit-learn", "folds": 5, "seed": 12345},
    "validation_fraction": 0,
}


def import_nnunet(folder: Path, output: Path, splits: Path | None = None) -> list[str]:
    """Write the study of a raw data set; its cases are read where they are.

    Args:
        folder: nnUNet_raw/DatasetNNN_Name, or version 1's TaskNNN_Name.
        output: the study's YAML, such as config/studies/name.yaml. The folds go beside it, into
            `<name>.splits.json`.
        splits: splits_final.json; None: where nnU-Net keeps it, if it is there.

    Returns:
        Lines on what was written.

    Raises:
        UserError: no such data set or splits, or the study's file is there already.
    """
    if output.exists():
        raise UserError(
            "is there already", where=str(output), remedy="remove it, or choose another"
        )
    raw = read_dataset(folder)
    found = splits or _splits_of(folder)
    tested = [case.name for case in raw.test if case.label]
    folds = read_splits(found, tested) if found else []
    if not folds and tested:
        # Without folds nnU-Net's own five are of the training cases; the test set stays one.
        folds = [{"train": [c.name for c in raw.training], "validation": [], "test": tested}]
    split_file = output.with_suffix(".splits.json")
    written = _study(raw, folder, len(folds), split_file)
    if folds:
        write_json(split_file, {"folds": folds})
    write_text(output, yaml.safe_dump(written, sort_keys=False, default_flow_style=None))
    training = counted(len(raw.training), "case")
    lines = [f"{output}: {training} for training, {len(tested)} for testing"]
    if folds:
        lines.append(f"{split_file}: {counted(len(folds), 'fold')} of {found or 'the test set'}")
    else:
        lines.append(f"no {NAME}: nnU-Net's own five folds")
    return [*lines, f"next: snakemake --cores 2 --config study={output.stem} preset=smoke"]


def _splits_of(folder: Path) -> Path | None:
    """Where nnU-Net keeps the folds of a data set: beside nnUNet_raw, or as it is told."""
    roots = [Path(told)] if (told := os.environ.get(PREPROCESSED)) else []
    roots.append(folder.resolve().parents[1] / PREPROCESSED)
    paths = [root / folder.resolve().name / NAME for root in roots]
    return next((path for path in paths if path.is_file()), None)


def _study(raw: RawDataset, folder: Path, folds: int, split_file: Path) -> dict[str, Any]:
    name = folder.resolve().name
    data = {
        **{"name": name, "source": "nnunet", "folder": str(folder)},
        **{"modalities": raw.channels},
        "classes": {name: [value] for name, value in raw.classes.items()},
        **({"regions": raw.regions} if raw.regions else {}),
    }
    imported = {"scheme": "file", "file": str(split_file), "folds": folds}
    return {
        "title": f"{name}, a data set of nnU-Net",
        "data": data,
        "registration": {
            **{"method": "none", "fixed": raw.channels[0]},
            **({} if raw.in_ct else {"body_threshold": None}),
        },
        "preprocessing": dict(_OF_CT if raw.in_ct else _OF_OTHERS),
        "network": "auto",
        "splits": imported if folds else _DEFAULT_SPLITS,
        "methods": {"nnunet": {"type": "nnunet", "label": "nnUNet"}},
        "scenarios": {"all": list(raw.channels)},
        "tables": {
            "main": {
                "title": f"nnUNet on {name}",
                "metrics": ["dice", "assd_mm", "hd95_mm"],
                "rows": [{"method": "nnunet", "scenario": "all"}],
            }
        },
    }
