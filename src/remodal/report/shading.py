"""A picture of a surface from the front: shaded, hidden parts hidden, by numpy alone."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.image import imsave

from remodal.report.slices import png_uri
from remodal.report.surfaces import Mesh

#: Samples per pixel and axis, averaged into it: smooth edges.
_FINER = 2
#: Where the light comes from (up, back, left), and how much of it is there without any.
_LIGHT = np.array([0.55, -0.75, -0.35]) / np.linalg.norm([0.55, -0.75, -0.35])
_AMBIENT, _SHINE, _HARDNESS = 0.42, 0.16, 24
_OUTLINE = np.array([0.45, 0.49, 0.53])
_OUTLINE_WIDTH = 1.8  # pixels
#: The least of a picture's sides as a share of the other.
_FLATTEST = 0.6
#: Shares of a mesh's size: room around what is shown, and how far others may enlarge the picture.
_MARGIN, _FURTHER = 0.06, 0.25


@dataclass(frozen=True)
class Frame:
    """What part of space a picture shows, looking from the front to the back.

    Attributes:
        top: largest z in mm.
        left: smallest x in mm: the patient's right is on the left, as facing the patient.
        scale: mm per pixel.
        height: pixels.
        width: pixels.
    """

    top: float
    left: float
    scale: float
    height: int
    width: int

    @classmethod
    def around(cls, mesh: Mesh, others: Sequence[Mesh] = (), pixels: int = 320) -> "Frame":
        """The picture that holds a mesh, and the others unless they are far away from it.

        Its longer side is of so many pixels.
        """
        low, high = mesh.vertices.min(0), mesh.vertices.max(0)
        size = (high - low)[[0, 2]].max()
        around = [other.vertices for other in others if len(other.vertices)]
        lowest = np.maximum(
            np.min([low, *(v.min(0) for v in around)], axis=0), low - _FURTHER * size
        )
        highest = np.max([high, *(v.max(0) for v in around)], axis=0)
        low, high = lowest, np.minimum(highest, high + _FURTHER * size)
        sides = (high - low)[[0, 2]] + 2 * _MARGIN * size
        sides = np.maximum(sides, _FLATTEST * sides.max())
        scale = float(sides.max() / pixels)
        height, width = np.ceil(sides / scale).astype(int)
        middle = (high + low)[[0, 2]] / 2
        top, left = middle[0] + sides[0] / 2, middle[1] - sides[1] / 2
        return cls(float(top), float(left), scale, int(height), int(width))


def draw_surface(
    mesh: Mesh, colours: np.ndarray, frame: Frame, outline: np.ndarray | None = None
) -> str:
    """A picture of a mesh as a PNG data URI, transparent where nothing is.

    Args:
        mesh: what is shown; parts outside the frame are not.
        colours: (n, 3) colour of each vertex, 0 to 1.
        frame: see `Frame`.
        outline: a `silhouette` whose edge is drawn over it.
    """
    seen = _Seen.of(mesh, frame)
    picture = np.zeros((frame.height * _FINER, frame.width * _FINER, 4))
    normals = seen.interpolated(_normals(mesh), mesh)
    picture[seen.rows, seen.columns, :3] = _lit(normals, seen.interpolated(colours, mesh))
    picture[seen.rows, seen.columns, 3] = 1
    small = picture.reshape(frame.height, _FINER, frame.width, _FINER, 4)
    alpha = small[..., 3].mean(axis=(1, 3))
    colour = small[..., :3].sum(axis=(1, 3)) / np.maximum(_FINER**2 * alpha, 1e-9)[..., None]
    if outline is not None:
        drawn = _edge(outline)
        over = alpha * (1 - drawn)
        whole = drawn + over
        mixed = _OUTLINE * drawn[..., None] + colour * over[..., None]
        colour, alpha = mixed / np.maximum(whole, 1e-9)[..., None], whole
    buffer = io.BytesIO()
    image = np.concatenate([colour, alpha[..., None]], axis=-1).clip(0, 1)
    imsave(buffer, image, format="png", metadata={"Software": None})
    return png_uri(buffer.getvalue())


def silhouette(mesh: Mesh, frame: Frame) -> np.ndarray:
    """Where a mesh would be seen: boolean, at the finer resolution of a frame."""
    seen = _Seen.of(mesh, frame)
    places = np.zeros((frame.height * _FINER, frame.width * _FINER), dtype=bool)
    places[seen.rows, seen.columns] = True
    return places


@dataclass(frozen=True)
class _Seen:
    """Which point of which triangle is seen in each place of a picture that shows anything.

    Attributes:
        rows: (k,) of the places, at the finer resolution.
        columns: (k,) of the places.
        faces: (k,) index of the triangle.
        weights: (k, 3) of its corners.
    """

    rows: np.ndarray
    columns: np.ndarray
    faces: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, mesh: Mesh, frame: Frame) -> "_Seen":
        """What is seen of points on the triangles, so dense that no place is missed."""
        corners = mesh.vertices[mesh.faces]
        facing = np.flatnonzero(_across(corners)[:, 1] < 0)
        faces, weights = _points(corners[facing], frame.scale / _FINER)
        faces = facing[faces]
        points = _mixed(weights, mesh.vertices, mesh.faces[faces])
        rows = np.floor((frame.top - points[:, 0]) / frame.scale * _FINER).astype(int)
        columns = np.floor((points[:, 2] - frame.left) / frame.scale * _FINER).astype(int)
        height, width = frame.height * _FINER, frame.width * _FINER
        there = np.flatnonzero((rows >= 0) & (rows < height) & (columns >= 0) & (columns < width))
        places, depth = rows[there] * width + columns[there], points[there, 1]
        nearest = np.full(height * width, np.inf)
        np.minimum.at(nearest, places, depth)
        first = depth == nearest[places]
        chosen = np.full(height * width, -1)
        chosen[places[first]] = there[first]
        used = np.flatnonzero(chosen >= 0)
        return cls(used // width, used % width, faces[chosen[used]], weights[chosen[used]])

    def interpolated(self, values: np.ndarray, mesh: Mesh) -> np.ndarray:
        """Values (n, 3) of the vertices at the points that are seen, (k, 3)."""
        return _mixed(self.weights, values, mesh.faces[self.faces])


def _mixed(weights: np.ndarray, values: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Values (n, 3) mixed by the weights (k, 3) of their corners (k, 3): (k, 3)."""
    first, second, third = (weights[:, i, None] * values[corners[:, i]] for i in range(3))
    return first + second + third


