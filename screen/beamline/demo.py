"""`make screen-demo`: beamline, screening and page at once, and then what was kept held against the truth.

results/demo/screening/<time>/run/            the screening's own folder
results/demo/screening/<time>/scores.csv      and scores.json: from what it was made
"""

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frames.files import atomic_path, read_json, read_table, sha256, write_json
from frames.provenance import source_digest, versions
from frames.store.dataset import open_dataset
from screen.beamline.scores import LEVELS, LIT, Score, at_yield, extra_redu_hits, lit_pixels, score_of
from screen.network.networks import load_network
from screen.stream.screening import BATCH

SHARE = 0.7
"""Of the network's rate alone that is streamed: beamline, page and hits share the machine with it"""
MEASURED_FOR = 2.0
"""[s]"""
YIELDS = 0.5, 0.7, 0.9
"""At which all are compared, beside the network's own"""
COLUMNS = ("method", "operating_point", "frames_kept", "purity", "yield", "frames")


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m screen.beamline.demo", description=__doc__)
    parser.add_argument("run", type=Path, help="a run that is finished, as results/demo")
    parser.add_argument("--dataset", default="noise_free")
    parser.add_argument("--model", default="polar")
    aim = parser.add_mutually_exclusive_group()
    aim.add_argument("--purity", default="0.99", help="that is aimed at (default: 0.99)")
    aim.add_argument("--yield", dest="yield_", help="that is aimed at instead")
    parser.add_argument(
        "--rate", help=f"frames per second (default: {SHARE:.0%}% of what the network predicts here, which is measured)"
    )
    parser.add_argument("--frames", default="6000")
    parser.add_argument("--page", default="8000")
    parser.add_argument("--port", default="45000", help="of the bridge")
    given = parser.parse_args(argv)
    model = given.run / "models" / given.dataset / given.model / "seed0" / "model.pt"
    data = given.run / "datasets" / given.dataset
    for needed in (model, data / "dataset.json"):
        if not needed.exists():
            print(f"there is no {needed}: `make demo` makes it, in minutes", file=sys.stderr)
            return 2
    if given.rate is None:
        alone = measured(load_network(model).predict, open_dataset(data).read(slice(0, BATCH)).astype(np.float32))
        given.rate = str(share_of(alone))
        print(f"{given.model} predicts {alone:.0f} frames/s here; streamed at {SHARE:.0%} of that, {given.rate}/s")
    out = given.run / "screening" / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    out.mkdir(parents=True)
    screened = _run(given, model, data, out)
    if screened != 0:
        return screened
    rows = scores(given.run, given.dataset, out)
    write(out, rows, given, model)
    print(table(rows))
    print(f"written to {out / 'scores.csv'}")
    return 0


def measured(
    predict: Callable[[NDArray[np.float32]], Any], images: NDArray[np.float32], seconds: float = MEASURED_FOR
) -> float:
    """Frames per second that a network predicts by itself, of images (n, ny, nx) again and again."""
    predict(images)  # allocates
    start, n = time.perf_counter(), 0
    while (taken := time.perf_counter() - start) < seconds or not n:
        predict(images)
        n += len(images)
    return n / taken


def share_of(alone: float) -> int:
    """Whole frames per second to stream where the network alone answers so many."""
    return max(1, int(SHARE * alone))


def _run(given: argparse.Namespace, model: Path, data: Path, out: Path) -> int:
    """Both processes, to the end; the status of the screening."""
    singlehit = [sys.executable, "-m", "singlehit"]
    screening = subprocess.Popen(
        [
            *(*singlehit, "screen", f"karabo://127.0.0.1:{given.port}?axes=file", "--model", str(model)),
            *(("--yield", given.yield_) if given.yield_ else ("--purity", given.purity)),
            *("--out", str(out / "run"), "--page", given.page, "--deadline", "10"),
            *("--run", "demo", "--hits", "folded"),
        ]
    )
    beamline = subprocess.Popen(
        [
            *(*singlehit, "beamline", str(data), "--rate", given.rate, "--frames", given.frames, "--poisoned", "0.02"),
            *("--bind", f"tcp://127.0.0.1:{given.port}", "--truth", str(out / "truth.parquet"), "--wait", "400"),
        ]
    )
    try:
        while beamline.poll() is None and screening.poll() is None:
            time.sleep(0.2)
        time.sleep(1.0)  # what was taken last is being decided
        if screening.poll() is None:
            screening.terminate()
        status = screening.wait(120)
        return 0 if status in (0, 130) and beamline.wait(30) == 0 else status or 2
    finally:
        for process in (beamline, screening):
            if process.poll() is None:
                process.kill()


