"""Nothing that learns, or chooses, from a dataset uses a pattern that it may not see.

A new way to learn is a line in `PROTOCOLS`. It may not see what is poison there; under `leaks` are the worlds in which
it has to see it, which shows that its test can fail.
"""

import logging
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from evaluate.baselines.feature_controls import CONTROLS
from evaluate.baselines.registry import BASELINES
from evaluate.limit.limit import particle_limits
from evaluate.predictions.embeddings import read_support
from evaluate.predictions.predictions import predict_splits
from frames.files import read_arrays
from frames.store.dataset import Dataset
from frames.targets import STRUCTURE, shot_targets
from simulate.render.fresh import Source
from support.poison import LABELS, Leak, Outcome, Protocol, View, in_splits, must_not_see, said, spoil, spoil_splits
from tests.leaks.conftest import Rendered
from train.config.recipe import Recipe, TwinRecipe
from train.inference.predict import predict
from train.loop.checkpoint import load_encoder, load_model
from train.tasks.classify import fit
from train.tasks.embed import fit_twin

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")

STREAMED = 0.0022
"""GB: two shards of 16 patterns, 2.1 MB; the 44 training patterns that are left where a structure is held out need
2.9 MB."""
MIXED = {"batch_size": 16, "epochs": 2, "weight_decay": 0.0}
RECIPES = {
    "in memory": Recipe(**MIXED),
    "streamed": Recipe(**MIXED, memory_gb=STREAMED),
    "augmented, parts missing": Recipe(**MIXED, augment="poster", detector_dropout=0.5),
    "augmented, streamed": Recipe(**MIXED, augment="poster", memory_gb=STREAMED),
    "best epoch kept": Recipe(**MIXED | {"epochs": 3}, learning_rate=1e-2, checkpoint="best"),
}
TWINS = {
    "in memory": TwinRecipe(**MIXED, embedding_dim=3),
    "streamed": TwinRecipe(**MIXED, embedding_dim=3, memory_gb=STREAMED),
    "augmented, parts missing": TwinRecipe(**MIXED, embedding_dim=3, augment="poster", detector_dropout=0.5),
    "best epoch kept": TwinRecipe(**MIXED | {"epochs": 3}, embedding_dim=3, checkpoint="best"),
}
HELD_OUT = "middle"
TAKES_TIME = ("images_per_s", "seconds")

Learn = Callable[[Dataset, Path], Outcome]


# What is learned


def weights(model: torch.nn.Module) -> Outcome:
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def history(rows: list) -> Outcome:
    """All columns but those that are never the same."""
    return {
        f"epoch {row.epoch}": np.array([v for k, v in row.columns().items() if k not in TAKES_TIME]) for row in rows
    }


def network(recipe: Recipe, name: str = "late3", source: Source | None = None) -> Learn:
    def learn(dataset: Dataset, folder: Path) -> Outcome:
        rows = fit(name, dataset, recipe, 0, CPU, folder, source)
        return history(rows) | weights(load_model(folder / "model.pt", CPU).model)

    return learn


def weights_alone(recipe: Recipe) -> Learn:
    """Without what validation says of them."""

    def learn(dataset: Dataset, folder: Path) -> Outcome:
        fit("late3", dataset, recipe, 0, CPU, folder)
        return weights(load_model(folder / "model.pt", CPU).model)

    return learn


def twin(recipe: TwinRecipe, source: Source | None = None, held_out: str = HELD_OUT) -> Learn:
    """With its support set, and what was watched while it learned."""

    def learn(dataset: Dataset, folder: Path) -> Outcome:
        rows = fit_twin("late3", dataset, recipe, 0, CPU, folder, [held_out], source)
        support, evolution = (read_arrays(folder / f"{name}.npz") for name in ("support", "evolution"))
        support.pop("model")  # digest of a file that names the dataset's shards
        assert held_out not in support["structure"]
        found = {
            f"{name} {key}": value
            for name, of in (("support", support), ("evolution", evolution))
            for key, value in of.items()
        }
        return history(rows) | weights(load_encoder(folder / "model.pt", CPU).model) | found

    return learn


def unspoilt(dataset: Dataset) -> Dataset:
    """As it lies on the disk."""
    return Dataset(dataset.folder, dataset.card, dataset.layout, dataset.group)


@contextmanager
def logged(stream: StringIO) -> Iterator[None]:
    """What baselines log."""
    logger, handler = logging.getLogger("evaluate.baselines"), logging.StreamHandler(stream)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def baseline(name: str) -> Learn:
    """What it answers about all patterns, these as they are, and what it says of the sizes that it chooses from."""

    def learn(dataset: Dataset, folder: Path) -> Outcome:
        asked, said = unspoilt(dataset), StringIO()
        with logged(said):
            count, particle = BASELINES[name](dataset, 0)(asked, slice(0, len(asked)))
        assert "of validation patterns right" in said.getvalue()
        return {"count": count, "particle": particle, "said": np.array(said.getvalue())}

    return learn


