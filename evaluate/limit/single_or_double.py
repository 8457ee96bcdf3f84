"""Between which bounds the best possible rule lies that tells single from double hits of a known structure.

Single and double hits being equally frequent, no rule is right more often than the one that answers with the greater
of two evidences

    p(pattern | n) = ∫ p(pattern | way) d(way),   n = 1, 2

a way being the orientation of one particle, or both orientations and how the two touch: three numbers, or eight. Of
eight a mean over some random ways is no integral, but it bounds what the best rule does, from both sides:

- **At least.** With means over N random ways of either kind in place of the integrals, the rule is one that could be
  used, if a poor one where N is few. So it is right at most as often as the best.
- **At most.** Let the N ways of the kind that the pattern is of hold its own, in a place that nobody knows. Then the
  same means are the exact evidences for whoever is told all 2 N ways: its own is as likely any of those N, and the
  others are random ways, whatever the answer. Nobody is right less often for being told more, so the best rule without
  it is right at most as often as this one (averaged over ways, of which both accuracies are an estimate).

Both come to the same as N grows. The dimmer a pattern is, the more ways are like its own and the fewer are needed.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evaluate.limit.likelihood import FluencePrior, log_likelihoods, log_mean
from evaluate.limit.limit import pulse_prior
from evaluate.limit.supported import check_supported
from simulate.config import SimulationConfig
from simulate.experiment.config import DatasetConfig
from simulate.plan.config import PlanConfig
from simulate.plan.plan import Plan
from simulate.plan.shots import draw
from simulate.render.fresh import Source
from simulate.render.images import Inputs, expected_frames, load_geometry, load_volumes

Array = NDArray[np.float64]

RENDERED_TOGETHER = 512
"""Ways: 34 MB of expected photons of 128 x 128 pixels."""

FLUENCES = "known", "unknown"
"""Of the pulse, to the rule; unknown: every factor from 0.1 to 10 is as likely to it (in its logarithm)."""


class Patterns(NamedTuple):
    """What is asked about, and what it was in truth."""

    readings: NDArray[np.float32]
    """(n, ny, nx) photons as the detector reads them"""
    rates: NDArray[np.float32]
    """(n, pixels) expected photons"""
    is_single: NDArray[np.bool_]
    """(n,)"""


class Ways(NamedTuple):
    """Single and double hits of one structure in one experiment."""

    source: Source

    @classmethod
    def of(cls, config: SimulationConfig, name: str, structure: str, inputs: Inputs) -> "Ways":
        """Of a dataset of a config.

        Raises
        ------
        ValueError where its pulses vary, or its detector has no exact likelihood (`check_supported`).
        """
        chosen = config.datasets[name]
        check_supported(chosen, name)
        if chosen.beam.fluence_jitter.model != "none":
            raise ValueError(f"dataset {name}: pulses vary; the bounds are for pulses alike, `fluence_jitter: none`")
        whole = config.model_dump(mode="json")
        dataset = whole["datasets"][name] | {"select": {}}
        only = {
            **whole,
            "structures": [one for one in whole["structures"] if one["id"] == structure],
            "plan": whole["plan"] | {"hit_multiplicities": (1, 2), "mixed_fraction": 0.0},
            "datasets": {name: dataset},
        }
        return cls(Source(SimulationConfig.model_validate(only), name, inputs).only([structure]))

    @property
    def experiment(self) -> DatasetConfig:
        """What the detector and the pulses are."""
        return self.source.config.datasets[self.source.name]

    def plan(self, n: int, seed: int) -> Plan:
        """n single and n double hits, in random order."""
        split = {"train": n / (n + 2), "validation": 1 / (n + 2), "test": 1 / (n + 2)}
        plan = self.source.config.plan.model_dump() | {"patterns_per_class": n + 2, "split": split, "seed": seed}
        config = self.source.config.model_copy(update={"plan": PlanConfig.model_validate(plan)})
        return replace(self.source, config=config).plan(0, 0)

    def patterns(self, n: int, seed: int) -> Patterns:
        """n single and n double hits, read by the detector."""
        plan = self.plan(n, seed)
        single = plan.table["hit_multiplicity"].to_numpy() == 1
        return Patterns(self.source.read(plan), np.concatenate([*self.rates(plan)]), single)

    def rates(self, plan: Plan) -> Iterator[NDArray[np.float32]]:
        """(some, pixels) expected photons, block by block."""
        inputs, chosen = self.source.inputs, self.experiment
        volumes, geometry = load_volumes(tuple(inputs.volumes.values())), load_geometry(inputs.geometry)
        for start in range(0, len(plan), RENDERED_TOGETHER):
            rows = plan.rows(slice(start, start + RENDERED_TOGETHER))
            block = expected_frames(volumes, geometry, draw(rows, chosen), chosen)
            yield block.reshape(len(block), -1)


def bounds(ways: Ways, asked: Patterns, numbers: Sequence[int], seed: int) -> list[dict[str, Any]]:
    """Rows of a table: of each fluence and number of ways, how often the best rule is right at least and at most.

    Parameters
    ----------
    numbers : of ways of either kind that evidences are means over; the first of each are the same.
    seed :    of the ways; another than that of the patterns asked about.
    """
    readings = asked.readings.reshape(len(asked.readings), -1).astype(np.float32)
    noise = ways.experiment.readout.read_noise_photons
    prior = pulse_prior(ways.experiment.beam.fluence_jitter, max(1.0, float(readings.sum(axis=1).max())))
    own = asked.rates
    each = [_log_p(readings[i : i + 1], own[i : i + 1], noise, prior)[:, 0, 0] for i in range(len(own))]
    plan = ways.plan(max(numbers), seed)
    single = plan.table["hit_multiplicity"].to_numpy() == 1
    logs = np.concatenate([_log_p(readings, rates, noise, prior) for rates in ways.rates(plan)], axis=2)
    return [
        {"fluence": fluence, "ways": n, **right}
        for row, fluence in enumerate(FLUENCES)
        for n in numbers
        for right in [_right(logs[row][:, single], logs[row][:, ~single], np.array(each)[:, row], asked.is_single, n)]
    ]


def _log_p(readings: NDArray, rates: NDArray, noise: float, prior: FluencePrior) -> Array:
    """ln p of patterns (n, p) under ways (m, p), fluence known and not: (2, n, m)."""
    factors = np.tile(np.append(prior.nodes, 1.0), (len(readings), 1))
    logs = log_likelihoods(readings, rates, noise, factors)
    return np.stack([logs[:, -1], prior.marginal(logs[:, :-1])])


def _right(single: Array, double: Array, own: Array, is_single: NDArray[np.bool_], n: int) -> Mapping[str, float]:
    """How often the rule is right without the own way of a pattern, and with it.

    single, double (patterns, ways) ln p under each way; own (patterns,) the same under its own.
    """
    ones, twos = log_mean(single, n), log_mean(double, n)
    at_least = float(_share(ones, twos, is_single).mean())
    with_own = (log_mean(np.concatenate([own[:, None], some[:, : n - 1]], axis=1), n) for some in (single, double))
    own_single, own_double = with_own
    told = np.where(is_single, own_single, ones), np.where(is_single, twos, own_double)
    at_most = float(_share(*told, is_single).mean())
    return {
        "n_patterns": len(own),
        "at_least": at_least,
        "at_least_error": _standard_error(at_least, len(own)),
        "at_most": at_most,
        "at_most_error": _standard_error(at_most, len(own)),
    }


def _share(ones: Array, twos: Array, is_single: NDArray[np.bool_]) -> Array:
    """1 where the greater evidence is right, 1/2 where both are the same."""
    towards = np.where(is_single, ones - twos, twos - ones)
    return (np.sign(towards) + 1) / 2


def _standard_error(p: float, n: int) -> float:
    return math.sqrt(p * (1 - p) / n)
