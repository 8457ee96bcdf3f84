"""Embeddings of patterns by a trained twin network, and from them which frames of a file are single hits.

singlehit select model.pt run0042.cxi --labels labels.csv -o frames.csv

One row a frame: `frame` (its index, from 0), `p_single`, `single` (1 where p_single > 0.5), `labelled` (1 where a label
was given), `in_domain` (0 where the network was trained on nothing like it). What is read, and how labels are written:
docs/guide/selecting.md.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from frames.files import write_arrays
from frames.formats.spi.labels import Labels, read_labels
from screen.asking import Asked, arguments_of, cells, frames_of, must_be_writable, status, warn, write_rows
from train.few_shot.counts import fit_counts
from train.few_shot.logistic import Logistic, adapt, fit, probability
from train.few_shot.mixture import IN_A_CLOUD, by_mixture
from train.few_shot.selector import Sample, read_noise, together, with_scores
from train.few_shot.support import SUPPORT, SupportSet, support_file
from train.inference.shipped import MODEL, Twin, load_twin

NOISE_OF = 64
"""Frames, at most, that the read noise is measured on."""

COLUMNS = ("frame", "p_single", "single", "labelled", "in_domain")


class Embedded(NamedTuple):
    """All frames of a file, as the network sees them."""

    embeddings: NDArray[np.float32]
    """(n, d)"""
    photons: NDArray[np.float64]
    """(n,)"""
    noise: float
    """read noise of a whole image [photons], of the first frames"""
    inside: list[str]
    """(n,) cells of the column `in_domain`"""


def embed_blocks(twin: Twin, asked: Asked) -> Embedded:
    """All frames of a file, read in blocks."""
    embeddings, photons, inside, noise = [], [], [], None
    for block in asked.predictions(twin.embed, "embedding"):
        embeddings.append(block.predictions)
        photons.append(block.frames.sum(axis=(1, 2), dtype=np.float64))
        inside += cells(block.in_domain, len(block.frames))
        noise = read_noise(block.frames[:NOISE_OF]) if noise is None else noise
    return Embedded(np.concatenate(embeddings), np.concatenate(photons), noise or 0.0, inside)


def in_sample(twin: Twin, of: Embedded, scores: NDArray[np.floating], labels: Labels) -> NDArray[np.floating]:
    """(n,) log-odds of a single hit by how all frames of a sample lie, from those of each frame by itself.

    By train/few_shot/selector.py where the network's known patterns say how many particles they show, 1, 2, ...; by two
    normal clouds where they do not.
    """
    numbers = twin.hit_multiplicity
    if numbers is None or not np.array_equal(np.unique(numbers), np.arange(1, numbers.max() + 1)):
        return by_mixture(scores, of.photons)
    log_p = with_scores(fit_counts(twin.support.embeddings, numbers).log_p(of.embeddings), scores)
    told = np.full(len(scores), -1, np.int8)
    told[labels.frames] = labels.is_single
    return together(Sample(log_p, of.photons, of.noise), told)[0]


def left_out(fitted: Logistic, labelled: SupportSet) -> NDArray[np.float64] | None:
    """(k,) log-odds of each labelled pattern, adapted by all others: it has no say in its own prediction.

    None where a class has a single pattern, without which none would be left to adapt by.
    """
    if min(labelled.is_single.sum(), (~labelled.is_single).sum()) < 2:
        return None
    scores = np.empty(len(labelled.is_single))
    for at, embedding in enumerate(labelled.embeddings):
        others = np.arange(len(scores)) != at
        adapted = adapt(fitted, SupportSet(labelled.embeddings[others], labelled.is_single[others]))
        scores[at] = adapted.scores(embedding[None])[0]
    return scores


def answer_rows(p_single: NDArray[np.floating], labels: Labels, inside: list[str]) -> Iterator[tuple]:
    """One row a frame, in the order of `COLUMNS`."""
    labelled = np.zeros(len(p_single), int)
    labelled[labels.frames] = 1
    for frame, p in enumerate(p_single):
        yield frame, f"{p:.6g}", int(p > 0.5), labelled[frame], inside[frame]


def judged(fitted: Logistic, unlabelled: Logistic, labelled: SupportSet, single_share: float) -> str:
    """What the labelled frames say of the predictions with labels and without, in a line."""

    def share(n_right: int) -> str:
        return f"{n_right} right ({n_right / len(labelled.is_single):.1%})"

    def right(scores: NDArray[np.floating]) -> str:
        return share(int(((probability(scores, single_share) > 0.5) == labelled.is_single).sum()))

    n, n_single = len(labelled.is_single), int(labelled.is_single.sum())
    scores = left_out(fitted, labelled)
    with_labels = (
        "label two of each class to see how many of them would be right"
        if scores is None
        else f"each left out in turn, {right(scores)}"
    )
    without = f"without any label, {right(unlabelled.scores(labelled.embeddings))}"
    return (
        f"{n} labelled, {n_single} of them single: {with_labels}; {without}; "
        f"always the more frequent label, {share(max(n_single, n - n_single))}"
    )


def main(argv: list[str] | None = None) -> int:
    """Command line: which frames of a file are single hits."""
    parser = arguments_of(
        "singlehit select",
        "Say which frames of a file are single hits, by a trained twin network and, where there are, a few labels of "
        "the sample at hand.",
        f"a twin network's model.pt, with {SUPPORT} beside it, or .onnx (default: models/single_hit, which ships)",
        "results/demo/twins/noisy/polar/none/d8-m0.5/seed0/model.pt results/demo/datasets/noisy",
        MODEL,
    )
    parser.add_argument("--labels", type=Path, help="CSV with columns frame (from 0) and single (1 or 0)")
    parser.add_argument(
        "--single-share", type=float, metavar="SHARE", help="of single hits among all hits (default: 0.5)"
    )
    parser.add_argument(
        "--one-sample",
        action="store_true",
        help="predict by how all frames lie: of one sample, single and multiple hits among them; finds their share",
    )
    parser.add_argument("--embeddings", type=Path, metavar="FILE.npz", help="write embeddings and p_single, too")
    return status(_run, parser.parse_args(argv))


def _run(arguments: argparse.Namespace) -> None:
    """All that may be wrong with what was given is said before the first frame is read."""
    if arguments.embeddings is not None and arguments.embeddings.suffix != ".npz":
        raise ValueError(f"--embeddings is {arguments.embeddings}, expected a name that ends in .npz")
    outputs = [path for path in (arguments.output, arguments.embeddings) if path is not None]
    inputs = [arguments.model, support_file(arguments.model), arguments.frames, arguments.labels, arguments.pixels]
    inputs = [path for path in inputs if path is not None]
    must_be_writable(outputs, inputs, overwrite=arguments.overwrite)
    if arguments.one_sample and arguments.single_share is not None:
        raise ValueError("--one-sample finds the share of single hits itself: leave --single-share out")
    share = 0.5 if arguments.single_share is None else arguments.single_share
    probability(np.zeros(0), share)
    twin = load_twin(arguments.model)
    fitted, unlabelled = fit(twin.support), twin.alone
    frames = frames_of(arguments)
    twin.must_take(frames.shape[1:])
    labels = Labels(np.zeros(0, np.int64), np.zeros(0, bool))
    if arguments.labels is not None:
        labels = read_labels(arguments.labels, len(frames))
        if not 0 < (n_single := int(labels.is_single.sum())) < len(labels.frames):
            raise ValueError(
                f"{arguments.labels} labels {n_single} single and {len(labels.frames) - n_single} multiple hits; label "
                "at least one of each"
            )

    asked = Asked(twin, frames)
    warn(asked.look(force=arguments.force))
    of = embed_blocks(twin, asked)
    labelled = SupportSet(of.embeddings[labels.frames], labels.is_single)
    if arguments.labels is not None:
        classifier = adapt(fitted, labelled)
    else:
        classifier = fitted if arguments.one_sample else unlabelled
    scores = classifier.scores(of.embeddings)
    expected = probability(scores).sum()
    if arguments.one_sample and min(expected, len(frames) - expected) < IN_A_CLOUD:
        raise ValueError(
            f"of {len(frames)} frames fewer than {IN_A_CLOUD} look single, or multiple, so --one-sample has nothing to "
            "tell apart; give more frames, or leave it out"
        )
    p_single = probability(in_sample(twin, of, scores, labels) if arguments.one_sample else scores, share)
    if arguments.embeddings is not None:
        write_arrays(arguments.embeddings, {"embeddings": of.embeddings, "p_single": p_single})
    write_rows(arguments.output, COLUMNS, answer_rows(p_single, labels, of.inside))
    n_single = int((p_single > 0.5).sum())
    print(f"{arguments.output}: {len(frames)} frames, {n_single} called single ({n_single / len(frames):.1%})")
    if frames.mask_said:
        print(frames.mask_said)
    if arguments.labels is not None:
        print(judged(fitted, unlabelled, labelled, share))
        if arguments.one_sample:
            agree = int(((p_single > 0.5)[labels.frames] == labels.is_single).sum())
            print(
                "that is of the regression, by which the two clouds begin; where they end, the predictions agree with "
                f"{agree} of {len(labels.frames)} labels"
            )
    warn(asked.found())


if __name__ == "__main__":
    sys.exit(main())
