"""Imports go one way: workflow, singlehit -> validate, report -> evaluate, screen -> train | simulate -> frames; no
circles; skopi through one door; the core without extras."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from support.programs.mutants import MODULES

ROOT = Path(__file__).resolve().parents[2]
MAY_IMPORT = {
    "frames": {"frames"},
    "simulate": {"simulate", "frames"},
    "train": {"train", "frames"},
    "evaluate": {"evaluate", "train", "simulate", "frames"},
    "screen": {"screen", "train", "frames"},
    "report": {"report", "evaluate", "train", "simulate", "frames"},
    "validate": {"validate", "report", "evaluate", "simulate", "frames"},
    "singlehit": {"singlehit", "validate", "report", "evaluate", "screen", "train", "simulate", "frames"},
}
HANDS_ON = {"simulate/dataset.py", "simulate/export.py", "train/embed.py", "evaluate/estimate.py"}
"""Commands of version 0.1, which import `singlehit` to tell what they are called now; nothing imports them."""
PACKAGES = set(MAY_IMPORT)
CORE = (
    "simulate.diffraction.volume",
    "simulate.diffraction.patterns",
    "simulate.diffraction.patterns_torch",
    "simulate.experiment.photons",
    "simulate.experiment.geometry",
)
TRAINING = (
    "train.tasks.classify",
    "train.inference.predict",
    "train.loop.checkpoint",
    "train.models.registry",
    "train.tasks.embed",
    "train.few_shot.classifiers",
    "screen.select",
    "screen.classify",
)


def imports(file: Path) -> list[tuple[int, str]]:
    """Line and full name of every module that a file imports."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.lineno, node.module))
    return found


def files(*packages: str) -> list[Path]:
    return [file for package in packages for file in sorted((ROOT / package).rglob("*.py"))]


def test_nothing_points_back() -> None:
    broken = [
        f"{file.relative_to(ROOT)}:{line} imports {name}"
        for package, allowed in MAY_IMPORT.items()
        for file in files(package)
        if str(file.relative_to(ROOT)) not in HANDS_ON
        for line, name in imports(file)
        if (top := name.split(".")[0]) in PACKAGES - allowed or top in {"snakemake", "workflow", "tests", "bench"}
    ]
    assert not broken, "\n".join(broken)


def test_commands_of_before_are_nothing_else() -> None:
    old = {file.removesuffix(".py").replace("/", ".") for file in HANDS_ON}
    for file in HANDS_ON:
        assert imports(ROOT / file) == [(3, "sys"), (5, "singlehit.command")]
    assert not [file for file in files(*PACKAGES) if imported(file) & old]


def test_skopi_has_one_door() -> None:
    doors = {
        str(file.relative_to(ROOT))
        for file in files(*PACKAGES)
        for _, name in imports(file)
        if name.split(".")[0] == "skopi"
    }
    assert {Path(door).parent for door in doors} == {Path("simulate/skopi")}


def test_no_file_imports_itself_by_others() -> None:
    """At any depth of the code, and for types alone, too."""
    modules = {
        ".".join(f.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): f for f in files(*PACKAGES)
    }
    graph = {module: imported(file) & set(modules) - {module} for module, file in modules.items()}
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()
    TopologicalSorter(graph).prepare()  # CycleError names the circle


def imported(file: Path) -> set[str]:
    """Full names of what a file imports: modules, and what could be one of a package."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_rooms_are_small() -> None:
    """About a dozen entries a folder, 350 lines a file; longer is what one compiled loop needs."""
    folders = {file.parent for file in files(*PACKAGES)} | {ROOT / "workflow" / "rules", ROOT / "tests"}
    crowded = {
        str(folder.relative_to(ROOT)): n
        for folder in folders
        if (n := sum(entry.name not in ("__pycache__", "__init__.py") for entry in folder.iterdir())) > 14
    }
    assert not crowded
    long = {str(f.relative_to(ROOT)) for f in files(*PACKAGES) if len(f.read_text().splitlines()) > 350}
    assert long <= {"simulate/diffraction/patterns_numba.py"}


def test_snakemake_starts_without_what_takes_long_to_import() -> None:
    """It reads the Snakefile and the config at every start, on a cluster in every job."""
    files = [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").rglob("*.smk")]
    text = "\n".join(file.read_text() for file in files)
    modules = sorted(set(re.findall(r"^from ((?!snakemake)\w+\.[\w.]+) import", text, re.MULTILINE)))
    assert "evaluate.run.systems" in modules
    slow = {"torch", "numba", "matplotlib", "pandas", "sklearn", "skopi", "dask", "xarray", "zarr", "onnxruntime"}
    slow.add("scipy.spatial")  # scipy itself and its constants are 20 ms
    code = f"""
import sys, yaml, {", ".join(modules)}
evaluate.run.systems.load_run(yaml.safe_load(open("config.yaml")))
print(*{slow!r} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


@pytest.mark.parametrize("modules", [CORE, TRAINING], ids=["simulation core", "training"])
def test_core_runs_where_only_numpy_scipy_and_torch_are(modules: tuple[str, ...]) -> None:
    """As on a bare GPU node."""
    absent = "skopi gemmi pydantic zarr pandas pyarrow dask distributed numba finufft sklearn matplotlib snakemake tqdm"
    code = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {absent.split()!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
for module in {modules!r}:
    __import__(module)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_every_module_says_what_it_is() -> None:
    silent = [str(f.relative_to(ROOT)) for f in files(*PACKAGES) if not ast.get_docstring(ast.parse(f.read_text()))]
    assert not silent


def test_mutants_are_of_modules_and_tests_that_are_there() -> None:
    named = {*MODULES, *(f"tests/{test}" for tests in MODULES.values() for test in tests)}
    assert not [name for name in named if not (ROOT / name).is_file()]
