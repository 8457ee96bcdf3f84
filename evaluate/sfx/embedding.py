"""Features of source and target: on a map by t-SNE, and how far they lie in each other."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from train.batches.hits import centred
from train.batches.input_transforms import network_input
from train.tasks.find_hits import AT_ONCE, TrainedHits

NEIGHBOURS = 10


@torch.inference_mode()
def features(trained: TrainedHits, inputs: NDArray, device: torch.device) -> NDArray[np.float32]:
    """(n, k) of prepared frames: what the base of a network makes of them."""
    recipe, parts = trained.description.recipe, []
    for start in range(0, len(inputs), AT_ONCE):
        part = np.asarray(centred(inputs[start : start + AT_ONCE], recipe), np.float32)
        parts.append(trained.model.base(network_input(part, recipe.input_transform, device)).cpu().numpy())
    return np.concatenate(parts)


def overlap(source: NDArray, target: NDArray, neighbours: int = NEIGHBOURS) -> float:
    """How well two sets of points (n, k) and (m, k) are mixed: 1 as if drawn from one law, 0 wholly apart.

    Of each point's nearest neighbours, the share that are of the other set, over that expected of mixed sets; the mean
    over both sets.
    """
    points = np.concatenate((source, target))
    is_target = np.arange(len(points)) >= len(source)
    near = NearestNeighbors(n_neighbors=neighbours + 1).fit(points).kneighbors(points, return_distance=False)[:, 1:]
    other = is_target[near] != is_target[:, None]
    n = len(points) - 1
    return float(np.mean([other[~is_target].mean() / (len(target) / n), other[is_target].mean() / (len(source) / n)]))


def mapped(points: NDArray, seed: int = 0) -> NDArray[np.float32]:
    """(n, 2) by t-SNE, of features scaled to unit deviation."""
    scaled = (points - points.mean(0)) / (points.std(0) + 1e-6)
    perplexity = min(30.0, (len(points) - 1) / 4)
    return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(scaled).astype(np.float32)
