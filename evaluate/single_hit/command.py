"""What a twin network predicts of datasets that it never saw, beside controls that nobody trained, in one run.

python -m evaluate.single_hit.command config/unseen-judged.yaml --like results/unseen/datasets/mixed -o tables

Patterns are simulated as they are predicted, those of validation and test of every dataset of the config. Writes
`single_hit.csv`, a row for each dataset, protocol and answerer, and `single_hit_structures.csv`, the same by structure.
`--like` is a dataset of the network's training: controls know its training patterns, as the network does.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from evaluate.baselines import spectral_clustering
from evaluate.baselines.feature_controls import classifiers_of, total_intensity
from evaluate.predictions.embeddings import Embedded, embedded_by
from evaluate.single_hit import asked
from evaluate.single_hit.trial import Trial, asked_about
from evaluate.table_files import write_table
from evaluate.twin import protocols
from evaluate.twin.protocols import ProtocolScore
from frames.files import sha256
from frames.store.dataset import Dataset, open_dataset
from simulate.config import SimulationConfig
from train.config.recipe import N_SUPPORT
from train.few_shot.logistic import fit
from train.few_shot.selector import read_noise
from train.inference.shipped import MODEL, Twin, load_twin

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
    "structure": "that the patterns show",
}

CONTROLS: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "spectral_clustering": spectral_clustering.features,
    "total_intensity": total_intensity,
}
DRAWS, SEED = 3, 0


class Known(NamedTuple):
    """Features of training patterns, by who answers."""

    network: Embedded
    controls: Mapping[str, Embedded]


def known_of(twin: Twin, like: Dataset) -> Known:
    """The network's support set, and the controls' features of as many training patterns."""
    train = like.splits["train"]
    rows = slice(train.start, min(train.start + N_SUPPORT, train.stop))
    controls = {name: embedded_by(features, like, rows) for name, features in CONTROLS.items()}
    support = twin.support
    if twin.hit_multiplicity is None:
        raise ValueError("the network's file does not say how many particles its known patterns show; write it again")
    n = len(support.is_single)
    network = Embedded(
        support.embeddings, np.full(n, "?"), twin.hit_multiplicity, np.full(n, "train"), np.full(n, np.nan)
    )
    return Known(network, controls)


def scores_of(twin: Twin, known: Known, trial: Trial, labels: int) -> Iterator[tuple[str, ProtocolScore]]:
    """Of the network and of every control, about the patterns of one dataset."""

    def embedded(features: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Embedded:
        return Embedded(features(trial.frames), trial.structure, trial.hit_multiplicity, trial.split, photons)

    noise = read_noise(trial.frames[:64])
    photons = trial.frames.sum(axis=(1, 2), dtype=np.float64)
    about = embedded(twin.embed)
    learned = asked.Learned.of(known.network)
    yield from (("network", one) for one in asked.alone(learned, about.in_split("test")))
    yield from (("network", one) for one in asked.unlabelled(learned, about, noise))
    yield from (("network", one) for one in asked.few_shot(learned, about, noise, labels, DRAWS, SEED))
    for name, features in CONTROLS.items():
        theirs, about = known.controls[name], embedded(features)
        scores = {key: make(theirs.support) for key, make in classifiers_of(name).items() if key in USED}
        fitted, pool, test = fit(theirs.support), about.in_split("validation"), about.in_split("test")
        found = [
            *protocols.evaluated("unseen", scores, test),
            *protocols.unlabelled(theirs, fitted, about),
            *protocols.few_shot(fitted, pool, test, [labels], DRAWS, SEED),
        ]
        yield from ((name, one) for one in found if one.classifier in USED)


USED = ("clusters", "centroid", "mixture", "adapted")
"""Classifiers of controls that docs/results/twins.md compares."""


def _write(table: pd.DataFrame, folder: Path, provenance: Mapping[str, Any]) -> None:
    """Both tables, of all datasets evaluated on so far: an hour's work is not lost with its last dataset."""
    whole = table["structure"] == ""
    write_table(table[whole], folder / "single_hit.csv", COLUMNS, provenance)
    write_table(table[~whole], folder / "single_hit_structures.csv", STRUCTURE_COLUMNS, provenance)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m evaluate.single_hit.command", description=__doc__)
    parser.add_argument("config", type=Path, help="of a run, whose structures the network has never seen")
    parser.add_argument("--datasets", nargs="+", metavar="NAME", help="of the config (default: all)")
    parser.add_argument("--kept", type=Path, default=Path("results/unseen-judged"), help="folder of molecules")
    parser.add_argument("--like", type=Path, required=True, help="a dataset of the network's training")
    parser.add_argument("--model", type=Path, default=MODEL, help="model.onnx (default: the one that ships)")
    parser.add_argument("--labels", type=int, default=20, help="of single and of multiple hits each (default: 20)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the tables")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    twin = load_twin(arguments.model)
    config = SimulationConfig.model_validate(yaml.safe_load(arguments.config.read_text(encoding="utf-8"))["simulation"])
    arguments.kept.mkdir(parents=True, exist_ok=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    provenance: dict[str, Any] = {"model": sha256(arguments.model), "labels": arguments.labels, "draws": DRAWS}
    known, rows = known_of(twin, open_dataset(arguments.like)), []
    for name in arguments.datasets or config.datasets:
        trial = asked_about(config, name, arguments.kept)
        for answerer, score in scores_of(twin, known, trial, arguments.labels):
            rows.append({"dataset": name, "answerer": answerer, **asdict(score)})
            if not score.structure:
                logger.info(
                    "%s, %s, %s by %s: %.1f %% of %d right",
                    *(name, answerer, score.protocol, score.classifier, 100 * score.accuracy, score.n_test),
                )
        _write(pd.DataFrame(rows), arguments.output, provenance)
    return 0


if __name__ == "__main__":
    sys.exit(main())
