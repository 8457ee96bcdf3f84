"""What holds of every made-up molecule that is put together at random."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

WITH_HYDROGENS = 111.1254 / (111.1254 - 7.7583 * 1.00794)
"""Mass of a protein over that of its other atoms."""


def must_have_the_symmetry(positions: NDArray[np.floating], group: str) -> None:
    """Every rotation of the group takes atoms onto atoms; positions (n, 3) in Å."""
    tree = cKDTree(positions)
    for turn in Rotation.create_group(group):
        assert tree.query(turn.apply(positions))[0].max() < 1e-6


def must_be_one_piece(positions: NDArray[np.floating]) -> None:
    """By neighbours within 6 Å: atoms of protein density have some 50 of them."""
    pairs = cKDTree(positions).query_pairs(6.0, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs), bool), pairs.T), (len(positions),) * 2)
    assert connected_components(graph, directed=False)[0] == 1
