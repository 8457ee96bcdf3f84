"""Clusters of patterns that look alike, named afterwards: sorting without a network, and almost without labels.

After Yoon et al., Opt. Express 19, 16542 (2011), "Unsupervised classification of single-particle X-ray diffraction
snapshots by spectral clustering".
"""

import logging
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.cluster import SpectralClustering
from sklearn.neighbors import NearestNeighbors

from evaluate.baselines.joint_classes import classes, heads, must_be_alike, n_classes
from evaluate.predictions.predictions import Predictor
from frames.store.dataset import by_shard

if TYPE_CHECKING:
    from frames.store.dataset import Dataset

logger = logging.getLogger(__name__)

N_PATTERNS = 3000
"""Training patterns that are clustered, and validation patterns that choose, at most."""

N_CLUSTERS = (44, 88, 176)
"""Numbers of clusters to choose from; of fewer than twice as many patterns, half as many clusters as patterns."""

N_NEIGHBOURS = 10
"""Nearest patterns that a pattern is joined to in the graph, and that predict one that was not clustered."""

N_RINGS, N_ANGLES, N_ORDERS = 24, 48, 13
"""Polar bins of a pattern, and Fourier orders around a ring, from 0."""


def features(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, N_RINGS * N_ORDERS) how strongly the photons in each ring vary around it; zero mean, unit variance.

    Square roots of the Fourier amplitudes of polar bins: a turn about the beam shifts the bins and leaves the
    amplitudes, the root evens out bright and dark rings, and the scale of a pattern, its fluence, is no likeness. On
    eleven structures in all orientations, without noise and with it, they are right twice as often as blocks of pixels.
    A dark pattern becomes zeros.
    """
    n, ny, nx = images.shape
    y, x = np.mgrid[:ny, :nx] - (np.array([ny, nx]).reshape(2, 1, 1) - 1) / 2
    ring = (2 * N_RINGS * np.hypot(x, y) / min(ny, nx)).astype(int).ravel()
    angle = ((np.arctan2(y, x) / (2 * np.pi) + 0.5) * N_ANGLES).astype(int).ravel() % N_ANGLES
    pixel = np.flatnonzero(ring < N_RINGS)
    bins = csr_array(
        (np.ones(len(pixel)), (ring[pixel] * N_ANGLES + angle[pixel], pixel)), (N_RINGS * N_ANGLES, ny * nx)
    )
    polar = (bins @ images.reshape(n, -1).T).T.reshape(n, N_RINGS, N_ANGLES)
    roots = np.sqrt(np.abs(np.fft.rfft(polar, axis=2)[:, :, :N_ORDERS])).reshape(n, -1)
    deviation = roots.std(axis=1, keepdims=True)
    deviation[deviation == 0] = np.inf
    return ((roots - roots.mean(axis=1, keepdims=True)) / deviation).astype(np.float32)


def learn(dataset: "Dataset", seed: int) -> Predictor:
    """What the clusters of at most `N_PATTERNS` training patterns predict.

    A graph joins each pattern to its nearest, and is cut into clusters where it is thin, without labels. These enter
    where a cluster is named: it predicts the shares of its patterns' classes, so the majority is its most probable
    class. A pattern that was not clustered is predicted by the clusters of its nearest neighbours, on average. The
    number of clusters is the one with the most validation patterns right.
    """
    chosen, validation = _some(dataset, "train", seed), _some(dataset, "validation", seed)
    patterns = by_shard(dataset, chosen, features, "features")
    n_neighbours = min(N_NEIGHBOURS, len(patterns))
    nearest = NearestNeighbors(n_neighbors=n_neighbours).fit(patterns)

    def neighbours(asked: "Dataset", rows: slice) -> NDArray[np.int64]:
        return by_shard(
            asked, rows, lambda images: nearest.kneighbors(features(images), return_distance=False), "neighbours"
        )

    named, labels = np.eye(n_classes(dataset))[classes(dataset, chosen)], classes(dataset, validation)
    near = neighbours(dataset, validation)
    candidates = []
    for n_clusters in sorted({min(number, len(patterns) // 2) for number in N_CLUSTERS}):
        clusters = SpectralClustering(
            n_clusters, affinity="nearest_neighbors", n_neighbors=n_neighbours, random_state=seed
        ).fit_predict(patterns)
        together = (clusters[:, None] == clusters).astype(float)
        shares = together @ named / together.sum(axis=1, keepdims=True)
        right = (shares[near].mean(axis=1).argmax(axis=1) == labels).mean()
        logger.info("%d clusters of %s: %.1f %% of validation patterns right", n_clusters, dataset.name, 100 * right)
        candidates.append((right, shares))
    _, shares = max(candidates, key=lambda candidate: candidate[0])

    def predict(asked: "Dataset", rows: slice) -> tuple[NDArray[np.float64], ...]:
        must_be_alike(dataset, asked)
        return heads(shares[neighbours(asked, rows)].mean(axis=1), asked)

    return predict


def _some(dataset: "Dataset", split: str, seed: int) -> slice:
    """At most `N_PATTERNS` rows of a split, one after the other: a random choice, as splits are shuffled inside."""
    start, stop, _ = dataset.splits[split].indices(len(dataset))
    start += int(np.random.default_rng(seed).integers(max(1, stop - start - N_PATTERNS + 1)))
    return slice(start, min(start + N_PATTERNS, stop))
