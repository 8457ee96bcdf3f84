"""What each stage takes as patterns and jobs grow, and what 10⁸ would take; `python -m bench.simulate.scale slopes`.

A stage runs in a process of its own, for each of three sizes. CPU time and memory are lines through these, and `far` is
where the lines are at 10⁸ patterns, or at the jobs that so many are.
"""

import json
import multiprocessing
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import yaml
from scipy.optimize import nnls

from frames.files import sha256, write_json
from frames.readout.config import ReadoutConfig
from frames.store import integrity, writer
from frames.store.layout import Layout
from frames.targets import shot_targets
from simulate.experiment.config import DatasetConfig
from simulate.experiment.presets import presets
from simulate.plan import plan
from simulate.plan.config import PlanConfig
from simulate.plan.placement import body_of
from simulate.render import labels
from simulate.stages.dataset_layout import pulses as pulses_of

STRUCTURES = tuple(f"s{i}" for i in range(11))
MULTIPLICITIES = (1, 2, 3, 4)

SIZES, FAR = (44_000, 110_000, 220_000), 100_000_000
"""Patterns."""

JOBS, FAR_JOBS = (100, 300, 900), 1526
"""Jobs of a dataset; those of 10⁸ patterns in shards of 1,024, 64 a job."""

PER_SHARD = 1024
STORED = 409
"""Bytes of a pattern of the paper's noisy dataset."""


