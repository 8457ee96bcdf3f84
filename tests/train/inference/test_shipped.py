"""A twin network from one ONNX file: the same answers as torch's, and no pickle on the way."""

import base64

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from frames.files import sha256, write_arrays
from frames.targets import shot_targets
from train.config.recipe import TwinRecipe
from train.export import ExportedTwin, export_twin, to_onnx
from train.few_shot.classifiers import between_means
from train.few_shot.logistic import fit, probability
from train.few_shot.support import SupportSet
from train.inference.embed import embed_frames
from train.inference.shipped import load_onnx, load_twin
from train.loop.checkpoint import TwinDescription, load_encoder, save_model
from train.loop.history import TwinEpoch
from train.models.encoder import encoder
from train.onnx_files.constants import without_wide_rings
from train.onnx_files.trials import trial_frames

CPU = torch.device("cpu")
NUMBERS = np.array([1, 2, 3, 4, 1, 2, 1, 4])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """`model.pt` with its support set, and the same as `model.onnx`: `folded`, with random weights."""
    folder = tmp_path_factory.mktemp("twin")
    recipe = TwinRecipe(embedding_dim=4, distance="squared_l2", input_transform="photons")
    torch.manual_seed(0)
    weights = encoder("folded", 4, "squared_l2").state_dict()
    described = {"targets": shot_targets(("a",), (1, 2, 3, 4)), "image_shape": (128, 128), "held_out": ()}
    names = {"dataset": "toy", "dataset_digest": "abc", "source": "def"}
    description = TwinDescription(model="folded", recipe=recipe, seed=0, **described, **names)
    epoch = TwinEpoch(**dict.fromkeys(TwinEpoch.__dataclass_fields__, 1))
    save_model(folder / "model.pt", description, epoch, weights)
    trained, frames = load_encoder(folder / "model.pt", CPU), trial_frames((128, 128))
    embeddings = embed_frames(trained, frames)
    arrays = {"embeddings": embeddings, "is_single": NUMBERS == 1, "hit_multiplicity": NUMBERS}
    write_arrays(folder / "support.npz", {**arrays, "model": sha256(folder / "model.pt")})
    support = SupportSet(embeddings, NUMBERS == 1)
    (folder / "model.onnx").write_bytes(export_twin(trained, support, frames, NUMBERS))
    return folder


def test_both_files_are_the_same_network(files):
    frames = trial_frames((128, 128), 70)  # more than are answered for at once
    one, other = load_twin(files / "model.onnx"), load_twin(files / "model.pt")
    assert one.description == other.description
    np.testing.assert_allclose(one.embed(frames), other.embed(frames), atol=1e-4)
    np.testing.assert_array_equal(one.support.embeddings, other.support.embeddings)
    np.testing.assert_array_equal(one.support.is_single, other.support.is_single)
    np.testing.assert_array_equal(one.hit_multiplicity, NUMBERS)
    np.testing.assert_array_equal(other.hit_multiplicity, NUMBERS)
    assert one.embed(frames[:0]).shape == (0, 4)


def test_counts_are_taken_as_they_are_read(files):
    counts = trial_frames((128, 128)).clip(0, 60_000).astype(np.uint16)
    twin = load_twin(files / "model.onnx")
    np.testing.assert_array_equal(twin.embed(counts), twin.embed(counts.astype(np.float32)))


def test_images_of_another_size_are_refused(files):
    with pytest.raises(ValueError, match=r"images of \(64, 64\) pixels, but folded"):
        load_twin(files / "model.onnx").must_take((64, 64))


def test_what_is_no_twin_is_refused(files, tmp_path):
    with pytest.raises(FileNotFoundError, match="singlehit onnx"):
        load_onnx(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ValueError, match=r"text\.onnx is no network"):
        load_onnx(tmp_path / "text.onnx")
    for key, message in (("support_embeddings", "no twin network"), ("image_shape", "damaged")):
        model = onnx.load(files / "model.onnx")
        kept = {entry.key: entry.value for entry in model.metadata_props if entry.key != key}
        onnx.helper.set_model_props(model, kept)
        onnx.save(model, tmp_path / "model.onnx")
        with pytest.raises(ValueError, match=message):
            load_onnx(tmp_path / "model.onnx")


def test_numbers_that_are_not_those_of_the_support_set_are_refused(files, tmp_path):
    model = onnx.load(files / "model.onnx")
    kept = {entry.key: entry.value for entry in model.metadata_props} | {"support_hit_multiplicity": "2 2 2"}
    onnx.helper.set_model_props(model, kept)
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="hit multiplicities"):
        load_onnx(tmp_path / "model.onnx")


