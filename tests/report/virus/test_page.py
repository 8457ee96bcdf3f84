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


def test_the_page_of_a_run_has_every_figure(run, tmp_path: Path) -> None:
    selections = {
        ("yolov2_jet_linear", 0): selected(run, 0.7, True, 1),
        ("em", 0): selected(run, 0.6, False, 2),
        ("ours", 0): selected(run, 0.3, True, 3),
    }
    how = SelectionConfig(n_rings=14, n_angles=12, r_min_pixels=2)
    write_tables(run, how, selections, tmp_path / "tables")
    steps = {"shots": 987, "hits": 654, "right_size": 321, "one_particle": 210, "train": 30, "validation": 20}
    flow = {"kind": ["all", "single"]} | {name: [n, n // 3] for name, n in steps.items()}
    pd.DataFrame(flow | {"test": [70, 20], "called_single": [40, 20]}).to_csv(tmp_path / "tables" / "flow.csv")
    paths = {}
    for (name, _), one in selections.items():
        paths[name] = tmp_path / f"{name}.npz"
        one.write(paths[name])
    history = pd.DataFrame({"epoch": [1, 2, 3], "validation_f1": [0.1, 0.4, 0.5]})
    history.to_csv(tmp_path / "history.csv")
    models = np.random.default_rng(0).random((4, 14, 12)).astype("f4")
    write_arrays(tmp_path / "classes.npz", {"models": models, "classes": np.arange(N) % 4, "chosen": np.array([1])})
    page = tmp_path / "pr772.html"
    histories = {"yolov2_jet_linear": tmp_path / "history.csv"}
    build_page(tmp_path / "tables", paths, histories, tmp_path / "classes.npz", tmp_path / "figures", page, "PR772")
    text = page.read_text()
    assert text.count("<img") == len(list((tmp_path / "figures").iterdir())) == 8
    assert "http" not in text.replace("http://www.w3.org", "")
    table = pd.read_csv(tmp_path / "tables" / "selection.csv")
    assert set(table["method"]) == {"nothing", "yolov2_jet_linear", "em", "ours", "ours_and_em", "yolo_and_em"}
    assert f"{table[(table.method == 'ours') & (table.against == 'truth')].f1.iloc[0]:.3f}" in text
    assert "1184 to 1208" in text
    assert all(f"<b>{n}</b>" in text for n in (987, 654, 321))
    assert {path.stem for path in (tmp_path / "tables").glob("*.csv")} == {*TABLES, "flow"}


def test_a_selection_of_other_frames_is_refused(run) -> None:
    one = selected(run, 0.1, True, 0)
    other = Selected(one.frame + 1, one.chosen, one.score, one.box)
    with pytest.raises(ValueError, match="of other frames"):
        judge(run, {("ours", 0): other})
