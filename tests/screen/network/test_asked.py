"""Frames asked of a network: folded as by hand, of what is no frame why; one bad frame costs no other."""

import numpy as np
import pytest

from frames.files import read_table
from frames.pixels.positions import Pixels
from frames.pixels.table import NOWHERE, PixelTable
from screen.network.asked import Asking, neighbours
from screen.stream.ledger import Ledger, records_of
from screen.stream.policy import Policy
from screen.stream.screening import Screening
from simulate.experiment.panels import of_panels
from simulate.experiment.tabulate import tabulate
from support.streaming import Made, brightness, frame, network

SIDE = 32


@pytest.fixture(scope="module")
def agipd() -> Pixels:
    return of_panels("agipd1m", 700.0, 6000.0)


@pytest.fixture(scope="module")
def table(agipd) -> PixelTable:
    return tabulate(agipd, SIDE, 32, dark=100, adu_per_photon=60, threshold=0.7)


def raw(agipd, n, seed=0):
    generator = np.random.default_rng(seed)
    return np.round(100 + 60 * generator.poisson(0.4, (n, *agipd.shape)) + generator.normal(0, 5, (n, *agipd.shape)))


def slow_fold(frame, table):
    """Photons of each pixel, added to its image pixel, in float32 as the compiled loop has them."""
    photons = np.maximum(np.floor((frame.astype("f4") - table.dark) / table.adu_per_photon + np.float32(1 - 0.7)), 0)
    image, here = np.zeros(table.n_pixels**2), table.target != NOWHERE
    np.add.at(image, table.target[here], photons[here].astype(float))
    return image.reshape(table.n_pixels, table.n_pixels)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_raw_modules_are_folded_into_what_the_network_sees(agipd, table, dtype):
    """Dark, gain and threshold make whole photons: equal."""
    frames = raw(agipd, 3).astype(dtype)
    asking = Asking(network(shape=(SIDE, SIDE)), table)
    assert asking.shape == agipd.shape
    asking.warm_up()
    found = asking.predict(list(frames), [True] * 3)
    expected = np.stack([slow_fold(one, table) for one in frames])
    assert expected.sum() > 1000
    np.testing.assert_array_equal(found.images, expected)
    np.testing.assert_allclose(found.p, brightness(expected), rtol=1e-6)
    assert (found.problems, found.in_domain) == ([None] * 3, [None] * 3)


def test_a_missing_module_and_values_that_are_no_numbers_cost_their_own_frames_alone(agipd, table):
    frames = raw(agipd, 5).astype(np.float32)
    frames[1, 3] = frames[1, 7] = np.nan  # two modules that did not come
    frames[2][tuple(np.argwhere(table.target != NOWHERE)[5])] = np.inf
    beside = tuple(np.argwhere(table.target == NOWHERE)[0])
    frames[3][beside] = np.nan  # of which the image knows nothing
    frames[4] = np.nan
    found = Asking(network(shape=(SIDE, SIDE)), table).predict(list(frames), [False] * 5)
    live = (table.target != NOWHERE).reshape(len(frames[0]), -1).any(1)
    everything = ", ".join(map(str, np.flatnonzero(live)))
    assert found.problems == [
        None,
        "missing: module 3, 7",
        "unreadable: 1 pixels are no finite numbers",
        None,
        f"missing: module {everything}",
    ]
    assert np.isnan(found.p).tolist() == [False, True, True, False, True]
    for at in (0, 3):
        np.testing.assert_array_equal(found.images[at], slow_fold(np.nan_to_num(frames[at]), table))
    assert np.isnan(found.images[[1, 2, 4]]).all()


def test_pixels_that_are_masked_by_not_a_number_add_nothing_and_a_module_is_still_missed(agipd, table):
    frames = raw(agipd, 3).astype(np.float32)
    hidden = np.random.default_rng(1).random(agipd.shape) < 0.1
    frames[:, hidden] = np.nan
    frames[1, 2] = np.nan
    frames[2][tuple(np.argwhere((table.target != NOWHERE) & ~hidden)[3])] = -np.inf
    found = Asking(network(shape=(SIDE, SIDE)), table, nan_is_masked=True).predict(list(frames), [False] * 3)
    assert found.problems == [None, "missing: module 2", "unreadable: 1 pixels are no finite numbers"]
    np.testing.assert_array_equal(found.images[0], slow_fold(np.where(hidden, 100, frames[0]), table))


