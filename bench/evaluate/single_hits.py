"""Single hits of a virus: speeds of simulation, hit finding, size filter and networks; and where the size filter cuts.

python -m bench.evaluate.single_hits  # frames/s and megabytes of each step, a JSON line each
python -m bench.evaluate.single_hits cuts  # ranges and the cut of the second test, from some shots, tried on others
python -m bench.evaluate.single_hits labels --run results/pr772-small  # ours from 5, 20 and 80 labels of either kind
python -m bench.evaluate.single_hits labels --rehearse  # and from simulated frames of made-up viruses
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from multiprocessing import Pipe, get_context
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from evaluate.virus.config import SelectionConfig
from evaluate.virus.em import EMConfig, classify
from evaluate.virus.found import read_experiment
from evaluate.virus.hits import HitsConfig, find_hits
from evaluate.virus.selection import counts, precision_at
from evaluate.virus.sizes import SizesConfig, measure
from frames.readout.readout import read
from simulate.virus.bodies import Bodies
from simulate.virus.config import DetectorConfig, RehearsalConfig, VirusConfig, VirusSimulationConfig
from simulate.virus.detector import CENTRE, geometry_of, readout_of
from simulate.virus.images import photons_of, photons_per_fluence
from simulate.virus.plan import plan
from simulate.virus.rehearsal import rehearsed
from train.batches.drawn import Boxed, labelled
from train.batches.polar_bins import PolarBins, polar_bins
from train.batches.representation import Coloured, Representation, Scale, pictures
from train.config.single_hits import FindRecipe
from train.models.detection.yolo import yolo
from train.models.polar.pattern import PolarPattern
from train.tasks.find_single import best_threshold, fit_finder, load_members, log_odds

WHOLE = 285_944
"""Frames of CXIDB-156, the largest public set of this virus and its like."""

KEPT = 0.99
"""Share of single hits that the second test has to leave."""

DETECTORS = ("whole", "half")
"""What `labels` sees of a frame."""

INNER, OUTER = (8, 10, 12, 15, 20), (50, 65, 80, 95)
"""Pixels between which the profile may be fitted."""


def shots(n: int, kinds: dict[str, float] | None = None, seed: int = 0) -> tuple[NDArray, pd.DataFrame, float]:
    """n frames as read, (n, ny, nx) photons, their rows of the plan, and seconds that the simulation took."""
    asked: dict[str, object] = {"seed": seed, "shots": {"train": n, "validation": 1, "test": 1}} | (
        {"kinds": kinds} if kinds else {}
    )
    config, geometry = VirusSimulationConfig.model_validate(asked), geometry_of("binned")
    bodies = Bodies.of(config.virus, geometry.q_max)
    table = plan(config, photons_per_fluence(bodies, geometry)).iloc[:n]
    started = time.perf_counter()
    counts = photons_of(table, bodies, geometry, config.detector)
    seconds = time.perf_counter() - started
    frames = read(counts, readout_of(config.detector), table["seed"].to_numpy(np.uint64), geometry.live)
    return frames, table, seconds


def timed(
    step: str, n: int, do: Callable[[], object], repeats: int = 3, warm: Callable[[], object] | None = None
) -> None:
    """A line on the fastest of some repeats in a process of its own: see `told`.

    warm : what is done first, so that code is loaded and compiled; None does the step once.
    """
    ends = Pipe(duplex=False)

    def child() -> None:
        (warm or do)()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before, took = memory_mb("VmRSS"), []
        for _ in range(repeats):
            begun = time.perf_counter()
            do()
            took.append(time.perf_counter() - begun)
        ends[1].send((min(took), memory_mb("VmHWM") - before))

    one = get_context("fork").Process(target=child)
    one.start()
    ends[1].close()
    try:
        seconds, more = ends[0].recv()
    except EOFError:
        raise RuntimeError(f"{step} ended with {one.exitcode} before it was timed") from None
    one.join()
    told(step, n, seconds, more)


def memory_mb(name: str) -> float:
    """What this process holds now (VmRSS), or has held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def told(step: str, n: int, seconds: float, megabytes: float) -> None:
    """A line on a step: frames/s, hours for the largest public set on one core, what it needs beside its frames."""
    line = {
        "bench": "single_hits",
        "step": step,
        "frames": n,
        "frames_per_s": round(n / seconds, 1),
        "core_hours_for_285944": round(WHOLE * seconds / n / 3600, 3),
        "more_mb": round(megabytes),
    }
    print(json.dumps(line), flush=True)


