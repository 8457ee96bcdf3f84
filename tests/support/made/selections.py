"""Frames whose bright half says what they are, and the command that selects single hits, asked about them."""

import csv

import numpy as np
import torch

from screen.select import main

CPU = torch.device("cpu")
N, D = 24, 4


def made_up(n, seed, turned=False):
    """Frames (n, 128, 128), every second one a single hit: the left half is bright, or else the right half."""
    generator = np.random.default_rng(seed)
    is_single = np.arange(n) % 2 == 0
    frames = generator.poisson(0.5, (n, 128, 128))
    for frame, left in zip(frames, is_single != turned, strict=True):
        frame[:, :64] += generator.poisson(9.0 if left else 0.0, (128, 64))
        frame[:, 64:] += generator.poisson(0.0 if left else 9.0, (128, 64))
    return frames.astype(np.uint16), is_single


def rows_of(path):
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def written(folder, text):
    (folder / "labels.csv").write_text(text)
    return str(folder / "labels.csv")


def labels_of(folder, labelled):
    return written(folder, "frame,single\n" + "".join(f"{frame},{answer}\n" for frame, answer in labelled))


def ask(model_file, frames, output, *options):
    assert main([str(model_file), str(frames), *options, "-o", str(output)]) == 0
    return rows_of(output)


def refused(capsys, folder, model_file, frames, *options):
    output = folder / "refused.csv"
    assert main([str(model_file), str(frames), *options, "-o", str(output)]) == 2
    assert not output.exists()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err
