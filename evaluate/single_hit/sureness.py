"""How sure of itself a network may be about proteins that nobody trained on, learned from families held out.

python -m evaluate.single_hit.sureness config/unseen-judged.yaml --folds config/unseen.yaml \\
    -o docs/results/unseen/sureness.json

A regression on known patterns gives log-odds of a single hit that hold for known molecules, and their mean over two
networks is not the log-odds of both. What is right for others is one factor, by which log-odds are multiplied: no
pattern changes sides, and p(single) means what it says. It is the likeliest for validation patterns of the structures
of five families, each asked of the network that never saw it, of all experiments together; every structure of an
experiment weighs alike (Platt's scaling without an offset, or Guo's temperature, ICML 2017: its inverse).

A family is judged by the factor of the other four; what ships has that of all five. The file has both, and numbers of
patterns.
"""

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from evaluate.run.config import load_config
from evaluate.run.config_files import read_config
from evaluate.run.files import RunFiles
from evaluate.single_hit.folds import twins_of
from evaluate.single_hit.trial import asked_about
from frames.files import write_json
from simulate.config import SimulationConfig
from train.few_shot.logistic import fit

logger = logging.getLogger(__name__)

ALL = "all"
"""What the factor of all families is called among those of each one left out."""

FACTORS = 0.05, 20.0
"""That are looked among."""


class Answered(NamedTuple):
    """Log-odds about patterns of some structures."""

    scores: NDArray[np.floating]
    """(n,)"""
    is_single: NDArray[np.bool_]
    """(n,)"""
    group: NDArray[np.str_]
    """(n,) structure and experiment"""
    family: NDArray[np.str_]
    """(n,)"""


def sureness(answered: Answered) -> float:
    """The likeliest factor. ValueError where there are no patterns of both kinds."""
    towards = np.where(answered.is_single, answered.scores, -answered.scores)
    if not 0 < answered.is_single.sum() < len(towards):
        raise ValueError(
            f"{answered.is_single.sum()} of {len(towards)} patterns are single hits; both kinds are needed"
        )
    _, which, size = np.unique(answered.group, return_inverse=True, return_counts=True)
    weight = 1 / size[which]

    def cost(log_factor: float) -> float:
        return float(weight @ np.logaddexp(0, -np.exp(log_factor) * towards))

    return float(np.exp(minimize_scalar(cost, bounds=np.log(FACTORS), method="bounded").x))


def of_families(answered: Answered) -> dict[str, float]:
    """Of each family the factor that all others say, and `ALL`."""
    found = {}
    for family in dict.fromkeys(answered.family.tolist()):
        others = answered.family != family
        found[family] = sureness(Answered(*(column[others] for column in answered)))
    return found | {ALL: sureness(answered)}


def joined(parts: Sequence[Answered]) -> Answered:
    """Of several experiments and families."""
    return Answered(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def answers(arguments: argparse.Namespace) -> Answered:
    """Of every family's fold about its own structures, in all experiments of a config: their validation patterns."""
    judged: Mapping[str, Any] = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    config = SimulationConfig.model_validate(judged["simulation"])
    run = load_config(read_config(arguments.folds))
    folds = [*twins_of(run, RunFiles(run.results_dir / run.run), arguments.encoders)]
    arguments.kept.mkdir(parents=True, exist_ok=True)
    parts = []
    for name in config.datasets:
        trial = asked_about(config, name, arguments.kept)
        for family, structures, twin in folds:
            mine = trial.of(structures)
            mine = mine.take(mine.split == "validation")
            scores = fit(twin.support).scores(twin.embed(mine.frames))
            group = np.char.add(f"{name} ", mine.structure)
            parts.append(Answered(scores, mine.hit_multiplicity == 1, group, np.full(len(scores), family)))
        logger.info("%s: %d patterns so far", name, sum(len(part.scores) for part in parts))
    return joined(parts)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m evaluate.single_hit.sureness", description=__doc__)
    parser.add_argument("config", type=Path, help="of a run, whose structures are asked about")
    parser.add_argument("--folds", type=Path, metavar="CONFIG", required=True, help="of the run that trained them")
    parser.add_argument("--encoders", nargs="+", default=["folded", "spectral"], help="asked beside each other")
    parser.add_argument("--kept", type=Path, default=Path("results/unseen-judged"), help="folder of molecules")
    parser.add_argument("-o", "--output", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    answered = answers(arguments)
    factors = of_families(answered)
    families, counts = np.unique(answered.family, return_counts=True)
    patterns = {str(family): int(n) for family, n in zip(families, counts, strict=True)}
    write_json(arguments.output, {"sureness": factors, "patterns": patterns})
    logger.info("%s", ", ".join(f"{family} {factor:.3f}" for family, factor in factors.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
