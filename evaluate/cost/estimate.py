"""What a run will take, from what others took.

    singlehit estimate config/standins.yaml --from results/demo

A job costs a + b · work, which its rule declares (workflow/rules). Where jobs of one rule and kind were measured with
work that differs by a factor of two or more, in one run or in several, a and b fit them best; where all had about the
same, a is what the cheapest job took, of those that load torch or of the others, which did little but start.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from evaluate.cost.jobs import jobs
from evaluate.run.benchmarks import read_jobs
from evaluate.run.config_files import read_config
from evaluate.run.files import RunFiles
from evaluate.run.systems import load_run
from frames.files import read_json, write_json

QUANTITIES = {"cpu_s": "work", "gpu_s": "work", "written_bytes": "writing"}
"""What is estimated, and what it grows with."""

ALIKE = ["rule", "kind"]

WITH_TORCH = ("train", "train_twin", "predict", "embed", "twin_control")
"""Rules whose jobs load torch, which takes longer than all that light jobs do."""

APART = 2.0
"""Largest over smallest work from which on what it takes to start can be told from what the work takes."""


def measured(folder: Path) -> pd.DataFrame:
    """Jobs of a finished run with their work: `rule`, `kind`, `work` and the columns of
    `evaluate.run.benchmarks.read_jobs`.

    Raises
    ------
    FileNotFoundError where the folder holds no finished run.
    """
    record = RunFiles(folder).cost.with_suffix(".json")
    if not record.exists():
        raise FileNotFoundError(f"{record} is not there; finish that run first, or name another with --from")
    worked = _worked(read_json(record)["config"])
    # A job that is known by samples alone took more than is known.
    took = read_jobs(RunFiles(folder).benchmarks).query("not sampled")
    return worked.merge(took.drop(columns="rule"), left_on="name", right_on="job", validate="one_to_one")


def _worked(config: Mapping[str, Any]) -> pd.DataFrame:
    """Every job of a run, a row each."""
    return pd.DataFrame([{**job._asdict(), "writing": job.writing} for job in jobs(config)])


def fitted(work: np.ndarray, cost: np.ndarray, start: float) -> tuple[float, float]:
    """Cost of a job without work, and of a unit of work, neither below zero, from some jobs (n,).

    Relative errors are the smallest in the mean square; `start` is the former where all jobs had about the same work.
    Jobs that all cost nothing, as those without a GPU, say that such jobs cost nothing.
    """
    if not cost.any():
        return 0.0, 0.0
    if work.max() < APART * work.min():
        start = min(start, cost.min())
        return start, float((cost.mean() - start) / work.mean())
    weight = 1 / np.maximum(cost, 1e-3 * cost.max())
    (a, b), _ = nnls(np.stack([weight, work * weight], 1), cost * weight)
    return float(a), float(b)


def lines(known: pd.DataFrame) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Rule and kind of jobs that were measured -> a and b of each of QUANTITIES."""
    starts = known.groupby(known["rule"].isin(WITH_TORCH))[list(QUANTITIES)].min()
    return {
        (rule, kind): [
            fitted(some[by].to_numpy(), some[name].to_numpy(), starts.loc[rule in WITH_TORCH, name])
            for name, by in QUANTITIES.items()
        ]
        for (rule, kind), some in known.groupby(ALIKE)
    }


def write_reference(known: pd.DataFrame, path: Path) -> None:
    """Write what `evaluate.cost.progress` expects of jobs: rule -> kind -> a and b of their CPU seconds."""
    reference: dict[str, dict[str, list[float]]] = {}
    for (rule, kind), costs in lines(known).items():
        reference.setdefault(rule, {})[kind] = [float(f"{value:.3g}") for value in costs[0]]
    write_json(path, reference)


def estimate(config: Mapping[str, Any], known: pd.DataFrame) -> pd.DataFrame:
    """A row for each rule and kind of job: `jobs`, QUANTITIES, and `known`, whether such jobs were measured at all.

    Parameters
    ----------
    known : of one or several runs, as `measured` gives them.
    """
    costs, rows = lines(known), []
    for (rule, kind), some in _worked(config).groupby(ALIKE, sort=False):
        line = costs.get((rule, kind), [(np.nan, np.nan)] * len(QUANTITIES))
        took = [a * len(some) + b * some[by].sum() for (a, b), by in zip(line, QUANTITIES.values(), strict=True)]
        rows.append({"rule": rule, "kind": kind, "jobs": len(some), **dict(zip(QUANTITIES, took, strict=True))})
    table = pd.DataFrame(rows)
    return table.assign(known=table["cpu_s"].notna())


def told(table: pd.DataFrame, sources: Sequence[Path]) -> str:
    """The estimate in lines of text."""
    known, unknown = table[table["known"]], table[~table["known"]]
    cpu, gpu, written = known[list(QUANTITIES)].sum(skipna=False) / [3600, 3600, 1e9]
    lines = [
        f"About {cpu:.3g} CPU-hours, {gpu:.3g} GPU-hours and {written:.3g} GB, in {known['jobs'].sum()} jobs.",
        f"From what {', '.join(map(str, sources))} took; another machine takes something else.",
        "",
        f"{'rule':18} {'kind':34} {'jobs':>6} {'CPU-hours':>10} {'GPU-hours':>10} {'GB':>10}",
    ]
    for row in known.sort_values("cpu_s", ascending=False, kind="stable").itertuples():
        amounts = f"{row.cpu_s / 3600:10.3g} {row.gpu_s / 3600:10.3g} {row.written_bytes / 1e9:10.3g}"
        lines.append(f"{row.rule:18} {row.kind:34} {row.jobs:6} {amounts}")
    if len(unknown):
        lines += ["", f"Not counted, because no such job was measured: {unknown['jobs'].sum()} jobs."]
        lines += [f"{row.rule:18} {row.kind:34} {row.jobs:6}" for row in unknown.itertuples()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what a run will take."""
    parser = argparse.ArgumentParser(
        prog="singlehit estimate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", type=Path, help="of the run to come")
    parser.add_argument(
        "--from",
        dest="sources",
        metavar="RUN",
        type=Path,
        nargs="+",
        default=[Path("results/demo")],
        help="folders of finished runs (default: results/demo)",
    )
    parser.add_argument(
        "--write",
        type=Path,
        metavar="FILE",
        help="write what was measured as evaluate/cost/reference.json has it, instead",
    )
    chosen = parser.parse_args(arguments)
    try:
        config = read_config(chosen.config)
        load_run(config, [chosen.config])  # says where in the file something is wrong
        known = pd.concat([measured(folder) for folder in chosen.sources], ignore_index=True)
        if chosen.write:
            write_reference(known, chosen.write)
            return 0
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(told(estimate(config, known), chosen.sources))
    return 0


if __name__ == "__main__":
    sys.exit(main())
