"""Counts and rates: the slides' rows from their counts, intervals against resampling, areas against a loop."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from evaluate.virus.science import contrast, power_spectrum, science_table
from evaluate.virus.selection import (
    COLUMNS,
    PUBLISHED,
    average_precision,
    counts,
    f1_difference,
    f1_interval,
    f1_over_seeds,
    noise_audit,
    positives_implied,
    precision_at,
    same_labels,
    selection_table,
    summary_table,
)
from train.batches.polar_bins import polar_bins

F1 = [0.548, 0.520, 0.452, 0.513, 0.496, 0.281]


@pytest.mark.parametrize(("name", "f1"), list(zip(list(PUBLISHED)[:6], F1, strict=True)))
def test_the_six_rows_of_yolo_follow_from_their_counts(name, f1) -> None:
    row = PUBLISHED[name]
    found = counts(row.selected, row.shared, 995, 17_932)
    assert found["f1"] == pytest.approx(f1, abs=5e-4)
    assert 100 * found["iou"] == pytest.approx(row.iou, abs=0.7)
    assert 100 * found["accuracy"] == pytest.approx(row.accuracy, abs=0.6)
    assert 100 * found["precision"] == pytest.approx(row.precision, abs=0.6)
    assert 100 * found["recall"] == pytest.approx(row.recall, abs=1.1)  # 48.9 is printed as 50
    assert same_labels(row)


def test_the_row_of_em_is_of_other_labels() -> None:
    row = PUBLISHED["em"]
    assert not same_labels(row)
    (low, high), (iou_low, iou_high) = positives_implied(row).values()
    assert low < 1196 < high
    assert iou_low < 1177 < iou_high
    assert min(low, iou_low) > 995 + 130


def test_selecting_nothing_is_right_in_all_but_the_single_hits() -> None:
    found = counts(0, 0, 995, 17_932)
    assert found["accuracy"] == pytest.approx(0.94451, abs=1e-5)
    assert found["f1"] == 0
    assert np.isnan(found["precision"])
    with pytest.raises(ValueError, match="no selection has these counts"):
        counts(5, 6, 10, 20)


def drawn(n: int = 3000):
    generator = np.random.default_rng(0)
    single = generator.random(n) < 0.1
    score = single + generator.normal(0, 0.8, n)
    return single, score


def test_areas_and_precisions_are_those_of_a_loop() -> None:
    single, score = drawn(400)
    score = score.round(1)  # ties
    assert average_precision(score, single) == pytest.approx(average_precision_score(single, score))
    at = next(t for t in np.unique(score)[::-1] if (score[single] >= t).mean() >= 0.6)
    assert precision_at(0.6, score, single) == pytest.approx(single[score >= at].mean())


def test_intervals_are_those_of_resampled_frames() -> None:
    single, score = drawn()
    one, other = score > 0.7, score + np.random.default_rng(1).normal(0, 1, len(score)) > 0.9
    generator = np.random.default_rng(2)
    slow = []
    for _ in range(800):
        rows = generator.integers(len(single), size=len(single))
        f1 = [2 * (c & single)[rows].sum() / (c[rows].sum() + single[rows].sum()) for c in (one, other)]
        slow.append((f1[0], f1[0] - f1[1]))
    expected = np.quantile(slow, [0.025, 0.975], axis=0)
    np.testing.assert_allclose(f1_interval(one, single), expected[:, 0], atol=0.006)
    difference, low, high = f1_difference(one, other, single)
    np.testing.assert_allclose((low, high), expected[:, 1], atol=0.008)
    assert low < difference < high


def test_a_table_has_a_row_for_each_method_and_label() -> None:
    single, score = drawn()
    truth = single ^ (np.random.default_rng(3).random(len(single)) < 0.02)
    selections = {("em", 0): (score > 0.5, None), ("ours", 1): (score > 0.5, score)}
    table = selection_table(selections, {"manual": single, "truth": truth})
    assert list(table) == list(COLUMNS)
    assert table[["method", "against"]].values.tolist()[:3] == [
        ["nothing", "manual"],
        ["em", "manual"],
        ["ours", "manual"],
    ]
    em = table.iloc[1]
    assert em["published_shared"] == 574
    assert np.isnan(em["published_f1"])
    assert np.isnan(em["pr_auc"])
    assert table.iloc[2]["pr_auc"] > 0.3
    audit = noise_audit(selections, single, truth).iloc[0]
    chosen = score > 0.5
    excused = sum(c != m and c == t for c, m, t in zip(chosen, single, truth, strict=True))
    assert audit["annotators_share"] == pytest.approx(excused / (chosen != single).sum())


def test_contrast_is_that_of_the_fringes() -> None:
    r = np.arange(60) + 0.5
    fringes = 1 + 0.6 * np.cos(2 * np.pi * r / 9)
    assert contrast(r**-3.0 * fringes) == pytest.approx(0.6, abs=0.08)
    assert contrast(r**-3.0 * (1 + 0.2 * np.cos(2 * np.pi * r / 9))) == pytest.approx(0.2, abs=0.05)
    assert np.isnan(contrast(r**-3.0))
    bins = polar_bins((40, 40), (19.5, 19.5), None, 12, 8)
    frames = np.random.default_rng(0).poisson(4, (5, 40, 40))
    spectrum = power_spectrum(bins.of(frames), bins)
    np.testing.assert_allclose(spectrum * bins.live.sum(), 1, rtol=0.15)  # even light; a ring has 40 counts or more
    about = pd.DataFrame(
        {"kind": ["single", "single", "double", "single", "double"], "diameter_nm": [70, 71, 72, 73, 74]}
    )
    chosen = np.array([True, True, True, False, False])
    row = science_table({("x", 0): (chosen, None)}, bins.of(frames), bins, about).iloc[0]
    assert row["share_double"] == pytest.approx(1 / 3)
    assert row["diameter_nm"] == 71


def test_intervals_over_seeds_are_those_of_resampled_frames_and_seeds() -> None:
    single, score = drawn()
    generator = np.random.default_rng(4)
    some, others = ([score + generator.normal(0, wide, len(score)) > 0.8 for _ in range(3)] for wide in (0.3, 1))
    slow = []
    for _ in range(800):
        rows, means = generator.integers(len(single), size=len(single)), []
        for side in (some, others):
            picked = [side[i][rows] for i in generator.integers(3, size=3)]
            means.append(np.mean([2 * (c & single[rows]).sum() / (c.sum() + single[rows].sum()) for c in picked]))
        slow.append((means[0], means[0] - means[1]))
    expected = np.quantile(slow, [0.025, 0.975], axis=0)
    mean, low, high = f1_over_seeds(some, single)
    assert mean == pytest.approx(np.mean([2 * (c & single).sum() / (c.sum() + single.sum()) for c in some]))
    np.testing.assert_allclose((low, high), expected[:, 0], atol=0.008)
    np.testing.assert_allclose(f1_over_seeds(some, single, others)[1:], expected[:, 1], atol=0.01)


def test_a_summary_has_the_means_over_seeds_and_what_ours_has_more() -> None:
    single, score = drawn()
    generator = np.random.default_rng(5)
    selections = {
        (name, seed): ((mine := score + generator.normal(0, wide, len(score))) > 0.8, mine)
        for name, wide in (("ours", 0.1), ("em", 1.5))
        for seed in range(3)
    }
    table = selection_table(selections, {"manual": single})
    summary = summary_table(table, selections, {"manual": single}).set_index("method")
    assert summary.index.tolist() == ["ours", "em"]
    assert summary["seeds"].tolist() == [3, 3]
    f1 = table[table["method"] == "em"]["f1"]
    assert summary.loc["em", "f1"] == pytest.approx(f1.mean())
    assert summary.loc["em", "f1_sd"] == pytest.approx(np.std(f1, ddof=1))
    assert summary.loc["em", "ours_more"] == pytest.approx(summary.loc["ours", "f1"] - f1.mean())
    assert 0 < summary.loc["em", "ours_more_low"] < summary.loc["em", "ours_more"] < summary.loc["em", "ours_more_high"]
    assert np.isnan(summary.loc["ours", "ours_more"])
