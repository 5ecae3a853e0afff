import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from tests.inference.conftest import Study

from remodal.errors import BadCase, UserError
from remodal.geometry.volume import Geometry, Volume, to_sitk
from remodal.inference.fold import infer_fold
from remodal.intake.nifti import read_volume, write_volume
from remodal.prediction.patient import predict_patient
from remodal.registration import alignment
from remodal.registration.alignment import Images
from remodal.results.files import read_json
from remodal.settings import WaySettings


def model_of(study: Study, method: str, registering: str = "none") -> Path:
    settings = study.settings.registration.model_copy(update={"method": registering})
    fold = {"none": 2, "elastix": 3}[registering]
    return study.model(method, fold=fold, registration=settings.model_dump(mode="json"))


def images_of(study: Study, case: str) -> dict[str, Path]:
    folder = study.registered / case
    return {modality: folder / f"{modality}.nii.gz" for modality in ("arterial", "venous")}


def test_a_patient_is_segmented_as_a_test_case_of_the_study(study, tmp_path) -> None:
    infer_fold(
        study.settings,
        study.model("maml"),
        "both",
        study.preprocessed,
        study.splits,
        0,
        tmp_path / "study",
    )
    in_study = read_volume(tmp_path / "study" / "b.nii.gz")
    predict_patient(model_of(study, "maml"), images_of(study, "b"), tmp_path / "seg.nii.gz")
    alone = read_volume(tmp_path / "seg.nii.gz")
    assert alone.geometry == in_study.geometry
    assert in_study.array.any()
    # The study's arrays are stored in half precision: voxels on the fence may differ.
    assert (alone.array != in_study.array).mean() < 1e-3


@pytest.mark.parametrize("modality", ["arterial", "venous"])
def test_either_modality_may_be_missing_and_the_result_lies_on_the_given_one(
    study, tmp_path, modality, capsys
) -> None:
    source = read_volume(images_of(study, "b")[modality])
    geometry = Geometry(source.geometry.shape, (3.0, 4.0, 7.0), (1.0, 2.0, 3.0))
    write_volume(tmp_path / "image.mha", Volume(source.array, geometry))
    predict_patient(
        model_of(study, "maml"), {modality: tmp_path / "image.mha"}, tmp_path / "s.nrrd"
    )
    found = read_volume(tmp_path / "s.nrrd")
    assert found.geometry.agrees_with(geometry)
    assert found.array.dtype == np.uint8
    assert set(np.unique(found.array)) <= {0, 1}
    said = (
        f"segmented from {modality} by the head of {modality} alone, on the grid of the {modality}"
    )
    assert said in capsys.readouterr().err


def test_the_other_modality_is_registered_to_the_fixed_one(study, tmp_path, monkeypatch) -> None:
    """The fake elastix tells the images apart and answers with the right one."""
    paths = images_of(study, "b")
    arterial, venous = (read_volume(paths[name]) for name in ("arterial", "venous"))
    elsewhere = Geometry((10, 11, 12), (4.0, 4.0, 4.0), (500.0, 0.0, 0.0))
    other = Volume(np.arange(1320, dtype=np.int16).reshape(10, 11, 12), elsewhere)
    write_volume(tmp_path / "apart.nii.gz", other)

    def align(images: Images, settings) -> SimpleNamespace:
        np.testing.assert_array_equal(images.fixed.array, venous.array)
        np.testing.assert_array_equal(images.moving.array, other.array)
        assert settings.fixed == "venous"
        return SimpleNamespace(warped=arterial, transforms=[])

    model = model_of(study, "maml", "elastix")
    images = {"arterial": tmp_path / "apart.nii.gz", "venous": paths["venous"]}
    with monkeypatch.context() as faked:
        faked.setattr(alignment, "align", align)
        predict_patient(model, images, tmp_path / "1.nii.gz")
    predict_patient(model_of(study, "maml"), paths, tmp_path / "2.nii.gz")
    first, second = (read_volume(tmp_path / f"{n}.nii.gz") for n in (1, 2))
    np.testing.assert_array_equal(first.array, second.array)
    assert first.geometry == second.geometry == venous.geometry


def test_an_image_that_cannot_be_registered_is_named(study, tmp_path, monkeypatch) -> None:
    def align(images: Images, settings) -> None:
        raise BadCase("the images lie apart in space")

    monkeypatch.setattr(alignment, "align", align)
    with pytest.raises(BadCase, match=r"--arterial: the images lie apart in space"):
        predict_patient(
            model_of(study, "maml", "elastix"), images_of(study, "b"), tmp_path / "seg.nii.gz"
        )


