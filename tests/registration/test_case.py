"""The registration stage: files in, files out, and what happens to bad cases."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.orientations import ORIENTATIONS

from remodal.errors import BadCase, UserError
from remodal.geometry.volume import Geometry, Volume
from remodal.intake.nifti import read_volume, write_volume
from remodal.registration.case import register_case
from remodal.registration.transforms import warp_image, warp_label
from remodal.results.records import Record, quarantine, read_record, write_record
from remodal.settings import Settings
from remodal.settings.composition import compose

PHASES = ["arterial", "venous"]
LABELLED = {"modalities": PHASES, "labels": ["venous"]}
OUTPUTS = ["arterial.nii.gz", "label-venous.nii.gz", "registration.png", "venous.nii.gz"]


def settings_with(**registration) -> Settings:
    fast = {"options": {"elastix": {"resolutions": 2, "iterations": 30, "samples": 500}}}
    return compose(
        {"study": "liver", "preset": "smoke"}, overrides={"registration": fast | registration}
    )


def label_of(liver: np.ndarray) -> np.ndarray:
    label = liver.astype(np.uint8)
    where = np.argwhere(liver)
    label[tuple(where[len(where) // 2])] = 2
    return label


@pytest.fixture
def converted(abdomen, tmp_path: Path) -> Path:
    """A converted case, its label drawn on the venous image."""
    folder = tmp_path / "converted"
    volumes = {"arterial": abdomen.moving, "venous": abdomen.fixed}
    for modality, volume in volumes.items():
        write_volume(folder / f"{modality}.nii.gz", volume)
        details = {"tags": {"Modality": "CT"}, "range": [-1000.0, 300.0]}
        record = Record(case="a", stage="convert", modality=modality, details=details)
        write_record(folder / f"{modality}.json", record)
    draw_label(folder, label_of(abdomen.liver), "venous")
    return folder


def draw_label(folder: Path, label: np.ndarray, drawn_on: str) -> None:
    grid = read_volume(folder / f"{drawn_on}.nii.gz").geometry
    write_volume(folder / f"label-{drawn_on}.nii.gz", Volume(label, grid))
    record = Record(case="a", stage="convert-label", modality=drawn_on)
    write_record(folder / f"label-{drawn_on}.json", record)


def test_a_case_is_registered_with_all_its_files(converted, tmp_path):
    output = tmp_path / "registered"
    record = register_case(settings_with(), "a", converted, output, **LABELLED)
    assert record.ok
    assert record == read_record(output / "registration.json")
    names = [f"transform-arterial-{n}.txt" for n in range(2)]
    assert sorted(p.name for p in output.iterdir()) == sorted(
        [*OUTPUTS, "registration.json", *names]
    )
    for linked in ("venous.nii.gz", "label-venous.nii.gz"):
        assert (output / linked).samefile(converted / linked)
    assert read_volume(output / "arterial.nii.gz").array.dtype == np.int16
    assert record.details["modalities"] == ["arterial", "venous"]
    assert record.details["fixed"] == "venous"
    assert record.details["arterial"]["transforms"] == names
    assert record.details["labels"] == ["venous"]
    assert record.details["label-venous"] == {"drawn_on": "venous", "warped": False}
    assert record.details["acquired"]["arterial"] == {"modality": "CT", "range": [-1000.0, 300.0]}
    assert str(tmp_path) not in (output / names[1]).read_text()
    Image.open(output / "registration.png").verify()


def test_the_same_case_gives_the_same_bytes(converted, tmp_path):
    outputs = [tmp_path / "one", tmp_path / "two"]
    records = [
        register_case(settings_with(), "a", converted, output, **LABELLED) for output in outputs
    ]
    for record in records:
        assert record.details["arterial"].pop("seconds") >= 0
    assert records[0] == records[1]
    names = sorted(path.name for path in outputs[0].iterdir() if path.suffix != ".json")
    assert {"arterial.nii.gz", "venous.nii.gz", "label-venous.nii.gz"} <= set(names)
    for name in names:
        assert (outputs[0] / name).read_bytes() == (outputs[1] / name).read_bytes(), name


def test_a_label_drawn_on_the_moving_image_moves_with_it(abdomen, converted, tmp_path):
    moving = converted / "arterial.nii.gz"
    label = np.zeros(read_volume(moving).array.shape, np.uint8)
    label[8:14, 14:24, 8:20] = 2
    draw_label(converted, label, "arterial")
    record = register_case(settings_with(), "a", converted, tmp_path / "out", PHASES, ["arterial"])
    assert record.details["labels"] == ["venous"]
    assert record.details["label-venous"] == {"drawn_on": "arterial", "warped": True}
    found = read_volume(tmp_path / "out" / "label-venous.nii.gz")
    assert found.array.dtype == np.uint8
    assert set(np.unique(found.array)) == {0, 2}
    assert found.geometry.agrees_with(abdomen.fixed.geometry)
    still = warp_label(Volume(label, abdomen.moving.geometry), abdomen.fixed.geometry, [])
    assert (found.array != still.array).any()


@pytest.mark.skipif(
    shutil.which("transformix") is None, reason="transformix (Debian package `elastix`) is missing"
)
def test_transformix_makes_the_same_image_of_the_transform_files(converted, tmp_path):
    output = tmp_path / "out"
    register_case(settings_with(), "a", converted, output, **LABELLED)
    ours = read_volume(output / "arterial.nii.gz")
    source = read_volume(converted / "arterial.nii.gz")
    write_volume(output / "source.nii", source)
    command = ["transformix", "-in", "source.nii", "-tp", "transform-arterial-1.txt", "-out", "."]
    subprocess.run([*command, "-threads", "1"], cwd=output, check=True, stdout=subprocess.DEVNULL)
    theirs = read_volume(output / "result.nii")
    assert theirs.geometry.agrees_with(ours.geometry)
    outside = theirs.array == -1024
    cut = np.clip(theirs.array, source.array.min(), source.array.max())
    close = np.abs(np.where(outside, theirs.array, cut) - ours.array) <= 2
    assert close.mean() > 0.999


def assert_quarantined(output: Path, reason: str, stage: str = "register") -> None:
    record = read_record(output / "registration.json")
    assert not record.ok
    assert reason in record.reason
    assert "\n" not in record.reason
    assert record.stage == stage
    for name in OUTPUTS:
        assert (output / name).stat().st_size == 0
    assert not list(output.glob("transform-*"))


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("arterial", "the arterial image is missing"),
        ("venous", "the venous image is missing"),
        ("label-venous", "the label of the venous image is missing"),
    ],
)
def test_what_is_missing_is_named(converted, tmp_path, missing, reason):
    (converted / f"{missing}.json").unlink()
    (converted / f"{missing}.nii.gz").unlink()
    register_case(settings_with(), "a", converted, tmp_path / "out", **LABELLED, quarantine=True)
    assert_quarantined(tmp_path / "out", reason)


def test_an_earlier_quarantine_is_passed_on_with_its_stage(converted, tmp_path):
    bad = Record(case="a", stage="convert", modality="arterial", reason="slice 7 is missing")
    quarantine(converted / "arterial.json", bad, [converted / "arterial.nii.gz"])
    register_case(settings_with(), "a", converted, tmp_path / "out", **LABELLED, quarantine=True)
    assert_quarantined(tmp_path / "out", "slice 7 is missing", stage="convert")


def test_phases_apart_in_space_are_quarantined_and_the_source_kept(converted, tmp_path):
    path = converted / "arterial.nii.gz"
    volume = read_volume(path)
    grid = volume.geometry
    away = Geometry(grid.shape, grid.spacing, (*grid.origin[:2], 5000.0), grid.direction)
    write_volume(path, Volume(volume.array, away))
    register_case(settings_with(), "a", converted, tmp_path / "out", **LABELLED, quarantine=True)
    assert_quarantined(tmp_path / "out", "a, arterial: the images do not overlap")
    assert (converted / "venous.nii.gz").stat().st_size > 0


def test_a_constant_phase_is_quarantined(converted, tmp_path):
    path = converted / "arterial.nii.gz"
    volume = read_volume(path)
    write_volume(path, volume.with_array(np.zeros_like(volume.array)))
    register_case(settings_with(), "a", converted, tmp_path / "out", **LABELLED, quarantine=True)
    assert_quarantined(tmp_path / "out", "the moving image is constant")


def test_a_label_without_any_class_is_quarantined_unless_kept(abdomen, converted, tmp_path):
    draw_label(converted, abdomen.liver.astype(np.uint8), "venous")
    register_case(settings_with(), "a", converted, tmp_path / "out", **LABELLED, quarantine=True)
    assert_quarantined(tmp_path / "out", "the label holds none of the classes")
    settings = settings_with()
    data = settings.data.model_copy(update={"empty_label": "keep"})
    kept = settings.model_copy(update={"data": data})
    assert register_case(kept, "a", converted, tmp_path / "kept", **LABELLED).ok


def test_a_label_flipped_out_of_the_body_is_quarantined_unless_kept(converted, tmp_path):
    label = read_volume(converted / "label-venous.nii.gz").array
    outside = np.zeros_like(label)
    outside[:, :4, :4] = label[:, 15:19, 12:16]
    draw_label(converted, outside, "venous")
    output = tmp_path / "out"
    settings = settings_with(method="none")
    said = "100% of the label lies outside the body"
    register_case(settings, "a", converted, output, **LABELLED, quarantine=True)
    assert_quarantined(output, f"a, label-venous: {said}")
    data = settings.data.model_copy(update={"flipped_label": "keep"})
    kept = settings.model_copy(update={"data": data})
    assert (
        register_case(kept, "a", converted, output, **LABELLED)
        .warnings[0]
        .startswith(f"label-venous: {said}")
    )
    elsewhere = kept.registration.model_copy(update={"body_threshold": None})
    no_ct = settings.model_copy(update={"registration": elsewhere})
    assert register_case(no_ct, "a", converted, output, **LABELLED).warnings == []
    # Hounsfield units tell nothing of an image that DICOM calls something else.
    for modality in ("arterial", "venous"):
        record = read_record(converted / f"{modality}.json")
        record.details["tags"]["Modality"] = "MR"
        write_record(converted / f"{modality}.json", record)
    assert register_case(settings, "a", converted, output, **LABELLED).warnings == []


def test_without_quarantine_a_bad_case_raises_and_leaves_nothing(converted, tmp_path):
    (converted / "arterial.json").unlink()
    with pytest.raises(BadCase, match="the arterial image is missing"):
        register_case(settings_with(), "a", converted, tmp_path / "out", **LABELLED)
    assert not (tmp_path / "out").exists()


def test_without_registration_equal_grids_are_linked(converted, tmp_path):
    record = register_case(
        settings_with(method="none"), "a", converted, tmp_path / "out", **LABELLED
    )
    assert record.ok
    for name in ("arterial.nii.gz", "venous.nii.gz", "label-venous.nii.gz"):
        assert (tmp_path / "out" / name).samefile(converted / name)


def test_without_registration_other_grids_are_quarantined(converted, tmp_path):
    path = converted / "arterial.nii.gz"
    volume = read_volume(path)
    grid = volume.geometry
    moved = Geometry(grid.shape, grid.spacing, (grid.origin[0] + 1, *grid.origin[1:]))
    write_volume(path, Volume(volume.array, moved))
    register_case(
        settings_with(method="none"),
        "a",
        converted,
        tmp_path / "out",
        PHASES,
        ["venous"],
        quarantine=True,
    )
    assert_quarantined(tmp_path / "out", "lies on another grid")


def test_transforms_of_an_earlier_run_are_removed(converted, tmp_path):
    old = tmp_path / "out" / "transform-arterial-7.txt"
    old.parent.mkdir()
    old.write_text("(Transform)")
    register_case(settings_with(method="none"), "a", converted, tmp_path / "out", **LABELLED)
    assert not old.exists()


def test_a_case_without_the_moving_image_is_the_fixed_one_alone(converted, tmp_path):
    output = tmp_path / "out"
    record = register_case(settings_with(), "a", converted, output, ["venous"], ["venous"])
    assert record.ok
    assert record == read_record(output / "registration.json")
    assert record.details["modalities"] == ["venous"]
    assert record.details["labels"] == ["venous"]
    assert record.details["label-venous"] == {"drawn_on": "venous", "warped": False}
    assert "arterial" not in record.details
    for name in ("venous.nii.gz", "label-venous.nii.gz"):
        assert (output / name).samefile(converted / name)
    # The converted arterial image of an earlier sheet lies there and is not looked at.
    assert (output / "arterial.nii.gz").stat().st_size == 0
    assert not list(output.glob("transform-*"))
    Image.open(output / "registration.png").verify()


def test_a_case_without_the_fixed_image_keeps_the_grid_of_its_first(abdomen, converted, tmp_path):
    draw_label(converted, label_of(abdomen.liver), "arterial")
    output = tmp_path / "out"
    record = register_case(settings_with(), "a", converted, output, ["arterial"], ["arterial"])
    assert record.ok
    assert (record.details["modalities"], record.details["fixed"]) == (["arterial"], "arterial")
    assert (output / "arterial.nii.gz").samefile(converted / "arterial.nii.gz")
    assert (output / "label-venous.nii.gz").samefile(converted / "label-arterial.nii.gz")
    assert (output / "venous.nii.gz").stat().st_size == 0


def test_a_case_without_the_fixed_image_is_laid_on_nothing_by_its_mask(
    abdomen, converted, tmp_path
):
    draw_label(converted, label_of(abdomen.moved_liver), "arterial")
    centroid = {"method": "centroid", "options": {"centroid": {"mask": {"label": [1, 2]}}}}
    output = tmp_path / "out"
    settings = settings_with(**centroid)
    record = register_case(settings, "a", converted, output, ["arterial"], ["arterial"])
    assert record.ok
    assert (record.details["fixed"], record.warnings) == ("arterial", [])
    assert (output / "arterial.nii.gz").samefile(converted / "arterial.nii.gz")
    assert not list(output.glob("transform-*"))


def test_a_label_of_an_image_that_the_case_lacks_is_a_users_error(converted, tmp_path):
    with pytest.raises(UserError, match="--label: unknown modality `venous`; expected one of art"):
        register_case(settings_with(), "a", converted, tmp_path, ["arterial"], ["venous"])


def test_two_labels_of_one_truth_are_a_users_error(converted, tmp_path):
    with pytest.raises(UserError, match="2 labels, drawn on arterial and venous"):
        register_case(settings_with(), "a", converted, tmp_path, PHASES, PHASES)


def test_only_the_fixed_images_label_is_the_truth_where_others_serve_as_masks(
    abdomen, converted, tmp_path
):
    draw_label(converted, label_of(abdomen.liver), "arterial")
    options = {"centroid": {"mask": {"label": [1]}}}
    settings = settings_with(method="centroid", options=options)
    settings = settings.model_copy(
        update={"data": settings.data.model_copy(update={"truth": "fixed"})}
    )
    assert settings.labels == ["venous"]
    output = tmp_path / "out"
    record = register_case(settings, "a", converted, output, PHASES, PHASES)
    assert record.details["labels"] == ["venous"]
    assert record.details["label-venous"] == {"drawn_on": "venous", "warped": False}
    assert "label-arterial" not in record.details
    assert (output / "label-venous.nii.gz").samefile(converted / "label-venous.nii.gz")
    assert not (output / "label-arterial.nii.gz").exists()
    assert set(record.details["masks"]) == set(PHASES)
    assert all(mask["uses_label"] for mask in record.details["masks"].values())
    assert record.details["arterial"]["transforms"]


def test_an_unlabelled_case_is_registered_without_a_label(converted, tmp_path):
    """The sheet's cell was emptied later; the converted label still exists but is not used."""
    output = tmp_path / "out"
    record = register_case(settings_with(), "a", converted, output, PHASES)
    assert record.ok
    assert record.details["labels"] == []
    assert (output / "label-venous.nii.gz").stat().st_size == 0
    assert (output / "arterial.nii.gz").stat().st_size > 0
    Image.open(output / "registration.png").verify()


