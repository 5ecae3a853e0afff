"""Empty masks: undefined by our own rule, and what each named convention makes of them."""

from math import isnan

import numpy as np
import pytest

from remodal.metrics.pair import MaskPair
from remodal.metrics.registry import require_case_metric

EMPTY, FULL = np.zeros((3, 4, 5), bool), np.ones((3, 4, 5), bool)


def measured(name: str, prediction: np.ndarray, truth: np.ndarray) -> float:
    return require_case_metric(name, "test").measure(MaskPair(prediction, truth, (1, 1, 1)))


@pytest.mark.parametrize("name", ["dice", "jaccard", "asd_voxel", "hd95_voxel"])
def test_by_our_own_rule_two_empty_masks_are_undefined(name):
    assert isnan(measured(name, EMPTY, EMPTY))


def test_for_brats_a_region_rightly_found_absent_is_a_full_success_and_no_other_is():
    assert measured("dice_brats", EMPTY, EMPTY) == 100
    assert measured("dice_brats", EMPTY, FULL) == 0
    assert measured("dice_brats", FULL, EMPTY) == 0
    assert measured("dice_brats", FULL, FULL) == 100


@pytest.mark.parametrize("name", ["dice", "jaccard", "asd_voxel", "hd95_voxel"])
@pytest.mark.parametrize("truth", [EMPTY, FULL])
def test_for_dtc_everything_is_zero_without_a_prediction_even_a_distance(name, truth):
    assert measured(f"{name}_dtc", EMPTY, truth) == 0


def test_a_convention_changes_no_other_case():
    half = FULL.copy()
    half[:, :2] = False
    for name in ("dice", "asd_voxel", "hd95_voxel"):
        assert measured(f"{name}_dtc", half, FULL) == measured(name, half, FULL)
    assert isnan(measured("asd_voxel_dtc", FULL, EMPTY))


def test_the_heading_names_the_convention():
    assert require_case_metric("dice_brats", "test").title == "Dice (both empty: 100) [%]"
