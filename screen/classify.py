"""How many particles each frame of a file shows, and of which structure, by a network with two answers.

singlehit classify model.pt run0042.cxi -o frames.csv

One row a frame, docs/selecting.md has the columns. Probabilities are as the network gives them, at no temperature.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screen.asking import Asked, arguments_of, cells, frames_of, must_be_writable, status, warn, write_rows
from train.inference.embed import must_fit
from train.inference.predict import answer_frames
from train.loop.checkpoint import Description, TrainedModel, load_model
from train.loop.device import choose_device

NO_STRUCTURE = "none"
"""What a shot of no particle shows; no structure of a run may be called so"""


def columns(description: Description) -> list[str]:
    """Of the CSV file."""
    counts = [f"p_count_{n}" for n in description.hit_multiplicities]
    return ["frame", "count", "structure", "p_single", *counts, "p_structure", "in_domain"]


def classified(trained: TrainedModel, asked: Asked) -> Iterator[list[Any]]:
    """A row for each frame of a file, in the order of `columns`, as blocks of frames are read."""
    description = trained.description
    multiplicities, n = description.hit_multiplicities, len(description.hit_multiplicities)

    def answer(frames: NDArray) -> NDArray[np.float32]:
        return np.concatenate(answer_frames(trained, frames), axis=1)

    for block in asked.answers(answer, "classifying"):
        inside = cells(block.in_domain, len(block.frames))
        for frame, p, in_domain in zip(range(block.rows.start, block.rows.stop), block.answers, inside, strict=True):
            count, particle = multiplicities[int(p[:n].argmax())], int(p[n:].argmax())
            yield [
                *(frame, count, description.structures[particle] if count else NO_STRUCTURE),
                f"{p[multiplicities.index(1)]:.6g}" if 1 in multiplicities else "",
                *(f"{value:.6g}" for value in (*p[:n], p[n + particle])),
                in_domain,
            ]


def main(argv: list[str] | None = None) -> int:
    """Command line: how many particles the frames of a file show, and which."""
    parser = arguments_of(
        "singlehit classify",
        "Say how many particles each frame of a file shows, and of which structure, among those that the network was "
        "trained on.",
        "model.pt of a network with two answers",
        "results/demo/models/noise_free/polar/seed0/model.pt results/demo/datasets/noise_free",
    )
    return status(_run, parser.parse_args(argv))


def _run(arguments: argparse.Namespace) -> None:
    inputs = [path for path in (arguments.model, arguments.frames, arguments.pixels) if path is not None]
    must_be_writable([arguments.output], inputs, overwrite=arguments.overwrite)
    trained = load_model(arguments.model, choose_device())
    frames = frames_of(arguments)
    must_fit(trained, frames.shape[1:])
    asked = Asked(trained, frames)
    warn(asked.look(force=arguments.force))
    counted = dict.fromkeys(trained.description.hit_multiplicities, 0)

    def counting() -> Iterator[list[Any]]:
        for row in classified(trained, asked):
            counted[row[1]] += 1
            yield row

    write_rows(arguments.output, columns(trained.description), counting())
    shown = ", ".join(f"{n} of {count} particle{'' if count == 1 else 's'}" for count, n in counted.items())
    print(f"{arguments.output}: {len(frames)} frames, {shown}")
    warn(asked.found())


if __name__ == "__main__":
    sys.exit(main())