def test_a_modality_that_the_study_does_not_know_is_a_users_error(converted, tmp_path):
    with pytest.raises(UserError, match="unknown modality `portal`; expected one of arterial"):
        register_case(settings_with(), "a", converted, tmp_path / "out", ["portal"])


def turned(folder: Path, name: str) -> None:
    """Store a file of a converted case from the top, in RAS."""
    volume = read_volume(folder / f"{name}.nii.gz")
    write_volume(folder / f"{name}.nii.gz", ORIENTATIONS[13].store(volume))


def test_without_registration_images_of_other_axis_orders_share_the_fixed_grid(
    abdomen, converted, tmp_path
):
    draw_label(converted, label_of(abdomen.moved_liver), "arterial")
    for name in ("arterial", "label-arterial"):
        turned(converted, name)
    output = tmp_path / "out"
    settings = settings_with(method="none")
    assert register_case(settings, "a", converted, output, PHASES, ["arterial"]).ok
    for name, array in (
        ("arterial", abdomen.moving.array),
        ("label-venous", label_of(abdomen.moved_liver)),
    ):
        found = read_volume(output / f"{name}.nii.gz")
        np.testing.assert_array_equal(found.array, array)
        assert found.geometry.agrees_with(abdomen.fixed.geometry)


def test_by_the_headers_a_label_of_the_moving_image_is_carried_along(abdomen, converted, tmp_path):
    finer = Geometry((30, 50, 45), (7.0, 6.0, 7.0), (-155.0, -130.0, 410.0))
    moving = warp_image(abdomen.moving, finer, [], -1024)
    write_volume(converted / "arterial.nii.gz", moving)
    liver = warp_label(Volume(label_of(abdomen.liver), abdomen.fixed.geometry), finer, [])
    draw_label(converted, liver.array, "arterial")
    output = tmp_path / "out"
    settings = settings_with(method="header")
    record = register_case(settings, "a", converted, output, PHASES, ["arterial"])
    assert record.details["label-venous"] == {"drawn_on": "arterial", "warped": True}
    assert record.details["arterial"]["transforms"] == []
    found = read_volume(output / "label-venous.nii.gz")
    assert found.geometry.agrees_with(abdomen.fixed.geometry)
    same = (found.array > 0) == abdomen.liver
    assert same.mean() > 0.98


