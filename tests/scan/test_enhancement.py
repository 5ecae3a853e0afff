"""Aorta, liver and portal vein are measured in simulated patients whose phases are known."""

from pathlib import Path

import numpy as np
import pytest

from remodal.intake.datasets.phantom import PhantomOptions
from remodal.phantom.dual_phase import simulate_patient
from remodal.scan.enhancement import Enhancement, measure, phase_of
from remodal.scan.grouping import examinations
from remodal.scan.index import index_files
from remodal.scan.walking import walk

COARSE = {"matrix": 144, "slices": (24, 24), "slice_spacing": 7.5}


@pytest.fixture(scope="module", params=["axial", pytest.param("coronal", marks=pytest.mark.slow)])
def phases(request, tmp_path_factory):
    """The two volumes of a simulated patient, by the phase that its description names."""
    folder = tmp_path_factory.mktemp(request.param)
    options = PhantomOptions(cases=2, layouts=[request.param], lesions=(1, 1), **COARSE)
    simulate_patient(options, 0, folder / "export")
    return {one.get("SeriesDescription").split()[1]: one for one in volumes(folder)}


def volumes(folder: Path):
    own = folder / "own"
    listed = walk(folder / "export", own)
    (examination,) = examinations(index_files(listed.files, own / "index.jsonl", 1))
    return examination.volumes


def test_the_phases_of_a_simulated_patient_are_told_by_aorta_and_liver(phases):
    found = {phase: measure(volume) for phase, volume in phases.items()}
    assert {phase: phase_of(one)[0] for phase, one in found.items()} == {
        "arterial": "arterial",
        "venous": "venous",
    }
    assert found["arterial"].aorta == pytest.approx(300, abs=100)
    assert found["venous"].aorta == pytest.approx(152, abs=40)
    # This patient's liver holds fat.
    assert found["arterial"].liver == pytest.approx(50, abs=20)
    assert found["venous"].liver == pytest.approx(85, abs=20)
    # The vein is 52 to 125 and 172 HU, less where it fills a part of a slice only.
    assert found["arterial"].portal < 0.45 * found["arterial"].aorta
    assert found["venous"].portal > 0.75 * found["venous"].aorta
    assert found["venous"].portal > found["venous"].liver + 25


@pytest.mark.parametrize(
    ("aorta", "liver", "phase"),
    [(45, 55, "plain"), (300, 65, "arterial"), (150, 110, "venous"), (120, 95, "venous")],
)
def test_aorta_and_liver_tell_the_phase(aorta, liver, phase):
    assert phase_of(Enhancement(aorta, liver)) == (phase, f"aorta {aorta} HU, liver {liver} HU")


@pytest.mark.parametrize(
    ("aorta", "liver", "portal", "phase"),
    # The second is a fatty liver; the third was scanned late in the arterial phase.
    [(190, 85, 160, "venous"), (130, 60, 120, "venous"), (250, 105, 115, "arterial")],
)
def test_where_aorta_and_liver_are_not_clear_the_portal_vein_tells_the_phase(
    aorta, liver, portal, phase
):
    text = f"aorta {aorta} HU, liver {liver} HU, portal vein {portal} HU"
    assert phase_of(Enhancement(aorta, liver, portal)) == (phase, text)


def test_a_portal_vein_between_the_phases_or_no_brighter_than_the_liver_leaves_it_open():
    assert phase_of(Enhancement(190, 85, 115)) == ("", "")
    assert phase_of(Enhancement(110, 70, 85)) == ("", "")
    assert phase_of(Enhancement(220, 119, 134)) == ("", "")


@pytest.mark.parametrize(
    ("aorta", "liver"), [(None, 60), (300, None), (250, 105), (190, 85), (130, 60)]
)
def test_what_is_not_clear_is_left_open(aorta, liver):
    assert phase_of(Enhancement(aorta, liver)) == ("", "")


def test_nothing_is_found_in_noise_and_in_what_cannot_be_read(write, found):
    def noise(dataset, index):
        dataset.Rows = dataset.Columns = 128
        plane = np.random.default_rng(index).integers(0, 2000, (128, 128)).astype("<u2")
        dataset.PixelData = plane.tobytes()

    (noisy,) = write_and_find(write, found, noise)
    assert measure(noisy) == Enhancement(None, None)
    for file in noisy.files:
        Path(file).unlink()
    assert measure(noisy) == Enhancement(None, None)


def write_and_find(write, found, change):
    write(10, change, PixelSpacing=[2, 2])
    (examination,) = found()
    return examination.volumes
