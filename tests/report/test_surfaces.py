"""Meshes of masks and their pictures, beside what can be known of balls and projections."""

import base64
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest

from remodal.report.shading import Frame, draw_surface, silhouette
from remodal.report.surfaces import NOTHING, Mesh, distances_to, surface_mesh

SPACING = (3.0, 1.0, 1.5)
RED, BLUE = (0.9, 0.1, 0.1), (0.1, 0.1, 0.9)


def ball(centre, radius, shape=(24, 60, 50), spacing=SPACING) -> np.ndarray:
    """A ball in mm, (z, y, x)."""
    grid = np.indices(shape) * np.reshape(spacing, (3, 1, 1, 1))
    return ((grid - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(0) <= radius**2


def picture(uri: str) -> np.ndarray:
    return plt.imread(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def plain(mesh: Mesh, colour=RED) -> np.ndarray:
    return np.tile(colour, (len(mesh.vertices), 1))


@pytest.mark.parametrize("spacing", [SPACING, (1.0, 1.0, 1.0)])
def test_the_surface_of_a_ball_lies_where_the_ball_ends_in_patient_coordinates(spacing):
    centre = np.array([12, 30, 25]) * spacing
    mesh = surface_mesh(ball(centre, 10, spacing=spacing), spacing)
    away = np.linalg.norm(mesh.vertices - centre, axis=1)
    assert abs(away.mean() - 10) < 0.5
    assert np.abs(away - 10).max() < max(spacing) * 0.75


def test_a_surface_is_closed_and_its_triangles_turn_the_same_way():
    """Each edge is in two triangles, once in either direction; in LPS the volume is positive."""
    mesh = surface_mesh(ball((36, 30, 36), 12), SPACING)
    edges = np.concatenate([mesh.faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
    there = {tuple(edge) for edge in edges.tolist()}
    assert len(there) == len(edges)
    assert {(b, a) for a, b in there} == there
    corners = mesh.vertices[mesh.faces][..., ::-1]  # x, y, z
    volume = np.einsum("md,md->m", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.1)


def test_the_distance_between_two_balls_about_one_centre_is_that_of_their_radii():
    spacing, centre = (1.0, 1.0, 1.0), (20, 20, 20)
    small, large = (
        surface_mesh(ball(centre, radius, (40, 40, 40), spacing), spacing) for radius in (9, 13)
    )
    for first, second in ((small, large), (large, small)):
        away = distances_to(first, second)
        assert away.mean() == pytest.approx(4, abs=0.2)
        assert away.max() < 4.8
    assert distances_to(small, small).max() == 0


def test_a_single_voxel_does_not_vanish_and_nothing_is_nothing():
    mask = np.zeros((5, 6, 7), bool)
    assert surface_mesh(mask, SPACING) is NOTHING
    mask[2, 3, 4] = True
    mesh = surface_mesh(mask, SPACING)
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    np.testing.assert_allclose((low + high) / 2, np.array([2, 3, 4]) * SPACING, atol=0.1)
    assert np.isinf(distances_to(mesh, NOTHING)).all()


def test_a_silhouette_is_the_projection_of_the_mask_from_the_front():
    mask = ball((36, 30, 36), 14) | ball((50, 20, 50), 8)
    mesh = surface_mesh(mask, SPACING)
    frame = Frame.around(mesh, pixels=120)
    seen = silhouette(mesh, frame)
    rows, columns = np.indices(seen.shape) + 0.5
    finer = seen.shape[0] // frame.height
    z = np.rint((frame.top - rows * frame.scale / finer) / SPACING[0]).astype(int)
    x = np.rint((frame.left + columns * frame.scale / finer) / SPACING[2]).astype(int)
    there = (z >= 0) & (z < mask.shape[0]) & (x >= 0) & (x < mask.shape[2])
    expected = np.zeros_like(seen)
    expected[there] = mask.any(axis=1)[z[there], x[there]]
    both = np.count_nonzero(seen & expected) / np.count_nonzero(seen | expected)
    assert both > 0.9


def test_the_head_is_up_the_right_is_left_and_the_front_hides_the_back():
    """In a canonical array z, y and x run to the head, to the back and to the left."""
    front, back = (surface_mesh(ball((36, y, 36), r), SPACING) for y, r in ((15, 6), (40, 12)))
    upper_right = surface_mesh(ball((60, 30, 15), 6), SPACING)
    parts, colours = (front, back, upper_right), (RED, BLUE, RED)
    counts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    mesh = Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, counts)]),
    )
    shades = np.concatenate([plain(part, colour) for part, colour in zip(parts, colours)])
    frame = Frame.around(mesh, pixels=100)
    shown = picture(draw_surface(mesh, shades, frame))

    def at(z: float, x: float) -> np.ndarray:
        return shown[int((frame.top - z) / frame.scale), int((x - frame.left) / frame.scale)]

    assert at(36, 36)[0] > 2 * at(36, 36)[2]  # the red ball before the blue one
    assert at(36, 45)[2] > 2 * at(36, 45)[0]
    assert at(60, 15)[3] == 1
    assert at(60, 45)[3] == 0


def test_nothing_is_shown_with_the_outline_of_what_there_should_be():
    truth = surface_mesh(ball((36, 30, 36), 12), SPACING)
    frame = Frame.around(truth, pixels=80)
    empty = picture(draw_surface(NOTHING, np.empty((0, 3)), frame))
    assert not empty[..., 3].any()
    drawn = picture(draw_surface(NOTHING, np.empty((0, 3)), frame, silhouette(truth, frame)))
    assert 0 < (drawn[..., 3] > 0.5).mean() < 0.15


def test_what_is_far_away_does_not_make_the_picture_small():
    truth = surface_mesh(ball((36, 30, 36), 12), SPACING)
    near, far = (Mesh(truth.vertices + np.array([0, 0, move]), truth.faces) for move in (5, 500))
    alone, with_near, with_far, with_many = (
        Frame.around(truth, others).scale for others in ([], [near], [far], [far] * 9)
    )
    assert alone < with_near < with_far == with_many < 1.4 * alone
