"""An index of the sheet's files, so that a clone without them knows what they were."""

from pathlib import Path

from remodal.errors import UserError
from remodal.intake.datasets import CaseSource
from remodal.intake.source_index import (
    NOT_INDEXED,
    index_file,
    read_index,
    source_state,
    update_index,
)
from remodal.results.files import read_json
from remodal.results.paths import converted_folder, data_folder
from remodal.settings import Settings
from remodal.sharing.snakemake_records import replace_parameter


def index_sources(settings: Settings, cases: list[CaseSource], *, again: bool) -> list[str]:
    """Index the files of a sheet, and keep finished conversions of the same content valid.

    A conversion that was made before its source was indexed holds the digest of what it read. If
    that is the indexed digest, its record is updated; otherwise the conversion is planned again.

    Args:
        settings: the study.
        cases: its cases.
        again: whether to digest those that are already in the index, too.

    Returns:
        What was done, one line each.

    Raises:
        UserError: the study has no sheet.
    """
    sheet = settings.data.sheet
    if sheet is None:
        raise UserError(
            "there is no sheet to index", where="data.sheet", expected="a study on your own scans"
        )
    sources = list(dict.fromkeys(path for case in cases for path in case.paths))
    try:
        changes = update_index(sheet, sources, again=again)
    finally:  # if it is interrupted, for what is in the index by then
        adopted = _adopt(settings, cases, read_index(sheet))
    said = [
        f"{index_file(sheet)}: {len(changes.added)} added, {len(changes.changed)} changed, "
        f"{len(changes.unchanged)} as before"
    ]
    said += [f"{path}: content changed" for path in changes.changed]
    said += [f"{path}: not there" for path in changes.not_there]
    if adopted:
        said.append(f"{adopted} finished conversions read what is now indexed: they stay")
    return said


def unindexed(settings: Settings, cases: list[CaseSource]) -> list[Path]:
    """The sheet's paths that are in no index; empty for simulated data."""
    if settings.data.simulated:
        return []
    known = read_index(settings.data.sheet)
    return [path for case in cases for path in case.paths if str(path) not in known]


def _adopt(settings: Settings, cases: list[CaseSource], index: dict[str, str]) -> int:
    """Put the digests into the records of conversions that read the indexed content."""
    adopted = 0
    for case in cases:
        for name, sources in case.sources.items():
            image = converted_folder(data_folder(settings.data_id), case.case) / f"{name}.nii.gz"
            record = image.with_name(f"{name}.json")
            digest = source_state(sources, index)
            if not record.is_file() or read_json(record)["details"].get("sha256") != digest:
                continue
            replaced = [replace_parameter(str(p), NOT_INDEXED, digest) for p in (image, record)]
            adopted += all(replaced)
    return adopted
