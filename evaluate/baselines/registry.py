"""All baselines by name; with it come scikit-learn and seconds."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from evaluate.baselines import spectral_clustering, total_intensity
from evaluate.predictions import Answers

if TYPE_CHECKING:
    from simulate.dataset import Dataset

BASELINES: Mapping[str, Callable[["Dataset", int], Answers]] = {
    "total_intensity": total_intensity.learn,
    "spectral_clustering": spectral_clustering.learn,
}
"""Name, as in evaluate/config.py -> what, given a seed, learns from the training split and chooses by validation."""
