"""Calibration and selection, gathered from their tables."""

import math
from pathlib import Path

import pandas as pd
import pytest

from evaluate.run.files import RunFiles
from report.classification.reliability import drawn_models, trust
from support.scores import result, scored


def test_means_are_over_the_seeds_that_have_a_threshold(tmp_path: Path) -> None:
    files = RunFiles(tmp_path)
    which = {"dataset": "noisy", "model": "a"}
    heads = [
        {**which, "seed": seed, "target": head, "temperature": 2.0, "ece_before": before, "ece_after": before / 2}
        for seed, before in ((0, 0.1), (1, 0.3))
        for head in ("hit_multiplicity", "structure")
    ]
    points = [
        {**which, "seed": seed, "target": "hit_multiplicity", "target_purity": 0.95, "single_fraction": 0.25, **found}
        for seed, found in (
            (0, {"threshold": 0.9, "purity": 0.96, "yield": 0.5}),
            (1, {"threshold": math.nan, "purity": math.nan, "yield": math.nan}),
        )
    ]
    files.table("any").parent.mkdir()
    pd.DataFrame(heads).to_csv(files.table("calibration"), index=False)
    pd.DataFrame(points).to_csv(files.table("selection"), index=False)
    (found,) = trust(files, [result([scored("a", 0.8, 0.9)], [scored("majority", 0.1)])])
    (model,) = found.models  # nothing is known of the majority's confidence
    assert (found.fractions, model.seeds) == ({"hit_multiplicity": 0.25}, 2)
    assert model.errors["structure"] == pytest.approx((0.2, 0.1))
    (point,) = model.points
    assert (point.question, point.purity, point.found, point.seeds) == ("hit_multiplicity", 0.96, 0.5, 1)


def test_few_models_are_drawn() -> None:
    networks = [scored("late5", 0.3), scored("late10", 0.1), scored("ours", 0.9)]
    baselines = [scored("azimuthal", 0.5), scored("majority", 0.1)]
    assert drawn_models(result(networks, baselines)) == ["ours", "late5", "azimuthal"]
    assert drawn_models(result(networks[1:2], baselines)) == ["late10", "azimuthal"]
