"""All baselines by name; with it come scikit-learn and seconds."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from evaluate.baselines import spectral_clustering, total_intensity
from evaluate.predictions.predictions import Predictor

if TYPE_CHECKING:
    from frames.store.dataset import Dataset

BASELINES: Mapping[str, Callable[["Dataset", int], Predictor]] = {
    "total_intensity": total_intensity.learn,
    "spectral_clustering": spectral_clustering.learn,
}
"""Name, as in evaluate/run/config.py -> what, given a seed, learns from the training split and chooses by
validation."""
