"""A trained network as one ONNX file that needs nothing of ours: photons in, probabilities out.

python -m train.export results/demo/models/noise_free/ours/seed0/model.pt ours.onnx

Input `frames` (B, ny, nx) float32, photons as the detector reads them; the network's input transform is in the file.
Outputs `count` (B, n_multiplicities) and `particle` (B, n_structures): probabilities, in the order of the metadata.
"""

import argparse
import copy
import io
import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from simulate.files import atomic_path, must_be_free
from train.checkpoint import Description, TrainedModel, load_model
from train.inputs import INPUTS

OPSET = 17
"""of ONNX; read by every onnxruntime since 1.12 (2022)"""
OUTPUTS = ("count", "particle")
LEAST_PROBABILITY = 1e-30
"""below it probabilities are not told apart"""


class Answer(nn.Module):
    """From photons to probabilities: what `train.predict` does with a batch."""

    def __init__(self, model: nn.Module, transform: str):
        super().__init__()
        self.model = model
        self.transform = INPUTS[transform]

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(B, ny, nx) -> (B, n_multiplicities), (B, n_structures)."""
        logits = self.model(self.transform(frames[:, None]))
        return logits.count.softmax(1), logits.particle.softmax(1)


def export(trained: TrainedModel, frames: NDArray[np.float32]) -> bytes:
    """The network as the contents of an ONNX file, found by onnxruntime to answer `frames` (n, ny, nx) as torch does.

    ValueError where it does not.
    """
    description = trained.description
    answer = Answer(trained.model, description.recipe.input).eval().cpu()
    contents = to_onnx(answer, description)
    must_agree(contents, answer, frames)
    return contents


def to_onnx(answer: Answer, description: Description) -> bytes:
    """The contents of an ONNX file, with the description as metadata; unchecked.

    By torch's older exporter, which traces: the newer one needs another library and takes ten times as long, and no
    network here has branches that a trace would miss.
    """
    import onnx

    for operation, written in LACKING.items():
        torch.onnx.register_custom_op_symbolic(f"aten::{operation}", written, OPSET)
    contents = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # the size of an image is a constant indeed
        torch.onnx.export(
            answer,
            (torch.rand(2, *description.image_shape),),
            contents,  # type: ignore[arg-type]  # this exporter writes into a stream as well
            dynamo=False,
            opset_version=OPSET,
            input_names=["frames"],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "batch"} for name in ("frames", *OUTPUTS)},
        )
    model = onnx.load_from_string(contents.getvalue())
    onnx.helper.set_model_props(model, metadata(description))
    serialised = model.SerializeToString()
    onnx.checker.check_model(serialised, full_check=True)
    return serialised


def _asinh(graph: Any, x: Any) -> Any:
    return graph.op("Asinh", x)


def _adaptive_average(graph: Any, images: Any, size: Any) -> Any:
    """Mean over equal shares of an image: `size` of them along y and x."""
    shape, wanted = images.type().varyingSizes()[-2:], torch.onnx.symbolic_helper._get_const(size, "is", "size")
    rows, columns = (
        graph.op("Constant", value_t=adaptive_shares(*lengths)) for lengths in zip(shape, wanted, strict=True)
    )
    return graph.op("Einsum", rows, images, columns, equation_s="ry,bcyx,sx->bcrs")


LACKING: dict[str, Callable] = {"asinh": _asinh, "adaptive_avg_pool2d": _adaptive_average}
"""Operations of our networks that torch's exporter does not know, in those of ONNX"""


def adaptive_shares(n: int, n_shares: int) -> Tensor:
    """(n_shares, n): row i averages the pixels that the i-th of `n_shares` equal parts of n pixels touches."""
    first = torch.arange(n_shares) * n // n_shares
    end = -(-torch.arange(1, n_shares + 1) * n // n_shares)
    pixel = torch.arange(n)
    inside = (pixel >= first[:, None]) & (pixel < end[:, None])
    return inside / inside.sum(1, keepdim=True)


def metadata(description: Description) -> dict[str, str]:
    """What the file says of itself; what is no text is JSON."""
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in asdict(description).items()
    }