def test_what_cannot_be_a_frame_says_why(agipd, table):
    asking = Asking(network(shape=(SIDE, SIDE)), table)
    assert asking.fits(raw(agipd, 1)[0]) is None
    assert asking.fits(np.zeros((9, 9))) == "unreadable: 9 x 9 pixels in place of 128 x 128 x 64"
    assert asking.fits(np.zeros((0, 9))) == "unreadable: empty"
    assert asking.fits(np.array(["a"])).startswith("unreadable: values are <U1")
    with pytest.raises(ValueError, match="32 x 32 pixels, but mean was trained on 8 x 8; give the table that folds"):
        Asking(network(), table)


def test_poison_is_quarantined_and_counted_and_the_rest_is_decided(agipd, table, tmp_path):
    """Through a whole screening: the ledger's sums close."""
    images = raw(agipd, 6).astype(np.float32)
    images[1, 4] = np.nan
    images[3][tuple(np.argwhere(table.target != NOWHERE)[9])] = -np.inf
    trains = [[frame(n, image)] for n, image in enumerate(images)]
    trains += [[frame(6, np.zeros((3, 3), np.float32))], [frame(7, problem="missing: it did not come")]]
    source = Made(trains)
    asking = Asking(network(shape=(SIDE, SIDE)), table)
    status = Screening(source, asking, Policy(0.0), Ledger(tmp_path)).run()
    assert status.counts == {"keep": 4, "veto": 0, "missing": 2, "unreadable": 2, "skipped": 0}
    records = list(records_of(read_table(tmp_path / "decisions.parquet")))
    assert [record.decision for record in records] == [
        *("keep", "missing", "keep", "unreadable", "keep", "keep"),
        *("unreadable", "missing"),
    ]
    assert records[1].reason == "module 4"
    assert records[3].reason == "1 pixels are no finite numbers"


@pytest.mark.parametrize("dtype", [np.float32, np.uint16, np.float64, ">f4"])
def test_frames_side_by_side_in_memory_are_answered_as_those_apart(dtype):
    """Whole, spoiled in one place, and so large that their sum alone is not finite."""
    train = np.random.default_rng(5).poisson(1.0, (6, 8, 8)).astype(dtype)
    spoiled, large = train.copy(), train.astype(np.float32)
    large[:] = 3e38
    if np.dtype(dtype).kind == "f":
        spoiled[2, 4, 4] = -np.inf
    asking = Asking(network(shape=(8, 8)))
    for frames in (train, spoiled, large, train[::2], train[::-1], train[:1], train.transpose(1, 2, 0)[:8].T):
        together, apart = (asking.predict(list(some), [True] * len(frames)) for some in (frames, map(np.array, frames)))
        np.testing.assert_array_equal(together.images, apart.images)
        np.testing.assert_array_equal(together.p, apart.p)
        assert together.problems == apart.problems
        assert neighbours(list(map(np.array, frames))) is None or len(frames) == 1
        np.testing.assert_array_equal(neighbours(list(frames)), frames)
    assert neighbours([train[0], train[1], train[3]]) is None
    assert neighbours([train[0], train[0]]) is None
    assert neighbours([train[0], train[1][::-1]]) is None


def test_the_network_is_asked_as_wished_of_frames_that_are_folded(agipd, table):
    """Of several that ask at once each waits for its turn after its fold, not before it."""
    shapes = []

    def ask(predict, images):
        shapes.append(images.shape)
        return predict(images) + 1

    folded = Asking(network(shape=(SIDE, SIDE)), table).predict(list(raw(agipd, 2)), [False] * 2, ask)
    found = Asking(network()).predict(list(np.zeros((2, 8, 8), np.float32)), [False] * 2, ask)
    assert shapes == [(2, SIDE, SIDE), (2, 8, 8)]
    assert found.p.tolist() == [1, 1]
    np.testing.assert_allclose(folded.p, brightness(folded.images) + 1)