def test_nothing_is_cut_off_a_label_that_reaches_over_the_fixed_image(abdomen, converted, tmp_path):
    higher = replace(abdomen.moving.geometry, origin=shifted(abdomen.moving.geometry, 60.0))
    write_volume(converted / "arterial.nii.gz", replace(abdomen.moving, geometry=higher))
    label = np.full(higher.shape, 2, np.uint8)
    draw_label(converted, label, "arterial")
    volumes = {}
    for extent in ("fixed", "all"):
        settings = settings_with(method="header", grid={"extent": extent}, body_threshold=None)
        register_case(settings, "a", converted, tmp_path / extent, PHASES, ["arterial"])
        found = read_volume(tmp_path / extent / "label-venous.nii.gz")
        volumes[extent] = np.count_nonzero(found.array) * np.prod(found.geometry.spacing)
        images = [read_volume(tmp_path / extent / f"{phase}.nii.gz") for phase in PHASES]
        assert all(image.geometry.agrees_with(found.geometry) for image in images)
    whole = label.size * np.prod(higher.spacing)
    assert volumes["fixed"] < 0.9 * whole
    assert volumes["all"] == pytest.approx(whole, rel=0.02)


def shifted(geometry: Geometry, upwards: float) -> tuple[float, float, float]:
    x, y, z = geometry.origin
    return x, y, z + upwards


def test_a_record_says_which_masks_laid_the_images_on_each_other(converted, tmp_path):
    options = {"centroid": {"mask": {"label": [1]}}}
    settings = settings_with(method="centroid", options=options)
    record = register_case(settings, "a", converted, tmp_path / "out", **LABELLED)
    assert record.details["masks"] == {
        "arterial": {"uses_label": True, "missing": "the image has no label"},
        "venous": {"uses_label": True, "values": [1]},
    }
    assert "the mask of the moving image is empty, or there is none" in record.warnings[0]
