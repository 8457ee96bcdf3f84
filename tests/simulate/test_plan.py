"""The plan: stratified, reproducible row by row, readable by others."""

import numpy as np
import pandas as pd
import pytest

from simulate import plan
from simulate.config import FluenceJitterConfig, PlanConfig

RADII = {"small": 40.0, "large": 90.0}


@pytest.fixture(scope="module")
def config() -> PlanConfig:
    return PlanConfig(
        seed=5, hit_multiplicities=(1, 3), patterns_per_class=20, fluence_jitter=FluenceJitterConfig(model="normal")
    )


@pytest.fixture(scope="module")
def drawn(config: PlanConfig) -> pd.DataFrame:
    return plan.draw(config, RADII)


def test_every_class_is_split_alike(drawn: pd.DataFrame) -> None:
    sizes = drawn.groupby(["structure", "hit_multiplicity", "split"]).size().unstack()
    assert (sizes[["train", "validation", "test"]] == [14, 2, 4]).all(axis=None)
    assert len(sizes) == 4


def test_splits_are_blocks_shuffled_inside(drawn: pd.DataFrame) -> None:
    assert list(dict.fromkeys(drawn["split"])) == ["train", "validation", "test"]
    assert (drawn["split"] != drawn["split"].shift()).sum() == 3
    train = drawn[drawn["split"] == "train"]
    assert (train["structure"] != train["structure"].shift()).sum() > 10
    assert list(drawn["pattern"]) == list(range(80))


def test_rows_fit_their_multiplicity(drawn: pd.DataFrame) -> None:
    for row in drawn.itertuples():
        assert row.orientations.shape == (row.hit_multiplicity, 4)
        assert row.positions.shape == (row.hit_multiplicity, 3)
        if row.hit_multiplicity > 1:
            nearest = np.linalg.norm(row.positions[1:] - row.positions[0], axis=1).min()
            assert nearest == pytest.approx(2 * RADII[row.structure], rel=1e-9)


def test_patterns_stay_when_the_plan_grows(config: PlanConfig, drawn: pd.DataFrame) -> None:
    """More structures, more multiplicities: the patterns that were there are the same ones."""
    larger = config.model_copy(update={"hit_multiplicities": (1, 2, 3)})
    grown = plan.draw(larger, {"another": 60.0, **RADII}).set_index("seed")
    for row in drawn.itertuples():
        again = grown.loc[row.seed]
        assert np.array_equal(again["orientations"], row.orientations)
        assert np.array_equal(again["positions"], row.positions)
        assert (again["fluence_factor"], again["split"]) == (row.fluence_factor, row.split)


def test_seeds_are_unique_and_depend_on_the_plans(config: PlanConfig, drawn: pd.DataFrame) -> None:
    assert drawn["seed"].is_unique
    other = plan.draw(config.model_copy(update={"seed": 6}), RADII)
    assert not set(other["seed"]) & set(drawn["seed"])


def test_no_orientation_is_shared_between_splits(drawn: pd.DataFrame) -> None:
    stacked = np.concatenate(list(drawn["orientations"]))
    assert len(np.unique(stacked, axis=0)) == len(stacked)


def test_jitter_is_normal_with_a_floor() -> None:
    rng = np.random.default_rng(0)
    jitter = FluenceJitterConfig(model="normal", sigma=0.9, floor=0.1)
    factors = np.array([plan.fluence_factor(rng, jitter) for _ in range(20_000)])
    assert factors.min() > 0
    # P(N(1, 0.9) <= 0) = Φ(-1/0.9) = 0.1333 become exactly 0.1
    floored = (factors == 0.1).mean()
    assert floored == pytest.approx(0.1333, abs=5 * np.sqrt(0.1333 * 0.8667 / 20_000))
    assert plan.fluence_factor(rng, FluenceJitterConfig(model="none")) == 1.0


def test_file_round_trip(drawn: pd.DataFrame, tmp_path) -> None:
    plan.write(drawn, tmp_path / "plan.parquet")
    again = plan.read(tmp_path / "plan.parquet")
    for column in ("pattern", "structure", "hit_multiplicity", "split", "fluence_factor", "seed"):
        assert list(again[column]) == list(drawn[column]), column
    for column in ("orientations", "positions"):
        assert all(np.array_equal(a, b) for a, b in zip(again[column], drawn[column], strict=True)), column
    opened = pd.read_parquet(tmp_path / "plan.parquet")  # as anybody would
    assert len(opened["orientations"][0]) == opened["hit_multiplicity"][0]
