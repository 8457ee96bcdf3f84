"""The support set: embeddings whose labels are known."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from frames.files import read_arrays, sha256

Array = NDArray[np.floating]


Scores = Callable[[Array], Array]
"""Embeddings of new patterns (n, d) -> (n,)."""


AT_ONCE = 1024
"""Patterns whose distances to all known ones are held together."""


class SupportSet(NamedTuple):
    """Patterns whose label is known."""

    embeddings: Array
    """(n, d)"""
    is_single: NDArray[np.bool_]
    """(n,)"""
    widths: tuple[int, ...] = ()
    """of the embeddings of several networks that stand in a row; empty: of one"""

    def must_have_both(self) -> "SupportSet":
        """Itself; ValueError where one of the two classes has no pattern."""
        n_single = int(self.is_single.sum())
        if not 0 < n_single < len(self.is_single):
            raise ValueError(
                f"{n_single} of {len(self.is_single)} known patterns are single hits; label at least one single hit "
                "and one multiple hit"
            )
        return self


def _means(support: SupportSet) -> tuple[Array, Array]:
    """(d,) of the single hits, and of the multiple ones."""
    support.must_have_both()
    return support.embeddings[support.is_single].mean(axis=0), support.embeddings[~support.is_single].mean(axis=0)


def _weights(is_single: NDArray[np.bool_]) -> Array:
    """(n,) by which both classes have half of the patterns."""
    share = is_single.mean()
    return np.where(is_single, 0.5 / share, 0.5 / (1 - share))


def squared_distances(known: Array, asked: Array) -> Iterator[Array]:
    """Squared distances (some, n) from new patterns to all known ones, a block after the other.

    In float64: far from the origin, the squares of float32 would leave nothing of the differences between patterns.
    """
    known = known.astype(np.float64)
    norm = np.square(known).sum(axis=1)
    for at in range(0, len(asked), AT_ONCE):
        block = asked[at : at + AT_ONCE].astype(np.float64)
        yield np.square(block).sum(axis=1)[:, None] + norm - 2 * block @ known.T


SUPPORT = "support.npz"
"""Embeddings of training patterns, beside the model: `embeddings` (n, d) float32, `is_single` (n,) bool, and the sha256
of `model`"""

FORMER = "known.npz"
"""The name that it had before"""

logger = logging.getLogger(__name__)


def support_file(model: Path) -> Path:
    """Where the support set beside a model lies; `known.npz`, as it was called before, where there is no other."""
    path, former = model.parent / SUPPORT, model.parent / FORMER
    return former if former.exists() and not path.exists() else path


def read_support(model: Path, embedding_dim: int) -> SupportSet:
    """The training patterns whose embeddings lie beside a model; FileNotFoundError; ValueError unless they are that."""
    path = support_file(model)
    if path.name == FORMER:
        logger.warning("%s is read as the support set: there is no %s beside it", path, SUPPORT)
    if not path.exists():
        raise FileNotFoundError(
            f"there is no {path}, the training patterns that single and multiple hits are told apart by; it is written "
            "beside model.pt: copy it along with the model, or train again"
        )
    try:
        arrays = read_arrays(path)
        support, digest = SupportSet(np.asarray(arrays["embeddings"]), np.asarray(arrays["is_single"])), arrays["model"]
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{path} is damaged or does not hold embeddings, is_single and model ({error}); train again"
        ) from error
    embeddings, is_single = support.embeddings, support.is_single
    if is_single.dtype != bool or is_single.ndim != 1 or embeddings.shape != (len(is_single), embedding_dim):
        raise ValueError(
            f"{path} holds embeddings {embeddings.shape} and is_single {is_single.dtype} {is_single.shape}, expected "
            f"(n, {embedding_dim}) and bool (n,); take the file that was written with the model"
        )
    if not np.isfinite(embeddings).all():
        raise ValueError(f"{path} holds embeddings that are no finite numbers; train again")
    if digest != sha256(model):
        raise ValueError(f"{path} is of another model than {model}; take the file that was written with this one")
    return support.must_have_both()


def read_hit_multiplicity(model: Path) -> NDArray[np.int64] | None:
    """(n,) particles in each pattern of the support set beside a model; None where its file does not say.

    ValueError unless they are as many as the patterns.
    """
    arrays = read_arrays(support_file(model))
    if "hit_multiplicity" not in arrays:
        return None
    numbers = np.asarray(arrays["hit_multiplicity"])
    if not np.array_equal(numbers == 1, np.asarray(arrays["is_single"])):
        raise ValueError(f"{support_file(model)}: hit_multiplicity and is_single disagree; train again")
    return numbers.astype(np.int64)
