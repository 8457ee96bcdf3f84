"""The numbers of a dataset's card, against counting pattern by pattern."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frames.files import read_json
from frames.readout.config import ReadoutConfig
from frames.store import integrity, writer
from frames.store.card import class_counts, photon_histogram
from frames.store.layout import Layout
from frames.targets import shot_targets
from simulate.render import labels


def test_histogram_counts_every_pattern_between_its_edges() -> None:
    rng = np.random.default_rng(0)
    photons = np.concatenate([rng.lognormal(4, 2, 500), [0.0, 0.3, 1.0, 10.0, 1e6]])
    multiplicity = rng.integers(0, 4, len(photons))
    found = photon_histogram(photons, multiplicity)
    edges = found["edges"]
    slow = {str(m): [0] * (len(edges) - 1) for m in range(4)}
    for value, m in zip(photons, multiplicity, strict=True):
        (bin_,) = [k for k in range(len(edges) - 1) if edges[k] <= value < edges[k + 1]]
        slow[str(m)][bin_] += 1
    assert found["counts"] == slow
    assert edges[:2] == [0, 1]


def test_edges_are_a_twentieth_of_a_decade_and_reach_no_farther_than_the_patterns() -> None:
    edges = photon_histogram(np.array([101.0, 4000.0]), np.array([1, 1]))["edges"]
    assert edges[0] == 100
    assert edges[-2] <= 4000 < edges[-1]
    for k, edge in enumerate(edges):
        assert edge == pytest.approx(10 ** (2 + k / 20), rel=5e-4)  # four digits
    assert math.isclose(edges[20], 1000)


def test_edges_are_the_same_in_every_dataset() -> None:
    faint = photon_histogram(np.array([3.0, 5e3]), np.array([1, 1]))["edges"]
    bright = photon_histogram(np.array([700.0, 8e7]), np.array([1, 1]))["edges"]
    both = [edge for edge in faint if edge >= bright[0]]
    assert both == bright[: len(both)]


def test_dark_patterns_are_in_the_bin_from_zero() -> None:
    assert photon_histogram(np.zeros(3), np.array([0, 0, 1])) == {"edges": [0, 1], "counts": {"0": [2], "1": [1]}}


def test_classes_are_those_that_there_are() -> None:
    structure, multiplicity = np.array([0, 0, 1, -1, -1, 0]), np.array([1, 1, 2, 0, 0, 1])
    targets = shot_targets(["a", "b", "c"], [2, 1, 0])  # in an order of their own, which tables do not follow
    codes = {"structure": structure, "hit_multiplicity": targets[0].codes(multiplicity)}
    found = class_counts(targets, codes, np.array([0, 1, 2, 0, 0, 2]), np.array([1.0, 2, 30, 0, 0.5, 3]))
    counts = [
        tuple(entry[key] for key in ("structure", "hit_multiplicity", "train", "validation", "test")) for entry in found
    ]
    assert counts == [("a", 1, 1, 1, 1), ("b", 2, 0, 0, 1), ("none", 0, 2, 0, 0)]
    assert [entry["photons_mean"] for entry in found] == [2, 30, 0.25]
    assert found[0]["photons_quantiles_5_50_95"] == pytest.approx([1.1, 2, 2.9])


def test_card_has_the_background_of_a_mean_pattern_and_its_live_pixels(tmp_path: Path) -> None:
    """Pulses of 1, 2 and 3 times the nominal photons, half of the pixels dead, one live by half."""
    live = np.ones((4, 4))
    live[:2], live[3, 3] = 0, 0.5
    layout = Layout(3, (4, 4), "photons", 4, 4, shot_targets(["a"], [1]), ReadoutConfig().model_dump(mode="json"))
    table = pd.DataFrame(
        {"structure": "a", "hit_multiplicity": 1, "split": "train", "seed": np.arange(3, dtype=np.uint64)}
    )
    pulses = labels.Pulses(np.ones(3), np.ones(3), np.zeros((3, 2)), np.array([1.0, 2.0, 3.0]))
    labels.create(tmp_path / "d", layout, table, pulses, live)
    writer.write_shard(tmp_path / "d", layout, 0, np.full((3, 4, 4), 2, np.uint16), made_from="test")
    card = integrity.complete(tmp_path / "d", {"a": "b"}, np.full((4, 4), 0.25, np.float32))
    assert card == read_json(tmp_path / "d" / "dataset.json") | {"layout": layout.as_json()}
    assert card["a"] == "b"
    assert card["live_pixels"] == 8
    assert card["background_photons_per_pattern"] == 2 * 0.25 * 7.5
    assert card["photons_per_pattern"]["mean"] == 32
    assert card["photons_per_pattern"]["histogram"] == {"edges": [31.62, 35.48], "counts": {"1": [3]}}
