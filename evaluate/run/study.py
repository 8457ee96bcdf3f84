"""What tables, figures and pages of classification stand on: which datasets ask what, and who learned to answer it.

The config of a run yields it (`RunConfig.study`). Nothing here knows how patterns were made, or what is asked of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluate.run.sections import EvaluationConfig
from frames.targets import Target
from train.config.training import TrainingConfig


@dataclass(frozen=True)
class Study:
    """Networks that answer the questions of some datasets, and how they are judged."""

    run: str
    """name of the run"""
    title: str
    """heading of its page"""
    targets: Mapping[str, tuple[Target, ...]]
    """dataset -> what it asks"""
    training: TrainingConfig | None
    """None where nothing is trained"""
    evaluation: EvaluationConfig
    photons_per_pulse: Mapping[str, float] = field(default_factory=dict)
    """of the datasets of `evaluation.photon_curve`"""

    @property
    def trained(self) -> TrainingConfig:
        """The section `training`; ValueError where the run has none."""
        return training_of(self.run, self.training)

    def members(self, dataset: str) -> dict[str, list[tuple[str, int]]]:
        """As `ensemble_members`, of a dataset of this study."""
        return ensemble_members(self.trained, self.evaluation, dataset)

    @property
    def all_targets(self) -> list[Target]:
        """What any dataset that is trained on asks; of questions of one name, that of the most classes."""
        found: dict[str, Target] = {}
        for dataset in self.trained.conditions:
            for target in self.targets[dataset]:
                known = found.setdefault(target.name, target)
                found[target.name] = max(known, target, key=lambda one: len(one.classes))
        return list(found.values())


def training_of(run: str, training: TrainingConfig | None) -> TrainingConfig:
    """The section `training` of a run; ValueError where it has none."""
    if training is None:
        raise ValueError(f"run {run} has no section `training`: it trains no network that answers questions")
    return training


def ensemble_members(
    training: TrainingConfig, evaluation: EvaluationConfig, dataset: str
) -> dict[str, list[tuple[str, int]]]:
    """Ensemble -> model and seed of all that answer in it, of those whose models are all trained on the dataset."""
    models = training.models
    return {
        name: [(member, seed) for member in names for seed in models[member].seeds]
        for name, names in evaluation.ensembles.items()
        if all(member in models and dataset in models[member].datasets for member in names)
    }
