"""A simulated pair as other people's software sees it, and as the reader of BIDS folders does."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from remodal.intake.bids import Wanted, find_cases, read_groups
from remodal.intake.datasets.t1t2_phantom import (
    LESION,
    LIVER,
    Pair,
    T1T2PhantomOptions,
    lesion_type,
    pairs,
    stored_case,
)
from remodal.phantom.liver_mr.bids_files import simulate_case, simulate_pair
from remodal.phantom.liver_mr.patient import paint
from remodal.phantom.liver_mr.pose import AS_PAINTED
from remodal.phantom.liver_mr.scanner import Acquisition, acquired, plan_slices, sampled
from remodal.results.files import sha256
from remodal.results.records import read_record

OPTIONS = T1T2PhantomOptions(
    pairs=5, patients=3, matrix=(48, 40), slices=(18, 12), oblique=1.0, noise=(0.02, 0.03)
)
WANTED = Wanted({"t1": "T1w", "t2": "T2w"}, {})
#: Two pairs of one patient.
FIRST, SECOND = next(
    (one, other)
    for one, other in zip(pairs(OPTIONS), pairs(OPTIONS)[1:])
    if one.patient == other.patient
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A pair as it is written."""
    folder = tmp_path_factory.mktemp("pair")
    simulate_case(OPTIONS, FIRST.name, folder, Path("unused"))
    return folder


@pytest.fixture(scope="module")
def read(folder) -> dict[str, tuple[sitk.Image, sitk.Image]]:
    """Its images and labels, by SimpleITK."""
    stored = stored_case(FIRST, folder)
    return {
        name: tuple(
            sitk.ReadImage(str(path)) for path in (stored.images[name], *stored.labels[name].files)
        )
        for name in stored.images
    }


def arrays(pair: tuple[sitk.Image, sitk.Image]) -> tuple[np.ndarray, np.ndarray]:
    return tuple(map(sitk.GetArrayFromImage, pair))


def centroid(label: sitk.Image) -> np.ndarray:
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(label > 0)
    return np.array(shape.GetCentroid(1))


def test_the_reader_of_bids_folders_finds_what_is_stored(folder):
    assert find_cases(folder, WANTED) == [stored_case(FIRST, folder)]
    group = lesion_type(OPTIONS, FIRST.patient)
    assert read_groups(folder, "lesion") == {FIRST.subject: group}


def test_each_label_is_on_the_grid_of_its_image_and_both_grids_are_oblique(read):
    for image, label in read.values():
        assert image.GetSize() == label.GetSize()
        for part in ("GetSpacing", "GetOrigin", "GetDirection"):
            assert getattr(image, part)() == pytest.approx(getattr(label, part)(), abs=1e-4)
        direction = np.array(image.GetDirection()).reshape(3, 3)
        # RAS, turned by a few degrees.
        angle = np.degrees(np.arccos((np.trace(direction @ np.diag([-1, -1, 1])) - 1) / 2))
        assert 1.9 < angle < 8.1
    t1, t2 = (image for image, _ in read.values())
    assert t2.GetSpacing()[2] > 1.3 * t1.GetSpacing()[2]


@pytest.mark.parametrize("name", ["t1", "t2"])
def test_the_labels_lie_on_the_liver_that_the_image_shows(read, name):
    image, label = arrays(read[name])
    assert set(np.unique(label)) == {0, LIVER, LESION}
    plain = image[label == LIVER]
    near = sitk.GetArrayFromImage(sitk.BinaryDilate(read[name][1] > 0, (2, 2, 0)))
    around = image[(near > 0) & (label == 0)]
    brightness, spread = np.median(plain), np.median(np.abs(plain - np.median(plain)))
    # Half of what lies around the liver differs from it by far more than the liver in itself.
    assert np.median(np.abs(around - brightness)) > 3 * spread
    assert spread < 0.15 * brightness


def test_the_liver_is_brighter_than_the_spleen_in_t1_and_darker_in_t2():
    painted = paint(OPTIONS, FIRST.patient)
    canvas, tissues = painted.canvas, painted.patient.tissues
    liver, spleen, bile = tissues["liver"], tissues["spleen"], tissues["bile"]
    assert liver.venous > spleen.venous > tissues["muscle"].venous > bile.venous
    assert liver.arterial < spleen.arterial < tissues["fat"].arterial < bile.arterial
    # What is painted has these contrasts.
    inside = (canvas.liver > 0.99) & (canvas.tumour == 0)
    assert np.median(canvas.venous[inside]) == pytest.approx(liver.venous, rel=0.05)
    assert np.median(canvas.arterial[inside]) == pytest.approx(liver.arterial, rel=0.05)


def test_the_recorded_displacement_is_that_of_the_written_labels(folder, read):
    details = read_record(folder / "record.json").details
    away = centroid(read["t2"][1]) - centroid(read["t1"][1])
    assert details["displacement_xyz_mm"] == pytest.approx(away.tolist(), abs=0.1)
    assert details["displacement_mm"] == pytest.approx(np.linalg.norm(away), abs=0.1)


