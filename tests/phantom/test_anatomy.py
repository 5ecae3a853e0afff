import numpy as np
import pytest

from remodal.phantom.anatomy import Patient, draw_patient, paint_patient
from remodal.phantom.canvas import Canvas


def _painted(seed: int, field_of_view: float = 360.0) -> tuple[Patient, Canvas]:
    rng = np.random.default_rng(seed)
    patient = draw_patient(field_of_view, rng)
    x, y, z = patient.build.centre
    half = field_of_view / 2
    axes = (
        np.arange(x - half, x + half, 5.0),
        np.arange(y - half, y + half, 5.0),
        np.arange(z - 230, z + 50, 6.0),
    )
    canvas = Canvas.blank(*axes, patient.build)
    paint_patient(canvas, patient, rng)
    return patient, canvas


@pytest.fixture(scope="module")
def people() -> list[tuple[Patient, Canvas]]:
    return [_painted(seed) for seed in range(4)]


def test_standard_and_scanner_coordinates_are_inverse(people):
    build = people[0][0].build
    points = np.random.default_rng(0).uniform((-120, -80, -200), (120, 80, 0), (20, 3))
    found = build.scanner(points)
    for point, place in zip(points, found):
        again = np.ravel(build.standard(*place.reshape(3, 1)))
        np.testing.assert_allclose(again, point, atol=0.2)


def test_the_liver_has_a_human_size_and_lies_on_the_right(people):
    for patient, canvas in people:
        millilitres = canvas.liver.sum() * np.prod(canvas.spacing_zyx) / 1000
        assert 700 < millilitres < 3200
        centre_x = np.average(canvas.x, weights=canvas.liver.sum(axis=(0, 1)))
        # x grows to the patient's left.
        assert centre_x < patient.build.centre[0] - 20


def test_livers_differ_from_patient_to_patient(people):
    shares = [canvas.liver > 0.5 for _, canvas in people]
    for number, first in enumerate(shares):
        for second in shares[:number]:
            overlap = 2 * (first & second).sum() / (first.sum() + second.sum())
            assert overlap < 0.95


def test_the_painted_phases_show_lungs_fat_bone_and_bright_arteries(people):
    for _, canvas in people:
        assert np.mean(canvas.venous[-4:] < -700) > np.mean(canvas.venous[:4] < -700)
        fat = (canvas.venous > -130) & (canvas.venous < -80)
        assert 0.05 < fat.mean() < 0.5
        assert (canvas.venous > 300).any()
        soft = canvas.venous < 250
        assert (canvas.arterial[soft] > 250).any()


def test_a_wide_field_of_view_means_a_large_patient():
    small, large = (
        np.mean([draw_patient(width, np.random.default_rng(s)).build.scale for s in range(20)])
        for width in (290.0, 460.0)
    )
    assert large > 1.15 * small
