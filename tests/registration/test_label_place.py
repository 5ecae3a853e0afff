import numpy as np
import pytest

from remodal.geometry.volume import Geometry, Volume
from remodal.intake.datasets.pancreas_phantom import PancreasPhantomOptions
from remodal.phantom.pancreas.tcia_files import simulate_image
from remodal.registration.label_place import doubt_about_place

GRID = Geometry((20, 40, 40), (3.0, 3.0, 5.0))
AIR = -300.0


@pytest.fixture
def body():
    """A body of 40 HU in the lower half of the image, with lungs above, and fat at its left."""
    array = np.full(GRID.shape, -1000, np.int16)
    array[:, 18:38, 2:38] = 40
    array[10:, 22:34, 6:34] = -850
    array[:10, 22:34, 29:34] = -100
    return Volume(array, GRID)


def drawn(z, y, x):
    label = np.zeros(GRID.shape, np.uint8)
    label[z, y, x] = 1
    return label


IN_TISSUE = drawn(slice(2, 6), slice(24, 28), slice(8, 14))


def test_there_is_no_doubt_about_a_label_in_tissue_or_an_empty_one(body):
    assert doubt_about_place(body, IN_TISSUE, AIR) is None
    assert doubt_about_place(body, np.zeros_like(IN_TISSUE), AIR) is None


def test_a_flip_out_of_the_body_is_certain(body):
    doubt = doubt_about_place(body, IN_TISSUE[:, ::-1], AIR)
    assert doubt.flipped
    assert doubt.said == (
        "100% of the label lies outside the body: it may be flipped, perhaps from front to back"
    )


def test_two_flips_are_named(body):
    doubt = doubt_about_place(body, IN_TISSUE[::-1, ::-1], AIR)
    assert doubt.said.endswith("perhaps from head to foot and from front to back")


def test_the_axes_are_those_of_the_patient():
    turned = Geometry((24, 20, 24), (3.0, 5.0, 3.0), direction=(1, 0, 0, 0, 0, 1, 0, 1, 0))
    array = np.full(turned.shape, -1000, np.int16)
    array[11:23, :, 2:22] = 40
    label = np.zeros(turned.shape, np.uint8)
    label[3:6, 2:6, 5:9] = 1
    doubt = doubt_about_place(Volume(array, turned), label, AIR)
    assert doubt.said.endswith("perhaps from front to back")


def test_a_flip_onto_several_kinds_of_tissue_is_noticed(body):
    doubt = doubt_about_place(body, IN_TISSUE[:, :, ::-1], AIR)
    assert doubt.flipped
    assert doubt.said.startswith("only 50% of the label lies on one kind of tissue: it may be")
    # The whole body is of several kinds too, but so is every flip of it.
    assert doubt_about_place(body, (body.array > -1000).astype(np.uint8), AIR) is None


def test_a_flip_onto_one_kind_of_tissue_cannot_be_noticed(body):
    in_the_middle = drawn(slice(2, 6), slice(24, 28), slice(12, 16))
    assert doubt_about_place(body, in_the_middle[:, :, ::-1], AIR) is None


def test_air_within_the_body_may_be_what_was_labelled(body):
    lungs = (body.array == -850).astype(np.uint8)
    doubt = doubt_about_place(body, lungs, AIR)
    assert not doubt.flipped
    assert doubt.said.startswith("100% of the label lies in air")


def test_a_pancreas_flipped_to_the_side_or_to_the_back_is_noticed():
    options = PancreasPhantomOptions(cases=2, matrix=64, slices=(36, 36), slice_spacing=6)
    image, label, _ = simulate_image(options, 1)
    assert doubt_about_place(image, label.array, AIR) is None
    for axes in ((1,), (2,), (1, 2)):
        doubt = doubt_about_place(image, np.flip(label.array, axes), AIR)
        ways = {1: "from front to back", 2: "from left to right"}
        assert doubt.flipped
        assert doubt.said.endswith("perhaps " + " and ".join(ways[axis] for axis in axes))


def test_a_fatty_lesion_is_not_several_kinds_of_tissue(body):
    fatty = drawn(slice(2, 6), slice(22, 34), slice(6, 14))
    noise = np.random.default_rng(0).normal(0, 20, GRID.shape)
    image = body.with_array((np.where(fatty, -20, body.array) + noise).astype(np.int16))
    below_fat = image.array[fatty > 0] < -20
    assert 0.4 < below_fat.mean() < 0.6
    assert doubt_about_place(image, fatty, AIR) is None
    # Away from the lesion, the same label lies half on fat.
    assert doubt_about_place(image, np.roll(fatty, 19, axis=2), AIR).flipped


def test_gas_within_a_bowel_is_part_of_it(body):
    bowel = drawn(slice(2, 8), slice(22, 30), slice(11, 18))
    gas = drawn(slice(3, 7), slice(22, 28), slice(12, 17))  # up to the label's front
    image = body.with_array(np.where(gas, -900, body.array).astype(np.int16))
    assert 0.3 < gas.sum() / bowel.sum() < 0.5
    assert doubt_about_place(image, bowel, AIR) is None
    # Gas that goes on beside the label is none of its own.
    wide = drawn(slice(0, 10), slice(19, 26), slice(9, 18))
    image = body.with_array(np.where(wide, -900, body.array).astype(np.int16))
    assert doubt_about_place(image, bowel, AIR).flipped
