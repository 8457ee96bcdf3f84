"""A trained network as one ONNX file that needs nothing of ours: photons in, probabilities or embeddings out.

singlehit onnx results/demo/models/noise_free/polar/seed0/model.pt polar.onnx

Input `frames` (B, ny, nx) float32, photons as the detector reads them; the network's input transform is in the file.
Outputs, of each target's name, like `structure` (B, its classes): probabilities, in the order of the metadata's
`targets`.
Of a twin network `embedding` (B, d) and `p_single` (B,), what `singlehit select` answers without labels; the training
patterns that it answers by (`support.npz`) are in the metadata. So is `domain`, what it was trained on
(`train.inference.domain`), where that is known.
"""

import argparse
import base64
import copy
import io
import json
import math
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from frames.files import atomic_path, must_be_free
from frames.targets import names
from train.batches.input_transforms import INPUTS
from train.few_shot.support import SupportSet, read_hit_multiplicity
from train.inference.embed import must_fit
from train.inference.shipped import ALONE, AnswersBy, beside, load_twin
from train.loop.checkpoint import Described, TrainedEncoder, TrainedModel, holds_twin, load_encoder, load_model
from train.onnx_files.constants import without_wide_rings
from train.onnx_files.eight_bits import N_CALIBRATION, changed, quantised
from train.onnx_files.operations import WRITTEN
from train.onnx_files.rewrites import rewritten
from train.onnx_files.trials import trial_frames

if TYPE_CHECKING:
    from frames.store.dataset import Dataset

OPSET = 17
"""of ONNX; read by every onnxruntime since 1.12 (2022)"""
LEAST_PROBABILITY = 1e-30
"""below it probabilities are not told apart"""
LEEWAY = 10.0
"""by which another order of sums may err more than torch's; twice is the most that was seen of our networks"""
EMBEDDING_DIFFERS = "of an embedding its distance from before, over the spread"

Outputs = tuple[Tensor, ...] | list[NDArray]


class ExportedNetwork(nn.Module):
    """From photons to probabilities: what `train.inference.predict` does with a batch."""

    def __init__(self, model: nn.Module, transform: str, targets: Sequence[str]):
        super().__init__()
        self.model = model
        self.transform = INPUTS[transform]
        self.outputs = tuple(targets)

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """(B, ny, nx) -> (B, classes) of each target."""
        logits = self.model(self.transform(frames[:, None]))
        return tuple(logits[target].softmax(1) for target in self.outputs)

    @staticmethod
    def compared(outputs: Outputs) -> list[NDArray[np.float64]]:
        """What has to agree: logarithms, in which a network that is sure of itself still shows its weights."""
        return [log_probabilities(outputs)]


class ExportedTwin(nn.Module):
    """From photons to embeddings and the probability of a single hit: `singlehit select` without labels."""

    outputs = "embedding", "p_single"

    def __init__(
        self,
        models: Sequence[nn.Module],
        transforms: Sequence[str],
        support: SupportSet,
        answers_by: AnswersBy = "means",
        sureness: float = 1.0,
    ):
        super().__init__()
        self.models = nn.ModuleList(models)
        self.transforms = [INPUTS[transform] for transform in transforms]
        logistic = ALONE[answers_by](support).surer(sureness)
        slopes = logistic.coefficients[:-1] / logistic.scale
        self.answer = nn.Linear(len(slopes), 1)
        with torch.no_grad():
            self.answer.weight.copy_(torch.from_numpy(slopes[None]))
            self.answer.bias.fill_(logistic.coefficients[-1] - logistic.centre @ slopes)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """(B, ny, nx) -> (B, d), (B,)."""
        embedding = torch.cat(
            [model(transform(frames[:, None])) for model, transform in zip(self.models, self.transforms, strict=True)],
            1,
        )
        return embedding, self.answer(embedding.to(self.answer.weight.dtype)).sigmoid().float().squeeze(1)

    @staticmethod
    def compared(outputs: Outputs) -> list[NDArray[np.float64]]:
        """What has to agree: embeddings, and probabilities."""
        return [np.asarray(output, np.float64) for output in outputs]


def export(trained: TrainedModel, frames: NDArray[np.float32]) -> bytes:
    """The network as the contents of an ONNX file, found by onnxruntime to answer `frames` (n, ny, nx) as torch does.

    ValueError where it does not.
    """
    description = trained.description
    module = ExportedNetwork(trained.model, description.recipe.input_transform, names(description.targets)).eval().cpu()
    contents = to_onnx(module, description, _domain(trained))
    must_agree(contents, module, frames)
    return contents


