"""Trained networks as screening asks them: images in, the probability of each to be kept out.

Any ONNX file will do that has one input, frames (B, ny, nx) or (B, 1, ny, nx) float32, and an output with a probability
(B,) or (B, 1) for each: named by its metadata `kept`, or called `p_kept` or `p_single`; or else its metadata `targets`
(frames/targets.py) name a question with a class that is kept, and the output of its name is (B, classes). Its metadata
`domain` says what it was trained on. `singlehit onnx` writes such files. Networks of ours are also read from model.pt,
those that find hits of crystals from theirs (`screen.network.crystals`), and those of a virus from what
`singlehit virus --network` writes (`screen.network.virus`).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from frames.files import sha256
from frames.targets import Target
from screen.network.network import Network, answering_by
from train.inference.domain import Domain
from train.inference.shipped import session_of

if TYPE_CHECKING:
    from train.few_shot.support import SupportSet

KEPT = "p_kept", "p_single"
"""Names of outputs that are probabilities to be kept, where the metadata names none"""


def load_network(path: Path | str, shape: tuple[int, int] | None = None) -> Network:
    """A network from model.onnx or model.pt, which predicts on one thread of the CPU.

    shape : (ny, nx) of the frames, for networks that take any.

    FileNotFoundError; ValueError for a file of something else; ModuleNotFoundError where onnxruntime is absent.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}; expected a model.onnx of `singlehit onnx`, or a model.pt of a run"
        )
    return _from_onnx(path) if path.suffix == ".onnx" else _from_checkpoint(path, shape)


def _from_onnx(path: Path) -> Network:
    session = session_of(path)
    said = session.get_modelmeta().custom_metadata_map
    inputs, outputs = session.get_inputs(), {output.name: output for output in session.get_outputs()}
    shape = tuple(inputs[0].shape) if len(inputs) == 1 else ()
    if (inputs and inputs[0].type != "tensor(float)") or len(shape) not in (3, 4) or shape[1:-2] not in ((), (1,)):
        found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
        raise ValueError(f"{path} takes {found}; expected one input of frames (batch, ny, nx), tensor(float)")
    if not all(isinstance(n, int) for n in shape[-2:]):
        raise ValueError(f"{path} takes frames of {shape[-2:]} pixels; expected a size: export it with one")
    name, column = _kept(path, said, outputs)
    feed, with_channel = inputs[0].name, len(shape) == 4

    def run(output: str, images: NDArray[np.float32]) -> NDArray[np.float32]:
        return session.run([output], {feed: images[:, None] if with_channel else images})[0]

    def predict(images: NDArray[np.float32]) -> NDArray[np.float64]:
        found = run(name, images).reshape(len(images), -1)
        return found[:, column].astype(np.float64)

    embed = (lambda images: run("embedding", images)) if "embedding" in outputs else None
    ny, nx = shape[-2:]
    return Network(
        said.get("model", path.stem),
        (ny, nx),
        predict,
        Domain.of_saved(json.loads(said["domain"])) if "domain" in said else None,
        sha256(path),
        embed,
        _support(said) if embed is not None else None,
    )


def _kept(path: Path, said: dict[str, str], outputs: dict[str, Any]) -> tuple[str, int]:
    """Which output, and which column of it, is the probability to be kept."""
    named = (said["kept"],) if "kept" in said else KEPT
    for name in named:
        if name in outputs:
            if outputs[name].shape[1:] not in ([], [1]):
                raise ValueError(f"output {name} of {path} is {outputs[name].shape}, expected a number for each frame")
            return name, 0
    if "kept" not in said and "targets" in said:
        targets = [Target.of(value) for value in json.loads(said["targets"])]
        found = kept_class(path, targets)
        if found[0] in outputs:
            return found
    raise ValueError(
        f"{path} has outputs {', '.join(outputs)}; expected {' or '.join(named)} with the probability of each frame to "
        "be kept (docs/screening.md)"
    )


def kept_class(path: Path, targets: Sequence[Target]) -> tuple[str, int]:
    """The first question that has a class to be kept, and the index of that class; ValueError where none has."""
    for target in targets:
        if target.kept is not None:
            return target.name, target.index(target.kept)
    asked = "; ".join(f"{target.name}: {', '.join(map(str, target.classes))}" for target in targets)
    raise ValueError(f"{path} tells no class apart that is kept ({asked}); expected one such as single hits")


def _support(said: dict[str, str]) -> "SupportSet | None":
    """Of the metadata that `train.export` writes of a twin network."""
    import base64

    from train.few_shot.support import SupportSet

    if "support_embeddings" not in said:
        return None
    is_single = np.array([c == "1" for c in said["support_is_single"]])
    embeddings = np.frombuffer(base64.b64decode(said["support_embeddings"]), "<f4").reshape(len(is_single), -1)
    return SupportSet(embeddings, is_single, tuple(json.loads(said.get("support_widths", "[]"))))


def _from_checkpoint(path: Path, shape: tuple[int, int] | None) -> Network:
    import torch

    from train.batches.input_transforms import network_input
    from train.few_shot.classifiers import between_means
    from train.few_shot.support import read_support
    from train.inference.predict import predict_frames
    from train.loop.checkpoint import holds_twin, load, load_encoder, load_model

    if "holds" in (saved := load(path)):
        from screen.network.virus import virus_network

        return virus_network(path)
    if "preprocessing" in saved.get("description", {}):
        from screen.network.crystals import hit_network

        return hit_network(path, shape)
    cpu = torch.device("cpu")
    if holds_twin(path):
        trained = load_encoder(path, cpu)
        support = read_support(path, trained.description.recipe.embedding_dim)
        transform = trained.description.recipe.input_transform

        @torch.inference_mode()
        def embed(images: NDArray[np.float32]) -> NDArray[np.float32]:
            return trained.model(network_input(_may_be_written(images), transform, cpu)).numpy()

        described = trained.description
        predict_single = answering_by(embed, between_means(support))
        return Network(
            described.model, described.image_shape, predict_single, trained.domain, sha256(path), embed, support
        )
    classifier = load_model(path, cpu)
    targets = classifier.description.targets
    name, column = kept_class(path, targets)
    place = [target.name for target in targets].index(name)

    def predict(images: NDArray[np.float32]) -> NDArray[np.float64]:
        return predict_frames(classifier, _may_be_written(images))[place][:, column].astype(np.float64)

    described_shape = classifier.description.image_shape
    return Network(classifier.description.model, described_shape, predict, classifier.domain, sha256(path))


def _may_be_written(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """As torch wants it, though it does not write: a message's memory may be read only."""
    return images if images.flags.writeable else images.copy()