def script(name: str, dataset: Dataset, wildcards: Mapping[str, str], output: Mapping[str, Path]) -> None:
    """Run a rule's script on an open dataset, whatever folder it asks for."""
    wiring = ModuleType("evaluate.run.job")
    wiring.start = lambda snakemake: (None, SimpleNamespace(dataset=lambda name: None))  # type: ignore[attr-defined]
    snakemake = SimpleNamespace(wildcards=SimpleNamespace(**wildcards), output=SimpleNamespace(**output))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "evaluate.run.job", wiring)
        patch.setattr("frames.store.dataset.open_dataset", lambda folder: dataset)
        runpy.run_path(str(ROOT / "workflow" / "scripts" / "evaluate" / f"{name}.py"), {"snakemake": snakemake})


def control(name: str) -> Learn:
    """Its support set."""

    def learn(dataset: Dataset, folder: Path) -> Outcome:
        script("twin_control", dataset, {"dataset": "any", "control": name}, {"support": folder / "support.npz"})
        return read_support(folder / "support.npz")._asdict()

    return learn


def answers(dataset: Dataset, folder: Path) -> Outcome:
    """About validation patterns, of a network that is asked about both splits, in batches and shards of both."""
    torch.manual_seed(0)
    fit("late3", unspoilt(dataset), RECIPES["in memory"], 0, CPU, folder)
    trained = load_model(folder / "model.pt", CPU)
    table = predict_splits(partial(predict, trained, batch_size=8, memory_gb=STREAMED), dataset, ["validation"])
    return {column: table[column].to_numpy() for column in table.select_dtypes("number")}


def fresh_network(world: Rendered, folder: Path) -> Outcome:
    recipe = replace(RECIPES["in memory"], on_the_fly=True)
    return network(recipe, source=Source(world.config, "noisy", world.inputs))(world.dataset, folder)


def fresh_twin(world: Rendered, folder: Path) -> Outcome:
    recipe = replace(TWINS["in memory"], on_the_fly=True)
    return twin(recipe, Source(world.config, "noisy", world.inputs), "wide")(world.dataset, folder)


def limit(world: Rendered, folder: Path) -> Outcome:
    """How often the best rule is right about the first single hits of the test split."""
    how = {"patterns_per_structure": 2, "orientations": (40,), "seed": 0}
    found = particle_limits(world.dataset, world.config, world.inputs, **how)
    return {column: found[column].to_numpy() for column in found.select_dtypes("number")}


# What may not be seen


def spoil_held_out(dataset: Dataset) -> View:
    """All of the test split, and all of the structure held out, which is the second one."""
    of_it = Dataset.labels(dataset, STRUCTURE) == 1
    return spoil(dataset, in_splits(dataset, "test") | of_it, wrong=NUMBERS)


def renamed(dataset: Dataset) -> Dataset:
    """A dataset that calls the structure held out by another's name."""
    first, second, *others = dataset.structures
    return replace(
        dataset,
        layout=replace(dataset.layout, targets=shot_targets((second, first, *others), dataset.hit_multiplicities)),
    )


NUMBERS = [label for label in LABELS if label != "structure"]
TEST = spoil_splits("test")
LABELS_ALONE = spoil_splits("test", value=None)
LEARNED, CHOSEN = ({split: partial(said, **{split: "test"})} for split in ("train", "validation"))
HELD = {"held out": renamed}

PROTOCOLS = [
    *(Protocol(f"network, {name}", network(recipe), TEST, LEARNED | CHOSEN) for name, recipe in RECIPES.items()),
    Protocol("network on features", network(RECIPES["in memory"], "azimuthal"), TEST, LEARNED | CHOSEN),
    Protocol(
        "weights of the last epoch",
        weights_alone(RECIPES["in memory"]),
        spoil_splits("validation", "test", value=7.0),
        LEARNED | {"validation": partial(said, train="validation")},
    ),
    *(
        Protocol(f"twin, {name}", twin(recipe), spoil_held_out, LEARNED | CHOSEN | HELD)
        for name, recipe in TWINS.items()
    ),
    *(Protocol(f"control {name}", control(name), TEST, LEARNED) for name in CONTROLS),
    Protocol("answers about validation", answers, TEST, CHOSEN),
]
BASELINE_PROTOCOLS = [
    # NaN moves no tree, which has a place of its own for it: wrong labels do.
    *(Protocol(f"baseline {name}, labels", baseline(name), LABELS_ALONE, LEARNED | CHOSEN) for name in BASELINES),
    Protocol("spectral clustering, pixels", baseline("spectral_clustering"), TEST, LEARNED),
]


