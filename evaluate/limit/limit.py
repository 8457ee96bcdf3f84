"""The Bayes-optimal accuracy: how often the best possible rule would name the particle of a single hit.

With structures equally frequent no rule is right more often than the one that answers with the structure s of the
greatest evidence

    p(pattern | s) = ∫ p(pattern | s, orientation, fluence) d(orientation, fluence)

and the simulation knows each part: the expected photons of an orientation, the detector's noise
(evaluate/limit/likelihood.py), orientations uniform over SO(3), and the law of the pulses. The integral over
orientations is a mean over random ones, the same for every structure. Two rows a dataset and number of orientations:

| fluence | the rule |
| --- | --- |
| known | is told the photons of the pulse |
| unknown | knows their law; where they do not vary, every factor from 0.1 to 10 is as likely to it (in its logarithm) |

**What the number is.** The accuracy of a rule that could be used, so a lower bound of the limit, and the limit itself
once it no longer grows with the number of orientations. The brighter the pattern, the narrower the likelihood is in
orientation, and the more are needed: N random rotations leave gaps of about (6π/N)^⅓, 11° of 2,500. Rows are nested:
the first orientations of each are the same. In the last row the likeliest structures of a pattern have up to
ROUNDS · DRAWN more, near their likeliest orientations (evaluate/limit/orientation_refinement.py).

The hit multiplicity has no such number here: a likelihood of two particles needs a mean over both orientations and the
way that they touch. For single against double hits evaluate/limit/single_or_double.py has bounds.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from evaluate.limit.likelihood import FluencePrior, log_likelihoods, log_mean
from evaluate.limit.orientation_refinement import DRAWN, ROUNDS, refined_evidence
from evaluate.limit.supported import check_supported
from frames.files import atomic_path, write_json
from frames.store.dataset import Dataset
from simulate.config import SimulationConfig
from simulate.experiment.config import DatasetConfig, FluenceJitterConfig
from simulate.orientation import random_orientations, seen_between
from simulate.plan.shots import Shots, pulse_factors
from simulate.render import images as render

logger = logging.getLogger(__name__)

COLUMNS = {
    "run": "name of the run",
    "dataset": "dataset of the run: how its patterns were recorded",
    "fluence": "known: the rule is told each pulse's photons; unknown: it knows their law, or their order of magnitude",
    "orientations": "of each structure that the likelihood is averaged over, uniform over SO(3); in the last row up to "
    f"{ROUNDS * DRAWN} more of the likeliest structures, near their likeliest orientations",
    "n_patterns": "single hits of the test split that were evaluated, as many of each structure",
    "structure_accuracy": "fraction with the structure right: a lower bound of the limit, and the limit itself once it "
    "no longer grows with the number of orientations",
    "standard_error": "√(p(1 - p)/n) of the accuracy p of n patterns",
    "seed": "of the orientations",
}

RENDERED_TOGETHER = 512
"""Orientations: 34 MB of expected photons of 128 x 128 pixels."""

FACTOR_DRAWS = 2**18
"""Pulses whose factors stand for their law."""

CONTENDERS = 4
"""Structures whose evidence is refined, of each pattern."""

FEWEST_PHOTONS = 5.0
"""Pulses in which even the brightest particle would show fewer count as one in which it shows so many."""

UNKNOWN_FACTORS = 0.1, 10.0
"""Where the pulses do not vary, and the rule does not know that."""


def particle_limits(
    dataset: Dataset,
    config: SimulationConfig,
    inputs: render.Inputs,
    *,
    patterns_per_structure: int,
    orientations: Sequence[int],
    seed: int,
) -> pd.DataFrame:
    """Accuracies of the best rule for the first single hits of each structure in the test split.

    Parameters
    ----------
    orientations : numbers of them to average over; the first are the same for each number.

    Returns
    -------
    Table with the columns of limit.csv from `fluence` to `standard_error`.

    Raises
    ------
    ValueError as `check_supported`, or if the test split has fewer single hits.
    """
    chosen = config.datasets[dataset.name]
    check_supported(chosen, dataset.name)
    rows = single_hits(dataset, patterns_per_structure)
    readings = np.concatenate([dataset.read(slice(row, row + 1)) for row in rows]).reshape(len(rows), -1)
    prior = pulse_prior(chosen.beam.fluence_jitter, max(1.0, float(readings.sum(axis=1).max())))
    own = dataset.pulse_factor[rows].astype(np.float64)
    factors = np.column_stack([np.tile(prior.nodes, (len(rows), 1)), own])

    rng = np.random.default_rng(seed)
    quaternions = random_orientations(rng, max(orientations))

    def log_values(asked: slice, species: int, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        """ln p of some patterns under some orientations, (2, n, orientations): fluence known, and not."""
        rates = expected(seen, species, chosen, inputs)
        logs = log_likelihoods(readings[asked], rates, chosen.readout.read_noise_photons, factors[asked])
        return np.stack([logs[:, -1], prior.marginal(logs[:, :-1])])

    def of_one(pattern: int, species: int, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        return log_values(slice(pattern, pattern + 1), species, seen)[:, 0]

    starts = range(0, len(quaternions), RENDERED_TOGETHER)
    everywhere = np.empty((2, len(rows), len(dataset.structures), len(quaternions)))
    bar = tqdm(total=len(dataset.structures) * len(starts), desc=f"limit of {dataset.name}", unit="block", disable=None)
    for species, structure in enumerate(dataset.structures):
        for start in starts:
            block = slice(start, start + RENDERED_TOGETHER)
            everywhere[:, :, species, block] = log_values(slice(None), species, quaternions[block])
            bar.update()
        logger.info("%s: likelihoods of %s (%d of %d)", dataset.name, structure, species + 1, len(dataset.structures))
    bar.close()
    evidence = {n: log_mean(everywhere, n) for n in orientations}

    logger.info("%s: refining the %d likeliest structures of each pattern", dataset.name, CONTENDERS)
    refined = evidence[max(orientations)].copy()
    best = np.argsort(-(refined - refined.max(axis=2, keepdims=True)).max(axis=0), axis=1)[:, :CONTENDERS]
    for pattern, contenders in enumerate(tqdm(best, desc="the likeliest, refined", unit="pattern", disable=None)):
        for species in contenders:
            refined[:, pattern, species] = refined_evidence(
                quaternions,
                everywhere[:, pattern, species],
                partial(of_one, pattern, species),
                rng,
            )
    evidence[max(orientations) + ROUNDS * DRAWN] = refined
    return pd.DataFrame(
        [
            {"fluence": fluence, "orientations": n, **accuracy(values[row], dataset.structure[rows])}
            for row, fluence in enumerate(("known", "unknown"))
            for n, values in evidence.items()
        ]
    )


def accuracy(evidence: NDArray[np.float64], structure: NDArray[np.int64]) -> dict[str, Any]:
    """How often the greatest evidence (n, structures) is the true structure's (n,), with its standard error."""
    right = float((evidence.argmax(axis=1) == structure).mean())
    n = len(structure)
    return {"n_patterns": n, "structure_accuracy": right, "standard_error": math.sqrt(right * (1 - right) / n)}


