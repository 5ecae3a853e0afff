"""A real abdominal CT with its organs, fetched from a published package."""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from remodal.errors import EnvironmentProblem
from remodal.geometry.volume import Volume, from_sitk, to_sitk
from remodal.intake.nifti import write_volume
from remodal.results.files import sha256

# The CT is one of the test files of a published package: an abdominal series from a real scanner,
# with the organs that the package's own network found in it.
_PACKAGE = "totalsegmentator"
_VERSION = "2.18.0"
_SHA256 = "5d4223ef93973bc36d710869d11e7742ead2c154c72f7f9edcaaadd5b6c4bd03"
_SERIES = "tests/reference_files/example_ct_dicom/"
_ORGANS = "tests/reference_files/example_seg_dicom.nii.gz"
_LIVER = 5


def fetch(folder: Path) -> tuple[Path, Path]:
    """Fetch a real abdominal CT and its liver mask from a package, by name and version.

    Args:
        folder: gets ct.nii.gz (HU), liver.nii.gz (1 = liver) and organs.nii.gz (the package's
            labels).

    Returns:
        Paths of the first two.

    Raises:
        EnvironmentProblem: no network, or not the expected package.
    """
    folder = Path(folder)
    ct, liver = folder / "ct.nii.gz", folder / "liver.nii.gz"
    if ct.exists() and liver.exists():
        return ct, liver
    with tempfile.TemporaryDirectory() as temporary:
        series, labels = fetch_reference_files(Path(temporary))
        volume, organs = _read_reference_files(series, labels)
    write_volume(folder / "organs.nii.gz", organs)
    write_volume(liver, organs.with_array((organs.array == _LIVER).astype(np.uint8)))
    write_volume(ct, volume)
    return ct, liver


def fetch_reference_files(folder: Path) -> tuple[Path, Path]:
    """Fetch the package's DICOM series (a folder) and its organ labels (NIfTI) as they are.

    Raises:
        EnvironmentProblem: no network, or not the expected package.
    """
    archive = _download(folder)
    series, labels = folder / "example_ct_dicom", folder / "example_seg_dicom.nii.gz"
    series.mkdir(exist_ok=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            _, _, name = member.name.partition("/")
            if not member.isfile() or not name.startswith((_SERIES, _ORGANS)):
                continue
            target = labels if name == _ORGANS else series / Path(name).name
            target.write_bytes(tar.extractfile(member).read())
    archive.unlink()
    return series, labels


def _download(folder: Path) -> Path:
    """Download the package's source distribution and check it."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = f"{_PACKAGE}=={_VERSION}"
    options = ["--no-deps", "--no-binary", _PACKAGE, "--quiet", "--retries", "1", "--timeout", "30"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    archive = folder / f"{_PACKAGE}-{_VERSION}.tar.gz"
    if done.returncode or not archive.exists():
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise EnvironmentProblem(
            f"pip cannot download it ({lines[-1][7:] if lines else 'no reason given'})",
            where=wanted,
            remedy="demo-real needs a network that reaches the package index; `make demo` does not",
        )
    if sha256(archive) != _SHA256:
        raise EnvironmentProblem(
            "is not the file that is expected (other SHA-256)",
            where=archive.name,
            remedy="check which package index pip uses",
        )
    return archive


def _read_reference_files(series: Path, labels: Path) -> tuple[Volume, Volume]:
    """The CT, and the organ labels brought onto its grid."""
    import SimpleITK as sitk

    from remodal.intake.dicom import read_series

    volume = read_series(series).volume
    drawn = sitk.ReadImage(str(labels))
    organs = sitk.Resample(drawn, to_sitk(volume), sitk.Transform(), sitk.sitkNearestNeighbor)
    return volume, from_sitk(organs)
