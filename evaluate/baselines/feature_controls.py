"""What a twin network has to beat: features that nobody learned, in place of an embedding.

The azimuthal mean and variance are a network (`azimuthal`), trained as the others are.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import SpectralClustering
from sklearn.neighbors import NearestNeighbors

from evaluate.baselines import spectral_clustering
from train.few_shot.classifiers import CLASSIFIERS
from train.few_shot.support import Array, Scores, SupportSet

BLOCKS = 16
"""Of pixels, along an edge."""

N_CLUSTERED, N_CLUSTERS = 3000, 88
"""Known patterns that are clustered, at most, and clusters; of few patterns, half as many clusters."""

SEED = 0
"""Of the clustering."""


def total_intensity(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 1) asinh of the photons in a pattern (n, ny, nx): bright patterns are often multiple hits."""
    return np.arcsinh(images.sum(axis=(1, 2), dtype=np.float64))[:, None].astype(np.float32)


def pixels(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, BLOCKS²) asinh of the mean photons in blocks of pixels of patterns (n, ny, nx).

    ValueError where the edges are no multiple of `BLOCKS`.
    """
    n, ny, nx = images.shape
    if ny % BLOCKS or nx % BLOCKS:
        raise ValueError(f"images of {ny} x {nx} pixels, expected a multiple of {BLOCKS} along both edges")
    blocks = images.reshape(n, BLOCKS, ny // BLOCKS, BLOCKS, nx // BLOCKS).mean(axis=(2, 4))
    return np.arcsinh(20 * blocks).reshape(n, -1).astype(np.float32)


CONTROLS: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "total_intensity": total_intensity,
    "pixels": pixels,
    "spectral_clustering": spectral_clustering.features,
}
"""Name -> features (n, d) of images (n, ny, nx)."""


def by_clusters(support: SupportSet) -> Scores:
    """Clusters of known patterns, found without labels, are named; a pattern gets the names of its nearest ones.

    Yoon et al., Opt. Express 19, 16542 (2011), as in evaluate/baselines/spectral_clustering.py.
    """
    support.must_have_both()
    some = SupportSet(support.embeddings[:N_CLUSTERED], support.is_single[:N_CLUSTERED])
    n_neighbours = min(spectral_clustering.N_NEIGHBOURS, len(some.is_single))
    clusters = SpectralClustering(
        min(N_CLUSTERS, len(some.is_single) // 2),
        affinity="nearest_neighbors",
        n_neighbors=n_neighbours,
        random_state=SEED,
    ).fit_predict(some.embeddings)
    n_single, n_all = (np.bincount(clusters, weights) for weights in (some.is_single.astype(float), None))
    share = n_single / np.maximum(n_all, 1)
    nearest = NearestNeighbors(n_neighbors=n_neighbours).fit(some.embeddings)

    def scores(asked: Array) -> Array:
        return share[clusters][nearest.kneighbors(asked, return_distance=False)].mean(axis=1) - some.is_single.mean()

    return scores


def classifiers_of(encoder: str) -> Mapping[str, Callable[[SupportSet], Scores]]:
    """How embeddings of an encoder, or the features of a control, are turned into answers."""
    return {"clusters": by_clusters} if encoder == "spectral_clustering" else CLASSIFIERS
