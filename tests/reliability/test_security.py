"""Files of others run no code: no line of the source would, and every reader refuses malicious ones."""

import ast
import json
import pickle
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from frames.files import read_arrays, read_json, write_json
from frames.formats.open import open_frames
from frames.provenance import PACKAGES
from frames.store.dataset import open_dataset
from frames.store.integrity import DamagedDatasetError
from frames.store.layout import Layout
from frames.store.writer import shard_file
from simulate.config import SimulationConfig
from simulate.stages.geometry import make_geometry
from support.datasets import make_dataset
from train.few_shot.support import read_support
from train.loop.checkpoint import load, load_encoder, load_model

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    *(file for package in (*PACKAGES, "bench") for file in sorted((ROOT / package).rglob("*.py"))),
    *sorted((ROOT / "workflow" / "scripts").rglob("*.py")),
]
RULES = [ROOT / "Snakefile", *sorted((ROOT / "workflow" / "rules").rglob("*.smk"))]
# What runs code

PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
ALLOWED = {
    ("frames/files.py", "imports pickle"),  # for the name of an exception
    # Masks of cctbx are pickles: its unpickler looks up no class but flags, tests/frames/formats/test_cxidb76.py.
    ("frames/formats/cxidb76.py", "imports pickle"),
    ("validate/page.py", "calls Environment without autoescape=True"),  # Markdown of our own numbers
}
RUNS_CODE = {"eval", "exec", "compile", "__import__"}
RUNS_A_SHELL = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "commands.getoutput"}
ASKED_FOR_SAFELY = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "np.lib.format.read_array": ("allow_pickle", False),
    "Environment": ("autoescape", True),
}
UNSAFE_YAML = {"yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load"}


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or attribute, else nothing."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""


def unsafe(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and reason of everything that could run what a file or a config says."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from ((node.lineno, f"imports {name}") for name in modules if name.split(".")[0] in PICKLES)
        if not isinstance(node, ast.Call):
            continue
        name, given = dotted(node.func), {word.arg: word.value for word in node.keywords}
        is_pickle = name.startswith("pickle.") and name != "pickle.UnpicklingError"
        if is_pickle or name in RUNS_CODE | RUNS_A_SHELL | UNSAFE_YAML:
            yield node.lineno, f"calls {name}"
        if name in ASKED_FOR_SAFELY:
            word, value = ASKED_FOR_SAFELY[name]
            if not (isinstance(said := given.get(word), ast.Constant) and said.value is value):
                yield node.lineno, f"calls {name} without {word}={value}"
        if "shell" in given or any(
            isinstance(v, ast.Constant) and v.value is True for k, v in given.items() if k == "allow_pickle"
        ):
            yield node.lineno, f"calls {name} with shell= or allow_pickle=True"
        if name in ("pd.read_pickle", "pandas.read_pickle") or name.endswith(".to_pickle"):
            yield node.lineno, f"calls {name}"


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_line_runs_what_a_file_or_a_config_says(file: Path) -> None:
    name = str(file.relative_to(ROOT))
    found = [
        f"{name}:{line} {reason}"
        for line, reason in unsafe(ast.parse(file.read_text(encoding="utf-8")))
        if (name, reason) not in ALLOWED
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "eval(text)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "pd.read_pickle(path)",
    ],
)
def test_the_search_finds_what_it_looks_for(line: str) -> None:
    assert list(unsafe(ast.parse(line)))


@pytest.mark.parametrize("file", sorted((ROOT / "report").rglob("*.html.j2")), ids=lambda file: file.parent.name)
def test_a_template_trusts_nothing_but_its_own_words(file: Path) -> None:
    """`safe` follows a constant; every value is escaped."""
    trusted = re.findall(r"([^ ]+) *\| *safe\b", re.sub(r"'[^'{}]*'|\"[^\"{}]*\"", "CONSTANT", file.read_text()))
    assert all(value.endswith("CONSTANT") for value in trusted), trusted


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.parent.name)
def test_no_rule_gives_a_shell_anything(file: Path) -> None:
    """A rule runs a script: no string made of config values is ever a command."""
    lines = file.read_text(encoding="utf-8").splitlines()
    found = [
        f"{file.name}:{n} {line.strip()}" for n, line in enumerate(lines, 1) if re.search(r"\bshell\b *[:(]", line)
    ]
    assert not found, "\n".join(found)


