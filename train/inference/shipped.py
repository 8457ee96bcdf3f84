"""Twin networks as they answer: the one that ships with this code, others that `singlehit onnx` wrote, and model.pt.

An ONNX file holds weights and arithmetic and no code of Python's, so it is read without a pickle. Its metadata hold the
known patterns that it answers by and what it was trained on.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from frames.files import sha256
from train.few_shot.classifiers import between_means
from train.few_shot.logistic import Logistic, fit
from train.few_shot.support import SupportSet, read_hit_multiplicity, read_support
from train.inference.domain import Domain, must_be_of

if TYPE_CHECKING:
    import onnxruntime

MODEL = Path(__file__).parents[2] / "models" / "single_hit" / "model.onnx"
"""The one that ships; what it reaches is on its card, card.md beside it."""

AT_ONCE = 16
"""Frames answered for together: what of them is at work stays in the cache. Of 64, a sixth fewer in a second."""


AnswersBy = Literal["means", "regression"]
ALONE: Mapping[AnswersBy, Callable[[SupportSet], Logistic]] = {"means": between_means, "regression": fit}
"""What answers about a pattern alone: the nearer mean of known single and multiple hits, or a logistic regression"""


class Told(NamedTuple):
    """What is said of a network in messages."""

    model: str
    dataset: str
    """that it was trained on"""
    image_shape: tuple[int, int]


@dataclass(frozen=True)
class Twin:
    """A twin network, ready to answer."""

    description: Told
    domain: Domain | None
    """what it was trained on; None where that is not known"""
    support: SupportSet
    """patterns that single and multiple hits are told apart by"""
    hit_multiplicity: NDArray[np.int64] | None
    """(n,) of these; None where the file was written before it was kept"""
    embed: Callable[[NDArray], NDArray[np.float32]]
    """images (n, ny, nx) [photons] -> embeddings (n, d)"""
    digest: str
    """sha256 of the file"""
    answers_by: AnswersBy = "means"
    """what answers about a pattern alone"""
    sureness: float = 1.0
    """by which its log-odds are multiplied, so that probabilities are right: evaluate/single_hit/sureness.py"""

    @property
    def alone(self) -> Logistic:
        """Log-odds of a single hit, of a pattern alone, from its embedding."""
        return ALONE[self.answers_by](self.support).surer(self.sureness)

    def must_take(self, image_shape: tuple[int, ...]) -> None:
        """ValueError unless images have the shape that the network was trained on."""
        must_be_of(image_shape, self.description.model, self.description.image_shape)


def beside(first: Twin, *others: Twin) -> Twin:
    """Several twins of the same known patterns as one, whose embedding is all of theirs in a row.

    Each answers by its own known patterns, and both weigh alike. ValueError where they know different patterns.
    """
    for other in others:
        alike = (
            first.description.dataset == other.description.dataset
            and first.description.image_shape == other.description.image_shape
            and np.array_equal(first.support.is_single, other.support.is_single)
            and _numbers(first) == _numbers(other)
        )
        if not alike:
            raise ValueError(
                f"{first.description.model} and {other.description.model} know different patterns, of "
                f"{first.description.dataset} and {other.description.dataset}; take twins of one dataset and fold"
            )
    every = (first, *others)
    return replace(
        first,
        description=first.description._replace(model="+".join(one.description.model for one in every)),
        support=SupportSet(
            np.concatenate([one.support.embeddings for one in every], axis=1),
            first.support.is_single,
            tuple(one.support.embeddings.shape[1] for one in every),
        ),
        embed=lambda images: np.concatenate([one.embed(images) for one in every], axis=1),
        digest="+".join(one.digest for one in every),
    )


def _numbers(twin: Twin) -> list[int]:
    """Particles in known patterns; empty where nobody knows."""
    return [] if twin.hit_multiplicity is None else twin.hit_multiplicity.tolist()


def session_of(file: Path | bytes) -> "onnxruntime.InferenceSession":
    """A session on one thread, of a file or its contents; ValueError for one that onnxruntime does not read."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Threads of its own would wait, turning, for work that workers of ours have.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    options.log_severity_level = 3
    try:
        given = file if isinstance(file, bytes) else str(file)
        return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of many types of its own
        named = "what was given" if isinstance(file, bytes) else file
        raise ValueError(
            f"{named} is no network that onnxruntime reads ({error}); write it by `singlehit onnx`"
        ) from error