def speeds(n: int) -> None:
    """Of each step, on the same frames, one thread."""
    torch.set_num_threads(1)
    frames, table, _ = shots(n)
    geometry, centre = geometry_of("binned"), CENTRE["binned"]
    bodies, detector = Bodies.of(VirusConfig(), geometry.q_max), DetectorConfig()
    timed(
        "simulation",
        n,
        lambda: photons_of(table, bodies, geometry, detector),
        1,
        partial(photons_of, table[:4], bodies, geometry, detector),
    )
    q = np.linalg.norm(geometry.q, axis=-1)
    timed("hit finding", n, lambda: find_hits(frames, geometry.mask, centre, HitsConfig()))
    measure(frames[:2], geometry.mask, centre, q, SizesConfig())  # templates are made
    for part in (n // 4, n // 2, n):
        timed("size filter", part, partial(measure, frames[:part], geometry.mask, centre, q, SizesConfig()))
    bins = polar_bins(frames.shape[1:], (centre[1], centre[0]), geometry.mask)
    timed("rings and angles", n, lambda: bins.of(frames))
    for scale in get_args(Scale):
        seen = Representation("grayscale", scale, 64)
        timed(f"pictures, {scale}, 64 pixels", n, partial(pictures, frames, geometry.mask, seen), 1)
    photons = bins.of(frames)
    members: list[torch.nn.Module] = [PolarPattern(26).eval() for _ in range(FindRecipe().members)]
    timed("ours, three networks", n, lambda: log_odds(members, photons, bins.live))
    for name, size, width, some in (
        ("yolov2", 64, 0.125, 256), ("yolov3", 64, 0.125, 256), ("yolov2", 416, 1.0, 2), ("yolov3", 608, 1.0, 1),
    ):  # fmt: skip
        model = Coloured(yolo(name, 3, width), "jet").eval()  # type: ignore[arg-type]
        drawn = torch.randint(0, 255, (some, 1, size, size)).float()
        with torch.no_grad():
            timed(f"{name}, {size} pixels, width {width:g}", some, partial(_asked, model, drawn), 2)
    em(photons, bins.live)


def _asked(model: torch.nn.Module, drawn: torch.Tensor) -> None:
    for start in range(0, len(drawn), 64):
        model(drawn[start : start + 64])


def em(photons: NDArray, live: NDArray) -> None:
    """The EM on more and more frames, thinned copies of those at hand where there are not so many."""
    generator, config = np.random.default_rng(0), EMConfig(n_classes=20, n_iterations=24)
    for n in (2000, 4000, 8000):
        rate = 0.5 * np.maximum(photons[np.arange(n) % len(photons)], 0)
        many = generator.poisson(rate).astype(np.float32)
        timed(
            "EM, 20 classes, 24 iterations",
            n,
            partial(classify, many, live, config),
            1,
            partial(classify, many[:100], live, config),
        )


def ranges(frames: NDArray, single: NDArray, diameter_nm: NDArray) -> Iterator[dict[str, float]]:
    """Of every range: how far fitted sizes of singles scatter about those planned, and who passes the first test."""
    geometry, q = geometry_of("binned"), np.linalg.norm(geometry_of("binned").q, axis=-1)
    for inner, outer in product(INNER, OUTER):
        found = measure(frames, geometry.mask, CENTRE["binned"], q, SizesConfig(inner_px=inner, outer_px=outer))
        yield {
            "inner_px": inner,
            "outer_px": outer,
            "fitted_over_planned": float((found.diameter_nm / diameter_nm)[single].mean()),
            "scatter": float((found.diameter_nm / diameter_nm)[single].std()),
            "singles": float(found.right_size[single].mean()),
            "others": float(found.right_size[~single].mean()),
        }


def cuts(n: int) -> None:
    """Where the size filter cuts: by shots of one seed, and what that does to shots of another."""
    kinds = {"single": 0.25, "double": 0.2, "aggregate": 0.25, "droplet": 0.1, "ellipsoid": 0.1, "with_droplet": 0.1}
    frames, table, _ = shots(n, kinds, seed=1)
    single = (table["kind"] == "single").to_numpy()
    for line in ranges(frames, single, table["diameter_nm"].to_numpy()):
        print(json.dumps({"bench": "single_hits", "step": "range", **{k: round(v, 4) for k, v in line.items()}}))
    geometry, q = geometry_of("binned"), np.linalg.norm(geometry_of("binned").q, axis=-1)
    uneven = measure(frames, geometry.mask, CENTRE["binned"], q, SizesConfig()).anisotropy
    evenest, typical = np.quantile(uneven[single], KEPT), np.median(uneven[table["kind"] == "aggregate"])
    cut = float(np.sqrt(evenest * typical))
    frames, table, _ = shots(n, kinds, seed=2)
    found = measure(frames, geometry.mask, CENTRE["binned"], q, SizesConfig())
    of = table["kind"][found.right_size]
    passed = pd.Series(found.anisotropy[found.right_size] <= cut).groupby(of.to_numpy()).mean()
    told_of_cut = {
        "bench": "single_hits",
        "step": "cut",
        "singles_99": round(float(evenest), 3),
        "aggregates_median": round(float(typical), 3),
        "cut": round(cut, 3),
        "held_out_that_pass": passed.round(3).to_dict(),
    }
    print(json.dumps(told_of_cut))


def rehearsals(all_bins: Mapping[str, PolarBins]) -> dict[str, Boxed]:
    """Simulated frames that pass the size filter, as each of some detectors sees them; simulated once."""
    geometry, place = geometry_of("binned"), CENTRE["binned"]
    q, kinds = np.linalg.norm(geometry.q, axis=-1), []
    polar: dict[str, list[NDArray]] = {name: [] for name in all_bins}
    for some in rehearsed(RehearsalConfig(), geometry, DetectorConfig()):
        passed = measure(some.frames, geometry.mask, place, q, SizesConfig()).right_size
        kinds.append(some.kind[passed])
        for name, bins in all_bins.items():
            polar[name].append(bins.of(some.frames[passed]))
    single = np.concatenate(kinds) == "single"
    return {name: labelled(np.concatenate(some), single) for name, some in polar.items()}


def labels(
    folder: Path, recipe: FindRecipe, numbers: Sequence[int], detectors: Sequence[str] = DETECTORS, *, rehearse: bool
) -> None:
    """What ours selects of a run's test frames from few labels of either kind, all of the detector or half of it.

    Labels are drawn of what was hit, from the training split alone; as many of the validation split decide the
    threshold, at most 45. Nothing of the test split is seen, nor made of what is trained on.

    rehearse : whether it learns from simulated frames of made-up viruses as well.
    """
    centre = (CENTRE["binned"][1], CENTRE["binned"][0])
    whole = read_experiment(folder, centre)
    half = whole.mask | (np.arange(whole.mask.shape[0])[:, None] > CENTRE["binned"][0])
    truth = (whole.table["truth"] == "single").to_numpy()
    all_bins = {
        name: polar_bins(whole.frames.shape[1:], centre, mask, r_min=6)
        for name, mask in zip(DETECTORS, (whole.mask, half), strict=True)
        if name in detectors
    }
    beside = rehearsals(all_bins) if rehearse else {}
    for name, bins in all_bins.items():
        photons = whole.polar(SelectionConfig()) if name == "whole" else bins.of(whole.frames)
        for n in numbers:
            generator, sets = np.random.default_rng(n), []
            for split, most in (("train", n), ("validation", min(n, 45))):
                rows = whole.rows(split)
                picked = [generator.permutation(rows[truth[rows] == kind])[:most] for kind in (True, False)]
                chosen = np.concatenate(picked)
                sets.append(labelled(photons[chosen], truth[chosen]))
            with tempfile.TemporaryDirectory() as where:
                cpu = torch.device("cpu")
                fit_finder(sets[0], sets[1], bins.live, recipe, 0, cpu, Path(where), "virus", beside.get(name))
                members = load_members(Path(where), bins.n_rings, torch.device("cpu"))
            least = best_threshold(log_odds(members, np.asarray(sets[1].images), bins.live), sets[1].single == 1)
            rows = whole.rows("test")
            score = log_odds(members, photons[rows], bins.live)
            line: dict[str, object] = {
                "bench": "single_hits",
                "step": "labels",
                "detector": name,
                "rehearsed": len(beside.get(name, ())),
                "a_class": n,
                "test": len(rows),
            }
            line |= {"single": int(truth[rows].sum()), "labelled": int(sets[0].single.sum())}
            taken, right = score >= least, truth[rows]
            found = counts(int(taken.sum()), int((right & taken).sum()), int(right.sum()), len(rows))
            line |= {key: round(found[key], 3) for key in ("precision", "recall", "f1")}
            line["precision_at_recall_60"] = round(precision_at(0.6, score, truth[rows]), 3)
            print(json.dumps(line), flush=True)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("speeds", "cuts", "labels"), default="speeds")
    parser.add_argument("--frames", type=int, default=256)
    parser.add_argument("--run", type=Path, default=Path("results/pr772-small"), help="of `labels`")
    parser.add_argument("--members", type=int, default=3, help="networks of `labels`")
    parser.add_argument("--a-class", type=int, nargs="+", default=[5, 20, 80], help="labels of each, of `labels`")
    parser.add_argument("--detector", choices=DETECTORS, nargs="+", default=DETECTORS, help="of `labels`")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="of their training")
    parser.add_argument("--rehearse", action="store_true", help="simulated frames as well, of `labels`")
    given = parser.parse_args()
    if given.what == "labels":
        recipe = FindRecipe(members=given.members, precision=given.precision)
        labels(given.run, recipe, given.a_class, given.detector, rehearse=given.rehearse)
    else:
        (speeds if given.what == "speeds" else cuts)(given.frames)
    return 0


if __name__ == "__main__":
    sys.exit(main())
