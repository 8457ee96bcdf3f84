"""The closed forms against sums over voxels, against limits, and near nodes that coincide."""

import numpy as np
import pytest

from simulate.virus.icosahedron import UNIT_VOLUME, ellipsoid, faces, icosahedron, sphere, vertices


def _voxels(n: int) -> tuple[np.ndarray, float]:
    """Middles of those voxels of a grid of n³ that lie inside of the unit icosahedron, and the volume of each."""
    axis = (np.arange(n) + 0.5) / n * 2 - 1
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    corners = vertices()[faces()]
    normals = corners.mean(1)
    inside = (points @ (normals / np.linalg.norm(normals, axis=1)[:, None]).T).max(1) < np.linalg.norm(normals[0])
    return points[inside], (2 / n) ** 3


def test_it_agrees_with_a_sum_over_voxels() -> None:
    points, each = _voxels(64)
    q = np.random.default_rng(0).normal(size=(40, 3)) * 5
    summed = each * np.cos(q @ points.T).sum(1)
    assert np.linalg.norm(icosahedron(q) - summed) < 0.01 * np.linalg.norm(summed)


def test_forward_it_is_the_volume() -> None:
    assert pytest.approx(2.53615, abs=1e-5) == UNIT_VOLUME
    assert icosahedron(np.zeros((1, 3)), 3.0) == pytest.approx(27 * UNIT_VOLUME)
    assert icosahedron(np.full((1, 3), 2e-4)) == pytest.approx(UNIT_VOLUME, rel=1e-6)


def test_it_is_continuous_where_nodes_coincide() -> None:
    a, b, c = vertices()[faces()[0]]
    along = a + b + c  # all three nodes of a face coincide
    nearby = icosahedron(np.stack([9 * along, 9 * along + [0, 1e-5, -1e-5]]))
    assert np.ptp(nearby) < 1e-4
    for step in (0.4, 0.49, 0.51, 0.6):  # about where the series takes over
        across = np.cross(along, b - a)
        q = 9 * along + step * across / np.linalg.norm(across) / np.ptp([a @ across, b @ across, c @ across])
        near = icosahedron(np.stack([q, q * (1 + 1e-7)]))
        assert abs(near[0] - near[1]) < 1e-4


def test_an_ellipsoid_of_equal_axes_is_a_ball() -> None:
    q = np.random.default_rng(1).normal(size=(20, 3))
    assert np.allclose(ellipsoid(q, np.full(3, 2.0)), sphere(np.linalg.norm(q, axis=1), 2.0))
    assert sphere(np.array([0.0499999, 0.0500001]), 1.0) == pytest.approx(sphere(np.array([0.05]), 1.0)[0], rel=1e-6)
