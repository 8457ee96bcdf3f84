"""Batches, from memory and by shuffled shards. Images hold the number of their row, so that each can be followed."""

import numpy as np
import pytest
import torch

from frames.store.dataset import Dataset, open_dataset
from support.datasets import make_dataset
from train.batches.augment import augment
from train.batches.batches import AUGMENTED_AT_ONCE, Batches, Patterns, RankSlice, augmented, epoch_seed

N, SIZE, PER_SHARD = 103, 8, 10
ROWS = slice(7, 98)  # starts and ends inside a shard
PATTERN_GB = SIZE * SIZE * 4e-9
IN_MEMORY = N * PATTERN_GB
STREAMED = 2.5 * 2 * PER_SHARD * PATTERN_GB  # two whole shards shuffled together, while two more are read


def write(folder, images, **options) -> Dataset:
    structure = np.array(["a", "b", "c"])[np.arange(len(images)) % 3]
    multiplicity = 1 + np.arange(len(images)) % 4
    make_dataset(folder, images, structure, multiplicity, patterns_per_shard=PER_SHARD, patterns_per_chunk=2, **options)
    return open_dataset(folder)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    images = np.broadcast_to(np.arange(N, dtype=np.float32)[:, None, None], (N, SIZE, SIZE)).copy()
    return write(tmp_path_factory.mktemp("data") / "rows", images)


def rows_of(batches, epoch=0) -> list[int]:
    return [int(row) for patterns in batches.epoch(epoch) for row in patterns.images[:, 0, 0]]


both_ways = pytest.mark.parametrize("memory_gb", [IN_MEMORY, STREAMED], ids=["in memory", "streamed"])


@both_ways
@pytest.mark.parametrize("batch_size", [1, 16, 25, 64, 200])
def test_an_epoch_is_every_pattern_once_with_its_own_labels(dataset, memory_gb, batch_size):
    batches = Batches(dataset, ROWS, batch_size, memory_gb, seed=1)
    n = ROWS.stop - ROWS.start
    for epoch in range(2):
        seen = list(batches.epoch(epoch))
        rows = np.concatenate([patterns.images[:, 0, 0] for patterns in seen]).astype(int)
        assert sorted(rows) == list(range(ROWS.start, ROWS.stop))
        np.testing.assert_array_equal(
            np.concatenate([patterns.labels["hit_multiplicity"] for patterns in seen]), rows % 4
        )
        np.testing.assert_array_equal(np.concatenate([patterns.labels["structure"] for patterns in seen]), rows % 3)
        assert len(seen) == len(batches)
        sizes = [len(patterns) for patterns in seen]
        assert sizes[:-1] == [batch_size] * (len(seen) - 1)
        assert sizes[-1] == n - batch_size * (len(seen) - 1)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_held_on_a_device_the_batches_are_the_same(tmp_path, dtype):
    """Counts beyond 32767 too, whose bits are those of a negative number."""
    images = np.random.default_rng(0).integers(0, 65536, (N, SIZE, SIZE)).astype(dtype)
    dataset = write(tmp_path / "rows", images)
    here, there = (
        Batches(dataset, ROWS, 25, IN_MEMORY, seed=1, held_on=device) for device in (None, torch.device("cpu"))
    )
    for mine, theirs in zip(here.epoch(2), there.epoch(2), strict=True):
        assert isinstance(theirs.images, torch.Tensor)
        np.testing.assert_array_equal(theirs.images.numpy(), mine.images)
        np.testing.assert_equal(theirs.labels, mine.labels)


@both_ways
def test_an_epochs_order_follows_from_seed_and_number_alone(dataset, memory_gb):
    def make(seed):
        return Batches(dataset, ROWS, 16, memory_gb, seed)

    first = make(1)
    orders = [rows_of(first, epoch) for epoch in range(3)]
    assert rows_of(make(1), 2) == orders[2]  # as a resumed training asks for it
    assert len({tuple(order) for order in [*orders, rows_of(make(2), 0)]}) == 4


@both_ways
def test_without_a_seed_the_order_is_the_stored_one(dataset, memory_gb):
    batches = Batches(dataset, ROWS, 16, memory_gb)
    assert rows_of(batches, 3) == list(range(ROWS.start, ROWS.stop))
    np.testing.assert_array_equal(batches.labels["hit_multiplicity"], np.arange(ROWS.start, ROWS.stop) % 4)
    np.testing.assert_array_equal(batches.labels["structure"], np.arange(ROWS.start, ROWS.stop) % 3)


