"""A trained network as screening asks it: images in, the probability of each to be kept out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from train.inference.domain import Domain

if TYPE_CHECKING:
    from train.few_shot.logistic import Logistic
    from train.few_shot.support import SupportSet

Predict = Callable[[NDArray[np.float32]], NDArray[np.float64]]
Embed = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class Network:
    """What predicts. Several threads may call it at once; each is served in its own."""

    name: str
    image_shape: tuple[int, int]
    predict: Predict
    """images (n, ny, nx) [photons] -> (n,) probability that each is to be kept"""
    domain: Domain | None
    """what it was trained on; None where that is not known"""
    digest: str
    """sha256 of its file"""
    embed: Embed | None = None
    """of a twin network: images (n, ny, nx) -> embeddings (n, d)"""
    support: "SupportSet | None" = None
    """of a twin network: the patterns that it tells single and multiple hits apart by"""

    def must_take(self, shape: tuple[int, ...], what: str) -> None:
        """ValueError unless frames of this shape are what it takes."""
        if tuple(shape) != self.image_shape:
            raise ValueError(
                f"{what} are of {' x '.join(map(str, shape))} pixels, but {self.name} was trained on "
                f"{' x '.join(map(str, self.image_shape))}; give the table that folds them to that, --table pixels.npz "
                "(`singlehit tabulate` makes one)"
            )

    def adapted(self, labelled: NDArray[np.float32], is_single: NDArray[np.bool_]) -> "Network":
        """A twin network that predicts by a few labelled images (k, ny, nx), too.

        ValueError where it is none, or the labels are all alike.
        """
        from train.few_shot.logistic import adapt, fit
        from train.few_shot.support import SupportSet

        if self.embed is None or self.support is None:
            raise ValueError(f"{self.name} is no twin network: it takes no labels; leave them out")
        support = SupportSet(self.embed(labelled), is_single).must_have_both()
        return replace(self, predict=answering_by(self.embed, adapt(fit(self.support), support)))


def answering_by(embed: Embed, logistic: "Logistic") -> Predict:
    """Of a twin network: by its embeddings."""
    from train.few_shot.logistic import probability

    return lambda images: probability(logistic.scores(embed(images))).astype(float)