def single_hits(dataset: Dataset, per_structure: int) -> NDArray[np.int64]:
    """The first rows of the test split that show one particle, as many of each structure.

    Raises
    ------
    ValueError if there are fewer.
    """
    test = np.arange(len(dataset))[dataset.splits["test"]]
    found = []
    for species, structure in enumerate(dataset.structures):
        single = test[(dataset.structure[test] == species) & (dataset.hit_multiplicity[test] == 1)]
        if len(single) < per_structure:
            raise ValueError(
                f"dataset {dataset.name} has {len(single)} single hits of {structure} in its test split, and "
                f"evaluation.bayes_limit.patterns_per_structure asks for {per_structure}; lower it or simulate more"
            )
        found.append(single[:per_structure])
    return np.concatenate(found)


def pulse_prior(jitter: FluenceJitterConfig, photons: float) -> FluencePrior:
    """What a rule knows that is not told the fluence; photons of the brightest pattern.

    The law of the pulses is taken from draws of the simulation's own, so it is whatever the config can ask for.
    """
    if jitter.model == "none":
        factors = np.geomspace(*UNKNOWN_FACTORS, FACTOR_DRAWS)
    else:
        factors = pulse_factors(np.arange(FACTOR_DRAWS, dtype=np.uint64), jitter)
        factors = np.maximum(factors, factors.max() * min(FEWEST_PHOTONS / photons, 1.0))
    return FluencePrior.of(factors, photons)


def expected(
    quaternions: NDArray[np.float64], species: int, config: DatasetConfig, inputs: render.Inputs
) -> NDArray[np.float32]:
    """Expected photons (n, p) of single hits in a nominal pulse, background included.

    Where the dataset shows some views alone, uniform orientations become uniform ones of those, as in `shots.draw`.
    """
    n, views = len(quaternions), config.select.views
    if views.side != "all":
        quaternions = seen_between(quaternions, *views.heights)
    geometry = render.load_geometry(inputs.geometry)
    shots = Shots.alike(
        quaternions[:, None], np.zeros((n, 1, 3)), np.full(n, config.peak_fluence), config.beam.photon_energy_eV
    )
    volumes = render.load_volumes(tuple(inputs.volumes.values()))
    shots = replace(shots, species=np.full(n, species))
    return render.expected_frames(volumes, geometry, shots, config).reshape(n, -1)


def write_limit(table: pd.DataFrame, path: Path, provenance: Mapping[str, Any]) -> None:
    """Write limit.csv, and its provenance as a .json beside it."""
    with atomic_path(path) as temporary:
        table[list(COLUMNS)].to_csv(temporary, index=False, float_format="%.6f")
    write_json(path.with_suffix(".json"), {"table": path.name, "columns": COLUMNS, **provenance})