# What others wrote


class Malicious:
    """Unpickled, it leaves a file where it is told to."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.fixture
def trace(tmp_path: Path) -> Iterator[Path]:
    """What a pickle that ran would leave; it must not."""
    path = tmp_path / "it ran"
    pickle.loads(pickle.dumps(Malicious(path)))
    assert path.exists(), "the pickle is harmless: the test would show nothing"
    path.unlink()
    yield path
    assert not path.exists()


@pytest.mark.parametrize("reader", [load, lambda p: load_model(p, "cpu"), lambda p: load_encoder(p, "cpu")])
def test_a_checkpoint_of_pickles_is_refused(tmp_path: Path, trace: Path, reader: Any) -> None:
    torch.save({"description": {}, "weights": Malicious(trace)}, tmp_path / "model.pt")
    torch.save(Malicious(trace), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("model.pt", "old.pt"):
        with pytest.raises(ValueError, match=rf"{name} is damaged or no checkpoint"):
            reader(tmp_path / name)


def test_arrays_of_pickles_are_refused(tmp_path: Path, trace: Path) -> None:
    np.savez(tmp_path / "atoms.npz", elements=np.array([Malicious(trace)], dtype=object))
    np.savez(
        tmp_path / "support.npz", embeddings=np.array([Malicious(trace)], dtype=object), is_single=np.ones(1, bool)
    )
    (tmp_path / "plain.npz").write_bytes(pickle.dumps(Malicious(trace)))
    for name in ("atoms.npz", "support.npz", "plain.npz"):
        with pytest.raises(ValueError, match=rf"{name} is damaged"):
            read_arrays(tmp_path / name)
    with pytest.raises(ValueError, match="damaged"):
        read_support(tmp_path / "model.pt", 1)


def test_a_mask_and_frames_of_pickles_are_refused(tmp_path: Path, trace: Path) -> None:
    np.save(tmp_path / "mask.npy", np.full((8, 8), Malicious(trace), dtype=object))
    config = SimulationConfig.model_validate(
        {
            "structures": [{"id": "globule", "source": "phantom", "phantom": "globule"}],
            "datasets": {"clean": {"base": "clean", "detector": {"n_pixels": 8, "mask_file": tmp_path / "mask.npy"}}},
        }
    )
    with pytest.raises(ValueError, match=r"mask\.npy is no \.npy file of numbers"):
        make_geometry(config.datasets["clean"], tmp_path / "g.npz", tmp_path / "g.json")
    with pytest.raises(ValueError, match=r"mask\.npy"):
        open_frames(tmp_path / "mask.npy")


def test_a_store_of_pickles_is_no_dataset(tmp_path: Path, trace: Path) -> None:
    """Zarr 2 knows arrays whose bytes are pickles (older numcodecs read them); ours are of Zarr 3, or do not open."""
    folder = make_dataset(tmp_path / "d", np.ones((20, 4, 4), np.uint16), ["a"] * 20, [1] * 20)
    group = folder / "patterns.zarr"
    shutil.rmtree(group)
    (group / "photons").mkdir(parents=True)
    (group / ".zgroup").write_text('{"zarr_format": 2}')
    array = {
        "zarr_format": 2,
        "shape": [2],
        "chunks": [2],
        "dtype": "|O",
        "fill_value": "",
        "order": "C",
        "compressor": {"id": "pickle", "protocol": 5},
        "filters": [{"id": "vlen-utf8"}],
    }
    (group / "photons" / ".zarray").write_text(json.dumps(array))
    (group / "photons" / "0").write_bytes(pickle.dumps(Malicious(trace)))
    with pytest.raises(DamagedDatasetError, match="missing"):
        open_dataset(folder)
    # Whoever forges the records as well:
    layout, card = (read_json(folder / name) for name in ("layout.json", "dataset.json"))
    write_json(folder / "layout.json", layout | {"files": {}})
    for entry in card["shards"]:
        shard = shard_file(folder, Layout.load(folder), entry["shard"])
        shard.parent.mkdir(parents=True)
        shard.write_bytes(bytes(entry["bytes"]))
    with pytest.raises(FileNotFoundError, match="No group found"):
        open_dataset(folder)
    with pytest.raises(ValueError, match="pickles, which can run any code"):
        open_frames(group / "photons")
