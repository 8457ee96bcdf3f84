"""How much work there is in a run's datasets and trainings, from its config: what the rules declare that jobs cost."""

from collections.abc import Mapping

from evaluate.run.config import RunConfig
from evaluate.run.sections import BASELINES
from frames.labels import SPLITS
from simulate.experiment.reach import reach_q
from simulate.plan.config import share_of
from simulate.render.layout import layout_of
from train.config.recipe import TrainingRecipe

PATTERN, PARTICLE_PAIR = 3.0, 1.0
"""Work of a pattern, to count and to write it, and of each particle and of each pair of particles, to render them: on a
core a single hit takes 53 + 121 µs and one of four particles about 415 + 121 (docs/performance.md)."""


def grid_points(reach: str) -> float:
    """Points of a volume, in units of the structure's own."""
    return reach_q(reach) ** 3


def planned_particles(config: RunConfig, placement: str) -> int:
    """Particles of a plan's shots."""
    plan = config.simulation.plan
    return len(config.simulation.planned(placement)) * plan.patterns_per_class * sum(plan.hit_multiplicities)


def planned_rows(config: RunConfig, dataset: str) -> int:
    """Rows of the plan that a dataset is made from."""
    simulation, plan = config.simulation, config.simulation.plan
    structures = simulation.planned(simulation.datasets[dataset].placement)
    return len(structures) * plan.patterns_per_class * len(plan.hit_multiplicities)


def n_pixels(config: RunConfig, dataset: str) -> int:
    """Pixels of an image."""
    n_rows, n_columns = layout_of(config.simulation, dataset).image_shape
    return n_rows * n_columns


def rendering(config: RunConfig, dataset: str, shards: list[int]) -> float:
    """Pixels of these shards, each as often as its pattern's particles make it work."""
    layout = layout_of(config.simulation, dataset)
    patterns = layout.rows(shards[-1]).stop - layout.rows(shards[0]).start
    return patterns * n_pixels(config, dataset) * _work_of_a_pattern(config, dataset)


def _work_of_a_pattern(config: RunConfig, dataset: str) -> float:
    """Mean over the patterns of a dataset."""
    patterns = _by_multiplicity(config, dataset)
    work = sum(n * (PATTERN + PARTICLE_PAIR * m * (m + 1) / 2) for m, n in patterns.items())
    return work / sum(patterns.values())


def _by_multiplicity(config: RunConfig, dataset: str, *splits: str, without: int = 0) -> Mapping[int, int]:
    simulation = config.simulation
    structures, shares = len(simulation.selected(dataset)) - without, simulation.datasets[dataset].select.shares
    return {
        m: (structures if m else 1)
        * sum(share_of(simulation.plan.split_sizes[split], shares.get(m, 1.0)) for split in splits or SPLITS)
        for m in simulation.plan.hit_multiplicities
    }


def n_patterns(config: RunConfig, dataset: str, *splits: str, without: int = 0) -> int:
    """Patterns in these splits of a dataset, by default in all, but those of so many structures."""
    return sum(_by_multiplicity(config, dataset, *splits, without=without).values())


def network_kind(network: str, recipe: TrainingRecipe) -> str:
    """What trainings have in common that cost alike, pattern by pattern."""
    return ", ".join([network, recipe.precision, *(["fresh"] if recipe.on_the_fly else [])])


def predicting(config: RunConfig, trained_on: str, model: str, evaluate_on: str) -> int:
    """Patterns that are predicted, and that a baseline learns from before."""
    own = ["validation", "test"] if evaluate_on == trained_on else ["test"]
    learned = n_patterns(config, trained_on, "train") if model in BASELINES else 0
    return n_patterns(config, evaluate_on, *own) + learned


def comparing(config: RunConfig, dataset: str) -> int:
    """Hits times the orientations that each is compared with, for the Bayes-optimal accuracy."""
    limits = config.evaluation.bayes_limit
    structures = len(config.simulation.selected(dataset))
    return structures * limits.patterns_per_structure * structures * sum(limits.orientations) if limits else 0


def twin_patterns(config: RunConfig, dataset: str, fold: str) -> int:
    """Training patterns of a dataset without the structures that a fold holds out."""
    held_out = set(config.held_out(fold)) & set(config.simulation.selected(dataset))
    return n_patterns(config, dataset, "train", without=len(held_out))
