from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from remodal.intake.datasets.brats_phantom import BratsPhantomOptions, patient, stored_case
from remodal.phantom.brain.brats_files import simulate_case, simulate_images
from remodal.results.files import sha256
from remodal.results.records import read_record

NECROSIS, OEDEMA, ENHANCING = 1, 2, 4


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """Folder of a small patient."""
    options = BratsPhantomOptions(cases=2, matrix=40, slices=26)
    folder = tmp_path_factory.mktemp("brats") / "first"
    simulate_case(options, patient(options, 0).case, folder, Path("unused"))
    return folder


def test_a_case_is_written_as_brats_2018_is(written):
    options = BratsPhantomOptions(cases=2, matrix=40, slices=26)
    one = patient(options, 0)
    folder = written / one.grade / one.folder
    assert {path.name for path in folder.iterdir()} == {
        f"{one.folder}_{word}.nii.gz" for word in ("t1", "t1ce", "t2", "flair", "seg")
    }
    assert stored_case(one, written).label.is_file()
    record = read_record(written / "record.json")
    assert record.details["group"] == one.grade
    assert set(record.details["sha256"]) == {path.name for path in folder.iterdir()}


def test_all_images_of_a_case_share_the_grid_of_brats(written):
    images = [sitk.ReadImage(str(path)) for path in sorted(written.rglob("*.nii.gz"))]
    assert len(images) == 5
    for image in images:
        assert image.GetSize() == (40, 40, 26)
        assert image.GetSpacing() == pytest.approx((6, 6, 155 / 26))
        # The corner of the first voxel is that of the real grid, which begins at (0, -239, 0).
        corner = image.TransformContinuousIndexToPhysicalPoint((-0.5, -0.5, -0.5))
        assert corner == pytest.approx((-0.5, -239.5, -0.5), abs=1e-4)
        assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_the_same_case_has_the_same_bytes_whatever_others_there_are(tmp_path, written):
    options = BratsPhantomOptions(cases=285, matrix=40, slices=26)
    simulate_case(options, patient(options, 0).case, tmp_path, Path("unused"))
    for path in written.rglob("*.nii.gz"):
        assert sha256(path) == sha256(tmp_path / path.relative_to(written))


def test_another_seed_is_another_patient(options, patients):
    other = options.model_copy(update={"seed": options.seed + 1})
    images, _, _ = simulate_images(other, patient(other, 0))
    assert not np.array_equal(images["t1"].array > 0, patients[0].images["t1"] > 0)


def test_outside_the_brain_all_sequences_are_zero_and_inside_none_is(patients):
    for one in patients:
        t1 = one.images["t1"] > 0
        for image in one.images.values():
            assert np.array_equal(image > 0, t1)
            assert image.min() == 0
        assert not one.label[~t1].any()
        assert not t1[:, [0, -1]].any()
        assert not t1[:, :, [0, -1]].any()
        assert ndimage.label(t1)[1] == 1


