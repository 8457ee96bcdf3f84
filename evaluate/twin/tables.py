"""tables/twin.csv and tables/twin_structures.csv: how twin networks, and controls, did by each protocol."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from evaluate.baselines.feature_controls import classifiers_of
from evaluate.predictions.embeddings import Embedded, read_embedded, read_support
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.table_files import write_table
from evaluate.twin import protocols
from evaluate.twin.outputs import ALL_FOLDS, controls, embeddings_file, evaluate_on, twin_folder
from evaluate.twin.protocols import ProtocolScore
from frames.files import read_json
from train.config.twins import NONE, TwinTraining
from train.few_shot.logistic import Logistic, fit
from train.few_shot.support import Scores

logger = logging.getLogger(__name__)

COLUMNS: Mapping[str, str] = {
    "run": "name of the run",
    "trained_on": "dataset of the run that was learned from",
    "dataset": "dataset of the run that is evaluated on",
    "encoder": "name in the config of what was trained, or of a control",
    "embedding_dim": "components of an embedding; 0: a control has none",
    "margin": "of the triplet loss, in units of the distance",
    "distance": "rms: root mean square difference; squared_l2: squared distance of embeddings of length 1",
    "mining": "which triplets were learned from",
    "seed": "of the training",
    "fold": "family held out; none: nothing was; all: mean over all families, each where it was held out",
    "n_train": "patterns learned from in an epoch",
    "protocol": "what is evaluated, see evaluate/twin/protocols.py",
    "classifier": "what turns embeddings into predictions, train/few_shot/classifiers.py",
    "labels": "labelled patterns of the structure, of single and of multiple hits each",
    "n_test": "held-out patterns judged on; pairs or triplets where these are judged",
    "n_structures": "structures that these show",
    "accuracy": "fraction right; few_shot and fold all: mean over structures",
    "balanced_accuracy": "mean of the fractions right of single and of multiple hits",
    "majority_accuracy": "accuracy of always predicting the most frequent class",
    "roc_auc": "probability that a single hit scores higher than a multiple one",
    "deviation": "standard deviation of the accuracy over structures",
    "draw_deviation": "the same over draws of labelled patterns",
    "collapsed": "1 where embeddings tell nothing apart on the validation split",
}

STRUCTURE_COLUMNS: Mapping[str, str] = {
    **{key: COLUMNS[key] for key in COLUMNS if key not in ("n_structures", "deviation", "distance", "mining")},
    "structure": "that the patterns show",
}


def write_twin_tables(files: RunFiles, config: RunConfig, provenance: Mapping[str, Any]) -> None:
    """Write both tables from the embeddings of every training and control.

    Raises
    ------
    FileNotFoundError if embeddings are missing; ValueError where too few patterns can be labelled.
    """
    rows = []
    learners = [*config.twinned.trainings, *controls(config)]
    for number, training in enumerate(learners, 1):
        name = embeddings_file(files, training).relative_to(files.folder)
        logger.info("%d of %d learners: %s", number, len(learners), name)
        about = _about(files, config, training)
        scores = _scores(files, config, training)
        rows += [{**about, "fold": fold, "dataset": condition, **asdict(one)} for fold, condition, one in scores]
    table = pd.DataFrame(rows).assign(run=config.run)
    whole = table[table["structure"] == ""]
    each = table[table["structure"] != ""]
    whole = pd.concat([whole, over_folds(each)], ignore_index=True)
    write_table(whole, files.table("twin"), COLUMNS, provenance)
    write_table(each, files.table("twin_structures"), STRUCTURE_COLUMNS, provenance)


def over_folds(each: pd.DataFrame) -> pd.DataFrame:
    """One row for all families together, from rows of single structures: each where its family was held out."""
    held_out = each[(each["fold"] != NONE) & each["protocol"].isin(["unseen", "unlabelled", "few_shot"])]
    if held_out.empty:
        return held_out
    training = ["trained_on", "dataset", "encoder", "embedding_dim", "margin", "distance", "mining", "seed"]
    keys = [*training, "protocol", "classifier", "labels"]
    return (
        held_out.groupby(keys, sort=False)
        .agg(
            n_train=("n_train", "mean"),
            **protocols.OVER_STRUCTURES,
            collapsed=("collapsed", "max"),
            run=("run", "first"),
        )
        .reset_index()
        .assign(fold=ALL_FOLDS, draw_deviation=np.nan)
    )


def _about(files: RunFiles, config: RunConfig, training: TwinTraining) -> dict[str, Any]:
    """The columns that are the same for all scores of a training."""
    about = {
        "trained_on": training.dataset,
        "encoder": training.encoder,
        "embedding_dim": training.embedding_dim,
        "margin": training.margin,
        "seed": training.seed,
    }
    if training.encoder in config.evaluation.twins.baselines:
        return {**about, "distance": "", "mining": "", "n_train": 0, "collapsed": 0}
    record = read_json(twin_folder(files, training) / "training.json")
    recipe = record["recipe"]
    return {
        **about,
        "distance": recipe["distance"],
        "mining": recipe["mining"],
        "n_train": record["n_train"],
        "collapsed": int(bool(record["collapsed"])),
    }


def _scores(files: RunFiles, config: RunConfig, training: TwinTraining) -> Iterator[tuple[str, str, ProtocolScore]]:
    """Fold, dataset and score: every protocol that makes sense, on each dataset that it is evaluated on."""
    known = read_support(twin_folder(files, training) / "support.npz")
    conditions = evaluate_on(config, training)
    evaluated = {condition: read_embedded(embeddings_file(files, training), condition) for condition in conditions}
    is_control = training.encoder in config.evaluation.twins.baselines
    for fold in [NONE, *config.twinned.families] if is_control else [training.fold]:
        classifiers = Classifiers.fitted(training.encoder, known.without(config.held_out(fold)))
        for condition in conditions:
            for score in _of_fold(config, training, condition, fold, classifiers, evaluated[condition]):
                yield fold, condition, score


class Classifiers(NamedTuple):
    """What a fold's classifiers learned, once for all conditions."""

    known: Embedded
    """training patterns"""
    logistic: Logistic
    """that labelled patterns, or a sample's own, are to correct"""
    scores: Mapping[str, Scores]
    """name -> scores without any pattern of the sample"""

    @classmethod
    def fitted(cls, encoder: str, known: Embedded) -> Self:
        """Of the training patterns of an encoder, or a control."""
        fits = classifiers_of(encoder)
        return cls(known, fit(known.support), {name: classify(known.support) for name, classify in fits.items()})