def must_agree(contents: bytes, answer: Answer, frames: NDArray[np.float32]) -> None:
    """ValueError unless onnxruntime's answers to the frames are torch's, together and one alone.

    Compared are logarithms of probabilities, in which a network that is sure of itself still shows its weights. Both
    libraries add the same float32 terms in orders of their own, so both err alike against torch in float64; ten times
    torch's error (at least an ulp of the largest number) leaves room for the worse order.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(contents, options, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        exact = answer_logs(copy.deepcopy(answer).double()(torch.from_numpy(frames).double()))
        ours = answer_logs(answer(torch.from_numpy(frames)))
    rounding = max(np.abs(ours - exact).max(), np.finfo(np.float32).eps * np.abs(exact).max())
    for n in (len(frames), 1):
        theirs = answer_logs(session.run(list(OUTPUTS), {"frames": frames[:n]}))
        if not (error := np.abs(theirs - exact[:n]).max()) <= 10 * rounding:  # not a number is no agreement either
            raise ValueError(
                f"onnxruntime {onnxruntime.__version__} and torch {torch.__version__} disagree: logarithms of "
                f"probabilities differ by {error:.2g}, and rounding explains {10 * rounding:.2g}; nothing was written. "
                "Check the versions against constraints.txt"
            )


def answer_logs(probabilities: tuple[Tensor, Tensor] | list[NDArray]) -> NDArray[np.float64]:
    """(n, n_multiplicities + n_structures) natural logarithms."""
    both = np.concatenate([np.asarray(head, np.float64) for head in probabilities], axis=1)
    return np.log(np.maximum(both, LEAST_PROBABILITY))


def trial_frames(image_shape: tuple[int, int], n: int = 8) -> NDArray[np.float32]:
    """Made-up patterns (n, ny, nx) of 10 to 1e6 photons, speckle of random points, and one without any photon."""
    generator = np.random.default_rng(0)
    density = np.zeros((n - 1, *image_shape))
    ny, nx = image_shape
    density[:, : ny // 8, : nx // 8] = generator.random((n - 1, ny // 8, nx // 8)) < 0.1
    intensity = np.abs(np.fft.fftshift(np.fft.fft2(density), axes=(1, 2))) ** 2
    intensity *= (np.geomspace(10, 1e6, n - 1) / intensity.sum((1, 2)))[:, None, None]
    return np.concatenate((generator.poisson(intensity), np.zeros((1, ny, nx)))).astype(np.float32)


def main(argv: list[str] | None = None) -> int:
    """Command line: export a model."""
    parser = argparse.ArgumentParser(
        prog="python -m train.export",
        description="Write a trained network, from photons to probabilities, as ONNX.",
        epilog="example: python -m train.export results/demo/models/noise_free/ours/seed0/model.pt ours.onnx",
    )
    parser.add_argument("model", type=Path, help="a model.pt")
    parser.add_argument("output", type=Path, help="file to write")
    parser.add_argument(
        "--dataset", type=Path, help="folder whose test patterns it is checked on (default: made-up ones)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    arguments = parser.parse_args(argv)
    try:
        must_be_free([arguments.output], overwrite=arguments.overwrite)
        trained = load_model(arguments.model, torch.device("cpu"))
        frames = _frames(arguments.dataset, trained.description)
        contents = export(trained, frames)
        with atomic_path(arguments.output) as temporary:
            temporary.write_bytes(contents)
    except ModuleNotFoundError as error:
        print(f"{error}: pip install 'singlehit[onnx]'", file=sys.stderr)
        return 2
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a damaged dataset, or what ONNX has not
        print(error, file=sys.stderr)
        return 2
    print(f"{arguments.output}: {len(contents) / 1e6:.1f} MB, agrees with torch on {len(frames)} frames")
    return 0


def _frames(folder: Path | None, description: Description, n: int = 256) -> NDArray[np.float32]:
    if folder is None:
        return trial_frames(description.image_shape)
    from simulate.dataset import open_dataset

    dataset = open_dataset(folder)
    description.must_fit(dataset)
    test = dataset.splits["test"]
    return dataset.read(slice(test.start, min(test.stop, test.start + n))).astype(np.float32)


if __name__ == "__main__":
    sys.exit(main())
