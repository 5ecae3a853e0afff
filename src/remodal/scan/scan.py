"""Scan an export: index, group, choose, and write the sheet to look over."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from remodal.results.files import write_text
from remodal.scan.choosing import Choice, choose, unsure_of_phase
from remodal.scan.enhancement import Enhancement, measure
from remodal.scan.grouping import examinations
from remodal.scan.index import Indexed, index_files
from remodal.scan.kinds import Judged, judge
from remodal.scan.modalities import Wanted
from remodal.scan.parallel import in_parallel
from remodal.scan.pseudonyms import pseudonyms
from remodal.scan.sheet import cell, write_choices, write_sheet
from remodal.scan.walking import walk


def scan(folder: Path, output: Path, wanted: Sequence[Wanted], workers: int) -> Iterator[str]:
    """Scan an export and write its sample sheet.

    Args:
        folder: the export, of any nesting and any names.
        output: the sheet; what else is written lies in `<its name>.scan` beside it.
        wanted: the images that are looked for.
        workers: processes that read.

    Yields:
        What was found, in a few lines.

    Raises:
        UserError: there is no such folder.
        EnvironmentProblem: something cannot be written.
    """
    beside = output.with_suffix(".scan")
    listed = walk(folder, beside)
    files = index_files(listed.files, beside / "index.jsonl", workers)
    yield _counted(files, len(listed.refused))
    _write_left_out(beside / "files.tsv", files, listed.refused)
    found = examinations(files)
    judged = [[judge(volume) for volume in one.volumes] for one in found]
    phases_in = _phases_in(judged)
    names = pseudonyms(found, beside / "pseudonyms.json")
    measured = _measured(judged, wanted, phases_in, workers)
    cases: dict[str, list[Choice]] = {}
    for examination, volumes, (case, _), enhancement in zip(found, judged, names, measured):
        cases[case] = choose(examination, volumes, wanted, phases_in, enhancement)
    written = write_sheet(output, beside, cases, dict(names))
    write_choices(beside / "choices.tsv", cases)
    yield from _summary(cases, wanted)
    if written != output:
        yield f"{output} was edited, and stays as it is"
    yield f"{written}: look it over"


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


def _counted(files: Sequence[Indexed], refused: int) -> str:
    kinds = Counter(one.kind for one in files)
    kinds["unreadable"] += refused
    parts = [f"{count} {kind}" for kind, count in kinds.most_common() if count]
    return f"{len(files) + refused} files: {', '.join(parts)}"


def _write_left_out(
    output: Path, files: Sequence[Indexed], refused: Sequence[tuple[str, str]]
) -> None:
    """List the files that are no image and no label, with the reason."""
    rows = [(one.kind, one.said, one.path) for one in files if one.kind not in ("image", "label")]
    rows += [("unreadable", said, path) for path, said in refused]
    lines = ["\t".join(map(cell, row)) for row in sorted(rows)]
    write_text(output, "\n".join(["kind\twhy\tpath", *lines]) + "\n")


def _summary(cases: dict[str, list[Choice]], wanted: Sequence[Wanted]) -> Iterator[str]:
    complete = 0
    for choices in cases.values():
        taken = {one.verdict.name for one in choices if one.taken}
        complete += all(one.name in taken for one in wanted)
    names = " and ".join(one.name for one in wanted)
    yield f"{len(cases)} examinations, {complete} of them with {names}"
    unsure = sum(
        one.taken and one.verdict.sureness == "low" for all_of in cases.values() for one in all_of
    )
    if unsure:
        yield f"{unsure} images are not sure: they are comments in the sheet"
