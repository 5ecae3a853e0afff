"""Two images of a case, each with its own label, from files to arrays, checked by SimpleITK."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.convert import convert_image, convert_label
from remodal.intake.label_source import LabelSource
from remodal.intake.nifti import read_volume, write_volume
from remodal.preprocessing import fingerprint_fold, preprocess_case
from remodal.registration.case import register_case
from remodal.results.files import read_json, write_json
from remodal.results.records import Record
from remodal.settings import ClipSettings, Settings, WaySettings
from remodal.settings.composition import compose

CONFIG = Path(__file__).parents[1] / "config"
FIXED = Geometry((16, 36, 40), (4.0, 5.0, 6.0), (-100.0, -80.0, 30.0))
MOVING = Geometry((20, 30, 34), (5.0, 6.5, 5.0), (-85.0, -95.0, 25.0))
BOTH = ["t1", "t2"]
STUDY = {
    "title": "A liver in T1 and one in T2",
    "data": {"name": "toy", "modalities": BOTH, "truth": "image", "classes": {"liver": [3]}},
    "registration": {
        **{"fixed": "t2", "body_threshold": None, "outside": 0.0},
        "options": {
            "elastix": {"transforms": ["rigid"]},
            "centroid": {"mask": {"label": [3]}},
        },
    },
    "preprocessing": {
        "clip": {"by": "dataset_foreground", "percentiles": [0, 100]},
        "crop": "none",
        "spacing": [6.0, 5.0, 4.0],
    },
    "methods": {"one": {"type": "nnunet"}},
    "scenarios": {"both": {"present": BOTH, "target": "t2"}},
}


def settings_for(method: str, folder: Path) -> Settings:
    """The study, registered in one way; nothing is resampled when it is prepared."""
    shutil.copytree(CONFIG / "presets", folder / "config/presets")
    (folder / "config/studies").mkdir()
    (folder / "config/studies/toy.yaml").write_text(yaml.safe_dump(STUDY))
    # The preset's registration is coarse enough.
    chosen = {"study": "toy", "preset": "smoke", "registration": {"method": method}}
    return compose(chosen, folder / "config")


def liver(grid: Geometry, centre: tuple[float, float, float]) -> np.ndarray:
    """An ellipsoid around a place (x, y, z in mm), as a mask of the grid."""
    index = np.indices(grid.shape)[::-1].reshape(3, -1)
    places = grid.affine[:3, :3] @ index + grid.affine[:3, 3:]
    radii = np.array([[40.0], [32.0], [24.0]])
    return ((((places - np.array(centre)[:, None]) / radii) ** 2).sum(0) < 1).reshape(grid.shape)


def write_sources(folder: Path, grids: dict[str, Geometry], centres: dict) -> None:
    """Each image with the liver at its place; its label is 3 for the liver, 1 for another organ."""
    rng = np.random.default_rng(0)
    for name, grid in grids.items():
        mask = liver(grid, centres[name])
        array = np.where(mask, 400, 100) + rng.normal(0, 15, grid.shape)
        array[:, :4] += 200  # something else to align with
        write_volume(folder / f"{name}.nii", Volume(array.astype(np.int16), grid))
        label = np.where(mask, 3, 0).astype(np.uint8)
        label[:, :4] = 1
        write_volume(folder / f"{name}-mask.nii", Volume(label, grid))


def converted(folder: Path) -> Path:
    """Both images and both labels, each label on the grid of its image."""
    output = folder / "converted"
    for name in BOTH:
        image, label = output / name, output / f"label-{name}"
        files = Path(f"{image}.nii.gz"), Path(f"{image}.json")
        convert_image(folder / f"{name}.nii", *files, case="a", modality=name)
        source = LabelSource((folder / f"{name}-mask.nii",))
        made = Path(f"{label}.nii.gz"), Path(f"{label}.json")
        convert_label(source, *files[::-1], *made, case="a", drawn_on=name)
    return output


def preprocessed(settings: Settings, folder: Path, registered: Path) -> Record:
    """The case as the only training case of a fold, prepared."""
    fold = {"train": ["a"], "validation": [], "test": []}
    known = {"patients": {"a": "a"}, "modalities": {"a": BOTH}, "labels": {"a": BOTH}}
    write_json(folder / "splits.json", {"folds": [fold]} | known)
    fingerprint = folder / "fold0.fingerprint.json"
    fingerprint_fold(settings, folder / "splits.json", 0, registered, fingerprint)
    return preprocess_case(settings, "a", registered / "a", [fingerprint], folder)[0]


def rigid_of_elastix(path: Path) -> sitk.Euler3DTransform:
    """The transform that a parameter file of elastix describes, by SimpleITK."""
    text = path.read_text()
    numbers = {
        key: list(map(float, re.search(rf"\({key} ([^)]*)\)", text)[1].split()))
        for key in ("TransformParameters", "CenterOfRotationPoint")
    }
    transform = sitk.Euler3DTransform()
    transform.SetCenter(numbers["CenterOfRotationPoint"])
    transform.SetParameters(numbers["TransformParameters"])
    return transform


def centroid(label: Path) -> np.ndarray:
    """Where the liver lies, in mm, by SimpleITK."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(sitk.ReadImage(str(label)) == 3)
    return np.array(shape.GetCentroid(1))


