"""Group images into examinations, series and volumes: a series may hold several volumes.

Phases, echoes, reconstructions of two thicknesses or kernels, and magnitude and phase images are
volumes of their own, even if they share a SeriesInstanceUID. What makes a volume is its slices'
places: parts of a series whose places interleave are different volumes.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from remodal.counting import counted
from remodal.errors import BadCase
from remodal.geometry.volume import Geometry
from remodal.intake.same_series import parted
from remodal.intake.series_parts import PARTING
from remodal.intake.stack import layout_of, same_places, sort_slices
from remodal.scan.index import Indexed
from remodal.scan.numbers import numbers, seconds

#: Of the elements that part a series, what differs between the slices of one MR volume too, if
#: they were scanned in turns.
_OF_TURNS = {
    *("TemporalPositionIdentifier", "AcquisitionNumber", "TriggerTime"),
    *("SeriesTime", "AcquisitionTime", "ContentTime"),
}

Item = TypeVar("Item")


@dataclass(frozen=True)
class Instance:
    """One image of a volume: a file, or a frame of one; as `intake.same_series.Placed`."""

    file: Indexed
    position: tuple[float, ...] | None
    traits: dict[str, str]
    rows: int | None
    columns: int | None
    spacing: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    frame: int = 0

    @property
    def instance(self) -> int | None:
        """InstanceNumber; None if it is missing or no number."""
        found = numbers(self.file.get("InstanceNumber"), 1)
        return int(found[0]) if found else None


@dataclass(frozen=True)
class Volume:
    """Images that lie beside one another.

    Attributes:
        instances: in the order of their places, if they have any.
        study: key of the examination.
        geometry: None if the images are no even stack.
        problem: why they are not; empty if they are.
        notes: how the volume was told from others of its series, and copies that were left out.
        whole_files: whether no file holds images of another volume.
        part: its number among the images of its only file, as behind `#.` in a sheet; None if the
            file holds no other.
    """

    instances: tuple[Instance, ...]
    study: str
    geometry: Geometry | None
    problem: str
    notes: tuple[str, ...] = ()
    whole_files: bool = True
    part: int | None = None

    def get(self, keyword: str) -> str:
        """Text of an element of the first image; empty if it is missing."""
        return self.instances[0].file.get(keyword)

    def number(self, keyword: str) -> float | None:
        """Number of an element of the first image; None if it is missing or no number."""
        found = numbers(self.get(keyword), 1)
        return found[0] if found else None

    @property
    def files(self) -> list[str]:
        """Paths of the volume's files, in the order of its slices."""
        return list(dict.fromkeys(one.file.path for one in self.instances))

    @property
    def description(self) -> str:
        """What the series is called; the protocol's name if it has no description."""
        return self.get("SeriesDescription") or self.get("ProtocolName")

    @property
    def acquired(self) -> float | None:
        """When the first image was acquired, in seconds of the day; None if unknown.

        Trigger times count from there: some scanners give all phases of a series one time. The time
        of a file that holds several images is that of none of them.
        """
        if self.part is not None:
            return None
        triggers = [numbers(one.file.get("TriggerTime"), 1) for one in self.instances]
        trigger = min((one[0] / 1000 for one in triggers if one), default=0.0)
        for keyword in ("AcquisitionTime", "AcquisitionDateTime", "ContentTime"):
            times = [seconds(one.file.get(keyword)) for one in self.instances]
            if known := [time for time in times if time is not None]:
                return min(known) + trigger
        return None


@dataclass
class Examination:
    """The volumes of one study of one patient, and the labels that were drawn in it."""

    patient: str
    study: str
    date: str
    volumes: list[Volume] = field(default_factory=list)
    labels: list[Indexed] = field(default_factory=list)


def examinations(files: Sequence[Indexed]) -> list[Examination]:
    """Group the images and labels of an index, in the order of patients, dates and studies.

    An examination is a StudyInstanceUID of a PatientID. Images that have neither belong together
    if they lie in one folder. A label belongs to the series that it names, whatever study and
    patient it was stored under; one that names no series of the export is in no examination.
    """
    found = []
    groups = _grouped([one for one in files if one.kind == "image"], _examination)
    of_series = {}
    for (patient, study), images in groups.items():
        dates = [one.get("StudyDate") or one.get("SeriesDate") for one in images]
        series = _grouped(images, _series).values()
        volumes = [volume for of_one in series for volume in _volumes(of_one, study)]
        found.append(Examination(patient, study, min(dates), volumes))
        of_series |= {one.get("SeriesInstanceUID"): found[-1] for one in images}
    for label in files:
        if label.kind == "label":
            drawn_on = [of_series[uid] for uid in label.drawn_on if uid in of_series]
            for examination in drawn_on[:1]:
                examination.labels.append(label)
    return sorted(found, key=lambda one: (one.patient, one.date, one.study))


def _grouped(items: Iterable[Item], key: Callable[[Item], Hashable]) -> dict:
    groups = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def _examination(file: Indexed) -> tuple[str, str]:
    folder = file.path.rpartition("/")[0]
    study = file.get("StudyInstanceUID") or f"{file.get('StudyDate')} {folder}"
    return file.get("PatientID") or study, study


def _series(file: Indexed) -> tuple[str, ...]:
    uid = file.get("SeriesInstanceUID")
    if uid:
        return (uid, file.get("Modality"))
    return ("", *map(file.get, ("Modality", "SeriesNumber", "SeriesDescription", "SeriesTime")))


