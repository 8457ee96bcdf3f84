"""A dataset that a network learns in a second, for every test that trains."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from frames.store.dataset import Dataset, open_dataset
from support.datasets import make_dataset

N_TOY = 160


@pytest.fixture(autouse=True, scope="module")
def one_plain_thread() -> Iterator[None]:
    """Threads that wait for each other crawl where other processes want the cores too. `fit` flushes denormals for
    the rest of its process: not for the tests that come after."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two structures by two multiplicities: which quadrant of a 128 x 128 image is bright. 112 train, 16 validate."""
    generator = np.random.default_rng(0)
    structure, count = np.arange(N_TOY) % 2, np.arange(N_TOY) // 2 % 2
    images = 0.1 * generator.random((N_TOY, 128, 128), dtype=np.float32)
    for image, column, row in zip(images, structure, count, strict=True):
        image[64 * row : 64 * row + 64, 64 * column : 64 * column + 64] += generator.uniform(1, 2)
    folder: Path = tmp_path_factory.mktemp("datasets") / "toy"
    return open_dataset(make_dataset(folder, images, np.array(["left", "right"])[structure], 1 + count))
