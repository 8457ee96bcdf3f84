"""Embeddings of patterns by a trained twin network, and from them which frames of a file are single hits.

python -m train.embed model.pt run0042.cxi --labels labels.csv -o frames.csv

One row a frame: `frame` (its index, from 0), `p_single`, `single` (1 where p_single > 0.5), `labelled` (1 where a label
was given). What is read, and how labels are written: docs/selecting.md.
"""

import argparse
import csv
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulate.files import atomic_path, must_be_free, read_arrays, sha256, write_arrays
from simulate.formats.masks import MASK_HELP, MASK_MEANS
from train.checkpoint import TrainedEncoder, load_encoder
from train.device import choose_device
from train.embeddings import embed_frames, must_fit
from train.few_shot import IN_A_CLOUD, Known, Logistic, adapt, between_means, by_mixture, learn, probability
from train.frames import Frames, open_frames
from train.progress import progress

KNOWN = "known.npz"
"""Embeddings of training patterns, beside the model: `embeddings` (n, d) float32, `is_single` (n,) bool, and the sha256
of `model`"""

ANSWERS = {"1": True, "yes": True, "single": True, "0": False, "no": False, "multiple": False}
"""What labels may say in the column `single`"""


class Labels(NamedTuple):
    """What a person says of some of the frames."""

    frames: NDArray[np.int64]
    """(k,) indices, from 0"""
    is_single: NDArray[np.bool_]
    """(k,)"""


