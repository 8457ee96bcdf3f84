"""Thresholds on numbers of peaks, and how hard the datasets of the configs are by them."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from evaluate.sfx.config import load_config
from evaluate.sfx.measures import best_threshold
from evaluate.sfx.tables import tables_of
from frames.pixels.peaks.finder import Mask, find_peaks
from simulate.sfx import frame, plan
from simulate.sfx.crystal import crystal
from simulate.sfx.detector import detector

DIALS = {"ln83": 0.970, "ln84": 0.857, "lo19": 0.914}
"""Accuracy against experts."""


def test_the_best_threshold_is_that_of_a_search() -> None:
    rng = np.random.default_rng(0)
    hit = rng.random(200) < 0.4
    counts = rng.poisson(np.where(hit, 9, 4))
    assert best_threshold(hit, counts) == int(np.argmax([((counts >= step) == hit).mean() for step in range(30)]))
    with pytest.raises(ValueError, match="no frames"):
        best_threshold(hit[:0], counts[:0])


@pytest.mark.parametrize("name", DIALS)
def test_our_finder_agrees_with_labels_as_dials_does_with_experts(name: str) -> None:
    run = load_config(yaml.safe_load(Path("config/sfx-small.yaml").read_text()))
    given = run.sfx.datasets[name]
    rows = plan.draw(given.frames, given.seed).iloc[::2]
    camera, cells = detector(given), crystal(given.crystal, given.crystal.resolution_A)
    mask, counts = Mask.of(camera.live), []
    for row in rows.itertuples():
        made = frame.make(given, cells, camera, row.seed, row.n_spots, blank=row.blank)
        counts.append(len(find_peaks(made.adu, mask, run.sfx.peaks)))
    number, hit = np.array(counts), (rows["hit"] != "miss").to_numpy()
    halves = np.s_[::2], np.s_[1::2]
    agreed = []
    for chosen_on, tried_on in (halves, halves[::-1]):
        least = best_threshold(hit[chosen_on], number[chosen_on])
        agreed.append(((number[tried_on] >= least) == hit[tried_on]).mean())
    # ±.03, and two standard errors of so many frames: each was tried once.
    allowed = 0.03 + 2 * np.sqrt(DIALS[name] * (1 - DIALS[name]) / len(hit))
    assert abs(np.mean(agreed) - DIALS[name]) < allowed


def test_cxidb76_needs_its_folder() -> None:
    mapping = yaml.safe_load(Path("config/sfx-small.yaml").read_text())
    mapping["sfx"]["source"] = "cxidb76"
    with pytest.raises(ValueError, match="needs a folder"):
        load_config(mapping)


def test_the_large_config_has_the_numbers_of_the_deposition() -> None:
    run = load_config(yaml.safe_load(Path("config/sfx.yaml").read_text()))
    numbers = {name: (d.frames.hit, d.frames.maybe, d.frames.miss) for name, d in run.sfx.datasets.items()}
    assert numbers == {"ln83": (346, 63, 1591), "ln84": (806, 132, 1062), "lo19": (730, 151, 1119)}
    learning = run.sfx.learned
    assert [learning.labels[name].sizes for name in ("many", "few")] == [(1200, 400, 400), (200, 200, 1600)]
    assert len(learning.seeds) == 5
    assert set(learning.orders) == {"shuffled", "sequential"}
    told = set()
    for system in learning.systems.values():
        for labels in system.labels:
            for is_own in (True, False):
                told |= set(tables_of(system, labels, is_own, list(learning.labels)))
    assert told == set(range(8))
