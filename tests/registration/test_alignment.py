"""Alignment: against known motions, and what it says about itself."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation
from tests.orientations import ORIENTATIONS

from remodal.errors import BadCase
from remodal.geometry.volume import Geometry, Volume, to_sitk
from remodal.intake.convert import convert_image
from remodal.intake.datasets.phantom import layout_of
from remodal.intake.nifti import read_volume
from remodal.intake.simulation import simulation_options
from remodal.phantom.dual_phase import simulate_patient
from remodal.registration import elastix
from remodal.registration.alignment import Alignment, Images, require_overlap
from remodal.registration.alignment import align as align_images
from remodal.registration.quality import body_mask, coarsened, mutual_information
from remodal.registration.transforms import displacement
from remodal.settings import RegistrationSettings
from remodal.settings.composition import compose

OBLIQUE = (0.98480775, -0.17364818, 0.0, 0.17364818, 0.98480775, 0.0, 0.0, 0.0, 1.0)


def align(fixed: Volume, moving: Volume, settings: RegistrationSettings) -> Alignment:
    return align_images(Images(fixed, moving), settings)


def errors(found: np.ndarray, truth: np.ndarray, liver: np.ndarray) -> tuple[float, float]:
    """Mean length of the true displacement, and of what is left of it, in mm."""
    lengths = (np.linalg.norm(field, axis=0)[liver].mean() for field in (truth, found - truth))
    return tuple(map(float, lengths))


@pytest.fixture(scope="module")
def aligned(abdomen, quick):
    return align(abdomen.fixed, abdomen.moving, quick)


def test_a_known_motion_is_found(abdomen, aligned):
    found = displacement(aligned.transforms, abdomen.fixed.geometry)
    before, after = errors(found, abdomen.truth, abdomen.liver)
    assert before > 8
    assert after <= before / 3


def test_the_warped_image_lies_on_the_fixed_grid_in_the_sources_format(abdomen, aligned):
    assert aligned.warped.geometry == abdomen.fixed.geometry
    assert aligned.warped.array.dtype == np.int16
    low = min(-1024, abdomen.moving.array.min())
    assert low <= aligned.warped.array.min()
    assert aligned.warped.array.max() <= abdomen.moving.array.max()


def test_quality_tells_of_the_gain(aligned):
    quality = aligned.quality
    assert quality["mutual_information_after"] > quality["mutual_information_before"]
    assert 0.3 < quality["jacobian_minimum"] < 1 < quality["jacobian_maximum"] < 2
    assert quality["folded_fraction"] == 0
    assert 2 < quality["displacement_mean_mm"] < quality["displacement_maximum_mm"] < 20
    assert 0.8 < quality["overlap"] <= 1


def test_runs_are_bit_identical_whatever_ran_before(abdomen, quick, aligned):
    other = Volume(abdomen.moving.array[:, ::-1].copy(), abdomen.moving.geometry)
    options = quick.options["elastix"] | {"iterations": 10}
    align(abdomen.fixed, other, quick.model_copy(update={"options": {"elastix": options}}))
    again = align(abdomen.fixed, abdomen.moving, quick)
    assert again.transforms == aligned.transforms
    assert again.warped.array.tobytes() == aligned.warped.array.tobytes()
    assert again.quality == aligned.quality


def test_a_simulated_patient_meets_the_bar(tmp_path: Path):
    """Mean error in the liver at most 1.5 mm or a third of the motion, at the demo's size."""
    settings = compose({"study": "liver", "preset": "demo"})
    options = simulation_options(settings)
    simulate_patient(options, 1, tmp_path)
    volumes = {}
    for modality in ("arterial", "venous"):
        image, record = tmp_path / f"{modality}.nii", tmp_path / f"{modality}.json"
        source = tmp_path / layout_of(options, 1).file_of(modality)
        convert_image(source, image, record, case="a", modality=modality)
        volumes[modality] = read_volume(image)
    fixed = volumes["venous"]
    found = align(fixed, volumes["arterial"], settings.registration).transforms
    liver = read_volume(tmp_path / "truth" / "liver.nii.gz").array > 0
    truth = sitk.Resample(
        sitk.ReadImage(str(tmp_path / "truth" / "displacement.mha")), to_sitk(fixed)
    )
    vectors = np.moveaxis(sitk.GetArrayFromImage(truth), -1, 0)
    before, after = errors(displacement(found, fixed.geometry), vectors, liver)
    assert before > 3
    assert after <= max(1.5, before / 3)


