"""What a run of twin networks holds, by its config alone: who is evaluated on what, and the figures that come of it."""

from collections.abc import Collection
from pathlib import Path

from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.outputs import ours
from train.config.twins import NONE, TwinTraining

CONTROL = TwinTraining("", "", NONE, 0, 0.0, 0)
"""What stands in the columns of a training where nothing was trained."""

NO_FAMILY = "no family"
"""Stands for the family of structures that belong to none, where others do."""

ALL_FOLDS = "all"
"""In the column `fold`: every structure, each evaluated where it was held out."""

TABLES = ("twin", "twin_structures")

SHOWN = ("twin_evolution", "twin_map", "twin_roc")
"""Tables of what figures show, evaluate/twin/shown.py."""


def evaluate_on(config: RunConfig, training: TwinTraining) -> list[str]:
    """Datasets that the encoder of a training, or a control, is evaluated on; a cell of a grid on its own alone."""
    return list(dict.fromkeys((training.dataset, *config.others_of(training.encoder))))


def controls(config: RunConfig) -> list[TwinTraining]:
    """Every control on every dataset that an encoder is trained on."""
    datasets = dict.fromkeys(training.dataset for training in config.twinned.trainings)
    names = config.evaluation.twins.baselines
    return [CONTROL._replace(dataset=dataset, encoder=name) for name in names for dataset in datasets]


def twin_folder(files: RunFiles, training: TwinTraining) -> Path:
    """Where a training, or a control, leaves what it knows."""
    return files.twin(training.dataset, training.encoder, training.fold, training.shape, training.seed)


def embeddings_file(files: RunFiles, training: TwinTraining) -> Path:
    """Embeddings of the validation and test patterns of all datasets that it is evaluated on."""
    return files.embeddings(training.dataset, training.encoder, training.fold, training.shape, training.seed)


def networks(config: RunConfig) -> list[str]:
    """Encoders that are no grid."""
    return [name for name, encoder in config.twinned.encoders.items() if not encoder.is_grid]


def main_encoder(config: RunConfig) -> str | None:
    """The encoder called after a network of ours, else the first that is no grid; None where all are grids."""
    names = networks(config)
    return ours(names) or next(iter(names), None)


def main_condition(config: RunConfig) -> str:
    """The first dataset of `evaluation.twins.evaluate_on`, else what the main encoder learned from."""
    encoders = config.twinned.encoders
    main = main_encoder(config) or next(iter(encoders))
    return next(iter(config.evaluation.twins.evaluate_on), encoders[main].datasets[0])


def home(config: RunConfig, learner: str) -> str:
    """The dataset that an encoder is drawn as trained on: its first; controls go with the main encoder."""
    encoders = config.twinned.encoders
    name = learner if learner in encoders else main_encoder(config) or next(iter(encoders))
    return encoders[name].datasets[0]


def fold_of(config: RunConfig, learner: str) -> str:
    """In which rows its unseen structures are: `all` where families were held out, else `none`.

    Those of a control are where the main encoder's are.
    """
    encoders = config.twinned.encoders
    encoder = encoders.get(learner) or encoders[main_encoder(config) or next(iter(encoders))]
    return ALL_FOLDS if any(fold != NONE for fold in encoder.folds) else NONE


def unseen_structures(config: RunConfig, learner: str, condition: str) -> list[str]:
    """Ids of the structures in a dataset that an encoder, or a control, is evaluated on without having seen them."""
    twins, selected = config.twinned, config.simulation.selected(condition)
    trained_on = home(config, learner)
    if fold_of(config, learner) == NONE:
        seen = set(config.simulation.selected(trained_on))
        return [structure for structure in selected if structure not in seen]
    encoder = twins.encoders.get(learner)
    folds = twins.families if encoder is None else encoder.folds
    held_out = {structure for fold in folds for structure in twins.held_out(fold)}
    return [structure for structure in selected if structure in held_out]


def unseen_datasets(config: RunConfig, learner: str) -> list[str]:
    """Datasets on whose unseen structures it is evaluated."""
    training = CONTROL._replace(dataset=home(config, learner), encoder=learner)
    return [name for name in evaluate_on(config, training) if unseen_structures(config, learner, name)]


def learners(config: RunConfig, condition: str) -> list[str]:
    """Networks, then controls, that are evaluated on unseen structures of a dataset."""
    names = [*networks(config), *config.evaluation.twins.baselines]
    return [name for name in names if condition in unseen_datasets(config, name)]


def families_of(config: RunConfig, structures: Collection[str]) -> dict[str, list[str]]:
    """Family -> those of the structures that belong to it; at the end, those of none."""
    left = list(dict.fromkeys(structures))
    families: dict[str, list[str]] = {}
    for family, members in config.twinned.families.items():
        if found := [structure for structure in members if structure in left]:
            families[family] = found
            left = [structure for structure in left if structure not in found]
    return families | ({NO_FAMILY if families else "": left} if left else {})


def figure_names(config: RunConfig) -> list[str]:
    """What report/twin/draw.py writes into figures/."""
    encoders = config.twinned.encoders
    names = [f"twin_grid_{name}.svg" for name, encoder in encoders.items() if encoder.is_grid]
    names += [f"twin_evolution_{name}.png" for name in networks(config)]
    if (main := main_encoder(config)) is None:
        return names
    names.append(f"twin_map_{main}.png")
    if main_condition(config) in unseen_datasets(config, main):
        names += ["twin_roc.svg", "twin_few_shot.svg", "twin_per_structure.svg", "twin_gallery.png"]
    return names + ["twin_conditions.svg"] * bool(unseen_datasets(config, main))


def shown_names(config: RunConfig) -> list[str]:
    """Those of `SHOWN` that a run has."""
    has = {
        "twin_evolution": bool(networks(config)),
        "twin_map": main_encoder(config) is not None,
        "twin_roc": has_unseen(config),
    }
    return [name for name in SHOWN if has[name]]


def has_unseen(config: RunConfig) -> bool:
    """Whether the main encoder is evaluated on unseen structures in the main condition."""
    main = main_encoder(config)
    return main is not None and main_condition(config) in unseen_datasets(config, main)
