"""Networks as screening asks them: of every kind the kept class's probability, and what is refused says why."""

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest
import torch
from onnx import TensorProto, helper

from frames.files import sha256, write_arrays, write_table
from frames.store.dataset import Dataset
from frames.targets import Target, shot_targets
from screen.network.networks import load_network
from screen.network.threshold import threshold_of
from train.batches.input_transforms import network_input
from train.config.recipe import Recipe, TwinRecipe
from train.export import export, export_twin
from train.few_shot.classifiers import between_means
from train.few_shot.logistic import adapt, fit, probability
from train.few_shot.support import SupportSet
from train.loop.checkpoint import (
    Description,
    TrainedModel,
    TwinDescription,
    load_encoder,
    network,
    save_model,
)
from train.loop.history import Epoch, TwinEpoch
from train.models.encoder import encoder

CPU = torch.device("cpu")
SIDE = 128
OF = {"image_shape": (SIDE, SIDE), "seed": 0, "dataset": "toy", "dataset_digest": "abc", "source": "def"}


@pytest.fixture(scope="module")
def frames(toy: Dataset) -> np.ndarray:
    return toy.read(slice(0, 24)).astype(np.float32)


@pytest.fixture(scope="module")
def classifier() -> TrainedModel:
    """Random weights; the kept class is neither the first question's first class nor the first question."""
    torch.manual_seed(0)
    targets = Target("structure", ("left", "right")), Target("hit_multiplicity", (0, 1, 2), 1)
    description = Description(model="late3", targets=targets, recipe=Recipe(input_transform="photons"), **OF)
    return TrainedModel(
        network(description, CPU).eval(), description, Epoch(**dict.fromkeys(Epoch.__dataclass_fields__, 1))
    )


