"""What methods see, made block after block of a store: the same as of all frames at once."""

import numpy as np
import pandas as pd
import pytest

from evaluate.virus.config import SelectionConfig
from evaluate.virus.methods import Experiment
from evaluate.virus.source import seen as room
from evaluate.virus.source.seen import StoredFrames, read_seen, see
from train.batches.polar_bins import polar_bins
from train.batches.representation import Representation, pictures


class Store:
    """24 frames of a dataset in chunks of 4, which counts what is read."""

    def __init__(self) -> None:
        self.frames = np.random.default_rng(0).poisson(3.0, (23, 40, 40)).astype(np.float32)
        self.shape, self.read_rows = self.frames.shape, 0
        self.layout = type("Layout", (), {"patterns_per_chunk": 4})()

    def __len__(self) -> int:
        return len(self.frames)

    def read(self, rows: slice) -> np.ndarray:
        self.read_rows += rows.stop - rows.start
        return self.frames[rows]


NUMBERS = np.array([5, 1, 22, 9, 8, 2])
HOW = SelectionConfig(n_rings=8, n_angles=10, r_min_pixels=1)


@pytest.mark.parametrize("at_once", [4, 512])
def test_frames_of_a_store_are_those_of_an_array(at_once, monkeypatch) -> None:
    monkeypatch.setattr(room, "AT_ONCE", at_once)
    store = Store()
    stored, array = StoredFrames(store, NUMBERS), store.frames[NUMBERS]  # type: ignore[arg-type]
    assert (len(stored), stored.shape) == (len(array), array.shape)
    for rows in (slice(0, 3), slice(None), np.array([4, 0]), np.array([], int), 2):
        np.testing.assert_array_equal(stored[rows], array[rows])
    store.read_rows = 0
    stored[np.array([0, 2])]
    assert store.read_rows == 4 + 3  # two chunks, the last of them short


def test_what_is_seen_block_after_block_is_what_is_seen_at_once(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(room, "AT_ONCE", 4)
    store, mask = Store(), np.zeros((40, 40), bool)
    mask[18:22] = True
    table = pd.DataFrame(
        {
            "frame": NUMBERS, "split": ["train", "train", "validation", "validation", "test", "test"],
            "manual": ["single", "other"] * 3,
        }
    )  # fmt: skip
    bins = polar_bins((40, 40), (19.5, 19.5), mask, 8, 10, 1)
    whole = Experiment(store.frames[NUMBERS], table, mask, (19.5, 19.5))
    stored = StoredFrames(store, NUMBERS)  # type: ignore[arg-type]
    see(stored, mask, bins, whole.boxed, ["linear", "log"], 32, log=True).write(tmp_path / "seen.npz")
    run = Experiment(stored, table, mask, (19.5, 19.5), read_seen(tmp_path / "seen.npz"))
    for log in (False, True):
        np.testing.assert_array_equal(run.polar(HOW, log), bins.of(store.frames[NUMBERS], log))
    rows = np.array([1, 4])
    for scale in ("linear", "log"):
        way = Representation("jet", scale, 32)  # type: ignore[arg-type]
        np.testing.assert_array_equal(run.pictures(rows, way), pictures(store.frames[NUMBERS[rows]], mask, way))
    np.testing.assert_array_equal(run.boxes(), whole.boxes())
    assert np.isfinite(run.boxes()).all(1).tolist() == [True, False, True, False, False, False]  # none of a test frame
    assert run.digest == whole.digest
    with pytest.raises(ValueError, match="rings and angles were made as"):
        run.polar(SelectionConfig(n_rings=9, n_angles=10))
    with pytest.raises(ValueError, match="pictures were made of 32 pixels, expected 64"):
        run.pictures(rows, Representation("jet", "log", 64))
