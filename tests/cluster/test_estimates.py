"""What is known of a job before it ran."""

import pytest

from remodal.cluster.estimates import megabytes
from remodal.cluster.planned import PlannedJob
from remodal.settings.composition import compose
from tests.settings.test_studies import PRESETS, STUDIES


def job(stage: str, outputs: int = 1) -> PlannedJob:
    return PlannedJob(stage, None, None, "", 0, None, outputs)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("study", STUDIES)
def test_disk_is_estimated_for_every_study(study, preset):
    settings = compose({"study": study, "preset": preset})
    found = {stage: megabytes([job(stage)], settings) for stage in ("convert", "register", "train")}
    assert all(0 < one < 2000 for one in found.values()), found


@pytest.mark.parametrize(
    ("study", "share"),
    [
        ("liver", 80**2 * 31 / (512**2 * 132)),
        ("brats", 80**2 * 52 / (512**2 * 132)),
        ("pancreas", 112**2 * 58 / (512**2 * 132)),
        ("t1t2", (88**2 * 36 + 80**2 * 26) / 2 / (512**2 * 132)),
        ("mpct_fll", 80**2 * 31 / (512**2 * 132)),
    ],
)
def test_what_cases_leave_goes_by_their_voxels_and_images(study, share):
    settings = compose({"study": study, "preset": "trend"})
    images = len(settings.data.modalities)
    assert megabytes([job("convert")] * images, settings) == pytest.approx(45 * share * images)
    assert megabytes([job("register")], settings) == pytest.approx(45 * share * images)
    assert megabytes([job("preprocess", 3)] * 2, settings) == pytest.approx(100 * share * images)
