"""Faster operations of ONNX: the same answers to rounding, and nothing replaced that only looks alike."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from train.models.polar.folded import by_twos
from train.models.polar.rings import polar_places
from train.onnx_files.rewrites import TINY, rewritten


class Signs(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.sign()


class Means(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return by_twos(images)


class ByThrees(nn.Module):
    """Of other rows than `by_twos`."""

    def forward(self, images: Tensor) -> Tensor:
        rows = images[:, :, ::4] + images[:, :, 1::4]
        return (rows[..., ::2] + rows[..., 1::2]) / 4


class Halved(nn.Module):
    """Sums, not means, halved."""

    def forward(self, images: Tensor) -> Tensor:
        rows = images[:, :, ::2] + images[:, :, 1::2]
        return (rows[..., ::2] + rows[..., 1::2]) / 2


class Sampled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("places", polar_places(range(4), 10, 8))

    def forward(self, images: Tensor) -> Tensor:
        return grid_sample(images, self.places.expand(images.shape[0], -1, -1, -1), align_corners=False)


def exported(module: nn.Module, path) -> onnx.ModelProto:
    axes = {"images": {0: "batch"}, "out": {0: "batch"}}
    torch.onnx.export(
        module.eval(),
        (torch.rand(2, 3, 16, 16),),
        path,
        dynamo=False,
        opset_version=17,
        input_names=["images"],
        output_names=["out"],
        dynamic_axes=axes,
    )
    return onnx.load(path)


def operations(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("module", "gone", "there", "exactly"),
    [
        (Signs(), {"Sign"}, {"Div"}, True),
        (Means(), {"Slice", "Div"}, {"AveragePool"}, False),
        (Sampled(), {"Expand", "Shape"}, {"GridSample", "Reshape"}, False),
    ],
)
def test_what_is_replaced_answers_the_same(module, gone, there, exactly, tmp_path):
    """Four terms added in another order, or weighed at places worked out once: some ulp of numbers up to 1e3."""
    before = exported(module, tmp_path / "network.onnx")
    assert gone <= operations(before)
    kept = before.SerializeToString()
    after = rewritten(before)
    assert not gone & operations(after)
    assert there <= operations(after)
    onnx.checker.check_model(after, full_check=True)
    generator = np.random.default_rng(0)
    for n in (1, 3):
        images = (1e3 * generator.normal(size=(n, 3, 16, 16))).astype(np.float32)
        images[0, 0, 0] = [0.0, -0.0, TINY, -TINY, *images[0, 0, 0, 4:]]
        one, other = (
            onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"images": images})[0]
            for file in (kept, after.SerializeToString())
        )
        np.testing.assert_allclose(other, one, rtol=0, atol=0 if exactly else 1e3 * 8 * np.finfo(np.float32).eps)
        with torch.inference_mode():
            np.testing.assert_allclose(other, module(torch.from_numpy(images)).numpy(), rtol=0, atol=1e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("module", [ByThrees(), Halved()])
def test_what_only_looks_alike_stays(module, tmp_path):
    before = exported(module, tmp_path / "network.onnx")
    kept = [node.SerializeToString() for node in before.graph.node]
    assert [node.SerializeToString() for node in rewritten(before).graph.node] == kept