def scores(run: Path, dataset: str, out: Path) -> list[dict[str, Any]]:
    """A row a method and operating point, all on the frames that the network predicted; lit pixels also from levels on
    that are not the finder's own: which is the best of them is for the reader to see, in hindsight."""
    decisions = read_table(out / "run" / "decisions.parquet").to_pandas()
    truth = read_table(out / "truth.parquet").to_pandas()
    both = decisions[decisions["p_single"].notna()].merge(truth, on=["train", "pulse"], validate="one_to_one")
    both = both.sort_values(["train", "pulse"])
    if both.empty:
        raise ValueError(f"{out}: the network predicted no frame; what came is in {out / 'run'}")
    single = (both["hit_multiplicity"] == 1).to_numpy()
    threshold = read_json(out / "run" / "screening.json")["threshold"]["value"]
    ours = score_of((both["p_single"] >= threshold).to_numpy(), single)
    if not ours.yield_ > 0:
        raise ValueError(f"{out}: of {single.sum()} single hits none was kept from {threshold} on; nothing to compare")
    ways = {"network": both["p_single"].to_numpy()}
    found = [_row("network", f"p >= {threshold:.4g}", ours, len(both))]
    data = open_dataset(run / "datasets" / dataset)
    known = run / "predictions" / dataset / dataset / "total_intensity-seed0.parquet"
    if known.exists():
        values = read_table(known).to_pandas().set_index("pattern")["p_hit_multiplicity_1"].reindex(both["row"])
        if not values.isna().any():
            ways["total intensity"] = values.to_numpy()
    rows, at = np.unique(both["row"], return_inverse=True)
    live, patterns = ~data.mask, data.read(slice(rows[0], rows[-1] + 1))[rows - rows[0]]
    trains, pulses = both["train"].to_numpy(), both["pulse"].to_numpy()
    for level in LEVELS:
        named = f"lit from {level:g} photons, extra_redu"
        try:
            lit = lit_pixels(patterns, live, level)[at]
            ways[named], hit = extra_redu_hits(lit, int(live.sum()), trains, pulses)
        except ModuleNotFoundError as error:
            print(f"no lit-pixel finder beside it: {error}; `make dev` has extra_redu", file=sys.stderr)
            break
        if level == LIT:
            ways[f"{named}, the fewest"] = -ways[named]
        found.append(_row(named, "its own: median + 4 sigma", score_of(hit, single), len(both)))
    for point, wanted in [("the network's yield", ours.yield_), *((f"yield {y:g}", y) for y in YIELDS)]:
        for name, values in ways.items():
            if (name, point) != ("network", "the network's yield"):
                found.append(_row(name, point, at_yield(values, single, wanted), len(both)))
    return found


def _row(method: str, point: str, score: Score, n: int) -> dict[str, Any]:
    return dict(zip(COLUMNS, (method, point, round(score.kept, 1), score.purity, score.yield_, n), strict=True))


def write(out: Path, rows: list[dict[str, Any]], given: argparse.Namespace, model: Path) -> None:
    """As CSV, and beside it from what it was made."""
    with atomic_path(out / "scores.csv") as temporary, open(temporary, "w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        # Empty, as in a run's tables, where nothing was kept.
        writer.writerows({k: "" if v != v else v for k, v in row.items()} for row in rows)
    write_json(
        out / "scores.json",
        {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "arguments": {name: str(value) for name, value in vars(given).items()},
            "model_sha256": sha256(model),
            "dataset_sha256": sha256(given.run / "datasets" / given.dataset / "dataset.json"),
            "screening": read_json(out / "run" / "screening.json"),
            "source_digest": source_digest("screen.beamline.demo", "screen.stream.command", "screen.beamline.command"),
            "versions": versions(),
        },
    )


def table(rows: list[dict[str, Any]]) -> str:
    """For a terminal."""
    lines = [f"{'method':46}{'operating point':28}{'purity':>8}{'yield':>8}{'kept':>9}  of {rows[0]['frames']} frames"]
    for row in rows:
        lines.append(
            f"{row['method']:46}{row['operating_point']:28}{row['purity']:8.3f}{row['yield']:8.3f}{row['frames_kept']:9.0f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
