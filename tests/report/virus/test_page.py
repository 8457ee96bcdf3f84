"""The page of a run on a virus: every figure is drawn and told, from tables and arrays alone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluate.virus.config import SelectionConfig
from evaluate.virus.methods import Experiment, Selected
from evaluate.virus.tables import TABLES, judge, write_tables
from frames.files import write_arrays
from report.virus.page import build_page

N = 120


@pytest.fixture(scope="module")
def run() -> Experiment:
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:60, :40] - np.array([29.5, 19.5]).reshape(2, 1, 1)
    r = np.hypot(x, y)
    single = generator.random(N) < 0.3
    wave = np.where(single[:, None, None], np.cos(0.9 * r), np.cos(0.9 * x))
    frames = generator.poisson(60 * np.exp(-r / 7) * (1 + 0.8 * wave)).astype(np.uint16)
    word = np.where(single, "single", "other")
    table = pd.DataFrame(
        {
            "frame": np.arange(N), "split": ["train"] * 30 + ["validation"] * 20 + ["test"] * (N - 50),
            "manual": np.where(generator.random(N) < 0.1, "single", word), "truth": word,
            "kind": np.where(single, "single", "double"), "diameter_nm": generator.normal(70, 2, N),
        }
    )  # fmt: skip
    return Experiment(frames, table, np.abs(y) < 1, (19.5, 29.5))


def selected(run: Experiment, flips: float, scored: bool, seed: int) -> Selected:
    generator = np.random.default_rng(seed)
    rows = run.rows("test")
    score = run.single[rows] + generator.normal(0, flips, len(rows))
    box = np.tile(np.array([19.5, 29.5, 20, 30], np.float32), (len(rows), 1))
    no = np.full(len(rows), np.nan)
    return Selected(rows, score > 0.5, (score if scored else no).astype("f4"), box if scored else box * np.nan)


def built(run: Experiment, folder: Path, selections: dict[tuple[str, int], Selected], kinds: bool = True) -> Path:
    """The page of selections, and all that it is made of, in a folder."""
    how = SelectionConfig(n_rings=14, n_angles=12, r_min_pixels=2)
    write_tables(run, how, selections, folder / "tables")
    steps = {"shots": 987, "hits": 654, "right_size": 321, "one_particle": 210, "train": 30, "validation": 20}
    flow = {"kind": ["all", "single"]} | {name: [n, n // 3] for name, n in steps.items()}
    told = pd.DataFrame(flow | {"test": [70, 20], "called_single": [40, 20]})
    told.iloc[: 2 if kinds else 1].to_csv(folder / "tables" / "flow.csv")
    paths = {}
    for (name, seed), one in selections.items():
        if seed == 0:
            one.write(paths.setdefault(name, folder / f"{name}.npz"))
    history = pd.DataFrame({"epoch": [1, 2, 3], "validation_f1": [0.1, 0.4, 0.5]})
    history.to_csv(folder / "history.csv")
    models = np.random.default_rng(0).random((4, 14, 12)).astype("f4")
    write_arrays(folder / "classes.npz", {"models": models, "classes": np.arange(N) % 4, "chosen": np.array([1])})
    page = folder / "pr772.html"
    histories = {name: folder / "history.csv" for name in paths if name.startswith("yolo")}
    classes, figures = folder / "classes.npz", folder / "figures"
    build_page(folder / "tables", paths, histories, classes, figures, page, "PR772", rehearsed=kinds)
    return page


def test_the_page_of_a_run_has_every_figure(run, tmp_path: Path) -> None:
    selections = {
        ("yolov2_jet_linear", 0): selected(run, 0.7, True, 1),
        ("em", 0): selected(run, 0.6, False, 2),
        ("ours", 0): selected(run, 0.3, True, 3),
        ("ours", 1): selected(run, 0.3, True, 4),
    }
    text = built(run, tmp_path, selections).read_text()
    assert text.count("<img") == len(list((tmp_path / "figures").iterdir())) == 8
    assert "http" not in text.replace("http://www.w3.org", "")
    table = pd.read_csv(tmp_path / "tables" / "selection.csv")
    assert set(table["method"]) == {"nothing", "yolov2_jet_linear", "em", "ours", "ours_and_em", "yolo_and_em"}
    f1 = table[(table.method == "ours") & (table.against == "truth")].f1
    assert len(f1) == 2
    assert all(f"<td>{one:.3f}</td>" in text for one in f1)
    assert f"<td>{f1.mean():.3f} ± {f1.std():.3f}</td>" in text
    assert "simulated frames of made-up viruses as well" in text
    assert "1184 to 1208" in text
    assert all(f"<b>{n}</b>" in text for n in (987, 654, 321))
    assert "shots fired" in text
    assert 'id="training"' in text
    assert {path.stem for path in (tmp_path / "tables").glob("*.csv")} == {*TABLES, "flow"}


def test_recorded_frames_were_not_fired_and_without_detectors_nothing_is_said_of_them(run, tmp_path: Path) -> None:
    recorded = Experiment(run.frames, run.table.assign(truth="", kind=""), run.mask, run.centre)
    selections = {("em", 0): selected(run, 0.6, False, 2), ("ours", 0): selected(run, 0.3, True, 3)}
    text = built(recorded, tmp_path, selections, kinds=False).read_text()
    assert "frames recorded" in text
    assert "shots" not in text
    assert "raining of the detectors" not in text
    assert "Against what was hit" not in text
    assert "made-up" not in text


def test_a_selection_of_other_frames_is_refused(run) -> None:
    one = selected(run, 0.1, True, 0)
    other = Selected(one.frame + 1, one.chosen, one.score, one.box)
    with pytest.raises(ValueError, match="of other frames"):
        judge(run, {("ours", 0): other})
