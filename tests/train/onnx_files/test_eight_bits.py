"""Networks in 8 bits: against arithmetic by hand, and what changes is measured as it is said."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.train.test_export import trained
from train.export import export
from train.onnx_files.eight_bits import changed, quantised
from train.onnx_files.trials import trial_frames

SIZE = 8


def dense_network(seed: int = 0) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Two dense layers on the pixels, with a ReLU between; the weights of both."""
    generator = np.random.default_rng(seed)
    first, second = (generator.normal(size=shape).astype(np.float32) for shape in ((SIZE * SIZE, 6), (6, 3)))
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["frames"], ["flat"]),
            helper.make_node("Gemm", ["flat", "first"], ["hidden"], name="hidden_layer"),
            helper.make_node("Relu", ["hidden"], ["active"]),
            helper.make_node("Gemm", ["active", "second"], ["answer"], name="answering"),
        ],
        "network",
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["batch", SIZE, SIZE])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(second, "second")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"targets": "[]", "said": "kept"})
    return model.SerializeToString(), first, second


def session(contents: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(contents, providers=["CPUExecutionProvider"])


def test_a_dense_layer_in_8_bits_is_what_rounding_by_hand_gives():
    """Weights to 127ths of the largest of their column, what goes in and comes out to 255ths of its range."""
    contents, first, second = dense_network()
    frames = np.random.default_rng(1).uniform(-1, 3, (64, SIZE, SIZE)).astype(np.float32)
    found = session(quantised(contents, frames)).run(["answer"], {"frames": frames})[0]

    def in_steps(values: np.ndarray, low: float, high: float) -> np.ndarray:
        low, high = min(low, 0.0), max(high, 0.0)
        step = (high - low) / 255
        offset = np.round(-low / step)
        return step * (np.clip(np.round(values / step) + offset, 0, 255) - offset)

    flat = frames.reshape(64, -1)
    step = np.abs(first).max(0) / 127
    hidden = in_steps(flat, flat.min(), flat.max()) @ (np.round(first / step) * step)
    exact = np.maximum(flat @ first, 0)
    hidden = in_steps(np.maximum(hidden, 0), 0.0, exact.max())
    by_hand = hidden @ second  # the answering layer stays as it is
    spread = np.abs(flat @ first @ second).max()
    assert np.abs(found - by_hand).max() < 2 * exact.max() / 255 * np.abs(second).sum(0).max()  # a step more or less
    assert 0 < np.abs(found - exact @ second).max() < 0.05 * spread


def test_layers_are_in_integers_the_last_is_not_and_the_file_says_what_it_said():
    contents, _, second = dense_network()
    made = onnx.load_from_string(quantised(contents, np.ones((4, SIZE, SIZE), np.float32)))
    assert {entry.key: entry.value for entry in made.metadata_props} == {"targets": "[]", "said": "kept"}
    kept = {tensor.name: tensor for tensor in made.graph.initializer}
    types = [tensor.data_type for name, tensor in kept.items() if name.startswith("first")]
    assert TensorProto.INT8 in types
    np.testing.assert_array_equal(numpy_helper.to_array(kept["second"]), second)


def test_the_first_convolution_and_the_last_layer_stay_as_they_are():
    """Of `swift`: six convolutions in integers of seven, and the dense layer before the heads."""
    frames = trial_frames((128, 128), 8)
    made = onnx.load_from_string(quantised(export(trained("swift"), frames), frames))
    kept = {one.name: one.data_type for one in made.graph.initializer}
    made_by = {output: node for node in made.graph.node for output in node.output}
    layers = [node for node in made.graph.node if node.op_type in ("Conv", "Gemm")]

    def is_in_integers(node: onnx.NodeProto) -> bool:
        maker = made_by.get(node.input[1])
        return maker is not None and maker.op_type == "DequantizeLinear" and kept[maker.input[0]] == TensorProto.INT8

    found = [(node.op_type, is_in_integers(node)) for node in layers]
    assert found == [("Conv", False), *[("Conv", True)] * 6, ("Gemm", True), ("Gemm", False), ("Gemm", False)]


def test_what_changes_is_counted():
    """Against a network whose answers are turned by one class for positive frames."""
    contents, first, second = dense_network()
    other = onnx.load_from_string(contents)
    turned = numpy_helper.from_array(np.ascontiguousarray(second[:, [1, 2, 0]]), "second")
    other.graph.initializer[1].CopyFrom(turned)
    frames = np.random.default_rng(2).normal(size=(40, SIZE, SIZE)).astype(np.float32)
    answers = np.maximum(frames.reshape(40, -1) @ first, 0) @ second
    silent = (answers == answers[:, :1]).all(1)  # nothing active: all alike, either way
    assert changed(contents, other.SerializeToString(), frames) == {"answer": pytest.approx(1 - silent.mean())}
    assert changed(contents, contents, frames) == {"answer": 0.0}


def test_nothing_to_calibrate_on_is_refused():
    with pytest.raises(ValueError, match="no patterns to calibrate on"):
        quantised(dense_network()[0], np.zeros((0, SIZE, SIZE), np.float32))


@pytest.mark.parametrize("name", ["late10", "swift"])
def test_a_network_of_ours_in_8_bits_answers_nearly_the_same(name):
    torch.manual_seed(0)
    frames = trial_frames((128, 128), 16)
    contents = export(trained(name), frames)
    made = quantised(contents, frames)
    one, other = (session(file).run(None, {"frames": frames}) for file in (contents, made))
    for exact, found in zip(one, other, strict=True):
        assert 0 < np.abs(exact - found).max() < 0.1
    operations = [node.op_type for node in onnx.load_from_string(made).graph.node]
    assert "QuantizeLinear" in operations
    assert len(made) < len(contents)


def test_maps_are_put_in_integers_once_between_two_convolutions(monkeypatch):
    """Before they are continued around: then nothing is copied but integers, and of what is rounded twice without it,
    before a ReLU and after, one rounding is left. Both are within some steps of the exact answer."""
    frames = trial_frames((128, 128), 16)
    contents = export(trained("swift"), frames)
    made = onnx.load_from_string(quantised(contents, frames))
    monkeypatch.setattr("train.onnx_files.eight_bits.wrapped_in_integers", lambda model: model)
    plain = onnx.load_from_string(quantised(contents, frames))
    counts = [
        [sum(node.op_type == kind for node in model.graph.node) for kind in ("QuantizeLinear", "Slice")]
        for model in (plain, made)
    ]
    assert counts[1][0] < counts[0][0]  # three convolutions are followed by a ReLU and another
    assert counts[1][1] == counts[0][1]
    made_by = {output: node for node in made.graph.node for output in node.output}
    for node in made.graph.node:
        if node.op_type == "QuantizeLinear":
            assert made_by[node.input[0]].op_type != "Concat" or node.input[0].endswith("Flatten")
    exact, once, twice = (
        session(one if isinstance(one, bytes) else one.SerializeToString()).run(None, {"frames": frames})
        for one in (contents, made, plain)
    )
    for answers in zip(exact, once, twice, strict=True):
        errors = [np.abs(answers[0] - answer).max() for answer in answers[1:]]
        assert errors[0] < 2 * errors[1] + 1e-3