def draw_plan(n: int, folder: Path) -> None:
    """Draw and write a plan of n patterns of eleven clouds of atoms."""
    body = body_of(np.random.default_rng(0).normal(scale=50, size=(100, 3)))
    config = PlanConfig(patterns_per_class=n // (len(STRUCTURES) * len(MULTIPLICITIES)))
    plan.write(plan.draw(config, "ballistic", dict.fromkeys(STRUCTURES, body)), folder / "plan.parquet")


def read_shards_rows(n: int, folder: Path) -> None:
    """Of the last shard."""
    plan.read(folder / "plan.parquet", slice(n - PER_SHARD, n))


def lay_out(n: int, folder: Path) -> None:
    """Read the plan, draw the pulses, write the labels."""
    whole = plan.read(folder / "plan.parquet")
    pulses = pulses_of(whole, DatasetConfig.model_validate(presets()["poster"]))
    labels.create(folder / "made", _layout(n), whole.table, pulses, np.ones((128, 128)))


def _layout(n: int) -> Layout:
    readout = ReadoutConfig().model_dump(mode="json")
    return Layout(n, (128, 128), "photons", 16, PER_SHARD, shot_targets(STRUCTURES, MULTIPLICITIES), readout)


def fill(n: int, folder: Path) -> None:
    """Shards of as many bytes as photons take, and their markers."""
    rng, layout = np.random.default_rng(0), _layout(n)
    for shard in range(layout.n_shards):
        file, rows = writer.shard_file(folder / "made", layout, shard), layout.rows(shard)
        file.parent.mkdir(parents=True)
        file.write_bytes(rng.bytes(STORED * (rows.stop - rows.start)))
        marker = {
            "shard": shard,
            "rows": [rows.start, rows.stop],
            "bytes": file.stat().st_size,
            "sha256": sha256(file),
            "made_from": "slopes",
            "photons_per_pattern": [float(value) for value in rng.integers(0, 999, rows.stop - rows.start)],
        }
        write_json(writer.shard_marker(folder / "made", shard), marker)


def write_card(n: int, folder: Path) -> None:
    """Check every shard, count the classes and their photons."""
    integrity.complete(folder / "made", {})


def open_to_train(n: int, folder: Path) -> None:
    """Labels and the order of the shards; no pattern is read."""
    from frames.store.dataset import open_dataset
    from train.batches.batches import Batches

    dataset = open_dataset(folder / "made")
    Batches(dataset, dataset.splits["train"], 128, memory_gb=0.1, seed=0)


class Made(SimpleNamespace):
    """Of a dataset, what a table of answers is made of."""

    def __len__(self) -> int:
        return self.n_patterns


def write_answers(n: int, folder: Path) -> None:
    """A network's, about validation and test split."""
    from evaluate.predictions.predictions import predictions_table, write_predictions

    rng, asked = np.random.default_rng(0), slice(7 * n // 10, n)
    dataset = Made(
        name="made",
        targets=shot_targets(STRUCTURES, MULTIPLICITIES),
        labels={
            "structure": rng.integers(0, len(STRUCTURES), n),
            "hit_multiplicity": rng.integers(0, len(MULTIPLICITIES), n),
        }.__getitem__,
        n_patterns=n,
        splits={name: slice(0, share * n // 10) for name, share in (("train", 7), ("validation", 8), ("test", 10))},
    )
    answers = [rng.dirichlet(np.ones(k), n - asked.start).astype(np.float32) for k in (4, len(STRUCTURES))]
    write_predictions(predictions_table(dataset, asked, *answers), folder / "predictions.parquet")


def judge(n: int, folder: Path) -> None:
    """What the tables say of one network."""
    from evaluate.metrics import by_target
    from evaluate.metrics.confusion import per_class
    from evaluate.predictions.predictions import read_predictions

    predictions = read_predictions(folder / "predictions.parquet", None)
    targets = shot_targets(STRUCTURES, MULTIPLICITIES)
    per_class(predictions[predictions["split"] == "test"], targets)
    by_target.calibration(predictions, targets)
    by_target.operating_points(predictions, targets)


def build_dag(n: int, folder: Path) -> None:
    """A dry run of so many jobs that render shards."""
    root = Path(__file__).parents[2]
    config = yaml.safe_load((root / "config" / "demo.yaml").read_text())
    config["simulation"]["datasets"] = {"noisy": {"base": "poster"}}
    config["simulation"]["plan"] = {"patterns_per_class": 1000}  # 24,000 patterns
    config["simulation"]["storage"] = {"patterns_per_chunk": 1, "patterns_per_shard": 24_000 // n, "shards_per_job": 1}
    config["training"] = {"models": ["late10"], "datasets": ["noisy"]}
    del config["twins"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(folder / "config.yaml"), "--cores", "2", "--dry-run", "--quiet", "all"]
    subprocess.run(command, check=True, capture_output=True)


Stage = Callable[[int, Path], None]

STAGES: dict[str, tuple[Stage, ...]] = {
    "plan": (draw_plan,),
    "rows of a shard": (draw_plan, read_shards_rows),
    "layout": (draw_plan, lay_out),
    "card": (draw_plan, lay_out, fill, write_card),
    "open to train": (draw_plan, lay_out, fill, write_card, open_to_train),
    "answers": (write_answers,),
    "judging": (write_answers, judge),
    "dag": (build_dag,),
}
"""Each the last of its steps; those before it make what it needs."""


def slopes(names: list[str]) -> None:
    """Print a JSON line for each of these stages, or for all."""
    for name in names or STAGES:
        sizes, far = (JOBS, FAR_JOBS) if name == "dag" else (SIZES, FAR)
        taken = np.array([_measured(STAGES[name], size) for size in sizes])
        at = {
            quantity: [float(f"{value:.3g}") for value in (*values, _at(far, sizes, values))]
            for quantity, values in zip(("cpu_s", "gigabytes"), taken.T, strict=True)
        }
        print(json.dumps({"stage": name, "sizes": [*sizes, far], **at}), flush=True)


def _at(far: int, sizes: tuple[int, ...], values: np.ndarray) -> float:
    """Where the line through values is that neither falls nor begins below zero."""
    (start, slope), _ = nnls(np.stack([np.ones(len(sizes)), np.divide(sizes, far)], 1), values)
    return start + slope


def _measured(steps: tuple[Stage, ...], n: int) -> tuple[float, float]:
    """CPU seconds and peak memory [1e9 bytes] of the last step."""
    with tempfile.TemporaryDirectory() as folder:
        for step in steps:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                taken = pool.apply(_timed, (step, n, Path(folder)))
    return taken


def _timed(step: Stage, n: int, folder: Path) -> tuple[float, float]:
    before = _cpu_seconds()
    step(n, folder)
    own = int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0])
    return _cpu_seconds() - before, 1024e-9 * max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


def _cpu_seconds() -> float:
    taken = os.times()
    return taken.user + taken.system + taken.children_user + taken.children_system
