"""The jobs of a run, from its config alone, and how much work each has to do: what its cost grows with."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from evaluate.run.config import RunConfig
from evaluate.run.outputs import figure_names, has_report, predictors, transfers
from evaluate.run.sections import BASELINES
from evaluate.twin.outputs import controls, evaluate_on
from evaluate.twin.outputs import figure_names as twin_figure_names
from frames.labels import SPLITS
from simulate.experiment.reach import reach_of, reach_q
from simulate.molecules.phantoms import RANDOM
from simulate.plan.config import share_of
from simulate.render.layout import layout_of, shards_by_job
from train.config.recipe import TrainingRecipe

PATTERN, PARTICLE_PAIR = 3.0, 1.0
"""Work of a pattern, to count and to write it, and of each particle and of each pair of particles, to render them: on a
core a single hit takes 53 + 121 µs and one of four particles about 415 + 121 (docs/performance.md)."""


class Job(NamedTuple):
    """One job of the workflow."""

    rule: str
    name: str
    """path of its benchmark, without suffix"""
    kind: str
    """jobs of one rule and kind are alike: they cost as their work; a network, an engine"""
    work: float
    """in units of its rule"""
    epochs: int | None = None
    """of a training, which writes its state after each"""

    @property
    def writing(self) -> float:
        """What the bytes that it writes grow with."""
        return self.work if self.epochs is None else self.epochs


def jobs(config: RunConfig) -> Iterator[Job]:
    """Every job of a run, as the rules of workflow/rules name them, but what it took in the end (rule cost)."""
    yield from _of_structures(config)
    yield from _of_datasets(config)
    if config.training:
        yield from _of_networks(config)
    if has_report(config):
        yield Job("figures", "figures", "", len(figure_names(config)))
        yield Job("report", "report", "", len(config.simulation.datasets))
    if config.twins:
        yield from _of_twins(config)


def _of_structures(config: RunConfig) -> Iterator[Job]:
    simulation = config.simulation
    names = [structure.id for structure in simulation.structures]
    random = [name for name in names if RANDOM.fullmatch(name)]
    used: dict[str, set[str]] = {}  # reach -> structures; of skopi's engine, which has its own, the report shows ours
    for name, dataset in simulation.datasets.items():
        if dataset.engine != "skopi" or has_report(config):
            used.setdefault(reach_of(dataset), set()).update(simulation.selected(name))
    for name in names:
        if name not in random:
            yield Job("structure", f"structure/{name}", "", 1)
    if random:
        yield Job("random_structures", "random_structures", "", len(random))
    for reach, structures in used.items():
        points = reach_q(reach) ** 3  # of a grid, in units of the structure's own
        for name in names:
            if name in structures and name not in random:
                yield Job("volume", f"volume/{name}-{reach}", "", points)
        if structures & set(random):
            yield Job("random_volumes", f"random_volumes/{reach}", "", points * len(random))


def _of_datasets(config: RunConfig) -> Iterator[Job]:
    simulation, plan = config.simulation, config.simulation.plan
    for placement in dict.fromkeys(dataset.placement for dataset in simulation.datasets.values()):
        particles = len(simulation.planned(placement)) * plan.patterns_per_class * sum(plan.hit_multiplicities)
        yield Job("plan", f"plan/{placement}", placement, particles)
    for name, dataset in simulation.datasets.items():
        layout = layout_of(simulation, name)
        rows = len(simulation.planned(dataset.placement)) * plan.patterns_per_class * len(plan.hit_multiplicities)
        pixels = layout.image_shape[0] * layout.image_shape[1]
        yield Job("geometry", f"geometry/{name}", dataset.detector.model, pixels)
        yield Job("dataset_layout", f"dataset_layout/{name}", "", rows)
        per_pattern = _work_of_a_pattern(config, name)
        for job, shards in enumerate(shards_by_job(simulation, name)):
            patterns = layout.rows(shards[-1]).stop - layout.rows(shards[0]).start
            kind = f"{dataset.engine}, {dataset.record}"
            yield Job("dataset_shards", f"dataset_shards/{name}-{job}", kind, patterns * pixels * per_pattern)
        yield Job("dataset", f"dataset/{name}", dataset.record, layout.n_patterns)


def _work_of_a_pattern(config: RunConfig, name: str) -> float:
    """Mean over the patterns of a dataset."""
    patterns = _patterns(config, name)
    work = sum(n * (PATTERN + PARTICLE_PAIR * m * (m + 1) / 2) for m, n in patterns.items())
    return work / sum(patterns.values())


def _patterns(config: RunConfig, name: str, *splits: str, without: int = 0) -> dict[int, int]:
    """Patterns of each hit multiplicity in these splits, by default all, but those of so many structures."""
    simulation = config.simulation
    structures, shares = len(simulation.selected(name)) - without, simulation.datasets[name].select.shares
    return {
        m: (structures if m else 1)
        * sum(share_of(simulation.plan.split_sizes[split], shares.get(m, 1.0)) for split in splits or SPLITS)
        for m in simulation.plan.hit_multiplicities
    }


def _n(config: RunConfig, name: str, *splits: str, without: int = 0) -> int:
    return sum(_patterns(config, name, *splits, without=without).values())


def _kind(network: str, recipe: TrainingRecipe) -> str:
    """Trainings that cost alike, pattern by pattern."""
    return ", ".join([network, recipe.precision, *(["fresh"] if recipe.on_the_fly else [])])


def _of_networks(config: RunConfig) -> Iterator[Job]:
    trained = config.trained
    for dataset, name, seed in trained.trainings:
        model = trained.models[name]
        work = model.recipe.epochs * _n(config, dataset, "train")
        kind, epochs = _kind(model.network, model.recipe), model.recipe.epochs
        yield Job("train", f"train/{dataset}/{name}-seed{seed}", kind, work, epochs)
    asked_of = [*((*learner, learner[0]) for learner in predictors(config)), *transfers(config)]
    for trained_on, name, seed, asked in asked_of:
        n = _n(config, asked, *(["validation", "test"] if asked == trained_on else ["test"]))
        learned = _n(config, trained_on, "train") if name in BASELINES else 0
        kind = trained.models[name].network if name in trained.models else name
        yield Job("predict", f"predict/{trained_on}/{asked}/{name}-seed{seed}", kind, n + learned)
    yield Job("tables", "tables", "", len(asked_of))
    if limits := config.evaluation.bayes_limit:
        for name in limits.datasets:
            hits = len(config.simulation.selected(name)) * limits.patterns_per_structure
            compared = len(config.simulation.selected(name)) * sum(limits.orientations)
            record = config.simulation.datasets[name].record
            yield Job("limit_of_dataset", f"limit_of_dataset/{name}", record, hits * compared)
        yield Job("limit", "limit", "", len(limits.datasets))


def _of_twins(config: RunConfig) -> Iterator[Job]:
    from train.tasks.embed import N_SUPPORT  # torch takes seconds, and Snakemake asks this before a run's first job

    twins, embedded = config.twinned, 0
    for training in twins.trainings:
        encoder = twins.encoders[training.encoder]
        name = f"{training.encoder}-{training.fold}-{training.shape}-seed{training.seed}"
        there = set(config.simulation.selected(training.dataset))
        n = _n(config, training.dataset, "train", without=len(there & set(twins.held_out(training.fold))))
        kind = f"{_kind(encoder.network, encoder.recipe)}, {encoder.recipe.mining}"
        epochs = encoder.recipe.epochs
        yield Job("train_twin", f"train_twin/{training.dataset}/{name}", kind, epochs * n, epochs)
    for control in controls(config):
        n = min(N_SUPPORT, _n(config, control.dataset, "train"))
        yield Job("twin_control", f"twin_control/{control.dataset}/{control.encoder}", control.encoder, n)
    for learner in [*twins.trainings, *controls(config)]:
        n = sum(_n(config, name, "validation", "test") for name in evaluate_on(config, learner))
        embedded += n
        name = f"{learner.encoder}-{learner.fold}-{learner.shape}-seed{learner.seed}"
        kind = twins.encoders[learner.encoder].network if learner.encoder in twins.encoders else learner.encoder
        yield Job("embed", f"embed/{learner.dataset}/{name}", kind, n)
    yield Job("twin_tables", "twin_tables", "", embedded)
    yield Job("twin_figures", "twin_figures", "", len(twin_figure_names(config)))
    yield Job("twin_report", "twin_report", "", len(config.simulation.datasets))


def counted(config: RunConfig) -> Mapping[str, int]:
    """Jobs of each rule."""
    found: dict[str, int] = {}
    for job in jobs(config):
        found[job.rule] = found.get(job.rule, 0) + 1
    return found
