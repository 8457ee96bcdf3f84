"""What each frame of a file is, by a network with an answer to each question of its dataset: how many particles it
shows, and of which structure.

singlehit classify model.pt run0042.cxi -o frames.csv

One row a frame, docs/guide/selecting.md has the columns. Probabilities are as the network gives them, at no
temperature.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frames.targets import names, told
from screen.asking import Asked, arguments_of, cells, frames_of, must_be_writable, status, warn, write_rows
from train.inference.embed import must_fit
from train.inference.predict import predict_frames
from train.loop.checkpoint import Description, TrainedModel, load_model
from train.loop.device import choose_device


def columns(description: Description) -> list[str]:
    """Of the CSV file: an answer to each question, then the probabilities of all that there are."""
    targets = description.targets
    probabilities = [f"p_{target.name}_{value}" for target in targets for value in target.classes]
    return ["frame", *names(targets), *probabilities, "in_domain"]


def classified(trained: TrainedModel, asked: Asked) -> Iterator[list[Any]]:
    """A row for each frame of a file, in the order of `columns`, as blocks of frames are read."""
    targets = trained.description.targets
    ends = np.cumsum([len(target.classes) for target in targets])[:-1]

    def predict(frames: NDArray) -> NDArray[np.float32]:
        return np.concatenate(predict_frames(trained, frames), axis=1)

    for block in asked.predictions(predict, "classifying"):
        inside = cells(block.in_domain, len(block.frames))
        for frame, p, in_domain in zip(
            range(block.rows.start, block.rows.stop), block.predictions, inside, strict=True
        ):
            best = [int(of_one.argmax()) for of_one in np.split(p, ends)]
            yield [frame, *told(targets, best), *(f"{value:.6g}" for value in p), in_domain]


def main(argv: list[str] | None = None) -> int:
    """Command line: what the frames of a file are, of all that a network tells apart."""
    parser = arguments_of(
        "singlehit classify",
        "Say what each frame of a file is: of shots at particles, how many it shows, and of which structure among "
        "those that the network was trained on.",
        "model.pt of a network below models/ of a run",
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
    first = trained.description.targets[0]
    counted = dict.fromkeys(first.classes, 0)

    def counting() -> Iterator[list[Any]]:
        for row in classified(trained, asked):
            counted[row[1]] += 1
            yield row

    write_rows(arguments.output, columns(trained.description), counting())
    shown = ", ".join(f"{n} of {first.name} {value}" for value, n in counted.items())
    print(f"{arguments.output}: {len(frames)} frames, {shown}")
    warn(asked.found())


if __name__ == "__main__":
    sys.exit(main())
