"""Committed figures are those of the tables beside them."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from report.redraw import redraw, result_of, words

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"


@pytest.mark.parametrize("folder", ["standins-200", "conditions", "twin"])
def test_committed_figures_come_again_from_their_tables(folder: str, tmp_path: Path) -> None:
    shutil.copytree(RESULTS / folder, tmp_path / folder)
    for figure in redraw(tmp_path / folder):
        assert figure.read_bytes() == (RESULTS / folder / figure.name).read_bytes(), figure.name


def test_a_figure_says_what_the_table_says(tmp_path: Path) -> None:
    """The mean of a model's seeds beside its bar; networks by their names, never `ours`."""
    table = pd.read_csv(RESULTS / "standins" / "cnn.csv")
    (tmp_path / "standins").mkdir()
    for name in ("accuracies.svg", "cnn.csv", "cnn.json"):
        shutil.copy(RESULTS / "standins" / name, tmp_path / "standins")
    (figure,) = redraw(tmp_path / "standins")
    texts = re.findall(r"<!-- (.+) -->", figure.read_text(encoding="utf-8"))
    for (_, model), mean in table.groupby(["dataset", "model"])["test_accuracy"].mean().items():
        assert f"{100 * mean:.1f}" in texts
        assert model.replace("_", " ") in [text.replace("_", " ") for text in texts]
    assert not [text for text in texts if "ours" in text]
    assert "the poster" in texts


def test_a_table_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cnn\.csv has no row of \{'dataset': 'dim'\}"):
        result_of(RESULTS / "standins", "dim")


def test_words_come_in_the_order_of_the_figure(tmp_path: Path) -> None:
    (figure := tmp_path / "a.svg").write_text("<!-- noisy (its own) -->\n<!-- b -->\n<!-- a -->\n<!-- b -->\n")
    assert words(figure, {"a", "b", "noisy"}) == ["noisy", "b", "a"]