def test_coarsening_keeps_places_and_covers_every_voxel():
    fine = Geometry((5, 11, 12), (0.7, 0.8, 3.0), (-20.0, 7.0, 100.0), OBLIQUE)
    index = np.indices(fine.shape)[::-1].reshape(3, -1)
    places = fine.affine[:3, :3] @ index + fine.affine[:3, 3:]
    slope = np.array([3.0, -2.0, 5.0])
    ramp = Volume((slope @ places).reshape(fine.shape), fine)
    coarse = coarsened(ramp, 2.0)
    assert coarse.array.dtype == np.float32
    assert coarse.geometry.spacing == pytest.approx((2.1, 1.6, 3.0))
    # Away from the repeated border a ramp is worth, at a block's centre, what its formula says.
    where = np.array([[2, 3, 2], [1, 1, 1], [3, 4, 4]])
    at = (coarse.geometry.affine[:3, :3] @ where.T).T + coarse.geometry.origin
    found = [coarse.array[k, j, i] for i, j, k in where]
    np.testing.assert_allclose(found, at @ slope, rtol=1e-5)
    corners = np.array([[0, 0, 0], [11, 10, 4]]) @ fine.affine[:3, :3].T + fine.origin
    inverse = np.linalg.inv(coarse.geometry.affine)
    inside = corners @ inverse[:3, :3].T + inverse[:3, 3]
    assert (inside >= 0.5).all()
    assert (inside <= np.array(coarse.array.shape[::-1]) - 1.5).all()


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=lambda orientation: orientation.code)
def test_the_body_holds_the_lungs_and_not_the_table(orientation):
    image = np.full((6, 60, 60), -1000, np.int16)
    y, x = np.mgrid[:60, :60]
    image[:, (x - 30) ** 2 / 24**2 + (y - 25) ** 2 / 18**2 < 1] = 40
    # A lung through all sections: nothing closes it off along the patient.
    image[:, (x - 22) ** 2 + (y - 25) ** 2 < 36] = -850
    image[:, 50:54, 5:55] = 150
    grid = Geometry(image.shape, (5.0, 5.0, 5.0))
    stored = orientation.store(Volume(image, grid))
    mask = orientation.undo(body_mask(stored, -300))
    assert mask[:, 25, 22].all()
    assert not mask[:, 50:54].any()
    assert not mask[:, 0].any()
    assert body_mask(Volume(image, grid), None).all()


def test_mutual_information_of_a_coin_by_hand():
    coin = np.tile([0.0, 0.0, 5.0, 5.0], 1000)
    assert mutual_information(coin, -3 * coin) == pytest.approx(np.log(2))
    assert mutual_information(coin, np.tile([1.0, 2.0], 2000)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("which", ["fixed", "moving"])
def test_a_constant_image_is_a_bad_case(abdomen, quick, which):
    flat = abdomen.fixed.with_array(np.full_like(abdomen.fixed.array, 17))
    pair = (flat, abdomen.moving) if which == "fixed" else (abdomen.fixed, flat)
    with pytest.raises(BadCase, match=f"the {which} image is constant"):
        align(*pair, quick)


def test_an_image_with_nan_is_a_bad_case(abdomen, quick):
    array = abdomen.moving.array.astype(np.float32)
    array[3, 4, 5] = np.nan
    with pytest.raises(BadCase, match="no numbers"):
        align(abdomen.fixed, abdomen.moving.with_array(array), quick)


def shifted(volume: Volume, by: tuple[float, float, float]) -> Volume:
    grid = volume.geometry
    origin = tuple(place + step for place, step in zip(grid.origin, by))
    return Volume(volume.array, Geometry(grid.shape, grid.spacing, origin, grid.direction))


def test_images_apart_in_space_are_a_bad_case(abdomen, quick):
    with pytest.raises(BadCase, match="do not overlap: 52 mm apart along z"):
        align(abdomen.fixed, shifted(abdomen.moving, (0, 0, 250)), quick)


SQUARE = Geometry((20, 100, 100), (1.0, 1.0, 1.0))


def turned(angle: float, middle: tuple[float, float]) -> Geometry:
    """The square, turned about z by some degrees, with its middle at x, y."""
    turn = Rotation.from_euler("z", angle, degrees=True).as_matrix()
    corner = np.array([*middle, 9.5]) - turn @ (49.5, 49.5, 9.5)
    return Geometry(SQUARE.shape, SQUARE.spacing, tuple(corner), tuple(turn.ravel()))


@pytest.mark.parametrize(
    ("angle", "middle", "apart"),
    [
        (0, (49.5, 49.5 + 150), "50 mm apart along y"),
        # Beside the corner of a square that stands on it: the boxes around both overlap.
        (45, (49.5 + 100, 49.5 + 100), "21 mm apart$"),
    ],
)
def test_grids_without_a_common_voxel_are_told_however_they_are_turned(angle, middle, apart):
    with pytest.raises(BadCase, match=f"the images do not overlap: {apart}".replace("$", ";")):
        require_overlap(SQUARE, turned(angle, middle))


@pytest.mark.parametrize(
    ("angle", "middle"), [(0, (49.5, 149)), (45, (49.5 + 84, 49.5 + 84)), (45, (49.5 + 120, 49.5))]
)
def test_grids_that_share_a_corner_are_allowed(angle, middle):
    require_overlap(SQUARE, turned(angle, middle))


def test_what_elastix_says_is_the_reason(abdomen, quick):
    # The boxes touch at a corner, but hardly a sample of the body meets the other image.
    with pytest.raises(BadCase, match=r"elastix could not align the images \(.+\)") as caught:
        align(abdomen.fixed, shifted(abdomen.moving, (310, 270, 190)), quick)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)


def test_a_crash_of_elastix_is_a_bad_case_and_its_process_lives_on(abdomen, quick, monkeypatch):
    monkeypatch.setattr(elastix, "_THREADS", 2)  # which crashes it, always
    with pytest.raises(BadCase, match=r"elastix could not align the images \(.+\)"):
        align(abdomen.fixed, abdomen.moving, quick)


def test_one_slice_is_a_bad_case_and_not_a_crash(abdomen, quick):
    grid = abdomen.fixed.geometry
    thin = Geometry((1, *grid.shape[1:]), grid.spacing, grid.origin)
    one = Volume(abdomen.fixed.array[:1].copy(), thin)
    with pytest.raises(BadCase):
        align(one, abdomen.moving, quick)