@pytest.fixture
def reads(monkeypatch) -> list[slice]:
    """The rows asked of the store from now on."""
    asked: list[slice] = []
    read_raw = Dataset.read_raw
    monkeypatch.setattr(Dataset, "read_raw", lambda self, rows: asked.append(rows) or read_raw(self, rows))
    return asked


def test_in_memory_the_store_is_read_once(dataset, reads):
    batches = Batches(dataset, ROWS, 16, IN_MEMORY, seed=1)
    rows_of(batches, 0), rows_of(batches, 1)
    assert sum(rows.stop - rows.start for rows in reads) == ROWS.stop - ROWS.start


def test_streaming_reads_whole_shards_once_per_epoch(dataset, reads):
    rows_of(Batches(dataset, ROWS, 16, STREAMED, seed=1))
    expected = [(7, 10), *((start, start + 10) for start in range(10, 90, 10)), (90, 98)]
    assert sorted((rows.start, rows.stop) for rows in reads) == expected
    assert [rows.start for rows in reads] != sorted(rows.start for rows in reads)


def test_streaming_shuffles_two_shards_together_and_reads_two_ahead(dataset, reads):
    batches = Batches(dataset, ROWS, 5, STREAMED, seed=1).epoch(0)
    first = next(batches)
    rows = [int(row) for row in first.images[:, 0, 0]] + [int(row) for row in next(batches).images[:, 0, 0]]
    assert len({row // PER_SHARD for row in rows}) == 2
    batches.close()  # waits for what is being read
    assert len(reads) == 4


def test_counts_stay_as_stored(tmp_path):
    counts = np.random.default_rng(0).poisson(3, (20, SIZE, SIZE)).astype(np.uint16)
    (patterns,) = Batches(write(tmp_path / "counts", counts), slice(0, 20), 20, 1).epoch()
    assert patterns.images.dtype == np.uint16
    np.testing.assert_array_equal(patterns.images, counts)


@pytest.mark.parametrize("memory_gb", [1, 2 * PER_SHARD * PATTERN_GB], ids=["in memory", "streamed"])
def test_read_noise_is_each_patterns_own(tmp_path, memory_gb):
    counts = np.random.default_rng(0).poisson(3, (45, SIZE, SIZE)).astype(np.uint16)
    dataset = write(tmp_path / "noisy", counts, read_noise_photons=0.3)
    batches = Batches(dataset, slice(0, 45), 45, memory_gb)
    for epoch in range(2):
        (patterns,) = batches.epoch(epoch)
        assert patterns.images.dtype == np.float32
        np.testing.assert_array_equal(patterns.images, dataset.read(slice(0, 45)))
    assert np.abs(patterns.images - counts).max() > 0.3


def test_memory_below_two_shards_is_an_error_that_says_how_much(dataset):
    """Of 64 pixels of 4 bytes, 10 a shard: 2,560 bytes."""
    message = r"^memory_gb 5e-06 does not hold two shards of dataset rows; raise it to at least 5\.1e-06$"
    with pytest.raises(ValueError, match=message):
        Batches(dataset, ROWS, 16, 5e-6, seed=1)
    assert rows_of(Batches(dataset, ROWS, 16, 5.12e-6, seed=1))


def test_what_fits_exactly_is_held_in_memory(dataset, reads):
    for memory_gb, times in ((91 * 256e-9, 1), (90.9 * 256e-9, 2)):
        reads.clear()
        batches = Batches(dataset, ROWS, 16, memory_gb, seed=1)
        rows_of(batches, 0), rows_of(batches, 1)
        assert sum(rows.stop - rows.start for rows in reads) == times * 91


@both_ways
def test_of_every_batch_one_of_several_processes_takes_its_share(dataset, memory_gb):
    """Pattern i of a batch is taken by process i % 3, in batches that span parts, too."""
    whole = list(Batches(dataset, ROWS, 16, memory_gb, seed=1).epoch(2))
    for rank in range(3):
        share = Batches(dataset, ROWS, 16, memory_gb, seed=1, share=RankSlice(rank, 3))
        assert (len(share), share.n_patterns) == (6, 91)
        for mine, batch in zip(share.epoch(2), whole, strict=True):
            np.testing.assert_array_equal(mine.images, batch.images[rank::3])
            assert mine.labels.keys() == batch.labels.keys()
            for name, labels in batch.labels.items():
                np.testing.assert_array_equal(mine.labels[name], labels[rank::3])


def test_seeds_of_epochs_are_numpys_and_all_differ():
    names = [(seed, number, rank) for seed in range(3) for number in range(3) for rank in range(3)]
    seeds = [epoch_seed(*name) for name in names]
    assert seeds == [int(np.random.SeedSequence(name).generate_state(1, np.uint64)[0]) for name in names]
    assert len(set(seeds)) == 27
    assert epoch_seed(1, 2) == epoch_seed(1, 2, 0)


def test_patterns_are_augmented_a_few_at_a_time_as_all_at_once():
    images = np.random.default_rng(0).poisson(3, (2 * AUGMENTED_AT_ONCE + 5, SIZE, SIZE)).astype(np.uint16)
    seeds = np.arange(100, 100 + len(images), dtype=np.uint64)
    found = augmented(images, seeds, "poster")
    expected = augment(torch.from_numpy(images.astype(np.float32)), seeds).numpy()
    np.testing.assert_array_equal(found, expected, strict=True)
    assert augmented(images, seeds, "none") is images


@both_ways
def test_batches_are_of_augmented_patterns(dataset, memory_gb):
    batches = Batches(dataset, ROWS, 16, memory_gb, augment="poster")
    found = np.concatenate([patterns.images for patterns in batches.epoch()])
    expected = augmented(dataset.read(ROWS), dataset.seed[ROWS], "poster")
    np.testing.assert_array_equal(found, expected, strict=True)


def test_patterns_are_joined_and_taken_with_their_answers():
    one = Patterns(np.arange(3)[:, None, None], labels([0, 1, 2], [2, 1, 0]))
    other = Patterns(np.array([[[9]]]), labels([5], [7]))
    both = one.join(other)
    taken = both.take(np.array([3, 0]))
    for some, images, count, structure in (
        (both, [0, 1, 2, 9], [0, 1, 2, 5], [2, 1, 0, 7]),
        (taken, [9, 0], [5, 0], [7, 2]),
    ):
        assert some.images.ravel().tolist() == images
        assert {name: codes.tolist() for name, codes in some.labels.items()} == {
            "hit_multiplicity": count,
            "structure": structure,
        }
    assert len(taken) == 2


def labels(count: list[int], structure: list[int]) -> dict[str, np.ndarray]:
    return {"hit_multiplicity": np.array(count), "structure": np.array(structure)}


def test_what_is_not_shuffled_is_read_shard_by_shard_however_large_these_are(dataset):
    """As networks are asked: of them nobody says how much memory they have."""
    streamed, held = (list(Batches(dataset, ROWS, 16, memory_gb).epoch()) for memory_gb in (1e-6, IN_MEMORY))
    for one, other in zip(streamed, held, strict=True):
        np.testing.assert_array_equal(one.images, other.images)


def test_an_empty_range_is_an_error(dataset):
    with pytest.raises(ValueError, match=r"^rows 5:5 of dataset rows hold no pattern that is asked for$"):
        Batches(dataset, slice(5, 5), 16, 1)


def test_a_failing_read_ends_the_epoch(dataset, monkeypatch):
    def fail(self, rows):
        raise OSError("disk gone")

    batches = Batches(dataset, ROWS, 16, STREAMED, seed=1)
    monkeypatch.setattr(Dataset, "read_raw", fail)
    with pytest.raises(OSError, match="disk gone"):
        list(batches.epoch(0))


@both_ways
def test_of_some_structures_the_same_patterns_come_with_their_labels(dataset, memory_gb):
    """Structures a and c: two of three rows, shards of which some are cut."""
    batches = Batches(dataset, ROWS, 16, memory_gb, seed=1, structures=[0, 2])
    expected = [row for row in range(ROWS.start, ROWS.stop) if row % 3 != 1]
    assert batches.n_patterns == len(expected)
    np.testing.assert_array_equal(batches.labels["structure"], np.array(expected) % 3)
    seen = list(batches.epoch())
    rows = np.concatenate([patterns.images[:, 0, 0] for patterns in seen]).astype(int)
    assert sorted(rows) == expected
    np.testing.assert_array_equal(np.concatenate([patterns.labels["hit_multiplicity"] for patterns in seen]), rows % 4)
    assert len(seen) == len(batches)


def test_no_structure_is_an_error(dataset):
    with pytest.raises(ValueError, match="hold no pattern that is asked for"):
        Batches(dataset, ROWS, 16, IN_MEMORY, structures=[])
