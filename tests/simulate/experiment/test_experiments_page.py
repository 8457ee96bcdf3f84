"""docs/guide/experiments.md says what the code does: every key, every default, every number of the presets."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from simulate.config import SimulationConfig
from simulate.experiment.config import DatasetConfig
from simulate.experiment.presets import presets, resolve
from simulate.molecules.config import StructureConfig
from simulate.plan.config import PlanConfig
from simulate.render.layout import layout_of

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "experiments.md"


def tables() -> list[list[list[str]]]:
    """Rows of cells of every table, heads included."""
    blocks = re.findall(r"(?:^\|.*\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [[[cell.strip() for cell in row.strip("|").split(" | ")] for row in block.splitlines()] for block in blocks]


def shown(value: Any) -> str:
    """A value as the page writes it."""
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return shown(None) if not value else str(value)
    if isinstance(value, tuple):
        return ", ".join(map(shown, value))
    return f"{value:g}".replace("e+", "e") if isinstance(value, int | float) and value != 65534 else str(value)


def defaults(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from defaults(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, "required" if field.default is PydanticUndefined else shown(field.default)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found = {}
    for name, value in values.items():
        found |= (
            flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) and value else {prefix + name: shown(value)}
        )
    return found


def test_every_key_is_there_with_its_default() -> None:
    told = {row[0].strip("`"): row[1] for row in tables()[0][2:]}
    assert told == dict(defaults(DatasetConfig))


def test_presets_are_what_they_are_and_nothing_is_left_out() -> None:
    head, _, *rows = tables()[1]
    names = [cell.strip("`") for cell in head[1:]]
    assert names == list(presets())
    known = dict(defaults(DatasetConfig))
    for column, name in enumerate(names, start=1):
        told = {row[0].strip("`"): row[column] for row in rows}
        resolved = resolve({name: {"base": name}}, {})[0][name]
        assert flat(DatasetConfig.model_validate(resolved).model_dump()) == known | told


def test_defaults_of_the_run_are_there() -> None:
    known = {f"plan.{key}": value for key, value in defaults(PlanConfig)}
    known |= {f"structures[].{key}": value for key, value in defaults(StructureConfig)}
    for key, default, _ in tables()[3][2:]:
        assert known[key.strip("`")] == default


def validated(entries: Mapping[str, Any]) -> SimulationConfig:
    structures = [{"id": "a", "source": "phantom", "phantom": "globule"}]
    return SimulationConfig.model_validate({"structures": structures, "datasets": entries})


def examples() -> list[SimulationConfig]:
    blocks = re.findall(r"(?:^    .*\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [validated(yaml.safe_load(block)["datasets"]) for block in blocks]


def test_the_example_is_a_config() -> None:
    datasets = examples()[0].datasets
    assert datasets["dim"].photons_per_pulse == 1e11
    assert datasets["dim"].readout == datasets["noisy"].readout
    assert datasets["half"].detector.missing == "half"
    assert datasets["half"].detector.model == "pnccd"
    assert datasets["uneven"].beam.fluence_jitter == datasets["noisy"].beam.fluence_jitter


def test_selections_hold_what_the_page_says() -> None:
    config = examples()[1]
    whole, singles = (layout_of(config, name).n_patterns for name in ("noisy", "singles"))
    assert whole / 4 / singles == pytest.approx(0.57, abs=5e-3)
    assert config.datasets["seen"].select.views.heights == pytest.approx((0, 0.5))  # |z|: half of all directions
    assert config.datasets["unseen"].select.views.heights == pytest.approx((0.5, 1))


def test_every_shift_is_a_dataset_that_differs_in_one_thing() -> None:
    rows = [(name, yaml.safe_load(entry.strip("`"))) for name, entry, _ in tables()[2][2:]]
    datasets = validated(
        {"noisy": {"base": "poster"}, **{f"shift{n}": entry for n, (_, entry) in enumerate(rows)}}
    ).datasets
    noisy, *shifts = (flat(dataset.model_dump()) for dataset in datasets.values())
    for (name, _), shift in zip(rows, shifts, strict=True):
        assert len(shift.items() - noisy.items()) == 1, name
    assert datasets["shift3"].beam.centre_offset_um == (3 * 600, -600)
    assert datasets["shift9"].background.flat_photons * 128**2 == pytest.approx(328, abs=0.5)


def test_numbers_of_the_text() -> None:
    """Means of the floored normal and the loguniform jitter, and of exp(−2r²) over the unit disc, by summing."""
    text = PAGE.read_text(encoding="utf-8").replace("\n", " ")
    exponents = -4 * (np.arange(100_000) + 0.5) / 100_000
    assert "0.109 over 4 decades, where the median is 0.01" in text
    assert np.mean(10**exponents) == pytest.approx(0.109, abs=5e-4)
    assert np.median(10**exponents) == pytest.approx(0.01, rel=1e-4)
    x = np.linspace(-8, 8, 400_001)
    factor = 1 + 0.9 * x
    weight = np.exp(-(x**2) / 2)
    mean = np.sum(np.where(factor > 0, factor, 0.1) * weight) / np.sum(weight)
    assert "the mean is then 1.07" in text
    assert mean == pytest.approx(1.07, abs=5e-3)
    r = np.linspace(0, 1, 100_001)
    assert "meets 0.43 of the axis's" in text
    assert np.sum(np.exp(-2 * r**2) * r) / np.sum(r) == pytest.approx(0.43, abs=5e-3)