def test_images_on_two_grids_are_a_bad_case_without_registration(study, tmp_path) -> None:
    images = images_of(study, "b")
    moved = read_volume(images["arterial"])
    moved = Volume(moved.array, Geometry(moved.geometry.shape, moved.geometry.spacing))
    write_volume(tmp_path / "moved.nii.gz", moved)
    images["arterial"] = tmp_path / "moved.nii.gz"
    with pytest.raises(BadCase, match="another grid"):
        predict_patient(model_of(study, "maml"), images, tmp_path / "seg.nii.gz")


def test_a_modality_of_the_patient_is_registered_in_its_own_way(study, tmp_path) -> None:
    """By their headers the images overlap, but not on one grid, as `none` demands."""
    header = study.settings.registration.model_copy(update={"method": "header"})
    own = header.model_copy(update={"by_modality": {"arterial": WaySettings(method="none")}})
    arterial = shifted(study.registered / "b/arterial.nii.gz", tmp_path / "arterial.nii.gz")
    images = {"arterial": arterial, "venous": study.registered / "b/venous.nii.gz"}
    models = [
        study.model("maml", fold=fold, registration=way.model_dump(mode="json"))
        for fold, way in ((7, header), (8, own))
    ]
    predict_patient(models[0], images, tmp_path / "out.nii.gz")
    with pytest.raises(BadCase, match="--arterial"):
        predict_patient(models[1], images, tmp_path / "again.nii.gz")


def shifted(source: Path, target: Path) -> Path:
    """An image a few millimetres from where it was."""
    volume = read_volume(source)
    origin = tuple(np.add(volume.geometry.origin, 3.0))
    write_volume(target, Volume(volume.array, replace(volume.geometry, origin=origin)))
    return target


def test_an_image_that_cannot_be_used_is_a_bad_case(study, tmp_path) -> None:
    constant = Volume(np.zeros((4, 5, 6), np.int16), Geometry((4, 5, 6), (1.0, 1.0, 1.0)))
    write_volume(tmp_path / "constant.nii.gz", constant)
    with pytest.raises(BadCase, match=r"venous.*constant"):
        predict_patient(
            model_of(study, "maml"), {"venous": tmp_path / "constant.nii.gz"}, tmp_path / "s.nii.gz"
        )
    assert not (tmp_path / "s.nii.gz").exists()


@pytest.mark.parametrize(
    ("method", "images", "output", "message"),
    [
        (
            "maml",
            {},
            "seg.nii.gz",
            "no image is given; expected one or more of --arterial, --venous",
        ),
        ("maml", {"portal": "b"}, "seg.nii.gz", "knows no modality `portal`"),
        ("maml", {"venous": "nowhere"}, "seg.nii.gz", "--venous .*nowhere: does not exist"),
        ("maml", {"venous": "b"}, "seg.png", "unknown image format"),
        ("nnunet", {"venous": "b"}, "seg.nii.gz", "cannot predict from venous"),
    ],
)
def test_a_wrong_command_is_one_clear_line(
    study, tmp_path, method, images, output, message
) -> None:
    paths = {modality: study.registered / name for modality, name in images.items()}
    with pytest.raises(UserError, match=message):
        predict_patient(model_of(study, method), paths, tmp_path / output)


def of_ct(study: Study) -> Path:
    acquired = {"modalities": ["CT"], "lower": [-1000, -1000], "upper": [100, 120]}
    fingerprint = read_json(study.fingerprint)
    return study.model("maml", fold=4, fingerprint=fingerprint | {"acquired": {"venous": acquired}})


def test_a_scan_of_another_kind_than_the_model_s_is_refused(study, tmp_path) -> None:
    venous = read_volume(images_of(study, "b")["venous"])
    image = to_sitk(venous.with_array(venous.array + np.int16(1000)))
    for index in range(image.GetSize()[2]):
        plane = image[:, :, index]
        plane.SetMetaData("0008|0060", "MR")
        place = image.TransformIndexToPhysicalPoint((0, 0, index))
        plane.SetMetaData("0020|0032", "\\".join(map(str, place)))
        axes = np.reshape(image.GetDirection(), (3, 3))[:, :2].T.ravel()
        plane.SetMetaData("0020|0037", "\\".join(map(str, axes)))
        plane.SetMetaData("0020|000e", "1.2.3")
        (tmp_path / "mr").mkdir(exist_ok=True)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(tmp_path / "mr" / f"{index}.dcm"))
        writer.Execute(plane)
    with pytest.raises(UserError, match="--venous: the image is MR, and the model was trained on"):
        predict_patient(of_ct(study), {"venous": tmp_path / "mr"}, tmp_path / "seg.nii.gz")
    assert not (tmp_path / "seg.nii.gz").exists()


