"""What a fold's preprocessed cases are, in two small files that stand for all of them.

A training reads some hundred cases, an inference another some hundred, and there are tens of both:
as inputs of every job they would be most of what Snakemake has to look at. And a training is not
concerned by a test case: when only that changes, its file stays the same to the byte.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from remodal.errors import UserError
from remodal.results.files import sha256, write_json
from remodal.results.records import read_record
from remodal.splits import read_fold


def write_inventory(
    splits: Path, fold: int, preprocessed: Path, training: Path, test: Path
) -> None:
    """Write what stands for a fold's cases: one file for training, one for inference.

    Each holds the `fold`, `cases` (name and digest of the record, which holds those of the arrays)
    and `quarantined` (name and reason).

    Args:
        splits: splits.json.
        fold: its number.
        preprocessed: folder of the fold's preprocessed cases.
        training: file to write for the training and validation cases.
        test: file to write for the test cases.

    Raises:
        UserError: no such fold, or a case that was not preprocessed.
    """
    sets = read_fold(splits, fold)
    write_json(
        training, {"fold": fold} | _described([*sets["train"], *sets["validation"]], preprocessed)
    )
    write_json(test, {"fold": fold} | _described(sets["test"], preprocessed))


def _described(names: Sequence[str], preprocessed: Path) -> dict[str, Any]:
    cases, quarantined = {}, {}
    for name in names:
        path = preprocessed / f"{name}.json"
        if not path.is_file():
            raise UserError("is missing", where=str(path), remedy="run `remodal preprocess` first")
        cases[name] = sha256(path)
        record = read_record(path)
        if not record.ok:
            quarantined[name] = record.reason
    return {"cases": cases, "quarantined": quarantined}