def test_matrices_of_rings_are_kept_small_and_the_same(files):
    """Each of two matrices is 4 MB of float32; of 1.7 MB of weights and 0.5 MB of places and columns 3 MB are left."""
    assert (files / "model.onnx").stat().st_size < 3e6
    matrix = np.zeros((400, 100), np.float32)
    rows = np.arange(390)
    matrix[rows, rows % 99] = 1 / np.bincount(rows % 99)[rows % 99].astype(np.float32)
    full = np.random.default_rng(0).random((400, 100), dtype=np.float32)
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (400, 100))
    out = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (400, 100)) for name in ("y", "z")]
    nodes = [
        onnx.helper.make_node("Constant", [], [f"{name}c"], value=numpy_helper.from_array(values))
        for name, values in (("y", matrix), ("z", full))
    ] + [onnx.helper.make_node("Add", ["x", f"{name}c"], [name]) for name in ("y", "z")]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, "two", [x], out), opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    smaller = without_wide_rings(model)
    assert "OneHot" in {node.op_type for node in smaller.graph.node}
    session = onnxruntime.InferenceSession(smaller.SerializeToString())
    for found, values in zip(session.run(None, {"x": np.zeros((400, 100), np.float32)}), (matrix, full), strict=True):
        np.testing.assert_array_equal(found, values)


def test_files_without_numbers_of_particles_still_answer(files, tmp_path):
    trained = load_encoder(files / "model.pt", CPU)
    support = load_twin(files / "model.pt").support
    answer = ExportedTwin([trained.model], ["photons"], support).eval()
    said = {
        "support_embeddings": base64.b64encode(np.ascontiguousarray(support.embeddings, "<f4").tobytes()).decode(),
        "support_is_single": "".join(str(int(single)) for single in support.is_single),
    }
    (tmp_path / "old.onnx").write_bytes(to_onnx(answer, trained.description, said))
    assert load_twin(tmp_path / "old.onnx").hit_multiplicity is None


@pytest.mark.parametrize("answers_by", ["means", "regression"])
def test_sureness_multiplies_log_odds_of_a_pattern_alone(files, tmp_path, answers_by):
    """In the file's own output and in Python; which patterns are called single it does not touch."""
    trained, frames = load_encoder(files / "model.pt", CPU), trial_frames((128, 128))
    support = load_twin(files / "model.pt").support
    odds, told = {}, {}
    for sureness in (1.0, 1.5):
        contents = export_twin(trained, support, frames, NUMBERS, answers_by, sureness=sureness)
        (tmp_path / "model.onnx").write_bytes(contents)
        twin = load_twin(tmp_path / "model.onnx")
        assert twin.sureness == sureness
        odds[sureness] = twin.alone.scores(twin.embed(frames))
        (told[sureness],) = onnxruntime.InferenceSession(contents).run(["p_single"], {"frames": frames})
        np.testing.assert_allclose(told[sureness], probability(odds[sureness]), atol=1e-4)
    np.testing.assert_allclose(odds[1.5], 1.5 * odds[1.0], rtol=1e-6, atol=1e-4)
    np.testing.assert_array_equal(told[1.5] > 0.5, told[1.0] > 0.5)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "much"])
def test_sureness_that_is_no_positive_number_is_refused(files, tmp_path, value):
    model = onnx.load(files / "model.onnx")
    said = {entry.key: entry.value for entry in model.metadata_props} | {"sureness": value}
    onnx.helper.set_model_props(model, said)
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="damaged"):
        load_onnx(tmp_path / "model.onnx")


def test_a_regression_answers_where_the_file_says_so(files, tmp_path):
    trained, frames = load_encoder(files / "model.pt", CPU), trial_frames((128, 128))
    support = load_twin(files / "model.pt").support
    contents = export_twin(trained, support, frames, NUMBERS, "regression")
    (tmp_path / "model.onnx").write_bytes(contents)
    twin = load_twin(tmp_path / "model.onnx")
    assert twin.answers_by == "regression"
    (p_single,) = onnxruntime.InferenceSession(contents).run(["p_single"], {"frames": frames})
    np.testing.assert_allclose(p_single, probability(fit(support).scores(twin.embed(frames))), atol=1e-4)
    assert np.abs(p_single - probability(between_means(support).scores(twin.embed(frames)))).max() > 1e-3
    assert load_twin(files / "model.onnx").answers_by == "means"
