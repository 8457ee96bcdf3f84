"""How hard the experiment at the slides' scale is made: by YOLOv2 in colours, linear, on shots of another seed.

The slides' row has an F1 of .55 by the person's labels. What decides it are contaminants that look like one virus at
the centre of a linear picture: droplets, ellipsoids, viruses with a droplet, broken shells. Their shares are multiplied
by one factor, doubles and aggregates fill up what is left, and of FACTORS the one is taken whose mean F1 is nearest
to .55. Trained and asked on shots of a whole run of another simulation seed; no frame of `config/pr772.yaml` is seen.

    python -m bench.evaluate.hardness --run results/pr772-small --config config/pr772.yaml
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from evaluate.virus import files
from evaluate.virus.config import SelectionConfig
from evaluate.virus.experiment import VirusRunConfig, load_config
from evaluate.virus.methods import Experiment, yolo
from evaluate.virus.selection import counts
from evaluate.virus.source.seen import StoredFrames, see
from frames.files import read_table
from frames.store.dataset import open_dataset
from simulate.virus.dataset import read_plan
from simulate.virus.detector import CENTRE
from train.batches.polar_bins import polar_bins

METHOD, WANTED = "yolov2_jet_linear", 0.55
FACTORS = (1.0, 0.5, 0.25, 0.125)

KINDS = {
    "single": 0.06, "double": 0.14, "aggregate": 0.20, "droplet": 0.20, "ellipsoid": 0.11, "with_droplet": 0.12,
    "broken": 0.11, "empty": 0.06,
}  # fmt: skip
"""Shares of shots at a factor of 1."""

LOOK_ALIKE, FILLING = ("droplet", "ellipsoid", "with_droplet", "broken"), ("double", "aggregate")


def shares(factor: float) -> dict[str, float]:
    """Of each kind, sum 1.

    >>> round(shares(0.5)["droplet"], 3), round(sum(shares(0.5).values()), 6)
    (0.1, 1.0)
    """
    left = (1 - factor) * sum(KINDS[kind] for kind in LOOK_ALIKE)
    filled = 1 + left / sum(KINDS[kind] for kind in FILLING)
    return {
        kind: share * (factor if kind in LOOK_ALIKE else filled if kind in FILLING else 1)
        for kind, share in KINDS.items()
    }


def pool(folder: Path, image_size: int) -> tuple[Experiment, pd.Series]:
    """All frames of a run that pass its size filter, without splits; and shots of every kind that were fired."""
    plan, sizes = read_plan(files.plan_file(folder)), read_table(files.sizes_file(folder)).to_pandas()
    table = plan[plan["frame"].isin(sizes["frame"][sizes["right_size"]])].reset_index(drop=True)
    dataset, (row, column) = open_dataset(files.dataset_folder(folder)), CENTRE["binned"]
    frames, how = StoredFrames(dataset, table["frame"].to_numpy()), SelectionConfig()
    bins = polar_bins(frames.shape[1:], (column, row), dataset.mask, how.n_rings, how.n_angles, how.r_min_pixels)
    single = (table["manual"] == files.SINGLE).to_numpy()
    seen = see(frames, dataset.mask, bins, single, ["linear"], image_size)
    table["split"] = np.where(np.arange(len(table)) % 2, "train", "validation")  # drawn anew for every training
    return Experiment(frames, table, dataset.mask, (column, row), seen), plan["kind"].value_counts()


def drawn(
    run: Experiment, weight: NDArray, numbers: dict[str, tuple[int, int]], generator: np.random.Generator
) -> Experiment:
    """The run with so many called single and others in train and validation, by weight; the rest is the test split."""
    split = np.full(len(run.table), "test", object)
    for called in (True, False):
        rows = np.flatnonzero(run.single == called)
        chosen = generator.choice(
            rows, sum(some[not called] for some in numbers.values()), replace=False, p=weight[rows] / weight[rows].sum()
        )
        for name, some in numbers.items():
            split[chosen[: some[not called]]] = name
            chosen = chosen[some[not called] :]
    return Experiment(run.frames, run.table.assign(split=split), run.mask, run.centre, run.seen)


def expected(table: pd.DataFrame, chosen: NDArray[np.bool_], mass: pd.Series, positives: int, others: int) -> float:
    """F1 by the person's labels of a test split with these numbers, from the share of every kind that was selected.

    mass : shots of a kind in the experiment, over those of it in the table's run.
    """
    held = table[table["split"] == "test"].assign(chosen=chosen)
    called = table["manual"] == files.SINGLE
    selected = {}
    for answer, n in ((True, positives), (False, others)):
        there = table[called == answer]["kind"].value_counts()
        there = there * mass.reindex(there.index)
        # what a person errs in does not depend on the frame, but that of singles the faint ones are missed
        rate = held[held["kind"] != "single"].groupby("kind")["chosen"].mean().reindex(there.index)
        own = held[(held["kind"] == "single") & ((held["manual"] == files.SINGLE) == answer)]["chosen"].mean()
        rate["single"] = own
        selected[answer] = n * float((there * rate).sum() / there.sum())
    shared, alone = round(selected[True]), round(selected[False])
    return counts(shared + alone, shared, positives, positives + others)["f1"]


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=Path("results/pr772-small"), help="folder of a finished run")
    parser.add_argument("--config", type=Path, default=Path("config/pr772.yaml"))
    parser.add_argument("--work", type=Path, default=Path("results/pr772-hardness"), help="folder of the trainings")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--factors", type=float, nargs="+", default=FACTORS)
    given = parser.parse_args()
    config: VirusRunConfig = load_config(yaml.safe_load(given.config.read_text()))
    run, fired = pool(given.run, config.detection.image_size)
    numbers: dict[str, tuple[int, int]] = {
        name: (n.single, n.other) for name, n in config.virus.splits.items() if name != "test"
    }
    test, found = config.virus.splits["test"], {}
    for factor in given.factors:
        mass = pd.Series(shares(factor)) / fired
        for seed in range(given.seeds):
            weight = mass.reindex(run.table["kind"]).to_numpy()
            one = drawn(run, weight, numbers, np.random.default_rng(seed))
            selected = yolo(one, METHOD, config.detection, seed, given.work / f"factor{factor:g}-seed{seed}")
            f1 = expected(one.table, selected.chosen, mass, test.single, test.other)
            found[factor, seed] = f1
            line = {"bench": "hardness", "factor": factor, "seed": seed, "f1_manual": round(f1, 3)}
            held = one.table[one.table["split"] == "test"].assign(chosen=selected.chosen)
            print(json.dumps(line | held.groupby("kind")["chosen"].mean().round(3).to_dict()), flush=True)
    means = {
        factor: float(np.mean([f1 for (one, _), f1 in found.items() if one == factor])) for factor in given.factors
    }
    best = min(means, key=lambda factor: abs(means[factor] - WANTED))
    means = {str(factor): round(mean, 3) for factor, mean in means.items()}
    told = {
        "bench": "hardness",
        "means": means,
        "factor": best,
        "kinds": {k: round(v, 4) for k, v in shares(best).items()},
    }
    print(json.dumps(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
