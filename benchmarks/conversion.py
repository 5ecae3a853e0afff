"""Conversion of a DICOM series to .nii.gz: `remodal convert` beside dcm2niix, whole processes.

Bar: at most 1.2 times dcm2niix at its level 1, with the same voxels and affine (compared in LPS;
dcm2niix stores rows from the bottom). 150 uncompressed slices of 512 x 512 with correlated noise;
the programs take turns, and the ratio is the median of the pairs. `remodal` runs from compiled
bytecode, as an installed program does, and also writes a record with the source's SHA-256. What
limits it: nearly half of its time is Python starting and importing numpy, pydantic and typer. So
plain headers are scanned without pydicom (0.25 s to import), and two threads read the pixels
straight into one array and compress it with isal. Where other work keeps the second core busy, the
ratio is that of the processor times, which are given too.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import dcm2niix
import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

COMMAND = Path(sys.executable).parent / "remodal"
TOLERANCE = 1e-3  # mm: NIfTI holds 32-bit positions
SITK_SCRIPT = """
import sys, SimpleITK as sitk
names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(sys.argv[1])
sitk.WriteImage(sitk.ReadImage(names), sys.argv[2], useCompression=True)
"""


def write_series(folder: Path, slices: int, matrix: int) -> None:
    """Write a CT-like series: a body in air, smooth organs, noise correlated over neighbours."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:matrix, :matrix] / matrix - 0.5
    body = (x / 0.42) ** 2 + (y / 0.3) ** 2 < 1
    inside = x**2 + y**2 < 0.25
    uids = [generate_uid() for _ in range(3)]
    for index in range(slices):
        white = rng.normal(size=(matrix, matrix))
        noise = sum(
            np.roll(white, shift, axis) for shift, axis in ((0, 0), (1, 0), (1, 1), (-1, 1))
        )
        organs = 50 + 60 * np.sin(8 * x + index / 20) * np.cos(9 * y)
        stored = np.where(body, organs, -1000) + 6 * noise + 1024
        stored = np.where(inside, np.clip(stored, 0, 4095), 0).astype("<u2")
        name = f"{index * 37 % slices:04d}.dcm"
        _slice(stored, index, uids).save_as(folder / name, enforce_file_format=True)


def _slice(stored: np.ndarray, index: int, uids: list[str]) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = uids
    ds.PatientName, ds.PatientID, ds.PatientPosition = "Benchmark", "1", "HFS"
    ds.StudyDate, ds.StudyTime, ds.Modality, ds.Manufacturer = "20260101", "120000", "CT", "ACME"
    ds.ImageType, ds.KVP = ["ORIGINAL", "PRIMARY", "AXIAL"], 120
    ds.ConvolutionKernel, ds.SliceThickness = "B30f", 1.5
    ds.SeriesNumber, ds.InstanceNumber = 1, index + 1
    ds.ImagePositionPatient = [-180.2, -170.1, -300 + 1.5 * index]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [0.7031, 0.7031]
    ds.Rows, ds.Columns = stored.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    ds.PixelData = stored.tobytes()
    return ds


def seconds(command: list[str | Path], bytecode: Path) -> tuple[float, float]:
    """Wall and processor time of one whole process; Python's bytecode is kept in a folder."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": str(bytecode)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    subprocess.run(command, check=True, env=environment, capture_output=True)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter() - start
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def require_same(ours: Path, peer: Path) -> None:
    """Compare two volumes in LPS.

    Raises:
        SystemExit: their voxels or positions differ.
    """
    one, other = (sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS") for path in (ours, peer))
    if one.GetSize() != other.GetSize():
        raise SystemExit(f"{ours.name} has {one.GetSize()} voxels, {peer.name} {other.GetSize()}")
    if not np.array_equal(sitk.GetArrayViewFromImage(one), sitk.GetArrayViewFromImage(other)):
        raise SystemExit(f"{ours.name} and {peer.name} differ in voxels")
    for corner in ((0, 0, 0), [length - 1 for length in one.GetSize()]):
        places = [image.TransformIndexToPhysicalPoint(corner) for image in (one, other)]
        if np.abs(np.subtract(*places)).max() > TOLERANCE:
            raise SystemExit(f"{ours.name} and {peer.name} differ in place")


def measure(slices: int, matrix: int, runs: int, plain: bool) -> None:
    """Convert in turns and print the table."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        source, ours, peer = folder / "series", folder / "ours.nii.gz", folder / "peer.nii.gz"
        write_series(source, slices, matrix)
        convert = [COMMAND, "convert", source, "--case", "case", "--modality", "venous"]
        convert += ["--output", ours, "--record", folder / "ours.json"]
        dcm = [dcm2niix.bin, "-z", "y", "-1", "-b", "n", "-w", "1", "-f", "peer", "-o", folder]
        dcm.append(source)
        cache = folder / "bytecode"
        # The first pair fills the caches and is not counted.
        pairs = [(seconds(convert, cache), seconds(dcm, cache)) for _ in range(runs + 1)][1:]
        require_same(ours, peer)
        rows = [
            ("remodal convert", [pair[0] for pair in pairs], ours),
            ("dcm2niix -z y -1", [pair[1] for pair in pairs], peer),
        ]
        if plain:
            itk = [sys.executable, "-c", SITK_SCRIPT, source, folder / "sitk.nii.gz"]
            rows.append(("SimpleITK, as it comes", [seconds(itk, cache)], folder / "sitk.nii.gz"))
        print("| program | wall s (range) | processor s | MB |\n| --- | ---: | ---: | ---: |")
        for label, times, output in rows:
            wall, processor = zip(*times)
            spread = f"{min(wall):.2f} to {max(wall):.2f}"
            size = output.stat().st_size / 1e6
            middle = statistics.median(wall), statistics.median(processor)
            print(f"| `{label}` | {middle[0]:.2f} ({spread}) | {middle[1]:.2f} | {size:.1f} |")
    wall, processor = (
        statistics.median(pair[0][kind] / pair[1][kind] for pair in pairs) for kind in (0, 1)
    )
    gzip = "pigz" if shutil.which("pigz") else "its own zlib (no pigz here)"
    print(f"\nRatio, median of {runs} pairs: **{wall:.2f}** in wall time (bar: 1.2), ", end="")
    print(f"{processor:.2f} in processor time. dcm2niix compressed with {gzip}.")
    print("Voxels equal, places equal within 0.001 mm.")


def main() -> None:
    """Measure at full size, or at a small one for a try."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="20 slices of 128 x 128, for a try")
    parser.add_argument("--runs", type=int, default=9, help="pairs of runs")
    chosen = parser.parse_args()
    slices, matrix = (20, 128) if chosen.small else (150, 512)
    measure(slices, matrix, chosen.runs, plain=not chosen.small)


if __name__ == "__main__":
    main()