def test_a_brain_and_its_tumour_have_the_sizes_of_real_ones(patients):
    brains = [one.millilitres * np.count_nonzero(one.images["t1"]) for one in patients]
    assert min(brains) > 1200
    assert max(brains) < 1850
    assert np.std(brains) > 30
    whole = [one.millilitres * np.count_nonzero(one.label) for one in patients]
    core = [one.millilitres * np.count_nonzero(one.label % 2 | one.label // 4) for one in patients]
    assert 50 < np.mean(whole) < 130
    assert min(whole) > 5
    assert max(whole) < 350
    assert 0.2 < np.mean(core) / np.mean(whole) < 0.7


def test_high_grade_tumours_have_every_region_and_some_low_grade_ones_do_not_enhance(patients):
    values = [set(np.unique(one.label).tolist()) for one in patients]
    high = [found for one, found in zip(patients, values) if one.grade == "HGG"]
    low = [found for one, found in zip(patients, values) if one.grade == "LGG"]
    assert all(found == {0, 1, 2, 4} for found in high)
    assert {0, 1, 2} in low
    assert all(found <= {0, 1, 2, 4} and found > {0, 1} for found in low)


def test_regions_are_nested(patients):
    """Oedema lies around the core, and the enhancing rim around necrosis."""
    swollen, enclosed = [], []
    for one in patients:
        if one.grade == "LGG":
            continue
        core = np.isin(one.label, (NECROSIS, ENHANCING))
        around_core = ndimage.binary_dilation(core) & ~core & (one.images["t1"] > 0)
        swollen.append(np.mean(one.label[around_core] == OEDEMA))
        necrosis = one.label == NECROSIS
        around_necrosis = ndimage.binary_dilation(necrosis) & ~necrosis
        enclosed.append(np.mean(one.label[around_necrosis] == ENHANCING))
    assert len(swollen) == 14
    assert np.mean(swollen) > 0.45
    assert min(swollen) > 0.3
    assert np.mean(enclosed) > 0.8
    assert min(enclosed) > 0.6


def standing_out(patients, sequence, value, grade="HGG") -> float:
    found = [
        one.standing_out(sequence, value)
        for one in patients
        if one.grade == grade and np.count_nonzero(one.label == value) > 20
    ]
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("value", "sequence", "least", "most"),
    [
        (ENHANCING, "t1ce", 2.2, 5),
        (ENHANCING, "t1", -0.8, 0.5),
        (ENHANCING, "t2", -0.3, 1.2),
        (OEDEMA, "flair", 2.2, 5),
        (OEDEMA, "t2", 0.4, 2),
        (OEDEMA, "t1ce", -0.2, 1.2),
        (OEDEMA, "t1", -0.4, 1),
        (NECROSIS, "t2", 1, 3),
        (NECROSIS, "t1ce", -2, 0.2),
        (NECROSIS, "flair", -0.5, 2),
    ],
)
def test_each_region_is_bright_in_some_sequences_and_not_in_others(
    value, sequence, least, most, patients
):
    assert least < standing_out(patients, sequence, value) < most


def test_t1ce_alone_shows_the_core_well_and_the_whole_tumour_poorly(patients):
    rim, core, swelling = (
        standing_out(patients, "t1ce", value) for value in (ENHANCING, NECROSIS, OEDEMA)
    )
    assert rim - core > 2.5
    assert rim - swelling > 2
    assert abs(swelling) < 0.4 * standing_out(patients, "flair", OEDEMA)


def test_the_core_of_a_low_grade_tumour_is_as_in_t1(patients):
    plain = standing_out(patients, "t1", NECROSIS, "LGG")
    enhanced = standing_out(patients, "t1ce", NECROSIS, "LGG")
    assert abs(enhanced - plain) < 0.5
    assert standing_out(patients, "flair", NECROSIS, "LGG") > 1


def test_a_patient_is_the_same_on_a_finer_grid(options):
    fine = options.model_copy(update={"matrix": 96, "slices": 62})
    volumes = []
    for chosen in (options, fine):
        _, label, _ = simulate_images(chosen, patient(chosen, 4))
        voxel = np.prod(label.geometry.spacing) / 1000
        volumes.append([voxel * np.count_nonzero(label.array == v) for v in (1, 2, 4)])
    assert volumes[0] == pytest.approx(volumes[1], rel=0.2)


@pytest.mark.slow
def test_a_patient_of_full_size_is_that_of_the_small_grid(options):
    full = options.model_copy(update={"matrix": 240, "slices": 155})
    images, label, _ = simulate_images(full, patient(full, 0))
    assert {image.array.shape for image in images.values()} == {(155, 240, 240)}
    _, small, _ = simulate_images(options, patient(options, 0))
    voxel = np.prod(small.geometry.spacing)
    assert np.count_nonzero(label.array) == pytest.approx(
        voxel * np.count_nonzero(small.array), rel=0.1
    )