def _of_fold(
    config: RunConfig, training: TwinTraining, condition: str, fold: str, classifiers: Classifiers, asked: Embedded
) -> Iterator[ProtocolScore]:
    settings = config.evaluation.twins
    known, logistic, scores = classifiers
    test = asked.in_split("test")
    learned_from = config.simulation.selected(training.dataset)
    # In a fold the family held out is evaluated on; without one, every structure that the dataset trained on has not.
    unseen = test.of(config.held_out(fold)) if fold != NONE else test.without(learned_from)
    seen = test.of(learned_from)
    if fold == NONE and len(seen.split):
        yield from protocols.evaluated("same", scores, seen)
        yield from protocols.retrieval(known, seen)
        yield protocols.triplets("training_triplets", known, settings.seed)
        yield protocols.triplets("test_triplets", seen, settings.seed)
    if len(unseen.split):
        yield from protocols.evaluated("unseen", scores, unseen)
        yield from protocols.unlabelled(known, logistic, asked.of(np.unique(unseen.structure)))
        yield protocols.verification(unseen, settings.seed)
        if condition not in (settings.evaluate_on or (training.dataset,)):
            return
        pool = asked.in_split("validation")
        yield from protocols.few_shot(logistic, pool, unseen, settings.labels, settings.draws, settings.seed)
