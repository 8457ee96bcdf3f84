"""Batches drawn for a number of iterations: frames or pictures that lie in memory, each with a label and a box."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import affine_grid, grid_sample

from frames.targets import Target
from train.batches.batches import Patterns

NO_BOX = (math.nan,) * 4

SINGLE_HIT = Target("single", ("other", "single"), kept="single")
"""What is asked of every frame."""


@dataclass(frozen=True)
class Boxed(Patterns):
    """Patterns with a box each, that are asked one question: `SINGLE_HIT`."""

    boxes: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 4), np.float32))
    """(n, 4) middle x, y, width, height [pixels]; NaN where there is none"""

    @property
    def single(self) -> NDArray[np.int64]:
        """(n,) 1 of a single hit, else 0."""
        return self.labels[SINGLE_HIT.name]

    def take(self, rows: NDArray[np.int64]) -> "Boxed":
        """Those of these rows, copied."""
        some = super().take(rows)
        return Boxed(some.images, some.labels, self.boxes[rows])


def labelled(images: NDArray, is_single: NDArray[np.bool_], boxes: NDArray | None = None) -> Boxed:
    """Images (n, ny, nx) with their labels (n,), and boxes (n, 4) of those that are single hits."""
    single = np.asarray(is_single).astype(np.int64)
    given = np.tile(np.array(NO_BOX, np.float32), (len(single), 1))
    if boxes is not None:
        given[single == 1] = np.asarray(boxes, np.float32)[single == 1]
    return Boxed(images, {SINGLE_HIT.name: single}, given)


class DrawnBatches:
    """`iterations` batches an epoch, from permutations of all frames one after the other.

    Parameters
    ----------
    change : what is done to a batch's images and boxes before it is handed over, with numpy's generator; an epoch's
             batches follow from the seed and its number alone.
    balanced : as many single hits as others in every batch, on average.
    groups : (n,) numbers of groups of which every batch has as many frames of each, in place of these two.
    """

    def __init__(
        self,
        frames: Boxed,
        batch_size: int,
        iterations: int,
        seed: int,
        change: Callable[[Boxed, np.random.Generator], Boxed] | None = None,
        balanced: bool = False,
        groups: NDArray[np.int64] | None = None,
    ):
        if not 0 < frames.single.sum() < len(frames):
            raise ValueError(
                f"{int(frames.single.sum())} of {len(frames)} labelled frames are single hits; label some that are and "
                "some that are not"
            )
        self.frames, self.batch_size, self.iterations, self.seed = frames, batch_size, iterations, seed
        self.change = change
        self.groups = frames.single if groups is None and balanced else groups
        self.number = 0
        """of the epoch that was asked for last"""

    def __len__(self) -> int:
        return self.iterations

    @property
    def n_patterns(self) -> int:
        """Patterns in an epoch."""
        return self.iterations * self.batch_size

    def epoch(self, number: int = 0) -> Iterator[Boxed]:
        """The batches of epoch `number`."""
        self.number = number
        generator = np.random.default_rng((self.seed, number))
        order = self._order(generator)
        for start in range(0, self.n_patterns, self.batch_size):
            rows = order[start : start + self.batch_size]
            batch = self.frames.take(rows)
            yield batch if self.change is None else self.change(batch, generator)

    def _order(self, generator: np.random.Generator) -> NDArray[np.int64]:
        n, wanted = len(self.frames), self.n_patterns
        if self.groups is None:
            return np.concatenate([generator.permutation(n) for _ in range(-(-wanted // n))])[:wanted]
        sides, numbers = [], np.unique(self.groups)
        for number in numbers:
            rows, part = np.flatnonzero(self.groups == number), -(-wanted // len(numbers))
            repeated = [generator.permutation(rows) for _ in range(-(-part // len(rows)))]
            sides.append(np.concatenate(repeated)[:part])
        return np.stack(sides, 1).ravel()[:wanted]


def jittered(batch: Boxed, generator: np.random.Generator, most: float = 0.3) -> Boxed:
    """Each picture mirrored at random and cut anew: every edge moves by up to a share of the size, as in darknet.

    What comes in from outside is black. Boxes move along; one whose middle is left outside is that of a frame without.
    """
    images = torch.as_tensor(batch.images).float()
    n, ny, nx = images.shape
    left, right, top, bottom = generator.uniform(-most, most, (4, n)).astype(np.float32)
    mirror = np.where(generator.random(n) < 0.5, -1, 1).astype(np.float32)
    wide, high = 1 + right - left, 1 + bottom - top  # of what is cut, over the picture's
    matrix = np.zeros((n, 2, 3), np.float32)
    matrix[:, 0, 0], matrix[:, 0, 2] = mirror * wide, left + right
    matrix[:, 1, 1], matrix[:, 1, 2] = high, top + bottom
    grid = affine_grid(torch.from_numpy(matrix), [n, 1, ny, nx], align_corners=False)
    moved = grid_sample(images[:, None], grid, align_corners=False)[:, 0]
    x, y, width, height = batch.boxes.T
    # from -1 to 1 across the picture, and back through the matrix
    x = (mirror * ((2 * x / nx - 1) - (left + right)) / wide + 1) * nx / 2
    y = (((2 * y / ny - 1) - (top + bottom)) / high + 1) * ny / 2
    boxes = np.stack((x, y, width / wide, height / high), 1).astype(np.float32)
    inside = (boxes[:, 0] >= 0) & (boxes[:, 0] < nx) & (boxes[:, 1] >= 0) & (boxes[:, 1] < ny)
    boxes[~inside] = np.nan
    return Boxed(moved.numpy(), batch.labels, boxes)
