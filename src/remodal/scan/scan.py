"""Scan an export: index, group, choose, and write the sheet to look over."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from remodal.counting import counted
from remodal.errors import UserError
from remodal.process.parallel import in_parallel
from remodal.results.files import write_text
from remodal.scan.cases import ScannedCase, notes_of
from remodal.scan.choosing import choose, unsure_of_phase
from remodal.scan.contact_sheet import write_contact_sheet
from remodal.scan.enhancement import Enhancement, measure
from remodal.scan.grouping import Examination, examinations
from remodal.scan.index import Indexed, index_files
from remodal.scan.kinds import Judged, judge
from remodal.scan.modalities import Wanted
from remodal.scan.pictures import picture
from remodal.scan.pseudonyms import pseudonyms, read_key
from remodal.scan.sheet import cell, write_choices, write_sheet
from remodal.scan.walking import INDEX, SUFFIX, walk

#: One and several files of a kind.
_KINDS = {
    "image": ("image", "images"),
    "label": ("label (SEG, RTSTRUCT)", "labels (SEG, RTSTRUCT)"),
    "object": ("DICOM object without an image", "DICOM objects without an image"),
    "directory": ("DICOMDIR", "DICOMDIR"),
    "not DICOM": ("not DICOM", "not DICOM"),
    "broken": ("broken", "broken"),
    "unreadable": ("unreadable", "unreadable"),
}

#: How many paths are named in a line.
_SHOWN = 5


def scan(
    folder: Path,
    output: Path,
    wanted: Sequence[Wanted],
    workers: int,
    key: Path | None = None,
) -> Iterator[str]:
    """Scan an export and write its sample sheet.

    Args:
        folder: the export, of any nesting and any names.
        output: the sheet; what else is written lies in `<its name>.scan` beside it.
        wanted: the images that are looked for.
        workers: processes that read.
        key: file of a secret that pseudonyms are made with; None: they are numbers.

    Yields:
        What was found, in a few lines.

    Raises:
        UserError: there is no such folder, no DICOM image in it, or no usable key.
        EnvironmentProblem: something cannot be written.
    """
    secret = read_key(key) if key else None
    beside = output.with_suffix(SUFFIX)
    listed = walk(folder, beside)
    # Paths and PatientIDs must not get into a repository by mistake.
    write_text(beside / ".gitignore", "*\n")
    files = index_files(listed.files, beside / INDEX, workers)
    said = [_of_kinds(files, len(listed.refused))]
    yield said[0]
    found = examinations(files)
    _write_left_out(beside / "files.tsv", files, listed.refused, found)
    _require_images(files, folder)
    names = pseudonyms(found, beside / "pseudonyms.json", secret)
    cases = _scanned_cases(found, names, wanted, workers)
    written = write_sheet(output, beside, cases)
    write_choices(beside, cases)
    said += _summary(cases, wanted)
    yield from said[1:]
    page = beside / "contact-sheet.html"
    modalities = [one.name for one in wanted]
    write_contact_sheet(page, cases, modalities, _pictures(cases, workers), said)
    if written.path != output:
        yield f"{output} was edited, and stays as it is"
    if moved := written.moved:
        words = "path in it leads", "paths in it lead"
        more = f" and {len(moved) - _SHOWN} more" if moved[_SHOWN:] else ""
        shown = ", ".join(moved[:_SHOWN]) + more
        yield f"{counted(len(moved), *words)} to other files now: {shown}"
    yield f"{written.path}: look it over beside {page}"


def _scanned_cases(
    found: Sequence[Examination],
    names: Sequence[tuple[str, str]],
    wanted: Sequence[Wanted],
    workers: int,
) -> list[ScannedCase]:
    """Choose the images of each examination, which has the names of a case and a patient."""
    judged = [[judge(volume) for volume in one.volumes] for one in found]
    phases_in = _phases_in(judged)
    measured = _measured(judged, wanted, phases_in, workers)
    cases = []
    for index, (case, patient) in enumerate(names):
        choices = choose(found[index], judged[index], wanted, phases_in, measured[index])
        cases.append(ScannedCase(case, patient, tuple(choices), notes_of(found[index], choices)))
    return cases


def _pictures(cases: Sequence[ScannedCase], workers: int) -> dict[tuple[str, str], str]:
    """A picture of each image that was taken, by case and image."""
    taken = {
        (case.case, name): choice.volume for case in cases for name, choice in case.taken.items()
    }
    return dict(zip(taken, in_parallel(picture, list(taken.values()), workers, "Drawing")))


def _phases_in(judged: Sequence[Sequence[Judged]]) -> str:
    """Phases are looked for in CT; in MR if an export has no CT."""
    modalities = {one.volume.get("Modality") for volumes in judged for one in volumes if one.usable}
    return "CT" if "CT" in modalities else "MR"


def _measured(
    judged: Sequence[Sequence[Judged]], wanted: Sequence[Wanted], phases_in: str, workers: int
) -> list[dict[int, Enhancement]]:
    """Enhancement of the volumes whose tags leave their phase open, for each examination."""
    places = [
        (examination, place)
        for examination, volumes in enumerate(judged)
        for place in unsure_of_phase(volumes, wanted, phases_in)
    ]
    volumes = [judged[examination][place].volume for examination, place in places]
    measured: list[dict[int, Enhancement]] = [{} for _ in judged]
    found = in_parallel(measure, volumes, workers, "Measuring")
    for (examination, place), enhancement in zip(places, found):
        measured[examination][place] = enhancement
    return measured


def _of_kinds(files: Sequence[Indexed], refused: int) -> str:
    kinds = Counter(one.kind for one in files)
    kinds["unreadable"] += refused
    parts = [counted(count, *_KINDS[kind]) for kind, count in kinds.most_common() if count]
    return f"{counted(len(files) + refused, 'file')}: {', '.join(parts)}"


def _require_images(files: Sequence[Indexed], folder: Path) -> None:
    if not any(one.kind == "image" for one in files):
        raise UserError(
            "there is no DICOM image in it",
            where=str(folder),
            expected="an export of a PACS",
            remedy="other images (NIfTI, NRRD, MHA) need no scan: write their paths into a sample "
            "sheet, which `remodal init NAME` begins",
        )


def _write_left_out(
    output: Path,
    files: Sequence[Indexed],
    refused: Sequence[tuple[str, str]],
    found: Sequence[Examination],
) -> None:
    """List the files that are no image and no label of one, with the reason."""
    known = {label.path for one in found for label in one.labels}
    rows = [(one.kind, one.said, one.path) for one in files if one.kind not in ("image", "label")]
    rows += [
        ("label", "was drawn on no series of this export", one.path)
        for one in files
        if one.kind == "label" and one.path not in known
    ]
    rows += [("unreadable", said, path) for path, said in refused]
    lines = ["\t".join(map(cell, row)) for row in sorted(rows)]
    write_text(output, "\n".join(["kind\twhy\tpath", *lines]) + "\n")


def _summary(cases: Sequence[ScannedCase], wanted: Sequence[Wanted]) -> Iterator[str]:
    complete = sum(all(one.name in case.taken for one in wanted) for case in cases)
    names = " and ".join(one.name for one in wanted)
    yield f"{counted(len(cases), 'examination')}, {complete} of them with {names}"
    taken = [choice for case in cases for choice in case.taken.values()]
    if unsure := sum(one.verdict.sureness == "low" for one in taken):
        words = "image is not sure: it is a comment", "images are not sure: they are comments"
        yield f"{counted(unsure, *words)} in the sheet"
