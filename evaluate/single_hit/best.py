"""How often the best rule tells single from double hits of a structure that it knows, beside what our networks do.

python -m evaluate.single_hit.best config/unseen-judged.yaml --folds config/unseen.yaml \\
    --structures 1aon 6m17 --datasets ph11_5 -o docs/results/unseen

Patterns are simulated as they are asked about, as many single as double hits. `single_hit_best.csv` has the bounds of
evaluate/limit/single_or_double.py for each structure, dataset and number of ways, and what is right of the very same
patterns by the network that never saw the structure's family, and by the one that ships, which knows it.
"""

import argparse
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from evaluate.limit.single_or_double import Patterns, Ways, bounds
from evaluate.run.config import load_config
from evaluate.run.config_files import read_config
from evaluate.run.files import RunFiles
from evaluate.single_hit.folds import twins_of
from evaluate.single_hit.trial import inputs_of
from evaluate.table_files import write_table
from simulate.config import SimulationConfig
from train.few_shot.logistic import fit
from train.inference.shipped import MODEL, Twin, load_twin

logger = logging.getLogger(__name__)

COLUMNS: Mapping[str, str] = {
    "dataset": "experiment: photons per pulse, noise, and how two particles touch",
    "structure": "that single and double hits show, in random orientations",
    "photons": "of a single hit on the detector, on the mean",
    "fluence": "known: the rule is told the pulse's photons; unknown: every factor from 0.1 to 10 is as likely to it",
    "ways": "orientations of one particle, and of two and how they touch, that the rule's evidences are means over",
    "n_patterns": "asked about, half of them single hits, half double ones",
    "at_least": "the best rule is right in at least this fraction",
    "at_least_error": "standard error of it, of so many patterns",
    "at_most": "and at most in this one (of an unknown fluence: where pulses were of all fluences)",
    "at_most_error": "standard error of it",
    "unseen": "fraction right of the network that never saw the structure's family, each pattern alone",
    "seen": "fraction right of the network that ships, which learned from the structure, each pattern alone",
}

PATTERNS_SEED, WAYS_SEED = 11, 12


def right(twin: Twin, asked: Patterns) -> float:
    """Fraction of the patterns that a network calls as they are, each alone."""
    scores = fit(twin.support).scores(twin.embed(asked.readings))
    return float(((scores > 0) == asked.is_single).mean())


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m evaluate.single_hit.best", description=__doc__)
    parser.add_argument("config", type=Path, help="of a run, whose structures are asked about")
    parser.add_argument("--folds", type=Path, metavar="CONFIG", required=True, help="of the run that trained them")
    parser.add_argument("--encoders", nargs="+", default=["folded", "spectral"], help="asked beside each other")
    parser.add_argument("--structures", nargs="+", required=True, metavar="ID", help="of the config")
    parser.add_argument("--datasets", nargs="+", required=True, metavar="NAME", help="of the config; pulses alike")
    parser.add_argument("--patterns", type=int, default=50, help="single, and double, hits each (default: 50)")
    parser.add_argument("--ways", type=int, nargs="+", default=[128, 512, 2048], help="(default: %(default)s)")
    parser.add_argument("--kept", type=Path, default=Path("results/unseen-judged"), help="folder of molecules")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the table")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    judged: Mapping[str, Any] = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    config = SimulationConfig.model_validate(judged["simulation"])
    run = load_config(read_config(arguments.folds))
    folds = [*twins_of(run, RunFiles(run.results_dir / run.run), arguments.encoders)]
    shipped = load_twin(MODEL)
    arguments.kept.mkdir(parents=True, exist_ok=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for name in arguments.datasets:
        for structure in arguments.structures:
            fold = next((twin for _, structures, twin in folds if structure in structures), None)
            if fold is None:
                raise ValueError(f"no family of {arguments.folds} has {structure!r}; name structures of its families")
            alone = config.model_copy(update={"structures": (config.structure(structure),)})
            ways = Ways.of(alone, name, structure, inputs_of(alone, name, arguments.kept))
            asked = ways.patterns(arguments.patterns, PATTERNS_SEED)
            said = {
                "dataset": name,
                "structure": structure,
                "photons": float(asked.rates[asked.is_single].sum(axis=1).mean()),
                "unseen": right(fold, asked),
                "seen": right(shipped, asked),
            }
            rows += [said | row for row in bounds(ways, asked, arguments.ways, WAYS_SEED)]
            for row in rows[-2 * len(arguments.ways) :][len(arguments.ways) - 1 :: len(arguments.ways)]:
                logger.info(
                    "%s, %s, fluence %s: at least %.3f, at most %.3f right; network %.3f unseen, %.3f seen",
                    *(name, structure, row["fluence"], row["at_least"], row["at_most"], row["unseen"], row["seen"]),
                )
            provenance = {"ways_seed": WAYS_SEED, "patterns_seed": PATTERNS_SEED, "seen": shipped.digest}
            write_table(pd.DataFrame(rows), arguments.output / "single_hit_best.csv", COLUMNS, provenance)
    return 0


if __name__ == "__main__":
    sys.exit(main())