def _domain(trained: TrainedModel | TrainedEncoder) -> dict[str, str]:
    """What it was trained on, as metadata; nothing where that is not known."""
    return {} if trained.domain is None else {"domain": json.dumps(asdict(trained.domain), allow_nan=False)}


def export_twin(
    trained: TrainedEncoder,
    support: SupportSet,
    frames: NDArray[np.float32],
    hit_multiplicity: NDArray[np.integer] | None = None,
    answers_by: AnswersBy = "means",
    beside: Sequence[TrainedEncoder] = (),
    sureness: float = 1.0,
) -> bytes:
    """The same of a twin network, with the training patterns that single and multiple hits are told apart by, and how
    many particles (n,) these show, where that is known. `beside` are further twins of the same known patterns, whose
    embeddings stand in a row in `support`, see `train.inference.shipped.beside`; `sureness` multiplies the log-odds of
    `p_single`."""
    every = (trained, *beside)
    transforms = [one.description.recipe.input_transform for one in every]
    module = ExportedTwin([one.model for one in every], transforms, support, answers_by, sureness).eval().cpu()
    description = replace(trained.description, model="+".join(one.description.model for one in every))
    embeddings = np.ascontiguousarray(support.embeddings, "<f4")
    contents = to_onnx(
        module,
        description,
        {
            "support_embeddings": base64.b64encode(embeddings.tobytes()).decode(),
            "answers_by": answers_by,
            "sureness": repr(sureness),
            "support_widths": json.dumps(support.widths),
            "support_is_single": "".join(str(int(single)) for single in support.is_single),
        }
        | ({} if hit_multiplicity is None else {"support_hit_multiplicity": " ".join(map(str, hit_multiplicity))})
        | _domain(trained),
    )
    must_agree(contents, module, frames)
    return contents


def to_onnx(
    module: ExportedNetwork | ExportedTwin, description: Described, more: Mapping[str, str] | None = None
) -> bytes:
    """The contents of an ONNX file, with the description, and more, as metadata; unchecked.

    By torch's older exporter, which traces: the newer one needs another library and takes ten times as long, and no
    network here has branches that a trace would miss.
    """
    import onnx

    for operation, written in WRITTEN.items():
        torch.onnx.register_custom_op_symbolic(f"aten::{operation}", written, OPSET)
    contents = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # the size of an image is a constant indeed
        torch.onnx.export(
            module,
            (torch.rand(2, *description.image_shape),),
            contents,  # type: ignore[arg-type]  # this exporter writes into a stream as well
            dynamo=False,
            opset_version=OPSET,
            input_names=["frames"],
            output_names=list(module.outputs),
            dynamic_axes={name: {0: "batch"} for name in ("frames", *module.outputs)},
        )
    model = without_wide_rings(rewritten(onnx.load_from_string(contents.getvalue())))
    onnx.helper.set_model_props(model, metadata(description) | dict(more or {}))
    serialised = model.SerializeToString()
    onnx.checker.check_model(serialised, full_check=True)
    return serialised


def metadata(description: Described) -> dict[str, str]:
    """What the file says of itself; what is no text is JSON."""
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in asdict(description).items()
    }


