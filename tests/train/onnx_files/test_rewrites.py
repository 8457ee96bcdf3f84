"""Faster operations of ONNX: the same answers to rounding, and nothing replaced that only looks alike."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from train.models.polar.folded import by_twos
from train.models.polar.polar import Around
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


class Spread(nn.Module):
    """Over the last axis, which is taken away and put back."""

    def forward(self, images: Tensor) -> Tensor:
        mean = images.mean(3)
        return torch.cat(((images - mean[..., None]).square().mean(3).flatten(1), mean.flatten(1)), 1)


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.BatchNorm1d(256)
        for values in self.norm.parameters():
            nn.init.uniform_(values, 0.5, 2)
        self.norm.running_mean.uniform_(-1, 1)
        self.norm.running_var.uniform_(0.5, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(images.mean(1).flatten(1))


class AsMaps(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images[:, 0, None].transpose(0, 1).relu()


class Twice(nn.Module):
    """Two convolutions around in the angles, and one more of what the first makes where `shared`."""

    def __init__(self, stride: int = 1, *, shared: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = Around(3, 4, 3, stride), Around(4, 4, 3, 2)
        self.shared = shared

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images / 1e3).relu()
        answer = self.second(maps)
        return answer + maps.mean() if self.shared else answer


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
        (Spread(), {"Unsqueeze", "Squeeze"}, {"Identity", "Flatten"}, False),
        (Normed(), {"BatchNormalization"}, {"Mul"}, False),
        (AsMaps(), {"Transpose"}, {"Unsqueeze"}, True),
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
        ulp = max(1e3, np.abs(one).max()) * np.finfo(np.float32).eps
        np.testing.assert_allclose(other, one, rtol=0, atol=0 if exactly else 8 * ulp)
        with torch.inference_mode():
            np.testing.assert_allclose(other, module(torch.from_numpy(images)).numpy(), rtol=0, atol=8 * ulp)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("module", [ByThrees(), Halved()])
def test_what_only_looks_alike_stays(module, tmp_path):
    before = exported(module, tmp_path / "network.onnx")
    kept = [node.SerializeToString() for node in before.graph.node]
    assert [node.SerializeToString() for node in rewritten(before).graph.node] == kept


def sliced(model: onnx.ModelProto) -> int:
    return sum(node.op_type == "Slice" for node in model.graph.node)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("module", "left"), [(Twice(), 2), (Twice(2), 4), (Twice(shared=True), 4)])
def test_two_convolutions_around_are_continued_at_one_end_each(module, left, tmp_path):
    """By half of the slices, unless the first leaves angles out or others see what it makes, which is turned."""
    before = exported(module, tmp_path / "network.onnx")
    kept = before.SerializeToString()
    after = rewritten(before)
    assert (sliced(onnx.load_from_string(kept)), sliced(after)) == (4, left)
    onnx.checker.check_model(after, full_check=True)
    images = (1e3 * np.random.default_rng(0).normal(size=(3, 3, 16, 16))).astype(np.float32)
    one, other = (
        onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"images": images})[0]
        for file in (kept, after.SerializeToString())
    )
    np.testing.assert_allclose(other, one, rtol=0, atol=1e-5)
