"""What `remodal check` sees of a sheet's files."""

import gzip
import re
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

from remodal.geometry.volume import to_sitk
from remodal.intake.inspection import BadSources, check_sources
from remodal.intake.nifti import write_volume
from remodal.intake.source_index import update_index
from remodal.settings import Settings
from remodal.settings.composition import compose, write_settings

ROOT = Path(__file__).parents[2]


def sheet_of(folder: Path, rows: dict[str, tuple[str, str, str]]) -> Settings:
    """Settings of a study of cases with an arterial and a venous image and a label."""
    lines = ["case\tmodality\tpath\tlabel"]
    for case, (arterial, venous, label) in rows.items():
        lines.append(f"{case}\tarterial\t{folder / arterial}\t")
        lines.append(f"{case}\tvenous\t{folder / venous}\t{folder / label}")
    (folder / "sheet.tsv").write_text("\n".join(lines) + "\n")
    data = {"source": "sheet", "sheet": str(folder / "sheet.tsv"), "simulated": False}
    return compose({"study": "liver", "preset": "smoke", "data": data}, folder=ROOT / "config")


@pytest.fixture
def scans(tmp_path, image, write_series):
    """One image in four formats."""
    write_series(tmp_path / "series", image)
    write_volume(tmp_path / "image.nii.gz", image)
    for name in ("image.mha", "image.nrrd"):
        sitk.WriteImage(to_sitk(image), str(tmp_path / name))
    return tmp_path


def test_every_row_is_told_with_its_size(scans):
    rows = {
        "a": ("series", "image.nii.gz", "image.mha"),
        "b": ("image.nrrd", "image.mha", "image.nii.gz"),
    }
    *found, last = check_sources(sheet_of(scans, rows))
    grid = "34 x 32 x 6 voxels of 0.7 x 0.8 x 2.5 mm"
    assert found == [
        f"a, arterial: DICOM series, {grid}",
        *(f"{row}: image file, {grid}" for row in ("a, venous", "a, label-venous")),
        *(f"{row}: image file, {grid}" for row in ("b, arterial", "b, venous", "b, label-venous")),
    ]
    assert last == "6 images and labels: ok"


def test_every_file_that_cannot_be_used_is_named_with_its_row(scans, image, write_series):
    write_series(scans / "gap", image, skip=(3,))
    (scans / "empty").mkdir()
    (scans / "photo.tif").write_bytes(b"II*")
    (scans / "text.nii.gz").write_text("no image")
    whole = (scans / "image.nrrd").read_bytes()
    (scans / "other.nrrd").write_bytes(whole[:40])
    rows = {
        "a": ("nowhere", "gap", "text.nii.gz"),
        "b": ("empty", "other.nrrd", "photo.tif"),
    }
    lines = []
    with pytest.raises(BadSources) as told:
        lines += check_sources(sheet_of(scans, rows))
    said = str(told.value).splitlines()
    assert said[0].startswith("6 of 6 images and labels cannot be used")
    assert [line.split(":")[0] for line in said[1:]] == [
        *("  a, arterial", "  a, venous", "  a, label-venous"),
        *("  b, arterial", "  b, venous", "  b, label-venous"),
    ]
    assert "there is no such file or folder" in said[1]
    assert "slice" in said[2]


def test_no_voxel_is_read(scans, image):
    """A file that is as long as it says opens, whatever its voxels are."""
    sitk.WriteImage(to_sitk(image), str(scans / "image.nrrd"), useCompression=True)
    for path in (*(scans / "series").iterdir(), scans / "image.nii.gz", scans / "image.nrrd"):
        content = path.read_bytes()
        path.write_bytes(content[:-100] + bytes(96) + content[-4:])
    assert list(check_sources(sheet_of(scans, {"a": ("series", "image.nii.gz", "image.nrrd")})))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["image.mha", "image.nrrd", "image.nii", "image.nii.gz"])
def test_a_file_that_is_cut_off_is_told(tmp_path, image, name, packed):
    path = tmp_path / name
    sitk.WriteImage(to_sitk(image), str(path), useCompression=packed)
    whole = sheet_of(tmp_path, {"a": (name, name, name)})
    assert list(check_sources(whole))[-1] == "3 images and labels: ok"
    for left in (path.stat().st_size - 1, path.stat().st_size * 2 // 3):
        path.write_bytes(path.read_bytes()[:left])
        with pytest.raises(BadSources) as told:
            list(check_sources(whole))
        for line in str(told.value).splitlines()[1:]:
            assert re.search(r"is cut short|more or fewer bytes than its header says", line), line


def test_a_slice_that_is_cut_off_is_told(scans):
    last = sorted((scans / "series").iterdir())[-1]
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.raises(BadSources, match="is cut short: 2175 of 2176 bytes of pixels"):
        list(check_sources(sheet_of(scans, {"a": ("series", "image.mha", "image.nrrd")})))


def test_a_packed_file_of_several_parts_is_measured(scans):
    content = gzip.decompress((scans / "image.nii.gz").read_bytes())
    parts = [gzip.compress(content[:1000]), gzip.compress(content[1000:])]
    (scans / "image.nii.gz").write_bytes(b"".join(parts))
    settings = sheet_of(scans, {"a": ("image.nii.gz", "image.mha", "image.nii.gz")})
    assert list(check_sources(settings))[-1] == "3 images and labels: ok"


def test_what_the_index_knows_needs_not_be_on_this_machine(scans):
    settings = sheet_of(scans, {"a": ("image.mha", "image.nrrd", "image.nii.gz")})
    update_index(scans / "sheet.tsv", [scans / n for n in ("image.mha", "image.nrrd")])
    (scans / "image.mha").unlink()
    first, *_ = check_sources(settings)
    assert first == "a, arterial: not on this machine; known by its index"


def test_by_hand_it_ends_with_exit_code_three_and_without_the_files_with_none(scans):
    settings = sheet_of(scans, {"a": ("no", "no", "no"), "b": ("series", "no", "image.mha")})
    write_settings(scans / "settings.yaml", settings)
    command = [sys.executable, "-m", "remodal", "check", "--settings", scans / "settings.yaml"]
    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert failed.returncode == 3
    assert "4 of 6 images and labels cannot be used" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "2 cases of 2 patients" in failed.stdout
    assert subprocess.run([*command, "--no-files"], cwd=ROOT).returncode == 0
