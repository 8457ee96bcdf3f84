"""Files of others run no code, names from a config stay in the run's folder, and downloads are what was asked for."""

import ast
import gzip
import json
import pickle
import re
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from evaluate.run.config import load_config
from evaluate.run.files import RunFiles
from frames.files import atomic_path, read_arrays, read_json, write_json
from frames.formats.open import open_frames
from frames.provenance import PACKAGES
from frames.schema import Identifier
from frames.store.dataset import open_dataset
from frames.store.integrity import DamagedDatasetError
from frames.store.layout import Layout
from frames.store.writer import shard_file
from simulate.config import SimulationConfig
from simulate.molecules import pdb_archive
from simulate.molecules.config import ArchiveConfig
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


# Names and paths

NAMES = {
    "another folder": "../x",
    "the folder above": "..",
    "here": ".",
    "hidden": ".ssh",
    "absolute": "/tmp/x",
    "empty": "",
    "a blank": " ",
    "a line more": "x\n",
    "a line between": "x\ny",
    "a null": "x\0",
    "a backslash": "a\\b",
    "a drive": "C:x",
    "a home": "~root",
    "a variable": "$HOME",
    "a command": "$(id)",
    "an option": "-rf",
    "a wildcard": "{dataset}",
    "a star": "*",
    "full-width dots": "\uff0e\uff0e/x",
    "a full-width letter": "\uff41",
    "a division slash": "a\u2215b",
    "a letter with an accent": "caf\u00e9",
    "an accent of its own": "cafe\u0301",
    "right to left": "a\u202eb",
    "no width": "a\u200bb",
    "too long": "x" * 65,
}


def config_with(place: str, name: str) -> dict[str, Any]:
    """A small valid config, where `name` is called what is named."""
    named = {key: name if key == place else default for key, default in VALID.items()}
    return {
        "run": named["run"],
        "title": "t",
        "simulation": {
            "structures": [{"id": named["structure"], "source": "phantom", "phantom": "globule"}],
            "plan": {"patterns_per_class": 100, "hit_multiplicities": [1, 2]},
            "datasets": {named["dataset"]: {"base": "clean"}},
        },
        "training": {"models": {named["model"]: {"network": "late5"}}, "datasets": [named["dataset"]]},
        "twins": {
            "encoders": {named["encoder"]: {"network": "late5"}},
            "datasets": [named["dataset"]],
            "families": {named["family"]: [named["structure"]]},
            "folds": ["none"],
        },
        "evaluation": {"twins": {"labels": [1]}},
    }


VALID = {"run": "r", "structure": "s", "dataset": "d", "model": "m", "encoder": "e", "family": "f"}


def test_the_names_of_the_tests_are_fine() -> None:
    assert load_config(config_with("", "")).run == "r"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_could_leave_the_folder_of_the_run_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        TypeAdapter(Identifier).validate_python(NAMES[name])


@pytest.mark.parametrize("place", VALID)
def test_everything_that_names_files_is_such_a_name(place: str) -> None:
    for name in ("../x", "x\n"):
        with pytest.raises(ValueError, match="problem"):
            load_config(config_with(place, name))


@pytest.mark.parametrize("name", ["../../etc/passwd", "1abc/..", "1ab\n", "1\u0430bc", "", "1abcd"])
def test_a_pdb_id_is_an_id(name: str) -> None:
    config = config_with("", "")
    config["simulation"]["structures"] = [{"id": "s", "pdb_id": name}]
    with pytest.raises(ValueError, match="pdb_id"):
        load_config(config)


def test_all_files_of_a_run_lie_under_its_folder(tmp_path: Path) -> None:
    """With the longest names that a config may have; no part of a path is longer than file systems allow."""
    long = "x" * 64
    files = RunFiles(tmp_path)
    paths = [
        *(files.atoms(long), files.structure(long), files.field(long, "q0.36"), files.volume(long, "q0.36")),
        *(files.plan("dispersed"), files.dataset(long), files.geometry(long), files.layout(long), files.card(long)),
        *(files.training(long, long, 2**32 - 1), files.embeddings(long, long, long, "d8-m0.2", 2**32 - 1)),
        *(files.predictions(long, long, 2**32 - 1, long), files.table(long), files.figure(f"{long}.svg")),
    ]
    for path in paths:
        assert path.resolve().is_relative_to(tmp_path.resolve())
        assert max(len(part.encode()) for part in path.parts) < 200, path


def test_what_is_written_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "result.json").symlink_to(tmp_path / "precious")
    with atomic_path(tmp_path / "result.json") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "precious").read_text() == "mine"
    assert (tmp_path / "result.json").read_text() == "new"
    assert not (tmp_path / "result.json").is_symlink()


# Downloads


@pytest.mark.parametrize(
    "server",
    ["http://example.org/{id}.cif", "ftp://example.org/{id}.cif", "file:///etc/{id}.cif", "example.org/{id}.cif"],
)
def test_only_https_is_fetched(server: str) -> None:
    with pytest.raises(ValueError, match="only https is"):
        ArchiveConfig(servers=(server,))


@pytest.mark.parametrize("server", ["https://example.org/{name}.cif", "https://example.org/{id.x}.cif", "https://{0}"])
def test_an_address_has_no_other_gaps(server: str) -> None:
    with pytest.raises(ValueError, match=r"no address with \{id\} or \{ID\} in it"):
        ArchiveConfig(servers=(server,))


class Answers(BaseHTTPRequestHandler):
    """Sends on to an address that is not to be trusted, or answers without end."""

    def do_GET(self) -> None:
        if "away" in self.path:
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.2:{self.server.server_port}/1abc.cif")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(200):
                self.wfile.write(b"x" * 1000)
        except ConnectionError:
            pass

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("0.0.0.0", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def fetched_from(server: str, folder: Path) -> Path:
    config = ArchiveConfig(servers=(server,), cache_dir=folder / "cache", lock_file=folder / "lock.json", retries=0)
    return pdb_archive.fetch("1abc", config)


def test_a_redirection_is_checked_too(tmp_path: Path, url: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"http://127\.0\.0\.2:\d+/1abc\.cif is not fetched"):
        fetched_from(f"{url}/away/{{id}}.cif", tmp_path)
    assert not list((tmp_path / "cache").glob("*.cif"))


def test_an_answer_without_end_is_cut(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetched_from(f"{url}/{{id}}.cif", tmp_path / "whole").stat().st_size == 200_000
    monkeypatch.setattr(pdb_archive, "MAX_BYTES", 100_000)
    with pytest.raises(FileNotFoundError, match=r"longer than 0\.1 MB"):
        fetched_from(f"{url}/{{id}}.cif", tmp_path)
    assert not list((tmp_path / "cache").glob("*.cif*"))


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdb_archive, "MAX_BYTES", 10**6)
    (tmp_path / "1abc.cif.gz").write_bytes(gzip.compress(bytes(5 * 10**6)))
    assert (tmp_path / "1abc.cif.gz").stat().st_size < 10**4
    with pytest.raises(ValueError, match="holds more than 1 MB"):
        pdb_archive.uncompressed(tmp_path / "1abc.cif.gz")
