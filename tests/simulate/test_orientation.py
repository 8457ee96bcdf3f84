"""Orientations: the matrix of a quaternion, and uniformity over SO(3)."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation

from simulate.orientation import random_orientations, rotation_matrices, seen_between


def test_quarter_turn_about_z_takes_x_to_y() -> None:
    turn = np.array([np.sqrt(0.5), 0, 0, np.sqrt(0.5)])
    assert rotation_matrices(turn) @ [1, 0, 0] == pytest.approx([0, 1, 0])


def test_matrices_agree_with_scipy() -> None:
    quaternions = random_orientations(np.random.default_rng(0), 50)
    expected = Rotation.from_quat(np.roll(quaternions, -1, axis=1)).as_matrix()  # scipy: (x, y, z, w)
    assert rotation_matrices(quaternions) == pytest.approx(expected, abs=1e-14)
    assert rotation_matrices(-quaternions) == pytest.approx(expected, abs=1e-14)


def test_orientations_are_uniform() -> None:
    n = 20_000
    matrices = rotation_matrices(random_orientations(np.random.default_rng(1), n))
    # Under the uniform (Haar) measure every matrix element is the cosine of a uniform direction: uniform on [-1, 1].
    for row in range(3):
        for column in range(3):
            assert stats.kstest(matrices[:, row, column], stats.uniform(-1, 2).cdf).pvalue > 1e-4
    # and the rotation angle has density (1 - cos θ)/π on [0, π].
    angle = np.arccos(np.clip((np.trace(matrices, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert stats.kstest(angle, lambda t: (t - np.sin(t)) / np.pi).pvalue > 1e-4


@pytest.mark.parametrize(("lowest", "highest"), [(0.0, 0.5), (0.5, 1.0)])
def test_orientations_of_some_views_are_the_uniform_ones_that_have_such(lowest: float, highest: float) -> None:
    """Against drawing and throwing away: every element of R is distributed alike; and |z| is uniform in between."""
    n = 20_000
    every = random_orientations(np.random.default_rng(2), n)
    turned = rotation_matrices(seen_between(every, lowest, highest))
    others = rotation_matrices(random_orientations(np.random.default_rng(3), 3 * n))
    height = np.abs(others[:, 2, 2])  # the beam's z in the sample frame
    others = others[(height >= lowest) & (height <= highest)]
    assert len(others) == pytest.approx(1.5 * n, rel=0.05)
    for row in range(3):
        for column in range(3):
            assert stats.ks_2samp(turned[:, row, column], others[:, row, column]).pvalue > 1e-4
    assert stats.kstest(np.abs(turned[:, 2, 2]), stats.uniform(lowest, highest - lowest).cdf).pvalue > 1e-4
    spin, other_spin = (np.arctan2(m[:, 1, 0], m[:, 0, 0]) for m in (turned, others))
    assert stats.ks_2samp(spin, other_spin).pvalue > 1e-4


def test_turning_to_a_view_keeps_azimuth_hemisphere_and_the_turn_about_the_beam() -> None:
    every = random_orientations(np.random.default_rng(4), 200)
    every = np.concatenate([every, [[1.0, 0, 0, 0], [0, 1.0, 0, 0]]])  # seen along +z and -z, where there is no azimuth
    turned = seen_between(every, 0.2, 0.7)
    assert np.linalg.norm(turned, axis=1) == pytest.approx(np.ones(202), abs=1e-12)
    assert (turned[:, 0] >= 0).all()
    before, after = rotation_matrices(every)[:200], rotation_matrices(turned)[:200]
    view, new = before[:, 2], after[:, 2]
    assert np.abs(new[:, 2]) == pytest.approx(0.2 + 0.5 * np.abs(view[:, 2]), abs=1e-12)
    assert np.array_equal(new[:, 2] > 0, view[:, 2] > 0)
    assert np.arctan2(new[:, 1], new[:, 0]) == pytest.approx(np.arctan2(view[:, 1], view[:, 0]), abs=1e-9)
    # What is level in the sample frame and at right angles to the view lies as it did, seen from the beam.
    level = np.stack([-view[:, 1], view[:, 0], np.zeros(200)], axis=1)
    assert np.einsum("nij,nj->ni", after, level) == pytest.approx(np.einsum("nij,nj->ni", before, level), abs=1e-12)
    assert np.abs(rotation_matrices(turned)[200:, 2, 2]) == pytest.approx([0.7, 0.7])


def test_all_views_leave_orientations_as_they_are() -> None:
    every = random_orientations(np.random.default_rng(5), 100)
    assert seen_between(every, 0.0, 1.0) == pytest.approx(every, abs=1e-9)
