"""From selections of all methods to the tables of a run, and the arrays that its page draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate.virus.config import SelectionConfig
from evaluate.virus.files import ORIGIN, SINGLE
from evaluate.virus.methods import Experiment, Selected
from evaluate.virus.science import power_spectrum, science_table
from evaluate.virus.selection import f1_difference, noise_audit, selection_table, summary_table
from frames.files import atomic_path, read_arrays, write_arrays

TABLES = ("selection", "summary", "noise", "science", "agreement", "differences", "frames")
"""CSV files below tables/."""

N_SHOWN = 8
"""Frames of each kind on the page."""

Selections = Mapping[tuple[str, int], Selected]


@dataclass(frozen=True)
class Judged:
    """Every selection with consensus, and the labels of the test frames."""

    selections: dict[tuple[str, int], tuple[NDArray[np.bool_], NDArray | None]]
    manual: NDArray[np.bool_]
    truth: NDArray[np.bool_] | None
    """None of real files"""


def read_selection(path: Path) -> Selected:
    """What `Selected.write` wrote."""
    return Selected(**read_arrays(path))


def judge(run: Experiment, selections: Selections) -> Judged:
    """Selections by (method, seed), with consensus added: ours and EM, the best YOLO on labels' colours and EM.

    ValueError where a selection is of other frames than the test split.
    """
    rows = run.rows("test")
    frame = run.table["frame"].to_numpy()[rows]
    found: dict[tuple[str, int], tuple[NDArray[np.bool_], NDArray | None]] = {}
    for key, one in selections.items():
        if not np.array_equal(one.frame, frame):
            raise ValueError(f"the selection of {key[0]}, seed {key[1]}, is of other frames than the test split")
        found[key] = one.chosen, one.score if np.isfinite(one.score).all() else None
    for name, first, second in (("ours_and_em", "ours", "em"), ("yolo_and_em", "yolov2_jet_linear", "em")):
        for (method, seed), (chosen, score) in list(found.items()):
            if method == first and (partner := found.get((second, seed), found.get((second, 0)))) is not None:
                found[name, seed] = chosen & partner[0], score
    table = run.table.iloc[rows]
    known = (table["truth"] != "").all() and table["truth"].notna().all()
    return Judged(found, run.single[rows], np.asarray(table["truth"] == SINGLE) if known else None)


def write_tables(run: Experiment, how: SelectionConfig, selections: Selections, folder: Path) -> None:
    """Write `TABLES` as CSV, and `page.npz` with what the page draws, into a folder."""
    judged, rows = judge(run, selections), run.rows("test")
    table, bins = run.table.iloc[rows].reset_index(drop=True), run.bins(how)
    photons = run.polar(how)[rows]
    labels = {"manual": judged.manual} | ({} if judged.truth is None else {"truth": judged.truth})
    selected = selection_table(judged.selections, labels)
    tables = {
        "selection": selected,
        "summary": summary_table(selected, judged.selections, labels),
        "noise": noise_audit(judged.selections, judged.manual, judged.manual if judged.truth is None else judged.truth),
        "science": science_table(judged.selections, photons, bins, table),
        "agreement": agreement(judged),
        "differences": differences(judged),
        "frames": frames_table(judged, table),
    }
    for name, some in tables.items():
        with atomic_path(folder / f"{name}.csv") as temporary:
            some.to_csv(temporary, index=False, float_format="%.6g")
    first = {name: chosen for (name, seed), (chosen, _) in judged.selections.items() if seed == 0}
    arrays: dict[str, NDArray] = {f"spectrum/{name}": power_spectrum(photons[one], bins) for name, one in first.items()}
    arrays["spectrum/manual"] = power_spectrum(photons[judged.manual], bins)
    arrays["radius"] = bins.radius
    arrays["mask"], arrays["manual"] = run.mask, judged.manual
    for kind, some in table.groupby("kind" if (table["kind"] != "").all() else "manual", sort=True):
        arrays[f"kind/{kind}"] = run.frames[rows[some.index[:N_SHOWN]]]
    best = "ours" if ("ours", 0) in selections else next(iter(selections))[0]
    chosen = first[best]
    groups = {"hits": chosen & judged.manual, "misses": ~chosen & judged.manual, "alarms": chosen & ~judged.manual}
    boxes = next((one.box for one in selections.values() if np.isfinite(one.box).all()), None)
    generator = np.random.default_rng(0)
    for name, mine in groups.items():
        some = generator.permutation(np.flatnonzero(mine))[:N_SHOWN]
        arrays[f"shown/{name}"] = run.frames[rows[some]]
        arrays[f"frame/{name}"] = table["frame"].to_numpy()[some]
        if boxes is not None:
            arrays[f"box/{name}"] = boxes[some]
        if judged.truth is not None:
            arrays[f"truth/{name}"] = judged.truth[some]
    arrays["counts"] = np.array([len(run.table), *(len(run.rows(split)) for split in ("train", "validation", "test"))])
    write_arrays(folder / "page.npz", arrays)


def frames_table(judged: Judged, table: pd.DataFrame) -> pd.DataFrame:
    """A row a test frame: its number and, of recorded frames, its file and number there; labels; 1 where selected.

    Columns <method>_<seed>, and <method>_<seed>_score of methods that have scores.
    """
    told = table[[name for name in ("frame", *ORIGIN, "manual", "truth") if name in table]].copy()
    for (name, seed), (chosen, score) in judged.selections.items():
        told[f"{name}_{seed}"] = chosen.astype(int)
        if score is not None:
            told[f"{name}_{seed}_score"] = score
    return told


def agreement(judged: Judged) -> pd.DataFrame:
    """IoU of the selections of every two methods, of the first seeds; and of each with the labels."""
    first = {name: chosen for (name, seed), (chosen, _) in judged.selections.items() if seed == 0}
    sets = {"manual": judged.manual} | ({} if judged.truth is None else {"truth": judged.truth}) | first
    rows = [
        {"one": a, "other": b, "iou": (sets[a] & sets[b]).sum() / max(1, (sets[a] | sets[b]).sum())}
        for a, b in combinations(sets, 2)
    ]
    return pd.DataFrame(rows, columns=["one", "other", "iou"])


def differences(judged: Judged) -> pd.DataFrame:
    """F1 of ours less that of every other method with its interval, the same seed where there is one."""
    rows = []
    labels = {"manual": judged.manual} | ({} if judged.truth is None else {"truth": judged.truth})
    for (name, seed), (chosen, _) in judged.selections.items():
        mine = judged.selections.get(("ours", seed), judged.selections.get(("ours", 0)))
        if name == "ours" or mine is None:
            continue
        for against, single in labels.items():
            difference, low, high = f1_difference(mine[0], chosen, single)
            rows.append(
                {"other": name, "seed": seed, "against": against, "f1_more": difference, "low": low, "high": high}
            )
    return pd.DataFrame(rows, columns=["other", "seed", "against", "f1_more", "low", "high"])
