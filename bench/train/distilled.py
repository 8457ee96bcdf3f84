"""How often networks of a run are right of its test patterns, in float32 and in 8 bits, against the first, paired.

python -m bench.train.distilled results/distilled noisy folded swift swift_untaught

A line for each network and file: per cent right of count, structure, both, and single or multiple (by whether one half
is exceeded), and what differs from the first network in float32, with its standard error over patterns.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.setting import report
from frames.store.dataset import Dataset, open_dataset
from frames.targets import MULTIPLICITY, STRUCTURE
from train.export import export
from train.inference.shipped import answered, session_of
from train.loop.checkpoint import load_model
from train.onnx_files.eight_bits import N_CALIBRATION, quantised
from train.onnx_files.trials import trial_frames


def right(contents: bytes, dataset: Dataset, rows: slice, frames: NDArray[np.float32]) -> dict[str, NDArray[np.bool_]]:
    """(n,) of each question whether a file answers patterns right."""
    session = session_of(contents)
    said = json.loads(session.get_modelmeta().custom_metadata_map["targets"])
    classes = {target["name"]: np.array(target["classes"]) for target in said}
    counts, structures = answered(session, [MULTIPLICITY, STRUCTURE], frames)
    number = dataset.hit_multiplicity[rows]
    numbers = classes[MULTIPLICITY].astype(int)
    count = numbers[counts.argmax(1)] == number
    structure = classes[STRUCTURE][structures.argmax(1)] == np.array(dataset.structures)[dataset.structure[rows]]
    single = counts[:, numbers.tolist().index(1)] > 0.5
    return {"count": count, "structure": structure, "both": count & structure, "single": single == (number == 1)}


def main(run: Path, name: str, models: list[str]) -> None:
    """Print all lines."""
    dataset = open_dataset(run / "datasets" / name)
    train, test = dataset.splits["train"], dataset.splits["test"]
    known = dataset.read(slice(train.start, train.start + N_CALIBRATION)).astype(np.float32)
    frames = dataset.read(test).astype(np.float32)
    first: dict[str, NDArray[np.bool_]] = {}
    for model in models:
        trained = load_model(run / "models" / name / model / "seed0" / "model.pt", torch.device("cpu"))
        contents = export(trained, trial_frames(dataset.shape[1:]))
        for kind, file in (("float32", contents), ("int8", quantised(contents, known))):
            found = right(file, dataset, test, frames)
            first = first or found
            apart = {key: values.astype(float) - first[key] for key, values in found.items()}
            report(
                f"distilled_{model}_{kind}",
                100 * float(found["both"].mean()),
                100 * float(first["both"].mean()),
                "% both right",
                n=len(frames),
                megabytes=len(file) / 1e6,
                right={key: 100 * float(values.mean()) for key, values in found.items()},
                apart={key: 100 * float(values.mean()) for key, values in apart.items()},
                error={key: 100 * float(values.std() / np.sqrt(len(frames))) for key, values in apart.items()},
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
