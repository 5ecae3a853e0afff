"""A result lies on the stored grid of the image that it was asked for, whatever the shared grid."""

from pathlib import Path

import pydicom
import pytest
import SimpleITK as sitk
from tests.orientations import BY_CODE, rotation, tilted

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import read_volume, write_volume
from remodal.prediction.patient import predict_patient
from remodal.settings import GridSettings

from .dicom import GRIDS, farthest, faults, points_of_image, points_of_seg, write_patient

#: As the study of T1 and T2 has it: one grid that holds both images, of its own spacing.
WIDE = GridSettings(extent="all", spacing=(5.0, 4.0, 4.5))


def model_of(study, truth: str = "case", fold: int = 12) -> Path:
    changes = {"method": "header", "grid": WIDE, "fixed": "venous"}
    registration = study.settings.registration.model_copy(update=changes)
    data = study.settings.data.model_dump(mode="json") | {"truth": truth}
    return study.model("maml", fold, registration=registration.model_dump(mode="json"), data=data)


def write_images(study, folder: Path) -> dict[str, Path]:
    """The phases on grids of their own: one obliquely, one with other axes."""
    venous = read_volume(study.registered / "b/venous.nii.gz")
    arterial = read_volume(study.registered / "b/arterial.nii.gz")
    grid = tilted(arterial.geometry, rotation(6, -4, 9))
    paths = {name: folder / f"{name}.nii.gz" for name in ("arterial", "venous")}
    write_volume(paths["arterial"], Volume(arterial.array[:, :-3], cut(grid)))
    write_volume(paths["venous"], BY_CODE["RAS"].store(venous))
    return paths


def cut(grid: Geometry) -> Geometry:
    depth, height, width = grid.shape
    return Geometry((depth, height - 3, width), grid.spacing, grid.origin, grid.direction)


def test_the_shared_grid_s_result_is_brought_back_to_the_fixed_image(study, tmp_path, capsys):
    images = write_images(study, tmp_path)
    predict_patient(model_of(study), images, tmp_path / "found.nii.gz")
    found = read_volume(tmp_path / "found.nii.gz")
    assert found.geometry.agrees_with(read_volume(images["venous"]).geometry)
    assert 0.01 < found.array.mean() < 0.99
    assert "on the grid of the venous image" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["arterial", "venous"])
def test_each_image_of_a_pair_gets_the_result_on_its_own_grid(study, tmp_path, target):
    images = write_images(study, tmp_path)
    model = model_of(study, "image", fold=13)
    predict_patient(model, images, tmp_path / "found.nii.gz", target=target)
    found = read_volume(tmp_path / "found.nii.gz")
    assert found.geometry.agrees_with(read_volume(images[target]).geometry)


def test_both_results_of_a_pair_say_the_same_of_the_same_places(study, tmp_path):
    """The network segments the same voxels for both targets; the grids differ."""
    images = write_images(study, tmp_path)
    model = model_of(study, "image", fold=13)
    found = {}
    for target in images:
        predict_patient(model, images, tmp_path / f"{target}.nii.gz", target=target)
        found[target] = sitk.ReadImage(str(tmp_path / f"{target}.nii.gz"))
    moved = sitk.Resample(
        found["venous"], found["arterial"], sitk.Transform(), sitk.sitkNearestNeighbor, 9
    )
    one, other = (sitk.GetArrayFromImage(image) for image in (found["arterial"], moved))
    assert (one == other)[other != 9].mean() > 0.8  # voxels of 4 to 6 mm, and thin structures


def test_a_seg_of_a_shared_grid_refers_to_the_original_slices(study, tmp_path):
    venous = write_patient(tmp_path / "venous", GRIDS["oblique"])
    arterial = write_patient(tmp_path / "arterial", GRIDS["coronal"], "arterial")
    images = {"arterial": arterial, "venous": venous}
    model = model_of(study, fold=12)
    for ending in (".dcm", ".nii.gz"):
        predict_patient(model, images, tmp_path / f"found{ending}")
    assert faults(tmp_path / "found.dcm") == []
    seg = points_of_seg(tmp_path / "found.dcm")
    image = points_of_image(sitk.ReadImage(str(tmp_path / "found.nii.gz")))
    assert farthest(seg[1], image[1]) < 1e-3
    first = pydicom.dcmread(next(venous.iterdir()))
    dataset = pydicom.dcmread(tmp_path / "found.dcm")
    assert dataset.FrameOfReferenceUID == first.FrameOfReferenceUID
    [referred] = dataset.ReferencedSeriesSequence
    assert referred.SeriesInstanceUID == first.SeriesInstanceUID