def test_a_file_that_does_not_say_what_made_it_is_judged_by_its_values(
    study, tmp_path, capsys
) -> None:
    venous = read_volume(images_of(study, "b")["venous"])
    write_volume(tmp_path / "mr.nii.gz", venous.with_array(venous.array + np.int16(1000)))
    predict_patient(of_ct(study), {"venous": tmp_path / "mr.nii.gz"}, tmp_path / "seg.nii.gz")
    said = capsys.readouterr().err
    assert "venous: the file does not say what made it; the model was trained on CT" in said
    assert "venous: WARNING: the image is unlike those that the model was trained on" in said
    predict_patient(of_ct(study), {"venous": images_of(study, "b")["venous"]}, tmp_path / "s.nii")
    assert "WARNING" not in capsys.readouterr().err


def test_a_folder_without_a_model_is_an_error(study, tmp_path) -> None:
    with pytest.raises(UserError, match=r"model\.json"):
        predict_patient(tmp_path, images_of(study, "b"), tmp_path / "seg.nii.gz")


@pytest.mark.parametrize(
    ("truth", "target", "said"),
    [
        ("image", "", "which image is to be segmented?; expected one of arterial"),
        ("image", "flair", "`flair` is not among the images"),
        ("case", "venous", "share one truth"),
    ],
)
def test_the_image_to_segment_is_named_where_each_has_a_truth(
    study, tmp_path, truth, target, said
) -> None:
    data = study.settings.data.model_dump(mode="json") | {"truth": truth}
    model = study.model("maml", data=data)
    with pytest.raises(UserError, match=re.escape(said)):
        predict_patient(model, images_of(study, "b"), tmp_path / "a.nii.gz", target=target)


MASKED = {"clip": "case", "spacing": [4, 4, 4], "crop": {"mask": {"label": [1]}, "margin": 20}}


def test_a_model_of_cropped_images_needs_a_mask_of_the_patient(study, tmp_path) -> None:
    paths = images_of(study, "b")
    unregistered = study.settings.registration.model_copy(update={"method": "none"})
    changes = {"registration": unregistered.model_dump(mode="json"), "preprocessing": MASKED}
    model = study.model("maml", fold=5, **changes)
    with pytest.raises(UserError, match="needs a mask of the venous image: it is cropped by masks"):
        predict_patient(model, paths, tmp_path / "seg.nii.gz")
    venous = read_volume(paths["venous"])
    mask = np.zeros(venous.array.shape, np.uint8)
    mask[8:18, 6:14, 10:24] = 3
    write_volume(tmp_path / "mask.nii.gz", venous.with_array(mask))
    given = {"venous": tmp_path / "mask.nii.gz"}
    predict_patient(model, paths, tmp_path / "seg.nii.gz", given)
    found = read_volume(tmp_path / "seg.nii.gz")
    assert found.geometry.agrees_with(venous.geometry)
    # 20 mm are 3 to 5 voxels of 4 to 6 mm.
    assert found.array[3:23, 2:18, 7:27].any()
    found.array[3:23, 1:19, 5:29] = 0
    assert not found.array.any()
    with pytest.raises(UserError, match="there is no portal image to this mask"):
        predict_patient(model, paths, tmp_path / "seg.nii.gz", {"portal": given["venous"]})


def test_a_model_of_images_laid_on_each_other_by_masks_needs_both(study, tmp_path) -> None:
    paths = images_of(study, "b")
    venous, arterial = (read_volume(paths[name]) for name in ("venous", "arterial"))
    content = {"method": "centroid", "options": {"centroid": {"mask": {"label": [1]}}}}
    registration = study.settings.registration.model_copy(update=content)
    model = study.model("maml", fold=6, registration=registration.model_dump(mode="json"))
    given = {}
    mask = np.zeros(venous.array.shape, np.uint8)
    mask[8:18, 6:14, 10:24] = 1
    for name, image in (("arterial", arterial), ("venous", venous)):
        with pytest.raises(UserError, match=f"needs a mask of the {name} image: its images are"):
            predict_patient(model, paths, tmp_path / "seg.nii.gz", given)
        write_volume(tmp_path / f"{name}.nii.gz", image.with_array(mask))
        given[name] = tmp_path / f"{name}.nii.gz"
    predict_patient(model, paths, tmp_path / "seg.nii.gz", given)
    assert read_volume(tmp_path / "seg.nii.gz").geometry == venous.geometry
