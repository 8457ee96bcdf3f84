"""The rehearsal: its rate, what this machine answers, less what the others on it need; and how its decisions score."""

import time

import numpy as np
import pyarrow as pa
import pytest

from frames.files import write_json, write_table
from frames.store.dataset import open_dataset
from screen.beamline.command import truth
from screen.beamline.demo import SHARE, YIELDS, measured, scores, share_of, table
from screen.beamline.pulses import Plan
from screen.beamline.scores import LEVELS, at_yield, score_of
from screen.stream.frame import FrameId
from screen.stream.ledger import Ledger, Record
from support.datasets import make_dataset


def test_the_rate_is_that_of_the_network_alone():
    """Of one that takes 5 ms a batch, and no less; on a loaded machine longer."""
    asked = []

    def predict(images):
        asked.append(len(images))
        time.sleep(0.005)

    found = measured(predict, np.zeros((8, 4, 4), np.float32), seconds=0.2)
    assert set(asked) == {8}
    n = 8 * (len(asked) - 1)  # the first is not counted
    assert found <= 8 / 0.005
    assert found <= n / 0.2
    assert found == pytest.approx(n / 0.2, rel=0.5)


def test_a_share_of_it_is_streamed_and_a_slow_one_is_streamed_to_all_the_same():
    assert share_of(1000) == round(SHARE * 1000)
    assert share_of(0.2) == 1


@pytest.fixture
def rehearsed(tmp_path):
    """A run and its screening: of 320 shots four in five are empty, single hits are dimmer than those of two particles.

    The network knows the multiplicity but for a few; a frame in ten was too late to be answered.
    """
    generator = np.random.default_rng(0)
    multiplicity = generator.choice([0, 1, 2], 320, p=[0.8, 0.1, 0.1])
    images = generator.poisson(0.2 + np.array([0, 1, 3])[multiplicity][:, None, None], (320, 16, 16)).astype(np.uint16)
    make_dataset(
        tmp_path / "datasets" / "shots", images, np.where(multiplicity > 0, "a", ""), multiplicity, ["test"] * 320
    )
    data, plan, out = open_dataset(tmp_path / "datasets" / "shots"), Plan(1000.0, n_frames=320), tmp_path / "out"
    write_table(out / "truth.parquet", sent := truth(data, plan, np.arange(320)))
    p = np.where(multiplicity == 1, 0.9, 0.1) + generator.normal(0, 0.05, 320)
    p[::41] = 1 - p[::41]
    p[::10] = np.nan
    ledger = Ledger(out / "run")
    ledger.append(
        [
            Record(FrameId("s", "", train, pulse), "keep", float(p[row]), "", 0.0, 1.0, None)
            for train, pulse, row in zip(*(sent[name].to_pylist() for name in ("train", "pulse", "row")), strict=True)
        ]
    )
    ledger.close()
    write_json(out / "run" / "screening.json", {"threshold": {"value": 0.5}})
    write_table(
        tmp_path / "predictions/shots/shots/total_intensity-seed0.parquet",
        pa.table({"pattern": np.arange(320), "p_hit_multiplicity_1": -np.abs(images.sum((1, 2)) / 256 - 1.2)}),
    )
    return tmp_path, out, p, multiplicity == 1, images.sum((1, 2))


def test_all_ways_are_scored_on_the_frames_that_were_answered_and_at_the_same_yields(rehearsed):
    """The network's own point by hand; every other way at that yield and at common ones."""
    pytest.importorskip("extra_redu")
    run, out, p, single, total = rehearsed
    rows = scores(run, "shots", out)
    seen = ~np.isnan(p)
    ours = score_of(p[seen] >= 0.5, single[seen])
    assert 0.9 < ours.yield_ <= 1
    assert (rows[0]["method"], rows[0]["purity"], rows[0]["yield"]) == ("network", ours.purity, ours.yield_)
    assert {row["frames"] for row in rows} == {seen.sum()}
    by = {(row["method"], row["operating_point"]): row for row in rows}
    ways = {"network", "total intensity", "lit from 0.7 photons, extra_redu, the fewest"}
    ways |= {f"lit from {level:g} photons, extra_redu" for level in LEVELS}
    for point in ("the network's yield", *(f"yield {y:g}" for y in YIELDS)):
        assert {way for way, at in by if at == point} == ways - ({"network"} if point.startswith("the") else set())
    bright = at_yield(-np.abs(total / 256 - 1.2)[seen], single[seen], 0.7)
    assert by["total intensity", "yield 0.7"]["purity"] == pytest.approx(bright.purity)
    # Lit pixels tell hits from empty shots, but not one particle from two, which have more.
    assert by["lit from 1.5 photons, extra_redu", "yield 0.9"]["purity"] < 0.6
    assert by["lit from 0.7 photons, extra_redu, the fewest", "yield 0.9"]["purity"] < 0.6
    assert by["network", "yield 0.9"]["purity"] > 0.75
    assert len(table(rows).splitlines()) == 1 + len(rows)


def test_nothing_kept_is_nothing_to_compare(rehearsed):
    run, out, *_ = rehearsed
    write_json(out / "run" / "screening.json", {"threshold": {"value": 2.0}})
    with pytest.raises(ValueError, match=r"none was kept from 2\.0 on"):
        scores(run, "shots", out)