def must_agree(contents: bytes, module: ExportedNetwork | ExportedTwin, frames: NDArray[np.float32]) -> None:
    """ValueError unless onnxruntime's outputs for the frames are torch's, together and one alone.

    Both libraries add the same float32 terms in orders of their own, so both err alike against torch in float64;
    `LEEWAY` times torch's error (at least an ulp of the largest number) leaves room for the worse order.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(contents, options, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        exact = module.compared(copy.deepcopy(module).double()(torch.from_numpy(frames).double()))
        ours = module.compared(module(torch.from_numpy(frames)))
    for n in (len(frames), 1):
        theirs = module.compared(session.run(list(module.outputs), {"frames": frames[:n]}))
        for true, torchs, found in zip(exact, ours, theirs, strict=True):
            allowed = LEEWAY * max(np.abs(torchs - true).max(), np.finfo(np.float32).eps * np.abs(true).max())
            if not (error := np.abs(found - true[:n]).max()) <= allowed:  # not a number is no agreement either
                raise ValueError(
                    f"onnxruntime {onnxruntime.__version__} and torch {torch.__version__} disagree: outputs differ by "
                    f"{error:.2g}, and rounding explains {allowed:.2g}; nothing was written. Check the versions "
                    "against constraints.txt"
                )


def log_probabilities(probabilities: Outputs) -> NDArray[np.float64]:
    """(n, classes of all targets) natural logarithms."""
    both = np.concatenate([np.asarray(head, np.float64) for head in probabilities], axis=1)
    return np.log(np.maximum(both, LEAST_PROBABILITY))


def main(argv: list[str] | None = None) -> int:
    """Command line: export a model."""
    parser = argparse.ArgumentParser(
        prog="singlehit onnx",
        description="Write a trained network, from photons to probabilities, as ONNX; of a twin network, to embeddings "
        "and the probability of a single hit, with the known patterns beside the model.",
        epilog="example: singlehit onnx results/demo/models/noise_free/polar/seed0/model.pt polar.onnx",
    )
    parser.add_argument("model", type=Path, help="a model.pt")
    parser.add_argument("output", type=Path, help="file to write")
    parser.add_argument(
        "--dataset", type=Path, help="folder whose test patterns it is checked on (default: made-up ones)"
    )
    parser.add_argument(
        "--answers-by",
        choices=[*ALONE],
        default="means",
        help="p_single of a twin: by the nearer mean of known patterns, or by a regression on them (default: means)",
    )
    parser.add_argument(
        "--sureness",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="of a twin's log-odds, by which they are multiplied: what evaluate.single_hit.sureness says (default: 1)",
    )
    parser.add_argument(
        "--beside", type=Path, nargs="+", default=[], metavar="TWIN.pt", help="twins of the same dataset and fold, too"
    )
    parser.add_argument(
        "--int8",
        action="store_true",
        help="layers in 8 bits, 2 to 3 times as fast; ranges from training patterns of --dataset, which it needs",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    arguments = parser.parse_args(argv)
    try:
        must_be_free([arguments.output], overwrite=arguments.overwrite)
        if arguments.int8 and arguments.dataset is None:
            raise ValueError("--int8 takes ranges from training patterns; give their dataset, --dataset FOLDER")
        if not 0 < arguments.sureness < math.inf:
            raise ValueError(f"--sureness is {arguments.sureness}, expected a positive number")
        answering = arguments.answers_by, arguments.sureness
        contents, n_frames = _exported(arguments.model, arguments.dataset, answering, arguments.beside)
        differs = ""
        if arguments.int8:
            contents, differs = _in_8_bits(contents, arguments.dataset)
        with atomic_path(arguments.output) as temporary:
            temporary.write_bytes(contents)
    except ModuleNotFoundError as error:
        print(f"{error}: `make install` has it", file=sys.stderr)
        return 2
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a damaged dataset, or what ONNX has not
        print(error, file=sys.stderr)
        return 2
    print(f"{arguments.output}: {len(contents) / 1e6:.1f} MB, agrees with torch on {n_frames} frames{differs}")
    return 0


def _in_8_bits(contents: bytes, folder: Path, n: int = 256) -> tuple[bytes, str]:
    """The network in 8 bits, calibrated on training patterns, and what it answers otherwise about test patterns."""
    from frames.store.dataset import open_dataset

    dataset = open_dataset(folder)
    made = quantised(contents, _first_of(dataset, "train", N_CALIBRATION))
    shares = changed(contents, made, _first_of(dataset, "test", n))
    told = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
    return made, f" before it was put in 8 bits; now other answers ({EMBEDDING_DIFFERS}) to: {told}"


def _first_of(dataset: "Dataset", split: str, n: int) -> NDArray[np.float32]:
    """At most n patterns of a split."""
    rows = dataset.splits[split]
    return dataset.read(slice(rows.start, min(rows.stop, rows.start + n))).astype(np.float32)


def _exported(
    path: Path, folder: Path | None, answering: tuple[AnswersBy, float], others: Sequence[Path] = (), n: int = 256
) -> tuple[bytes, int]:
    """The contents of a file for a model, others beside it, and on how many frames it was checked.

    `answering`: by what a twin answers about a pattern alone, and its sureness.
    """
    cpu = torch.device("cpu")
    trained = load_encoder(path, cpu) if holds_twin(path) else load_model(path, cpu)
    if folder is None:
        frames = trial_frames(trained.description.image_shape)
    else:
        from frames.store.dataset import open_dataset

        dataset = open_dataset(folder)
        if isinstance(trained, TrainedModel):
            trained.description.must_fit(dataset)
        else:
            must_fit(trained, dataset.shape[1:])
        frames = _first_of(dataset, "test", n)
    if isinstance(trained, TrainedModel):
        if others:
            raise ValueError(f"{path} is a classifier; --beside is for twin networks")
        return export(trained, frames), len(frames)
    support = beside(*map(load_twin, (path, *others))).support
    besides = [load_encoder(other, cpu) for other in others]
    answers_by, sureness = answering
    numbers = read_hit_multiplicity(path)
    return export_twin(trained, support, frames, numbers, answers_by, besides, sureness), len(frames)


if __name__ == "__main__":
    sys.exit(main())