@pytest.fixture(scope="module")
def classifier_file(classifier: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("classifier") / "model.pt"
    save_model(path, classifier.description, classifier.epoch, classifier.model.state_dict())
    return path


@pytest.fixture(scope="module")
def twin_file(toy: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder of random weights, and toy patterns as its support set."""
    path = tmp_path_factory.mktemp("twin") / "model.pt"
    torch.manual_seed(0)
    recipe = TwinRecipe(embedding_dim=4)
    description = TwinDescription(
        model="late3", targets=shot_targets(("left", "right"), (1, 2)), recipe=recipe, held_out=(), **OF
    )
    epoch = TwinEpoch(**dict.fromkeys(TwinEpoch.__dataclass_fields__, 1))
    save_model(path, description, epoch, encoder("late3", 4, "rms").state_dict())
    images, is_single = toy.read(slice(0, 60)).astype(np.float32), np.arange(60) // 2 % 2 == 0
    embeddings = embedded(path, images)
    write_arrays(
        path.with_name("support.npz"), {"embeddings": embeddings, "is_single": is_single, "model": sha256(path)}
    )
    return path


def embedded(path: Path, images: np.ndarray) -> np.ndarray:
    trained = load_encoder(path, CPU)
    with torch.inference_mode():
        return trained.model(network_input(images, trained.description.recipe.input_transform, CPU)).numpy()


def onnx_of(path: Path, outputs: dict[str, int], **metadata: str) -> Path:
    """A network with outputs (B, classes): class k is the mean of a frame's column k."""
    given = helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["batch", 8, 8])
    told = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", n]) for name, n in outputs.items()]
    nodes = [helper.make_node("ReduceMean", ["frames"], ["mean"], axes=[1], keepdims=0)]
    nodes += [helper.make_node("Slice", ["mean", "zero", f"to_{n}", "axis"], [name]) for name, n in outputs.items()]
    whole = {"zero": 0, "axis": 1} | {f"to_{n}": n for n in outputs.values()}
    numbers = [helper.make_tensor(name, TensorProto.INT64, [1], [value]) for name, value in whole.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "means", [given], told, numbers),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    helper.set_model_props(model, metadata)
    onnx.save(model, str(path))
    return path


def test_a_classifiers_kept_class_is_asked_for_from_either_file(classifier, classifier_file, frames, tmp_path):
    """1e-5: as in test_export.py."""
    with torch.inference_mode():
        logits = classifier.model(network_input(frames, "photons", CPU))
    expected = logits["hit_multiplicity"].softmax(1)[:, 1].numpy()
    assert np.ptp(expected) > 1e-3  # or any column would do
    (tmp_path / "model.onnx").write_bytes(export(classifier, frames))
    for path in (classifier_file, tmp_path / "model.onnx"):
        found = load_network(path)
        assert (found.name, found.image_shape, found.domain) == ("late3", (SIDE, SIDE), None)
        np.testing.assert_allclose(found.predict(frames), expected, rtol=0, atol=1e-5)
        with pytest.raises(ValueError, match="late3 is no twin network: it takes no labels"):
            found.adapted(frames[:4], np.array([True, True, False, False]))


def test_a_twin_answers_by_its_support_set_and_by_a_few_labels_from_either_file(twin_file, toy, frames, tmp_path):
    trained = load_encoder(twin_file, CPU)
    known = toy.read(slice(0, 60)).astype(np.float32)
    support = SupportSet(embedded(twin_file, known), np.arange(60) // 2 % 2 == 0)
    embeddings = embedded(twin_file, frames)
    by_support = probability(between_means(support).scores(embeddings))
    few = np.array([1, 0, 1, 0, 1, 0], bool)
    labelled = frames[[0, 2, 1, 3, 4, 6]][::-1].copy()  # the labels contradict the support set
    by_labels = probability(adapt(fit(support), SupportSet(embedded(twin_file, labelled), few)).scores(embeddings))
    assert np.abs(by_support - by_labels).max() > 1e-3
    (tmp_path / "twin.onnx").write_bytes(export_twin(trained, support, frames))
    for path in (twin_file, tmp_path / "twin.onnx"):
        found = load_network(path)
        # Embeddings agree to 1e-5; distances of classes that lie close magnify that.
        np.testing.assert_allclose(found.predict(frames), by_support, rtol=0, atol=1e-4)
        np.testing.assert_allclose(found.adapted(labelled, few).predict(frames), by_labels, rtol=0, atol=1e-4)
        with pytest.raises(ValueError, match="label"):
            found.adapted(labelled, np.ones(6, bool))


def test_targets_name_the_column_and_metadata_kept_goes_before(tmp_path):
    targets = json.dumps([Target("kind", ("a", "b")).as_json(), Target("hit", ("no", "one", "two"), "one").as_json()])
    frames = np.random.default_rng(0).random((5, 8, 8), np.float32)
    found = load_network(onnx_of(tmp_path / "a.onnx", {"kind": 2, "hit": 3}, targets=targets))
    assert found.name == "a"
    np.testing.assert_allclose(found.predict(frames), frames[:, :, 1].mean(1), rtol=1e-6)
    with pytest.raises(ValueError, match="expected a number for each frame"):
        load_network(onnx_of(tmp_path / "b.onnx", {"kind": 2, "hit": 3}, targets=targets, kept="kind"))


def test_what_tells_nothing_kept_is_refused(tmp_path, classifier):
    said = json.dumps([Target("kind", ("a", "b")).as_json()])
    with pytest.raises(
        ValueError, match=r"a\.onnx tells no class apart that is kept \(kind: a, b\); expected one such"
    ):
        load_network(onnx_of(tmp_path / "a.onnx", {"kind": 2}, targets=said))
    with pytest.raises(ValueError, match=r"b\.onnx has outputs kind; expected p_kept or p_single"):
        load_network(onnx_of(tmp_path / "b.onnx", {"kind": 2}))
    description = replace(classifier.description, targets=(Target("structure", ("left", "right")),))
    model = network(description, CPU)
    save_model(tmp_path / "model.pt", description, classifier.epoch, model.state_dict())
    with pytest.raises(ValueError, match=r"model\.pt tells no class apart that is kept"):
        load_network(tmp_path / "model.pt")
    (tmp_path / "c.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"c\.onnx is no network that onnxruntime reads"):
        load_network(tmp_path / "c.onnx")
    with pytest.raises(FileNotFoundError, match="there is no"):
        load_network(tmp_path / "d.onnx")


def test_frames_of_another_size_need_a_table(classifier_file):
    with pytest.raises(ValueError, match=r"frames are of 9 x 9 pixels, but late3 was trained on 128 x 128; give the t"):
        load_network(classifier_file).must_take((9, 9), "frames")


def test_thresholds_come_from_a_purity_and_from_a_yield(tmp_path):
    """In a table beside the model; or of a run's validation split, by Wilson's bound written out."""
    place = tmp_path / "run" / "models" / "toy" / "late3" / "seed2"
    place.mkdir(parents=True)
    model = place / "model.pt"
    generator = np.random.default_rng(0)
    n = 400
    score, single = generator.random(n), generator.random(n) < 0.5
    split = np.array(["train", "validation"])[np.arange(n) // 100 % 2]
    predictions = tmp_path / "run" / "predictions" / "toy" / "toy"
    predictions.mkdir(parents=True)
    columns = {"split": split, "p_hit_multiplicity_1": score, "hit_multiplicity": np.where(single, 1, 2)}
    write_table(predictions / "late3-seed2.parquet", pa.table(columns))
    found = threshold_of(model, yield_=0.8)
    of = score[single & (split == "validation")]

    def lower(k: int) -> float:
        """Smallest p from which k of all lie within 1.645 standard deviations of p n, by bisection."""
        low, high = 0.0, k / len(of)
        for _ in range(60):
            p = (low + high) / 2
            if k / len(of) - p > 1.644854 * np.sqrt(p * (1 - p) / len(of)):
                low = p
            else:
                high = p
        return low

    trusted = [t for t in of if lower(int((of >= t).sum())) >= 0.8]
    assert found.value == max(trusted)
    with pytest.raises(ValueError, match="too few to trust a yield of 1"):
        threshold_of(model, yield_=1.0)

    with open(place / "selection.csv", "w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["target_purity", "target_yield", "threshold"])
        rows.writerows([[0.95, "", 0.625], ["", 0.9, 0.25]])
    assert threshold_of(model, purity=0.95).value == 0.625
    assert threshold_of(model, yield_=0.9).value == 0.25
    with pytest.raises(ValueError, match=r"has no target_yield 0\.8 for this model; it has 0\.9"):
        threshold_of(model, yield_=0.8)


def test_without_onnxruntime_the_error_names_it(tmp_path, monkeypatch):
    path = onnx_of(tmp_path / "a.onnx", {"kind": 2})
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModuleNotFoundError, match="onnxruntime"):
        load_network(path)
