"""One self-contained page about single hits of a virus, from the tables and arrays of a run."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from evaluate.virus.published import PUBLISHED
from evaluate.virus.selection import positives_implied
from frames.files import read_arrays
from report.page import data_uri, write_page
from report.virus import draw
from report.virus.draw import said
from train.batches.representation import Representation, pictures

TABLES = ("selection", "summary", "noise", "science", "agreement", "differences")
TILES = {
    "shots": "shots fired",
    "hits": "hits found",
    "right_size": "of the right size",
    "train": "labelled, for training",
    "validation": "labelled, for validation",
    "test": "test frames",
}
"""Column of flow.csv -> words."""

GROUPS = {"hits": "hits", "misses": "misses", "alarms": "false alarms"}


def build_page(
    tables: Path,
    selections: Mapping[str, Path],
    histories: Mapping[str, Path],
    em: Path | None,
    figures: Path,
    output: Path,
    title: str,
    iterations: int = 100,
    *,
    rehearsed: bool = False,
) -> None:
    """Draw every figure into a folder, and write the page.

    Parameters
    ----------
    tables :     folder of what `evaluate.virus.found.make_tables` wrote.
    selections : method -> its first seed's selection, .npz; `histories` the same of detectors' history.csv.
    em :         .npz with `models`, `classes` and `chosen`.
    rehearsed :  whether ours learned from simulated frames beside the labels.

    Raises
    ------
    FileNotFoundError naming what the run lacks.
    """
    told = {name: pd.read_csv(tables / f"{name}.csv") for name in TABLES}
    for name in ("science", "noise"):  # a row a seed, of which the page shows the mean
        told[name] = told[name].groupby("method", sort=False).mean().reset_index()
    arrays = read_arrays(tables / "page.npz")
    figures.mkdir(parents=True, exist_ok=True)
    mask, drawn = arrays["mask"], []

    def path(name: str) -> Path:
        drawn.append(name)
        return figures / name

    kinds = {name.split("/")[1]: some for name, some in arrays.items() if name.startswith("kind/")}
    draw.gallery(path("kinds.png"), kinds, mask)
    shown = {word: arrays[f"shown/{name}"] for name, word in GROUPS.items()}
    boxes = {word: arrays[f"box/{name}"] for name, word in GROUPS.items() if f"box/{name}" in arrays}
    words = {
        word: [
            f"{frame}"
            + ("" if f"truth/{name}" not in arrays else f", {'single' if arrays[f'truth/{name}'][i] else 'not'}")
            for i, frame in enumerate(arrays[f"frame/{name}"])
        ]
        for name, word in GROUPS.items()
    }
    draw.gallery(path("shown.png"), shown, mask, boxes or None, words)
    example = next((some[:1] for some in (*shown.values(), *kinds.values()) if len(some)), None)
    if example is not None:
        ways = [Representation(c, s, 416) for c in ("jet", "grayscale") for s in ("linear", "log")]
        named = {f"{way.colours}, {way.scale}": pictures(example, mask, way)[0] for way in ways}
        draw.representations(path("representations.png"), named)
    if histories:
        draw.f1_curves(path("f1.svg"), {name: pd.read_csv(file) for name, file in histories.items()}, iterations)
    read = {name: read_arrays(file) for name, file in selections.items()}
    manual = arrays["manual"]
    draw.precision_recall(path("pr.svg"), {name: (one["score"], one["chosen"], manual) for name, one in read.items()})
    if em is not None:
        found = read_arrays(em)
        sizes = np.bincount(found["classes"], minlength=len(found["models"]))
        draw.em_classes(path("em.png"), found["models"], sizes, found["chosen"])
    spectra = {name.split("/")[1]: some for name, some in arrays.items() if name.startswith("spectrum/")}
    draw.spectra(
        path("spectra.svg"), arrays["radius"], {name: s for name, s in spectra.items() if np.isfinite(s).any()}
    )
    draw.agreement(path("agreement.svg"), told["agreement"])
    implied = positives_implied(PUBLISHED["em"])
    flow = pd.read_csv(tables / "flow.csv").to_dict("records")
    simulated = len(flow) > 1  # nobody knows kinds of recorded frames: one row of all
    write_page(
        Path(__file__).parent / "page.html.j2",
        (said, percent),
        output,
        title=title,
        images={name: data_uri(figures / name) for name in drawn},
        tables={name: table.to_dict("records") for name, table in told.items()},
        kinds=[name for name in told["science"] if name.startswith("share_")],
        has_truth=bool((told["selection"]["against"] == "truth").any()),
        flow=flow,
        simulated=simulated,
        rehearsed=rehearsed,
        tiles={
            word if simulated or name != "shots" else "frames recorded": int(flow[0][name])
            for name, word in TILES.items()
        },
        em_positives=(round(implied["recall"][0]), round(implied["recall"][1])),
    )


def percent(value: float, digits: int = 1) -> str:
    """A fraction in per cent; a dash for what is not known."""
    return "–" if pd.isna(value) else f"{100 * value:.{digits}f}"