@pytest.mark.parametrize("length", [3.0, 150.0])
def test_the_liver_is_displaced_as_far_as_was_drawn(length):
    options = OPTIONS.model_copy(update={"displacement": (length, length)})
    scans, _, moved = simulate_pair(options, FIRST)
    assert np.linalg.norm(moved.liver) == pytest.approx(length)
    t1, t2 = (centroid_of(scan) for scan in scans.values())
    # Thick slices and a border drawn by hand leave a few mm open.
    assert (t2 - t1).tolist() == pytest.approx(moved.liver.tolist(), abs=3)


def centroid_of(scan) -> np.ndarray:
    volume = scan.stored(scan.label)
    affine = volume.geometry.affine
    return affine[:3, :3] @ np.argwhere(volume.array).mean(0)[::-1] + affine[:3, 3]


def test_most_displacements_are_between_one_and_four_centimetres():
    from remodal.phantom.liver_mr import pose

    rng = np.random.default_rng(0)
    drawn = OPTIONS.usual_displacement * np.exp(rng.normal(0, pose._SPREAD, 10_000))
    assert 0.7 < np.mean((drawn > 10) & (drawn < 40)) < 0.9


def test_pairs_of_a_patient_share_the_anatomy_but_not_the_displacement():
    (_, first, moved), (_, second, again) = (simulate_pair(OPTIONS, one) for one in (FIRST, SECOND))
    for name in ("arterial", "venous", "liver", "tumour"):
        np.testing.assert_array_equal(getattr(first.canvas, name), getattr(second.canvas, name))
    assert first.lesions == second.lesions
    assert np.abs(moved.liver - again.liver).max() > 1


def test_the_same_pair_has_the_same_bytes_whatever_others_there_are(folder, tmp_path):
    more = OPTIONS.model_copy(update={"pairs": 9})
    simulate_case(more, FIRST.name, tmp_path, Path("unused"))
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        assert sha256(path) == sha256(tmp_path / path.relative_to(folder)), path


def test_a_border_drawn_twice_differs_a_little_and_not_at_all_without_reading():
    steady = OPTIONS.model_copy(update={"reading": 0.0})
    once, twice = (
        simulate_pair(options, FIRST)[0]["t1"].label > 0 for options in (steady, OPTIONS)
    )
    dice = 2 * np.sum(once & twice) / (np.sum(once) + np.sum(twice))
    assert 0.93 < dice < 1


@pytest.fixture(scope="module")
def flat():
    """A stack of slices, and a signal that is the liver's inside a bar in front."""
    painted = paint(OPTIONS, 1)
    rng = np.random.default_rng(0)
    planned = plan_slices(painted.canvas, AS_PAINTED, 400.0, (64, 12), (0, 0, 0), 0.1, rng)
    signal = np.zeros(planned.grid.shape, np.float32)
    signal[:, 8:16, 16:48] = 300
    return planned, signal


def test_noise_is_rician(flat):
    planned, signal = flat
    plain = Acquisition(liver=300, gain=1000, noise=0.05, bias=0)
    image = acquired(signal, planned, plain, np.random.default_rng(0))
    assert image[:, 40:].mean() == pytest.approx(1000 * 0.05 * np.sqrt(np.pi / 2), rel=0.03)
    bar = image[:, 9:15, 17:47]
    assert bar.mean() == pytest.approx(1000 * np.sqrt(1 + 0.05**2), rel=0.01)
    assert bar.std() == pytest.approx(50, rel=0.05)


def test_ghosts_lie_along_the_phase_encoding_axis_only(flat):
    planned, signal = flat
    told = {"liver": 300, "gain": 1000, "noise": 0.0, "bias": 0}
    ghosted = Acquisition(**told, ghosting=0.2, period=0.25)
    difference = np.abs(
        acquired(signal, planned, ghosted, np.random.default_rng(0)).astype(int)
        - acquired(signal, planned, Acquisition(**told), np.random.default_rng(0))
    )
    assert difference[:, 24:32, 16:48].min() > 20  # a quarter of the field of view behind
    assert difference[:, :, :16].max() == difference[:, :, 48:].max() == 0


def test_slices_average_over_their_thickness():
    painted = paint(OPTIONS, 1)
    canvas = painted.canvas
    rng = np.random.default_rng(0)
    planned = plan_slices(canvas, AS_PAINTED, 400.0, (32, 10), (0, 0, 0), 0.1, rng)
    rising = np.broadcast_to(canvas.z[:, None, None].astype(np.float32), canvas.liver.shape)
    (found,) = sampled(rising[None], canvas, planned, AS_PAINTED)
    heights = planned.grid.origin[2] + planned.grid.spacing[2] * np.arange(len(found))
    inside = (heights > canvas.z[0] + 20) & (heights < canvas.z[-1] - 20)
    middle = found[inside, 12:20, 12:20]
    expected = np.broadcast_to(heights[inside, None, None], middle.shape)
    np.testing.assert_allclose(middle, expected, atol=0.01)


def test_the_first_pair_is_named_as_its_subject_and_session():
    assert Pair(7, 2).name == "sub-007_ses-2"