def of(change: Callable[[Dataset], Dataset]) -> Callable[[Rendered], Rendered]:
    """A world whose dataset is changed."""
    return lambda world: world._replace(dataset=change(world.dataset))


def without_held_out(world: Rendered) -> Rendered:
    """Poison of all that a fresh twin may not see, and no file to render the structure held out from."""
    volumes = world.inputs.volumes | {"wide": Path("held out")}
    return of(spoil_held_out)(world)._replace(inputs=replace(world.inputs, volumes=volumes))


RENDERED_PROTOCOLS = [
    Protocol(
        "network, fresh",
        fresh_network,
        of(spoil_splits("train", "test")),
        {"validation": of(CHOSEN["validation"]), "train": of(partial(said, validation="train"))},
    ),
    Protocol(
        "twin, fresh", fresh_twin, without_held_out, {k: of(leak) for k, leak in (LEARNED | CHOSEN | HELD).items()}
    ),
    Protocol(
        "limit",
        limit,
        of(spoil_splits("train", "validation", value=0.0, wrong=["structure"])),
        {"test": of(partial(said, test="train"))},
    ),
]


def named(protocols: Sequence[Protocol]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("protocol", protocols, ids=lambda protocol: protocol.name)


def leaking(protocols: Sequence[Protocol]) -> pytest.MarkDecorator:
    each = [(protocol, leak) for protocol in protocols for leak in protocol.leaks]
    return pytest.mark.parametrize(("protocol", "leak"), each, ids=[f"{p.name}: {leak}" for p, leak in each])


@pytest.mark.parametrize("kind", ["expected", "counted"])
@named(PROTOCOLS)
def test_what_may_not_be_seen_is_not_used(stored, tmp_path, protocol, kind):
    must_not_see(protocol, stored[kind], tmp_path)


@leaking(PROTOCOLS)
def test_what_is_used_is_noticed(stored, tmp_path, protocol, leak):
    with pytest.raises(Leak):
        must_not_see(protocol, stored["expected"], tmp_path, leak)


@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
@named(BASELINE_PROTOCOLS)
def test_baselines_do_not_use_it_either(combed, tmp_path, protocol):
    must_not_see(protocol, combed, tmp_path)


@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
@leaking(BASELINE_PROTOCOLS)
def test_what_baselines_use_is_noticed(combed, tmp_path, protocol, leak):
    with pytest.raises(Leak):
        must_not_see(protocol, combed, tmp_path, leak)


@named(RENDERED_PROTOCOLS)
def test_nor_does_what_renders(rendered, tmp_path, protocol):
    must_not_see(protocol, rendered, tmp_path)


@leaking(RENDERED_PROTOCOLS)
def test_what_is_used_beside_rendering_is_noticed(rendered, tmp_path, protocol, leak):
    with pytest.raises(Leak):
        must_not_see(protocol, rendered, tmp_path, leak)


def test_what_is_held_out_is_not_rendered(rendered, tmp_path):
    """A source that renders the structure held out finds no file of it."""
    source = Source(rendered.config, "noisy", without_held_out(rendered).inputs)
    twin(replace(TWINS["in memory"], on_the_fly=True), source, "wide")(rendered.dataset, tmp_path)
    with pytest.raises(FileNotFoundError, match="held out"):
        twin(replace(TWINS["in memory"], on_the_fly=True), source, "narrow")(rendered.dataset, tmp_path)


def test_the_best_rule_does_not_know_the_truth(rendered):
    """All single hits of the test split are said to be of the other structure: it is right where it was wrong."""
    single = (rendered.dataset.hit_multiplicity == 1) & in_splits(rendered.dataset, "test")
    wrong = spoil(rendered.dataset, single, value=None, wrong=["structure"])
    how = {"patterns_per_structure": int(single.sum()) // 2, "orientations": (40,), "seed": 0}
    true, other = (
        particle_limits(dataset, rendered.config, rendered.inputs, **how).query("orientations == 40")[
            "structure_accuracy"
        ]
        for dataset in (rendered.dataset, wrong)
    )
    np.testing.assert_allclose(other, 1 - true)
    assert (np.abs(true - 0.5) > 0.2).all()  # or a rule that knows would not differ from one that does not


def test_a_shard_is_of_all_splits(stored):
    """So that streaming reads what it may not use."""
    dataset = stored["expected"]
    size = dataset.patterns_per_shard
    assert any(
        all(in_splits(dataset, name)[start : start + size].any() for name in ("train", "validation", "test"))
        for start in range(0, len(dataset), size)
    )
