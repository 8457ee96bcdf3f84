"""Orientations: the matrix of a quaternion, and uniformity over SO(3)."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation

from simulate.orientation import random_orientations, rotation_matrices


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
