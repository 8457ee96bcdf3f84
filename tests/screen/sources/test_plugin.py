"""The source of one's own that docs/screening.md shows, run as it is written there."""

import re
import sys
from pathlib import Path

import numpy as np

from frames.files import read_table
from screen.stream.command import main
from support.streaming import onnx_of_means

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = """
from types import SimpleNamespace

import numpy as np


class Reader:
    def __init__(self, address):
        assert address == "hall4"
        self.n = 0

    def next(self, timeout):
        self.n += 1
        if self.n > 12:
            raise RuntimeError("the hall has closed")
        if self.n == 3:
            return None
        image = None if self.n == 5 else np.full((8, 8), self.n / 12, "f4")
        return SimpleNamespace(run="r7", number=self.n, image=image, timestamp=100.0 + self.n)


connect = Reader
"""


def test_the_source_of_the_docs_is_screened(tmp_path, monkeypatch, capsys):
    written = re.search("```python\n# mybeamline.py\n(.*?)```", (ROOT / "docs" / "screening.md").read_text(), re.DOTALL)
    (tmp_path / "mybeamline.py").write_text(written[1])
    (tmp_path / "hall4.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(tmp_path)
    model = onnx_of_means(tmp_path / "mean.onnx")
    command = ["mybeamline:Shared?address=hall4", "--model", model, "--threshold", "0.5", "--keep-vetoes", "0"]
    try:
        assert main([*map(str, command), "--out", str(tmp_path / "run")]) == 2
    finally:
        for name in ("mybeamline", "hall4"):
            sys.modules.pop(name, None)
    assert "the hall has closed" in capsys.readouterr().err  # an exception ends it; what came before is decided
    found = read_table(tmp_path / "run" / "decisions.parquet").to_pandas()
    expected = {n: "keep" if n >= 6 else "veto" for n in range(1, 13) if n != 3} | {5: "missing"}
    assert dict(zip(found["train"], found["decision"], strict=True)) == expected
    assert set(found["source"]) == {"HALL4/JUNGFRAU"}
    assert set(found["run"]) == {"r7"}
    assert found["reason"][found["train"] == 5].item() == "the event has no image"
    np.testing.assert_allclose(found["p_single"].dropna(), [n / 12 for n in expected if n != 5], rtol=1e-6)


def test_an_argument_that_it_does_not_have_is_told(tmp_path, capsys):
    model = onnx_of_means(tmp_path / "mean.onnx")
    command = [
        "support.streaming:Made?hall=4",
        "--model",
        str(model),
        "--threshold",
        "0.5",
        "--out",
        str(tmp_path / "r"),
    ]
    assert main(command) == 2
    assert "`singlehit screen --help` tells what it takes" in capsys.readouterr().err
