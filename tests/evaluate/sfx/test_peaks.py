"""Thresholds on numbers of peaks, and how hard the datasets of the configs are by them."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from evaluate.sfx.config import load_config
from evaluate.sfx.peaks import agreement, best_threshold
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
    best = best_threshold(counts, hit)
    accuracies = [agreement(counts, hit, step).accuracy for step in range(30)]
    assert best == int(np.argmax(accuracies))
    found = agreement(counts, hit, best)
    assert found.recall == (hit & (counts >= best)).sum() / hit.sum()
    assert found.precision == pytest.approx((hit & (counts >= best)).sum() / (counts >= best).sum())


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
    chosen = agreement(number, hit, best_threshold(number, hit)).accuracy
    # ±.03, and two standard errors of so many frames.
    allowed = 0.03 + 2 * np.sqrt(DIALS[name] * (1 - DIALS[name]) / len(hit))
    assert abs(chosen - DIALS[name]) < allowed


def test_cxidb76_needs_its_folder() -> None:
    mapping = yaml.safe_load(Path("config/sfx-small.yaml").read_text())
    mapping["sfx"]["source"] = "cxidb76"
    with pytest.raises(ValueError, match="needs a folder"):
        load_config(mapping)


def test_the_large_config_has_the_numbers_of_the_deposition() -> None:
    run = load_config(yaml.safe_load(Path("config/sfx.yaml").read_text()))
    numbers = {name: (d.frames.hit, d.frames.maybe, d.frames.miss) for name, d in run.sfx.datasets.items()}
    assert numbers == {"ln83": (346, 63, 1591), "ln84": (806, 132, 1062), "lo19": (730, 151, 1119)}