def embed_blocks(trained: TrainedEncoder, frames: Frames) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Embeddings (n, d) and photons (n,) of all frames of a file, read in blocks.

    ValueError for another size, and for frames so bright that the network overflows.
    """
    must_fit(trained, frames.shape[1:])
    embeddings, photons = [], []
    for rows, block in progress(frames.blocks(), f"embedding {frames.source}", frames.n_blocks):
        embedded = embed_frames(trained, block)
        if not (finite := np.isfinite(embedded).all(axis=1)).all():
            frame = int(np.argmin(finite))
            raise ValueError(
                f"{frames.source}: the network makes no finite number of frame {rows.start + frame}, whose highest "
                f"pixel is {block[frame].max():g}; mask pixels that do not count photons"
            )
        embeddings.append(embedded)
        photons.append(block.sum(axis=(1, 2), dtype=np.float64))
    return np.concatenate(embeddings), np.concatenate(photons)


def read_known(model: Path, embedding_dim: int) -> Known:
    """The training patterns whose embeddings lie beside a model; FileNotFoundError; ValueError unless they are that."""
    path = model.parent / KNOWN
    if not path.exists():
        raise FileNotFoundError(
            f"there is no {path}, the training patterns that single and multiple hits are told apart by; it is written "
            "beside model.pt: copy it along with the model, or train again"
        )
    try:
        arrays = read_arrays(path)
        known, digest = Known(np.asarray(arrays["embeddings"]), np.asarray(arrays["is_single"])), arrays["model"]
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{path} is damaged or does not hold embeddings, is_single and model ({error}); train again"
        ) from error
    embeddings, is_single = known
    if is_single.dtype != bool or is_single.ndim != 1 or embeddings.shape != (len(is_single), embedding_dim):
        raise ValueError(
            f"{path} holds embeddings {embeddings.shape} and is_single {is_single.dtype} {is_single.shape}, expected "
            f"(n, {embedding_dim}) and bool (n,); take the file that was written with the model"
        )
    if not np.isfinite(embeddings).all():
        raise ValueError(f"{path} holds embeddings that are no finite numbers; train again")
    if digest != sha256(model):
        raise ValueError(f"{path} is of another model than {model}; take the file that was written with this one")
    return known.must_have_both()


def read_labels(path: Path, n_frames: int) -> Labels:
    """The labels of a CSV file with columns `frame` and `single`; others are left alone.

    ValueError names the line whose frame is none of 0 to n_frames - 1 or was labelled before, or whose answer is not
    among `ANSWERS`.
    """
    answers: dict[int, bool] = {}
    with open(path, newline="", encoding="utf-8-sig") as stream:  # spreadsheets begin a file with a mark
        rows = csv.DictReader(stream)
        try:
            if missing := {"frame", "single"} - set(rows.fieldnames or ()):
                raise ValueError(
                    f"{path} has no column {' and no column '.join(sorted(missing))}: its first line is "
                    f"{','.join(rows.fieldnames or ())!r}, expected frame,single"
                )
            for row in rows:
                frame, answer = _label(row, f"{path}, line {rows.line_num}", n_frames)
                if frame in answers:
                    raise ValueError(f"{path}, line {rows.line_num}: frame {frame} is labelled twice; keep one of them")
                answers[frame] = answer
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no CSV file ({error}); expected columns frame,single") from error
    return Labels(np.array([*answers], np.int64), np.array([*answers.values()], bool))


def _label(row: dict[str, str | None], where: str, n_frames: int) -> tuple[int, bool]:
    frame, answer = ((row[name] or "").strip() for name in ("frame", "single"))
    if not (frame.isascii() and frame.isdigit() and int(frame) < n_frames):
        raise ValueError(f"{where}: there is no frame {frame!r}, expected a whole number from 0 to {n_frames - 1}")
    if answer.lower() not in ANSWERS:
        raise ValueError(f"{where}: the answer of frame {frame} is {answer!r}, expected one of {', '.join(ANSWERS)}")
    return int(frame), ANSWERS[answer.lower()]


def left_out(learned: Logistic, labelled: Known) -> NDArray[np.float64] | None:
    """(k,) log-odds of each labelled pattern, adapted by all others: it has no say in its own answer.

    None where a class has a single pattern, without which none would be left to adapt by.
    """
    if min(labelled.is_single.sum(), (~labelled.is_single).sum()) < 2:
        return None
    scores = np.empty(len(labelled.is_single))
    for at, embedding in enumerate(labelled.embeddings):
        others = np.arange(len(scores)) != at
        adapted = adapt(learned, Known(labelled.embeddings[others], labelled.is_single[others]))
        scores[at] = adapted.scores(embedding[None])[0]
    return scores


def write_answers(path: Path, p_single: NDArray[np.floating], labels: Labels) -> None:
    """One CSV row a frame, atomically."""
    labelled = np.zeros(len(p_single), int)
    labelled[labels.frames] = 1
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("frame", "p_single", "single", "labelled"))
        for frame, p in enumerate(p_single):
            writer.writerow((frame, f"{p:.6g}", int(p > 0.5), labelled[frame]))


def judged(learned: Logistic, unlabelled: Logistic, labelled: Known, single_share: float) -> str:
    """What the labelled frames say of the answers with labels and without, in a line."""

    def share(n_right: int) -> str:
        return f"{n_right} right ({n_right / len(labelled.is_single):.1%})"

    def right(scores: NDArray[np.floating]) -> str:
        return share(int(((probability(scores, single_share) > 0.5) == labelled.is_single).sum()))

    n, n_single = len(labelled.is_single), int(labelled.is_single.sum())
    scores = left_out(learned, labelled)
    with_labels = (
        "label two of each class to see how many of them would be right"
        if scores is None
        else f"each left out in turn, {right(scores)}"
    )
    without = f"without any label, {right(unlabelled.scores(labelled.embeddings))}"
    return (
        f"{n} labelled, {n_single} of them single: {with_labels}; {without}; "
        f"always the more frequent answer, {share(max(n_single, n - n_single))}"
    )


def main(argv: list[str] | None = None) -> int:
    """Command line: which frames of a file are single hits."""
    parser = argparse.ArgumentParser(
        prog="python -m train.embed",
        description="Say which frames of a file are single hits, by a trained twin network and, where there are, a few "
        "labels of the sample at hand.",
        epilog="example: python -m train.embed results/demo/twins/noise_free/ours/none/d8-m0.5/seed0/model.pt "
        "results/demo/datasets/noise_free -o frames.csv",
    )
    parser.add_argument("model", type=Path, help=f"a twin network's model.pt, with {KNOWN} beside it")
    parser.add_argument("frames", type=Path, help="HDF5, CXI, .emc, Zarr, .npy, or .../datasets/<name>")
    parser.add_argument("--labels", type=Path, help="CSV with columns frame (from 0) and single (1 or 0)")
    parser.add_argument(
        "--dataset", metavar="NAME", help="of the frames in the file (default: CXI's and skopi's places)"
    )
    parser.add_argument("--mask-means", choices=tuple(MASK_MEANS), help=MASK_HELP)
    parser.add_argument(
        "--single-share", type=float, metavar="SHARE", help="of single hits among all hits (default: 0.5)"
    )
    parser.add_argument(
        "--one-sample",
        action="store_true",
        help="answer by how all frames lie: of one sample, single and multiple hits among them; finds their share",
    )
    parser.add_argument("--embeddings", type=Path, metavar="FILE.npz", help="write embeddings and p_single, too")
    parser.add_argument("-o", "--output", type=Path, required=True, help="CSV file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    arguments = parser.parse_args(argv)
    try:
        _run(arguments)
    except ModuleNotFoundError as error:
        print(f"{error}: install {error.name}, or give the frames as .npy", file=sys.stderr)
        return 2
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a dataset that is not complete
        print(error, file=sys.stderr)
        return 2
    return 0


def _run(arguments: argparse.Namespace) -> None:
    """All that may be wrong with what was given is said before the first frame is read."""
    _must_be_writable(arguments)
    if arguments.one_sample and arguments.single_share is not None:
        raise ValueError("--one-sample finds the share of single hits itself: leave --single-share out")
    share = 0.5 if arguments.single_share is None else arguments.single_share
    probability(np.zeros(0), share)
    trained = load_encoder(arguments.model, choose_device())
    known = read_known(arguments.model, trained.description.recipe.embedding_dim)
    learned, unlabelled = learn(known), between_means(known)
    frames = open_frames(arguments.frames, arguments.dataset, arguments.mask_means)
    must_fit(trained, frames.shape[1:])
    labels = Labels(np.zeros(0, np.int64), np.zeros(0, bool))
    if arguments.labels is not None:
        labels = read_labels(arguments.labels, len(frames))
        if not 0 < (n_single := int(labels.is_single.sum())) < len(labels.frames):
            raise ValueError(
                f"{arguments.labels} labels {n_single} single and {len(labels.frames) - n_single} multiple hits; label "
                "at least one of each"
            )

    embeddings, photons = embed_blocks(trained, frames)
    labelled = Known(embeddings[labels.frames], labels.is_single)
    if arguments.labels is not None:
        classifier = adapt(learned, labelled)
    else:
        classifier = learned if arguments.one_sample else unlabelled
    scores = classifier.scores(embeddings)
    if arguments.one_sample and (lain := by_mixture(scores, photons)) is scores:
        raise ValueError(
            f"of {len(frames)} frames fewer than {IN_A_CLOUD} look single, or multiple, so --one-sample has nothing to "
            "tell apart; give more frames, or leave it out"
        )
    p_single = probability(lain if arguments.one_sample else scores, share)
    if arguments.embeddings is not None:
        write_arrays(arguments.embeddings, {"embeddings": embeddings, "p_single": p_single})
    write_answers(arguments.output, p_single, labels)
    n_single = int((p_single > 0.5).sum())
    print(f"{arguments.output}: {len(frames)} frames, {n_single} called single ({n_single / len(frames):.1%})")
    if frames.mask_said:
        print(frames.mask_said)
    if arguments.labels is not None:
        print(judged(learned, unlabelled, labelled, share))
        if arguments.one_sample:
            agree = int(((p_single > 0.5)[labels.frames] == labels.is_single).sum())
            print(
                "that is of the regression, by which the two clouds begin; where they end, the answers agree with "
                f"{agree} of {len(labels.frames)} labels"
            )


def _must_be_writable(arguments: argparse.Namespace) -> None:
    """FileExistsError, ValueError as `must_be_free`, and ValueError for an output that is an input."""
    outputs = [path for path in (arguments.output, arguments.embeddings) if path is not None]
    inputs = [path for path in (arguments.model, arguments.frames, arguments.labels) if path is not None]
    if arguments.embeddings is not None and arguments.embeddings.suffix != ".npz":
        raise ValueError(f"--embeddings is {arguments.embeddings}, expected a name that ends in .npz")
    for path in outputs:
        if path.resolve() in {other.resolve() for other in inputs}:
            raise ValueError(f"{path} is to be written, but it is read from; choose another name")
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise ValueError(f"{arguments.output} is to be written twice; choose another name for one of them")
    must_be_free(outputs, overwrite=arguments.overwrite)


if __name__ == "__main__":
    sys.exit(main())