def answered(session: "onnxruntime.InferenceSession", outputs: Sequence[str], frames: NDArray) -> list[NDArray]:
    """Each output for frames (n, ny, nx), one at least, `AT_ONCE` together."""
    if len(frames) <= AT_ONCE:
        return session.run(list(outputs), {"frames": _float(frames)})
    starts = range(0, len(frames), AT_ONCE)
    parts = [session.run(list(outputs), {"frames": _float(frames[at : at + AT_ONCE])}) for at in starts]
    return [np.concatenate(output) for output in zip(*parts, strict=True)]


def load_onnx(path: Path = MODEL) -> Twin:
    """A twin network of `singlehit onnx`.

    Raises
    ------
    FileNotFoundError   there is no such file.
    ModuleNotFoundError onnxruntime is not installed.
    ValueError          it is no twin network, or damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}; expected a model.onnx of `singlehit onnx`")
    session = session_of(path)
    said: dict[str, Any] = session.get_modelmeta().custom_metadata_map
    outputs = [output.name for output in session.get_outputs()]
    if "embedding" not in outputs or "support_embeddings" not in said:
        raise ValueError(f"{path} is no twin network: it has outputs {outputs}; give one of `singlehit onnx TWIN.pt`")
    try:
        is_single = np.array([c == "1" for c in said["support_is_single"]])
        embeddings = np.frombuffer(base64.b64decode(said["support_embeddings"]), "<f4").reshape(len(is_single), -1)
        widths = tuple(int(n) for n in json.loads(said.get("support_widths", "[]")))
        if widths and sum(widths) != embeddings.shape[1]:
            raise ValueError(f"embeddings of {embeddings.shape[1]} numbers are said to be of {list(widths)}")
        numbers = said.get("support_hit_multiplicity")
        hit_multiplicity = None if numbers is None else np.array(numbers.split(), np.int64)
        if hit_multiplicity is not None and not np.array_equal(hit_multiplicity == 1, is_single):
            raise ValueError("hit multiplicities of its known patterns are not as many, or not single where they are")
        ny, nx = (int(n) for n in json.loads(said["image_shape"]))
        told = Told(said["model"], said["dataset"], (ny, nx))
        domain = Domain.of_saved(json.loads(said["domain"])) if "domain" in said else None
        answers_by: AnswersBy = said.get("answers_by", "means")
        ALONE[answers_by]
        sureness = float(said.get("sureness", 1.0))
        if not 0 < sureness < np.inf:
            raise ValueError(f"sureness is {sureness}, expected a positive number")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged, or of another version ({error}); write it again") from error

    def embed(images: NDArray) -> NDArray[np.float32]:
        if not len(images):
            return np.zeros((0, embeddings.shape[1]), np.float32)
        return answered(session, ["embedding"], images)[0]

    support = SupportSet(embeddings, is_single, widths)
    return Twin(told, domain, support, hit_multiplicity, embed, sha256(path), answers_by, sureness)


def load_twin(path: Path) -> Twin:
    """A twin network of `singlehit onnx`, or a run's model.pt with its support set beside it.

    FileNotFoundError, ModuleNotFoundError, ValueError: as `load_onnx`, and as train.loop.checkpoint.load_encoder.
    """
    if path.suffix == ".onnx":
        return load_onnx(path)
    from train.inference.embed import embed_frames
    from train.loop.checkpoint import load_encoder
    from train.loop.device import choose_device

    trained = load_encoder(path, choose_device())
    support = read_support(path, trained.description.recipe.embedding_dim)
    described = trained.description
    ny, nx = described.image_shape
    return Twin(
        Told(described.model, described.dataset, (ny, nx)),
        trained.domain,
        support,
        read_hit_multiplicity(path),
        partial(embed_frames, trained),
        sha256(path),
    )


def _float(images: NDArray) -> NDArray[np.float32]:
    return np.ascontiguousarray(images, np.float32)
