"""Index of an export: `remodal scan` beside a plain loop of pydicom.

2,000 slices of 512 x 512, in the cache, with headers of 150 elements as scanners write them:
private ones, and a sequence of undefined length. Ours walks the folders, reads the elements that a
scan needs and writes its index, in one process and in two; the peers are
`dcmread(stop_before_pixels=True)` file after file, and the same with `specific_tags`, which keep
nothing. The programs take turns. Bar: at least 1,500 files per second on 2 cores. What limits ours:
walking over a header's elements in Python. A second scan of the same files reads the index only.
Where other work keeps the cores busy, the processor time says what two free cores would do.
"""

import argparse
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from remodal.scan.index import index_files
from remodal.scan.tags import SCANNED
from remodal.scan.walking import walk

SIZE, PRIVATE = 512, 110


def template() -> Dataset:
    """A CT slice with as many elements as a scanner writes."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    texts = {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "StudyDate": "20200102",
        "SeriesDate": "20200102",
        "AcquisitionTime": "100035",
        "SeriesDescription": "Abdomen 1.5 B30f art",
        "ConvolutionKernel": "B30f",
        "PatientPosition": "HFS",
        "StudyInstanceUID": generate_uid(),
        "PatientID": "SIM1",
        "PhotometricInterpretation": "MONOCHROME2",
    }
    numbers = {
        "SliceThickness": 1.5,
        "KVP": 120,
        "SeriesNumber": 2,
        "SamplesPerPixel": 1,
        "Rows": SIZE,
        "Columns": SIZE,
        "PixelSpacing": [0.7, 0.7],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "RescaleIntercept": -1024,
        "RescaleSlope": 1,
        "Modality": "CT",
    }
    for keyword, value in (texts | numbers).items():
        setattr(dataset, keyword, value)
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, generate_uid()
    dataset.ReferencedImageSequence = [item, item]
    dataset["ReferencedImageSequence"].is_undefined_length = True
    block = dataset.private_block(0x0009, "SIMULATED", create=True)
    for number in range(PRIVATE):
        block.add_new(number, "LO", f"private value {number}")
    dataset.PixelData = bytes(2 * SIZE * SIZE)
    dataset["PixelData"].VR = "OW"
    return dataset


def write_export(folder: Path, files: int) -> None:
    """Write series of 200 slices, in a folder each."""
    dataset = template()
    for number in range(files):
        if number % 200 == 0:
            dataset.SeriesInstanceUID = generate_uid()
            series = folder / str(number // 200)
            series.mkdir(parents=True)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.InstanceNumber = number % 200 + 1
        dataset.ImagePositionPatient = [0, 0, 1.5 * (number % 200)]
        dataset.save_as(series / f"{number}.dcm", enforce_file_format=True)


def scanner(folder: Path, workers: int, fresh: bool = True) -> Callable[[], object]:
    own = folder.parent / f"own-{workers}-{fresh}"

    def run() -> None:
        if fresh:
            shutil.rmtree(own, ignore_errors=True)
        index_files(walk(folder, own).files, own / "index.jsonl", workers)

    return run


def peer(folder: Path, tags: list[int] | None) -> Callable[[], object]:
    def run() -> None:
        for parent, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(parent, name)
                pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)

    return run


def measured(run: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds, those of processes that it started included."""
    start, before = time.perf_counter(), processor()
    run()
    return time.perf_counter() - start, processor() - before


def processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=3, help="turns of each, alternating")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "export"
        write_export(folder, arguments.files)
        systems = {
            "remodal scan, 2 processes": scanner(folder, 2),
            "remodal scan, 1 process": scanner(folder, 1),
            "remodal scan again": scanner(folder, 1, fresh=False),
            "pydicom, stop_before_pixels": peer(folder, None),
            "pydicom, specific_tags": peer(folder, list(SCANNED)),
        }
        for run in systems.values():
            run()
        taken: dict[str, list[tuple[float, float]]] = {system: [] for system in systems}
        for _ in range(arguments.turns):
            for system, run in systems.items():
                taken[system].append(measured(run))
    print("| system | files per second, median (best turn) | processor ms per file |")
    print("| --- | ---: | ---: |")
    files = arguments.files
    for system, turns in taken.items():
        walls, used = zip(*turns)
        rate, best = files / statistics.median(walls), files / min(walls)
        spent = 1000 * statistics.median(used) / files
        print(f"| `{system}` | {rate:,.0f} ({best:,.0f}) | {spent:.2f} |")
    two, plain = taken["remodal scan, 2 processes"], taken["pydicom, stop_before_pixels"]
    (wall, used), (plain_wall, plain_used) = (
        map(statistics.median, zip(*one)) for one in (two, plain)
    )
    print(
        f"\n**{files / wall:,.0f}** files per second in two processes (bar: 1,500), "
        f"**{plain_wall / wall:.1f}** times the plain loop. By the processor time, two free cores "
        f"would index {2 * files / used:,.0f} per second, and one would do "
        f"{files / plain_used:,.0f} with the plain loop."
    )


if __name__ == "__main__":
    main()
