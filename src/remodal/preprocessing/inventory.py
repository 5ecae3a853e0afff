"""What a fold's preprocessed cases are, in two small files that stand for all of them.

A training reads a few hundred cases, an inference a few hundred others, and there are tens of both:
as inputs of every job, the cases would be most of what Snakemake has to look at. Also, a test case
does not concern a training: if only that case changes, the training's file stays the same, byte for
byte.
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
    """Write the files that stand for a fold's cases: one for training, one for inference.

    Each holds the `fold`, `cases` (name, and digest of the record, which holds the digests of the
    arrays) and `quarantined` (name and reason).

    Args:
        splits: splits.json.
        fold: number of the fold.
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