def between_livers(folder: Path) -> sitk.TranslationTransform:
    """From the liver's centroid in t2 to that in t1, by SimpleITK."""
    centroids = []
    for name in ("t1", "t2"):
        shape = sitk.LabelShapeStatisticsImageFilter()
        shape.Execute(sitk.ReadImage(str(folder / f"{name}-mask.nii")))
        centroids.append(np.array(shape.GetCentroid(3)))
    return sitk.TranslationTransform(3, (centroids[0] - centroids[1]).tolist())


def carried(label: Path, grid: Path, transform: sitk.Transform) -> np.ndarray:
    """A label on another image's grid, nearest neighbour, by SimpleITK."""
    moved = sitk.Resample(
        sitk.ReadImage(str(label)), sitk.ReadImage(str(grid)), transform, sitk.sitkNearestNeighbor
    )
    return sitk.GetArrayFromImage(moved)


def darker_share(folder: Path, name: str) -> float:
    """Share of the body, what is above half the image's mean, that is darker than the liver."""
    image, label = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{name}{end}.nii")))
        for end in ("", "-mask")
    )
    return (image[image > image.mean() / 2] < np.median(image[label == 3])).mean()


@pytest.mark.parametrize("method", ["elastix", "header", "centroid"])
def test_registration_brings_the_label_of_the_moving_image_along(tmp_path, method):
    settings = settings_for(method, tmp_path)
    centres = {"t1": (2.0, 8.0, 66.0), "t2": (8.0, 4.0, 72.0)}
    write_sources(tmp_path, {"t1": MOVING, "t2": FIXED}, centres)
    source, output = converted(tmp_path), tmp_path / "registered/a"
    record = register_case(settings, "a", source, output, BOTH, BOTH)
    assert record.details["labels"] == BOTH
    apart = record.details["label-t1"].pop("displacement_mm")
    for name in BOTH:
        bright = record.details[f"label-{name}"].pop("brightness")
        assert bright == pytest.approx(darker_share(tmp_path, name), abs=1e-3)
    assert record.details["label-t1"] == {"drawn_on": "t1", "warped": True}
    assert record.details["label-t2"] == {"drawn_on": "t2", "warped": False}
    assert (output / "label-t2.nii.gz").samefile(source / "label-t2.nii.gz")

    files = tmp_path / "t1-mask.nii", tmp_path / "t2.nii"
    expected = still = carried(*files, sitk.Transform(3, sitk.sitkIdentity))
    if method == "centroid":
        expected = carried(*files, between_livers(tmp_path))
        assert np.mean(expected != still) > 1e-2
        assert record.details["masks"]["t1"] == {"uses_label": True, "values": [3]}
    if method == "elastix":
        expected = carried(*files, rigid_of_elastix(output / "transform-t1-0.txt"))
        assert np.mean(expected != still) > 1e-2
    found = read_volume(output / "label-t1.nii.gz")
    assert found.geometry.agrees_with(FIXED)
    places = [centroid(output / f"label-{name}.nii.gz") for name in BOTH]
    assert apart == pytest.approx(np.linalg.norm(places[0] - places[1]), abs=0.01)
    if method == "header":
        between = np.array(centres["t1"]) - np.array(centres["t2"])
        assert apart == pytest.approx(np.linalg.norm(between), abs=1.5)
    if method == "centroid":
        assert apart < 1
    # A voxel's centre that falls between two voxels may go to either.
    assert np.mean(found.array != expected) < 1e-3

    record = preprocessed(settings, tmp_path, tmp_path / "registered")
    assert record.details["labels"] == BOTH
    images = np.load(tmp_path / "fold0/a.npy")
    for number, name in enumerate(BOTH):
        stored = np.load(tmp_path / f"fold0/a.label-{name}.npy")
        truth = read_volume(output / f"label-{name}.nii.gz").array == 3
        np.testing.assert_array_equal(stored, truth)
        listed = np.array(record.details["foreground"][name]["1"])
        np.testing.assert_array_equal(listed, np.argwhere(truth))
        assert record.details["voxels"][name] == {"1": truth.sum()}
        assert images[number][truth].mean() > images[number][~truth].mean() + 1


def with_a_copy(settings: Settings, **data) -> Settings:
    """The study with t1 once more, registered to t2 by elastix; t1 itself lies as it is."""
    content = settings.model_dump()
    content["data"] |= {"modalities": [*BOTH, COPY], "copies": {COPY: "t1"}} | data
    content["registration"] |= {"method": "header", "by_modality": {COPY: "elastix"}}
    return Settings.model_validate(content)


