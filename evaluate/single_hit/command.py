"""What a twin network predicts of datasets that it never saw, beside controls that nobody trained, in one run.

python -m evaluate.single_hit.command config/unseen-judged.yaml --folds config/unseen.yaml -o tables

Patterns are simulated as they are predicted, those of validation and test of every dataset of the config. Writes
`single_hit.csv`, a row for each dataset, protocol and answerer, and `single_hit_structures.csv`, the same by structure;
`single_hit_calibration.csv` says whether p(single) of a pattern alone means what it says.
Of `--folds` each structure is asked of the network that never saw its family, and controls know the same training
patterns. `--like` is for one network that saw none of the structures: a dataset of its training.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from evaluate.predictions.embeddings import Embedded
from evaluate.run.config import load_config
from evaluate.run.config_files import read_config
from evaluate.run.files import RunFiles
from evaluate.single_hit import asked, calibration
from evaluate.single_hit.calibration import reliability
from evaluate.single_hit.folds import CONTROLS, USED, Fold, folds_of, one_fold
from evaluate.single_hit.trial import Trial, asked_about
from evaluate.table_files import write_table
from evaluate.twin import protocols
from evaluate.twin.protocols import ProtocolScore
from frames.files import read_json
from frames.store.dataset import open_dataset
from simulate.config import SimulationConfig
from train.few_shot.selector import read_noise
from train.inference.shipped import MODEL, load_twin

logger = logging.getLogger(__name__)

COLUMNS: Mapping[str, str] = {
    "dataset": "evaluated on: test patterns, none of whose structures were learned from",
    "answerer": "network: the twin network; or a control",
    "protocol": "unseen: the pattern alone; unlabelled: the sample's other patterns, too; few_shot: and labels",
    "classifier": "selector: train/few_shot/selector.py; selector_labels: by labels alone; others as in twin.csv",
    "labels": "labelled patterns of a structure, of single and of multiple hits each",
    "n_test": "test patterns judged on",
    "n_structures": "structures that these show",
    "accuracy": "fraction right",
    "balanced_accuracy": "mean of the fractions right of single and of multiple hits",
    "majority_accuracy": "accuracy of always predicting the most frequent class",
    "roc_auc": "probability that a single hit scores higher than a multiple one",
    "deviation": "standard deviation of the accuracy over structures",
    "draw_deviation": "the same over draws of labelled patterns",
}
STRUCTURE_COLUMNS = {
    **{name: says for name, says in COLUMNS.items() if name not in ("n_structures", "deviation")},
    "fold": "family that the network asked has never seen; empty: it has seen none of the structures",
    "structure": "that the patterns show",
}

DRAWS, SEED = 3, 0


def scores_of(fold: Fold, trial: Trial, labels: int) -> Iterator[tuple[str, ProtocolScore]]:
    """Of the network and of every control, about the patterns of one dataset: of all together, and by structure."""

    def embedded(features: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Embedded:
        return Embedded(features(trial.frames), trial.structure, trial.hit_multiplicity, trial.split, photons)

    noise = read_noise(trial.frames[:64])
    photons = trial.frames.sum(axis=(1, 2), dtype=np.float64)
    about, learned = embedded(fold.twin.embed), fold.learned
    yield from (("network", one) for one in asked.alone(learned, about.in_split("test")))
    yield from (("network", one) for one in asked.unlabelled(learned, about, noise))
    yield from (("network", one) for one in asked.few_shot(learned, about, noise, labels, DRAWS, SEED))
    for name, control in fold.controls.items():
        about = embedded(CONTROLS[name])
        pool, test = about.in_split("validation"), about.in_split("test")
        found = [
            *protocols.evaluated("unseen", control.scores, test),
            *protocols.unlabelled(control.known, control.fitted, about),
            *protocols.few_shot(control.fitted, pool, test, [labels], DRAWS, SEED),
        ]
        yield from ((name, one) for one in found if one.classifier in USED)


def over_structures(each: pd.DataFrame) -> pd.DataFrame:
    """A row for all structures together, from rows of single ones, whoever was asked about each."""
    return (
        each.groupby(["dataset", "answerer", "protocol", "classifier", "labels"], sort=False)
        .agg(**protocols.OVER_STRUCTURES, draw_deviation=("draw_deviation", "mean"))
        .reset_index()
    )


def _write(each: pd.DataFrame, folder: Path, provenance: Mapping[str, Any]) -> None:
    """Both tables, of all datasets evaluated on so far: an hour's work is not lost with its last dataset."""
    write_table(over_structures(each), folder / "single_hit.csv", COLUMNS, provenance)
    write_table(each, folder / "single_hit_structures.csv", STRUCTURE_COLUMNS, provenance)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m evaluate.single_hit.command", description=__doc__)
    parser.add_argument("config", type=Path, help="of a run, whose structures are asked about")
    parser.add_argument("--datasets", nargs="+", metavar="NAME", help="of the config (default: all)")
    parser.add_argument("--kept", type=Path, default=Path("results/unseen-judged"), help="folder of molecules")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--folds", type=Path, metavar="CONFIG", help="of the run that trained them; each on its family")
    who.add_argument("--like", type=Path, help="a dataset of the training of one network, which has seen no structure")
    parser.add_argument(
        "--encoders", nargs="+", default=["folded", "spectral"], help="asked beside each other (default: %(default)s)"
    )
    parser.add_argument(
        "--model", type=Path, default=MODEL, help="model.onnx (default: the one that ships), for --like"
    )
    parser.add_argument(
        "--sureness", type=Path, help="of evaluate.single_hit.sureness: each family's p(single) by what others say"
    )
    parser.add_argument("--labels", type=int, default=20, help="of single and of multiple hits each (default: 20)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the tables")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = SimulationConfig.model_validate(yaml.safe_load(arguments.config.read_text(encoding="utf-8"))["simulation"])
    sureness = {} if arguments.sureness is None else read_json(arguments.sureness)["sureness"]
    if arguments.folds is None:
        folds = one_fold(load_twin(arguments.model), open_dataset(arguments.like))
    else:
        run = load_config(read_config(arguments.folds))
        folds = [*folds_of(run, RunFiles(run.results_dir / run.run), arguments.encoders)]
    arguments.kept.mkdir(parents=True, exist_ok=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    provenance: dict[str, Any] = {
        "models": {fold.name: fold.twin.digest for fold in folds},
        "labels": arguments.labels,
        "draws": DRAWS,
        "sureness": sureness,
    }
    rows: list[dict[str, Any]] = []
    reliable: list[dict[str, Any]] = []
    for name in arguments.datasets or config.datasets:
        trial = asked_about(config, name, arguments.kept)
        alone: list[NDArray[np.floating]] = []
        singles: list[NDArray[np.bool_]] = []
        for fold in folds:
            mine = trial if not fold.structures else trial.of(fold.structures)
            test = mine.split == "test"
            scores = fold.learned.logistic.scores(fold.twin.embed(mine.frames[test]))
            alone.append(sureness.get(fold.name, fold.twin.sureness) * scores)
            singles.append(mine.hit_multiplicity[test] == 1)
            for answerer, score in scores_of(fold, mine, arguments.labels):
                if score.structure:
                    rows.append({"dataset": name, "fold": fold.name, "answerer": answerer, **asdict(score)})
        each = pd.DataFrame(rows)
        for row in over_structures(each[each["dataset"] == name]).itertuples():
            logger.info(
                "%s, %s, %s by %s: %.1f %% of %d right",
                *(name, row.answerer, row.protocol, row.classifier, 100 * row.accuracy, row.n_test),
            )
        _write(each, arguments.output, provenance)
        reliable += [{"dataset": name, **row} for row in reliability(np.concatenate(alone), np.concatenate(singles))]
        table = pd.DataFrame(reliable)
        write_table(table, arguments.output / "single_hit_calibration.csv", calibration.COLUMNS, provenance)
        logger.info("%s: calibration error %.3f", name, calibration.calibration_error(table[table["dataset"] == name]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