def _points(corners: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Points on triangles (m, 3, 3) that are at most `least` mm apart from the front.

    Returns:
        Index of each point's triangle, (p,), and its weights of the corners, (p, 3).
    """
    edges = (corners - np.roll(corners, 1, axis=1))[..., [0, 2]]
    longest = np.linalg.norm(edges, axis=2).max(axis=1)
    counts = np.ceil(longest / least).astype(int) + 1
    faces, weights = [np.empty(0, dtype=int)], [np.empty((0, 3))]
    for count in np.unique(counts):
        alike = np.flatnonzero(counts == count)
        first, second = np.meshgrid(*[np.linspace(0, 1, count)] * 2, indexing="ij")
        inside = first + second <= 1 + 1e-9
        of_one = np.stack([1 - first - second, first, second], -1)[inside]
        faces.append(np.repeat(alike, len(of_one)))
        weights.append(np.tile(of_one, (len(alike), 1)))
    return np.concatenate(faces), np.concatenate(weights)


def _across(corners: np.ndarray) -> np.ndarray:
    """Vectors (m, 3) out of triangles (m, 3, 3), as long as twice their area."""
    # With components in the order (z, y, x) a cross product points the other way.
    return np.cross(corners[:, 2] - corners[:, 0], corners[:, 1] - corners[:, 0])


def _normals(mesh: Mesh) -> np.ndarray:
    """Directions (n, 3) out of the surface at its vertices: of all triangles around, by area."""
    across = _across(mesh.vertices[mesh.faces])
    normals = np.zeros_like(mesh.vertices)
    for corner in range(3):
        np.add.at(normals, mesh.faces[:, corner], across)
    return normals


def _lit(normals: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Colours under the light: diffuse, with a soft highlight."""
    unit = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    diffuse = np.clip(unit @ _LIGHT, 0, 1)
    half = _LIGHT + np.array([0, -1, 0])
    shine = np.clip(unit @ (half / np.linalg.norm(half)), 0, 1) ** _HARDNESS
    bright = _AMBIENT + (1 - _AMBIENT) * diffuse
    return np.clip(colours * bright[:, None] + _SHINE * shine[:, None], 0, 1)


def _edge(seen: np.ndarray) -> np.ndarray:
    """Opacity (height, width) of a line along the edge of a silhouette."""
    from scipy.ndimage import distance_transform_edt

    away = np.where(seen, distance_transform_edt(seen), distance_transform_edt(~seen))
    line = away <= _OUTLINE_WIDTH * _FINER / 2 + 0.5
    height, width = (side // _FINER for side in seen.shape)
    return line.reshape(height, _FINER, width, _FINER).mean(axis=(1, 3))
