"""Trained networks as files, and what they answer when they are loaded again."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from frames.store.dataset import open_dataset
from frames.targets import shot_targets
from support.datasets import make_dataset
from train.config.recipe import Recipe
from train.inference.predict import predict
from train.loop.checkpoint import TrainedModel, load, load_model, save
from train.tasks.classify import fit

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=1, batch_size=16, target_weights={"hit_multiplicity": 3.0})


@pytest.fixture(scope="module")
def model_file(toy, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    fit("late10", toy, RECIPE, 3, CPU, folder)
    return folder / "model.pt"


@pytest.fixture(scope="module")
def trained(model_file) -> TrainedModel:
    return load_model(model_file, CPU)


def test_a_model_file_says_all_that_was_trained(trained, toy):
    description = trained.description
    assert (description.model, description.dataset, description.seed) == ("late10", "toy", 3)
    assert description.targets == shot_targets(["left", "right"], [1, 2])
    assert description.image_shape == (128, 128)
    assert description.recipe == RECIPE
    assert trained.epoch.epoch == 1
    assert not trained.model.training


def test_a_model_of_the_recipes_former_keys_is_the_same_network(trained, model_file, toy, tmp_path):
    saved = load(model_file)
    recipe = saved["description"]["recipe"]
    former = {"missing": "detector_dropout", "input": "input_transform", "keep": "checkpoint", "fresh": "on_the_fly"}
    for old, new in former.items():
        recipe[old] = recipe.pop(new)
    recipe["count_weight"] = recipe.pop("target_weights")["hit_multiplicity"]
    told, epoch = saved["description"], saved["epoch"]
    del told["targets"]
    told |= {"structures": ("left", "right"), "hit_multiplicities": (1, 2)}
    heads, flags = epoch.pop("validation_accuracies"), epoch.pop("is_collapsed")
    for old, new in (("count", "hit_multiplicity"), ("particle", "structure")):
        epoch |= {f"validation_{old}_accuracy": heads[new], f"{old}_collapsed": flags[new]}
        for part in ("weight", "bias"):
            saved["weights"][f"heads.{old}.{part}"] = saved["weights"].pop(f"heads.layers.of_{new}.{part}")
    save(tmp_path / "model.pt", saved)
    found = load_model(tmp_path / "model.pt", CPU)
    assert (found.description, found.epoch) == (trained.description, trained.epoch)
    rows = toy.splits["test"]
    for one, other in zip(predict(found, toy, rows), predict(trained, toy, rows), strict=True):
        np.testing.assert_array_equal(one, other)
    recipe["keep"] = "best_validation"
    save(tmp_path / "model.pt", saved)
    assert load_model(tmp_path / "model.pt", CPU).description.recipe == replace(RECIPE, checkpoint="best")


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_model_is_an_error_that_names_it(model_file, tmp_path, fraction):
    contents = model_file.read_bytes()
    torn = tmp_path / "torn.pt"
    torn.write_bytes(contents[: int(fraction * len(contents))])
    with pytest.raises(ValueError, match=r"torn\.pt is damaged"):
        load_model(torn, CPU)


def test_a_flipped_bit_is_found(model_file, tmp_path):
    contents = bytearray(model_file.read_bytes())
    contents[len(contents) // 2] ^= 1  # among the weights, where any number is as good as another
    (tmp_path / "rotten.pt").write_bytes(contents)
    with pytest.raises(ValueError, match="Bad CRC"):
        load_model(tmp_path / "rotten.pt", CPU)


def test_a_missing_model_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.pt"):
        load_model(tmp_path / "none.pt", CPU)


def test_another_file_is_not_taken_for_a_model(tmp_path):
    save(tmp_path / "other.pt", {"weights": {}})
    with pytest.raises(ValueError, match="does not hold a model"):
        load_model(tmp_path / "other.pt", CPU)


class Malicious:
    def __reduce__(self):
        return (print, ("this ran",))


def test_no_code_is_run_from_a_file(tmp_path, capsys):
    (tmp_path / "bad.pt").write_bytes(pickle.dumps(Malicious(), protocol=2))
    torch.save({"weights": Malicious()}, tmp_path / "bad2.pt")
    for name in ("bad.pt", "bad2.pt"):
        with pytest.raises(ValueError, match="damaged or no checkpoint"):
            load(tmp_path / name)
    assert capsys.readouterr().out == ""


def test_a_failed_save_leaves_the_old_file(tmp_path):
    save(tmp_path / "state.pt", {"epoch": 1})
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save(tmp_path / "state.pt", {"epoch": lambda: 2})
    assert load(tmp_path / "state.pt") == {"epoch": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_predictions_are_the_softmax_of_the_logits_row_by_row(trained, toy):
    """One image at a time in float64 against batches; float32 rounding over nine layers stays below 1e-5."""
    rows = toy.splits["test"]
    count, particle = predict(trained, toy, rows, batch_size=7)
    assert count.dtype == particle.dtype == np.float32
    images = toy.read(rows).astype(np.float64)
    images = (images - images.mean((1, 2), keepdims=True)) / images.std((1, 2), keepdims=True)
    for row, image in enumerate(images):
        with torch.inference_mode():
            logits = trained.model(torch.from_numpy(image).float()[None, None])
        for ours, head in ((count, logits["hit_multiplicity"]), (particle, logits["structure"])):
            exponentials = np.exp(head[0].double().numpy())
            np.testing.assert_allclose(ours[row], exponentials / exponentials.sum(), atol=1e-5)
    assert len(count) == len(particle) == len(images)


def test_predictions_are_the_same_to_the_bit(model_file, toy):
    """Asked twice, of a network loaded twice, from memory and streamed."""
    rows = toy.splits["test"]
    first = predict(load_model(model_file, CPU), toy, rows, batch_size=16)
    for memory_gb in (1.0, 0.0021):
        again = predict(load_model(model_file, CPU), toy, rows, batch_size=16, memory_gb=memory_gb)
        for one, other in zip(first, again, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("size", "structures", "message"),
    [(128, ["left", "up"], "classes of structure"), (64, ["left", "right"], "image shape")],
)
def test_a_dataset_of_other_classes_is_refused(trained, tmp_path, size, structures, message):
    images = np.ones((20, size, size), np.float32)
    folder = make_dataset(tmp_path / "other", images, structures * 10, [1, 1, 2, 2] * 5)
    with pytest.raises(ValueError, match=message):
        predict(trained, open_dataset(folder), slice(0, 20))
