"""Systems of crystals and of a virus: what learns, and what chooses, does not see the frames that it is tested on."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from evaluate.sfx.experiments import run_system
from evaluate.virus.config import DetectionConfig, SelectionConfig
from evaluate.virus.em import EMConfig
from evaluate.virus.files import SINGLE
from evaluate.virus.methods import Experiment, Selected, em, ours, spectral, yolo
from support.made.hit_frames import candidates
from support.poison import COUNTS, Leak, Outcome, Protocol, must_not_see
from train.batches.hits import HitData, split_rows
from train.config.hits import LearningConfig
from train.config.single_hits import DetectRecipe, FindRecipe
from train.loop.checkpoint import load

CPU = torch.device("cpu")


def weights(folder: Path) -> Outcome:
    """Of every network that a folder holds."""
    return {
        f"{path.parent.relative_to(folder)}/{name}": value.numpy()
        for path in sorted(folder.rglob("model.pt"))
        for name, value in load(path)["weights"].items()
    }


# Crystals

SIZES = 24, 12, 12
RECIPE = {"epochs": 2, "batch_size": 8}
METHODS: dict[str, dict] = {
    "supervised": {},
    "transfer": {"base": "supervised", "recipe": {"frozen_blocks": [1]}},
    "adversarial": {"recipe": {"checkpoint": "last"}},
    "self_training": {},
}
LEARNING = LearningConfig.model_validate(
    {
        "labels": {"few": dict(zip(("train", "validation", "test"), SIZES, strict=True))},
        "seeds": [0],
        "orders": ["shuffled"],
        "systems": {
            name: {
                "network": "spots",
                "labels": ["few"],
                "method": name,
                "recipe": RECIPE | how.pop("recipe", {}),
                **how,
            }
            for name, how in METHODS.items()
        },
    }
)


class Crystals(NamedTuple):
    """Two datasets."""

    data: Mapping[str, HitData]
    order: str = "shuffled"
    """by which the first is split; poison lies where shuffling has its test frames"""


def marred(data: HitData, rows: NDArray[np.int64], *, frames: bool) -> HitData:
    """These rows with the wrong answer and, unless the frames may be seen, without a number in them."""
    inputs, label = data.inputs.copy(), data.label.copy()
    label[rows] = 2 - label[rows]
    if frames:
        inputs[rows] = np.nan
    return HitData(data.name, inputs, label, data.row)


def poisoned_crystals(world: Crystals, name: str) -> Crystals:
    """Of the first dataset the test frames; of the second what the system may not see of it.

    Transfer has training frames of its own there; what adapts without labels sees its frames, not what is said of them.
    """
    first, second = world.data.values()
    test = [split_rows(len(data), SIZES, "shuffled", 0).test for data in (first, second)]
    theirs = test[1] if name == "transfer" else second.row
    spoilt = marred(first, test[0], frames=True), marred(second, theirs, frames=name in ("supervised", "transfer"))
    return world._replace(data=dict(zip(world.data, spoilt, strict=True)))


def hits_learned(name: str, world: Crystals, folder: Path) -> Outcome:
    """Weights, and what is said of the validation frames."""
    learning = LEARNING.model_copy(update={"orders": (world.order,)})
    if name == "transfer":
        run_system(learning, "supervised", "first", world.data, folder, CPU, measure_threads=False)
    table = run_system(learning, name, "first", world.data, folder, CPU, measure_threads=False)
    asked = table[table["split"] == "validation"]
    return {**weights(folder), "p_hit": asked["p_hit"].to_numpy(), "row": asked["row"].to_numpy()}


CRYSTALS = [
    Protocol(
        f"crystals, {name}",
        lambda world, folder, name=name: hits_learned(name, world, folder),
        lambda world, name=name: poisoned_crystals(world, name),
        {"another split": lambda world: world._replace(order="sequential")},
    )
    for name in METHODS
]


@pytest.fixture(scope="module")
def crystals() -> Crystals:
    return Crystals({"first": candidates(48, name="first"), "second": candidates(48, 1, name="second")})


@pytest.mark.parametrize("protocol", CRYSTALS, ids=lambda protocol: protocol.name)
def test_networks_that_find_hits_do_not_see_what_they_are_tested_on(
    protocol: Protocol, crystals: Crystals, tmp_path: Path
) -> None:
    must_not_see(protocol, crystals, tmp_path)


@pytest.mark.parametrize("protocol", CRYSTALS, ids=lambda protocol: protocol.name)
def test_a_split_that_holds_the_poison_is_found_out(protocol: Protocol, crystals: Crystals, tmp_path: Path) -> None:
    with pytest.raises(Leak):
        must_not_see(protocol, crystals, tmp_path, "another split")


# A virus

HOW = SelectionConfig(
    n_rings=8,
    n_angles=8,
    r_min_pixels=1,
    em=EMConfig(n_classes=4, n_iterations=4),
    finder=FindRecipe(epochs=1, iterations=2, members=1, batch_size=8),
)
DETECTION = DetectionConfig(
    methods=("yolov2_jet_linear",),
    image_size=64,
    width=0.05,
    recipe=DetectRecipe(optimiser="adamw", schedule="cosine", batch_size=8, epochs=5, iterations=1),
)


@pytest.fixture(scope="module")
def virus() -> Experiment:
    """60 frames, of which single hits have rings and others stripes."""
    generator = np.random.default_rng(3)
    single = np.arange(60) % 3 == 0
    y, x = np.mgrid[:32, :32] - 15.5
    rate = np.where(single[:, None, None], 3 + 3 * np.cos(np.hypot(x, y)), 3 + 3 * np.cos(x))
    table = pd.DataFrame(
        {
            "frame": np.arange(60),
            "split": np.repeat(["train", "validation", "test"], [24, 12, 24]),
            "manual": np.where(single, SINGLE, "other"),
        }
    )
    return Experiment(generator.poisson(rate).astype(np.float32), table, np.zeros((32, 32), bool), (15.5, 15.5))


def labels_turned(run: Experiment, split: str = "test") -> Experiment:
    """What the person says of the test frames is wrong."""
    turned = np.where(run.single, "other", SINGLE)
    return replace(
        run, table=run.table.assign(manual=np.where(run.table["split"] == split, turned, run.table["manual"]))
    )


def without_test_frames(run: Experiment) -> Experiment:
    frames = run.frames.copy()
    frames[run.rows("test")] = np.nan
    return replace(labels_turned(run), frames=frames)


def bright_test_frames(run: Experiment) -> Experiment:
    """Pictures of NaN are none; so bright a frame would move whatever learned from it."""
    frames = run.frames.copy()
    frames[run.rows("test")] = COUNTS
    return replace(labels_turned(run), frames=frames)


def said(selected: Selected, frames: NDArray) -> Outcome:
    return {"frame": selected.frame, "chosen": selected.chosen, "score": selected.score, "of": frames}


def ours_learned(run: Experiment, folder: Path) -> Outcome:
    ours(run, HOW, 0, folder)
    return weights(folder)


def detector_learned(run: Experiment, folder: Path) -> Outcome:
    yolo(run, "yolov2_jet_linear", DETECTION, 0, folder)
    return weights(folder)


def by_ours(run: Experiment, folder: Path) -> Outcome:
    return said(ours(run, HOW, 0, folder), run.rows("test"))


def by_classes(run: Experiment, folder: Path) -> Outcome:
    selected, _, good = em(run, HOW, 0)
    return said(selected, good)


def by_clusters(run: Experiment, folder: Path) -> Outcome:
    return said(spectral(run, HOW, 0, n_clusters=6), run.rows("test"))


def told_that_test_is_training(run: Experiment) -> Experiment:
    """A run whose splits have changed names; what is poison follows the names of the honest one."""
    other = {"train": "test", "test": "train"}
    return replace(run, table=run.table.assign(split=run.table["split"].map(lambda split: other.get(split, split))))


NAMES = {"test is training": told_that_test_is_training}

VIRUS = [
    Protocol("virus, weights of ours", ours_learned, without_test_frames, NAMES),
    Protocol("virus, weights of a detector", detector_learned, bright_test_frames, NAMES),
    Protocol("virus, ours", by_ours, labels_turned, NAMES),
    Protocol("virus, EM classes", by_classes, labels_turned, NAMES),
    Protocol("virus, clusters", by_clusters, labels_turned, NAMES),
]


@pytest.mark.parametrize("protocol", VIRUS, ids=lambda protocol: protocol.name)
def test_selections_do_not_hang_on_what_is_said_of_test_frames(
    protocol: Protocol, virus: Experiment, tmp_path: Path
) -> None:
    must_not_see(protocol, virus, tmp_path)


@pytest.mark.parametrize("protocol", VIRUS, ids=lambda protocol: protocol.name)
def test_splits_of_other_names_are_found_out(protocol: Protocol, virus: Experiment, tmp_path: Path) -> None:
    with pytest.raises(Leak):
        must_not_see(protocol, virus, tmp_path, "test is training")