def _volumes(files: list[Indexed], study: str) -> list[Volume]:
    """The volumes of one series."""
    once = list({_content(file): file for file in files}.values())
    copies = len(files) - len(once)
    words = counted(copies, "copy of its files is", "copies of its files are")
    noted = [f"{words} left out"] if copies else []
    of_parts = [file for file in once if file.parts]
    parts = [([one for file in once if not file.parts for one in _instances(file)], noted)]
    parts = [(part, notes) for part, notes in parts if part]
    for element in ("size", "orientation"):
        parts = [(new, notes) for part, notes in parts for new in _parted(part, element)]
    for element, name in PARTING.items():
        parts = [split for part, notes in parts for split in _split(part, notes, element, name)]
    parts = [split for part, notes in parts for split in _split_by_order(part, notes)]
    of_file = defaultdict(set)
    for index, (part, _) in enumerate(parts):
        for one in part:
            of_file[one.file.path].add(index)
    volumes = [
        _volume(part, study, notes, all(len(of_file[one.file.path]) == 1 for one in part))
        for part, notes in parts
    ]
    return [*volumes, *(volume for file in of_parts for volume in _parts_of(file, study, noted))]


def _parts_of(file: Indexed, study: str, notes: list[str]) -> list[Volume]:
    """The images of a file that holds several, as intake tells them apart."""
    of_part = defaultdict(list)
    for instance in _instances(file):
        of_part[file.parts[instance.frame]].append(instance)
    return [
        replace(
            _volume(part, study, [*notes, f"image {number} of {len(of_part)} in one file"], True),
            part=number,
        )
        for number, part in sorted(of_part.items())
    ]


def _content(file: Indexed) -> Hashable:
    """The same for copies of a file; some anonymisers give all images one SOPInstanceUID."""
    return tuple(sorted(file.own.items())) if file.get("SOPInstanceUID") else file.path


def _instances(file: Indexed) -> list[Instance]:
    traits = {keyword: text for keyword in PARTING if (text := file.get(keyword))}
    places = file.positions or [numbers(file.get("ImagePositionPatient"), 3)]
    sizes = [numbers(file.get(keyword), 1) for keyword in ("Rows", "Columns")]
    rows, columns = (int(size[0]) if size else None for size in sizes)
    spacing = numbers(file.get("PixelSpacing"), 2)
    orientation = numbers(file.get("ImageOrientationPatient"), 6)
    return [
        Instance(file, place and tuple(place), traits, rows, columns, spacing, orientation, frame)
        for frame, place in enumerate(places)
    ]


def _parted(part: list[Instance], element: str) -> list[list[Instance]]:
    """Parts of another size or orientation are other volumes wherever they lie."""
    if element == "size":
        return list(_grouped(part, lambda one: (one.rows, one.columns, one.spacing)).values())
    rounded = _grouped(part, lambda one: one.orientation and tuple(np.round(one.orientation, 2)))
    return list(rounded.values())


def _split(
    part: list[Instance], notes: list[str], element: str, name: str
) -> list[tuple[list[Instance], list[str]]]:
    parts = parted(part, element)
    in_turns = element in _OF_TURNS and part[0].file.get("Modality") == "MR"
    if len(parts) == 1 or (in_turns and _stacked(part)[1] is not None):
        return [(part, notes)]
    note = f"one of {len(parts)} volumes of its series, told apart by {name}"
    return [(one, [*notes, note]) for one in parts]


def _split_by_order(
    part: list[Instance], notes: list[str]
) -> list[tuple[list[Instance], list[str]]]:
    """Part images that share their places, where nothing but their order tells them apart."""
    if any(one.position is None or one.orientation is None for one in part):
        return [(part, notes)]
    try:
        ordered, heights = sort_slices(part)
    except BadCase:
        return [(part, notes)]
    counts = {len(place) for place in same_places(heights)}
    count = max(counts, default=1)
    # Every place has as many images: otherwise it is a copy here and there.
    if count == 1 or counts != {count} or count * len(same_places(heights)) != len(part):
        return [(part, notes)]
    ordered.sort(key=lambda one: numbers(one.file.get("InstanceNumber"), 1) or (0.0,))
    size = len(part) // count
    parts = [ordered[start : start + size] for start in range(0, len(part), size)]
    note = f"one of {count} volumes of its series, told apart by nothing but instance numbers"
    return [(one, [*notes, note]) for one in parts]


def _volume(part: list[Instance], study: str, notes: list[str], whole: bool) -> Volume:
    ordered, geometry, problem = _stacked(part)
    return Volume(tuple(ordered), study, geometry, problem, tuple(notes), whole)


def _stacked(part: list[Instance]) -> tuple[list[Instance], Geometry | None, str]:
    """Images in the order of their places, their grid, and why they have none."""
    if any(one.position is None or one.orientation is None for one in part):
        return part, None, "its images have no place"
    if len(part) == 1:
        return part, None, "a single image"
    if any(one.spacing is None or min(one.spacing) <= 0 or not one.rows for one in part):
        return part, None, "its pixels have no size"
    try:
        ordered, heights = sort_slices(part)
        if same_places(heights):
            return ordered, None, "several images at one place"
        return ordered, layout_of(ordered).geometry, ""
    except BadCase as error:
        return part, None, error.what