COPY = "t1_registered"


def test_a_copy_of_an_image_is_registered_in_another_way_from_the_same_converted_file(tmp_path):
    settings = with_a_copy(settings_for("header", tmp_path))
    centres = {"t1": (2.0, 8.0, 66.0), "t2": (8.0, 4.0, 72.0)}
    write_sources(tmp_path, {"t1": MOVING, "t2": FIXED}, centres)
    source, output = converted(tmp_path), tmp_path / "registered/a"
    names = [*BOTH, COPY]
    record = register_case(settings, "a", source, output, names, names)
    assert record.details["labels"] == names
    assert [record.details[name]["method"] for name in ("t1", COPY)] == ["header", "elastix"]
    assert record.details["acquired"][COPY] == record.details["acquired"]["t1"]

    alone = settings_for("elastix", tmp_path / "alone")
    register_case(alone, "a", source, tmp_path / "elastix", BOTH, BOTH)
    as_it_lies = settings_for("header", tmp_path / "lying")
    register_case(as_it_lies, "a", source, tmp_path / "header", BOTH, BOTH)
    for other, mine, way in (("t1", COPY, "elastix"), ("t1", "t1", "header")):
        for start in ("", "label-"):
            found = read_volume(output / f"{start}{mine}.nii.gz").array
            expected = read_volume(tmp_path / way / f"{start}{other}.nii.gz").array
            np.testing.assert_array_equal(found, expected)
    assert (output / f"transform-{COPY}-0.txt").is_file()
    assert not (output / "transform-t1-0.txt").exists()


def test_a_copy_that_cannot_be_registered_is_named(tmp_path):
    settings = with_a_copy(settings_for("header", tmp_path))
    options = {"elastix": {"samples": 100, "working_spacing": 200.0}}
    own = {"method": "elastix", "options": options}
    changed = settings.registration.model_copy(
        update={"by_modality": {COPY: WaySettings.model_validate(own)}}
    )
    settings = settings.model_copy(update={"registration": changed})
    write_sources(tmp_path, {"t1": MOVING, "t2": FIXED}, dict.fromkeys(BOTH, (2.0, 8.0, 66.0)))
    names = [*BOTH, COPY]
    with pytest.raises(BadCase, match=f"^a, {COPY}: elastix could not align the images"):
        register_case(settings, "a", converted(tmp_path), tmp_path / "out", names, names)


def test_without_registration_each_label_stays_and_measures_its_own_image(tmp_path):
    settings = settings_for("none", tmp_path)
    centres = {"t1": (-20.0, 8.0, 66.0), "t2": (40.0, 4.0, 72.0)}
    write_sources(tmp_path, dict.fromkeys(BOTH, FIXED), centres)
    source, output = converted(tmp_path), tmp_path / "registered/a"
    register_case(settings, "a", source, output, BOTH, BOTH)
    preprocessed(settings, tmp_path, tmp_path / "registered")
    measured = read_json(tmp_path / "fold0.fingerprint.json")["foreground"]
    for name in BOTH:
        assert (output / f"label-{name}.nii.gz").samefile(source / f"label-{name}.nii.gz")
        image, label = (
            sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"{name}{end}.nii")))
            for end in ("", "-mask")
        )
        np.testing.assert_array_equal(np.load(tmp_path / f"fold0/a.label-{name}.npy"), label == 3)
        assert measured[name]["mean"] == pytest.approx(image[label == 3].mean())
        assert measured[name]["voxels"] == (label == 3).sum()


def test_an_image_without_a_label_is_no_foreground_and_has_an_empty_file(tmp_path):
    settings = settings_for("none", tmp_path)
    write_sources(tmp_path, dict.fromkeys(BOTH, FIXED), dict.fromkeys(BOTH, (8.0, 4.0, 72.0)))
    source, output = converted(tmp_path), tmp_path / "registered/a"
    record = register_case(settings, "a", source, output, BOTH, ["t2"])
    assert record.details["labels"] == ["t2"]
    assert (output / "label-t1.nii.gz").stat().st_size == 0
    with pytest.raises(Exception, match="no training case has the t1 image with a label"):
        preprocessed(settings, tmp_path, tmp_path / "registered")
    plain = settings.preprocessing.model_copy(update={"clip": ClipSettings(by="case")})
    settings = settings.model_copy(update={"preprocessing": plain})
    record = preprocessed(settings, tmp_path, tmp_path / "registered")
    assert record.details["labels"] == list(record.details["foreground"]) == ["t2"]
    assert (tmp_path / "all/a.label-t1.npy").stat().st_size == 0
    assert len(np.load(tmp_path / "all/a.npy")) == 2
