"""Named experiments, and how one is laid over another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from frames.schema import did_you_mean, overlaid
from simulate.experiment.config import BeamConfig, DetectorConfig

PRESETS = Path(__file__).parent / "presets.yaml"


def valid_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """The run's own `beam` and `detector`, where they are valid: an error in one is told once, not by every dataset."""
    found = {}
    for key, section in (("beam", BeamConfig), ("detector", DetectorConfig)):
        try:
            found[key] = section.model_validate(values.get(key, {})).model_dump(exclude_unset=True)
        except ValidationError:
            continue
    return found


def presets() -> dict[str, dict[str, Any]]:
    """The named experiments of simulate/experiment/presets.yaml, not yet validated."""
    return yaml.safe_load(PRESETS.read_text(encoding="utf-8"))


def resolve(datasets: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Every dataset with its `base` filled in: a preset or another dataset of the run, whose values its own override.

    Parameters
    ----------
    datasets : as in the config: name -> mapping, perhaps with `base`.
    defaults : what holds where neither a dataset nor its base says otherwise: the run's own `beam` and `detector`.

    Returns
    -------
    The datasets, and a problem for each base that is unknown, and for datasets that are each other's; such a dataset is
    left without one, that the rest of such a dataset can be looked at.
    """
    known, problems = presets(), dict[frozenset[str], str]()

    def merged(name: str, chain: tuple[str, ...]) -> Any:
        own = datasets[name]
        if not isinstance(own, Mapping):
            return own  # pydantic says what is wrong with it
        base, chain = own.get("base"), (*chain, name)
        below: Any = {"photons_per_pulse": 1.0, "record": "photons"}
        key = f"simulation.datasets.{name}.base"
        if base is None:
            below = defaults
        elif base in chain[:-1]:
            circle = f"datasets {' -> '.join((*chain, base))} are based on each other"
            problems.setdefault(frozenset(chain[chain.index(base) :]), f"{key}: {circle}")
        elif base != name and base in list(datasets):
            below = merged(base, chain)
        elif base in list(known):
            below = overlaid(defaults, known[base])
        else:
            there = f"neither a dataset of the run {list(datasets)} nor a preset {list(known)}"
            problems[frozenset([name])] = f"{key}: {base!r} is {there}{did_you_mean(base, [*datasets, *known])}"
        if not isinstance(below, Mapping):
            return below
        return overlaid(below, {key: value for key, value in own.items() if key != "base"})

    return {name: merged(name, ()) for name in datasets}, list(problems.values())
