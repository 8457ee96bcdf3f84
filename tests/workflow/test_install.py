"""What is installed where: by dry runs of make, and by pip where it is refused."""

import io
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from frames.provenance import PACKAGES
from workflow.same_python import difference

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(tmp_path: Path):
    """Makes what an install needs of a bare clone, in a folder of this name, and runs make there."""

    def make(folder: str, *arguments: str) -> subprocess.CompletedProcess:
        (where := tmp_path / folder).mkdir(exist_ok=True)
        for name in ("Makefile", "pyproject.toml", "constraints.txt", "workflow/same_python.py"):
            (where / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, where / name)
        # Of a make within another, as where `make test` runs this, it would say which folder it enters.
        outside = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
        return subprocess.run(["make", *arguments], cwd=where, env=outside, capture_output=True, text=True, check=False)

    return make


def test_users_get_no_tools_of_developers(clone) -> None:
    for target in ("install", "demo", "validation"):
        done = clone("bare", "--dry-run", target)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("pip install") == 1
        assert '".[onnx,cluster,screen]"' in done.stdout
    for target in ("dev", "test", "lint", "bench", "test-browser", "test-faults", "test-slurm", "format"):
        done = clone("bare", "--dry-run", target)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("pip install") == 1
        assert '".[dev]"' in done.stdout


def test_what_developers_installed_is_enough_for_users(clone, tmp_path: Path) -> None:
    clone("bare", "--dry-run", "dev")
    (tmp_path / "bare" / ".venv").mkdir()
    for stamp in ("installed", "installed-dev"):
        later = (tmp_path / "bare" / "pyproject.toml").stat().st_mtime + 10
        (tmp_path / "bare" / ".venv" / stamp).touch()
        os.utime(tmp_path / "bare" / ".venv" / stamp, (later, later))
    for target in ("install", "test"):
        assert "pip" not in clone("bare", "--dry-run", target).stdout


def test_a_path_with_a_space_is_refused_before_anything_is_installed(clone, tmp_path: Path) -> None:
    done = clone("a clone", "install", "PYTHON=false")
    assert done.returncode != 0
    assert "a clone has a space in it" in done.stderr
    assert "Installing" not in done.stdout
    assert not (tmp_path / "a clone" / ".venv").exists()


@pytest.mark.parametrize(
    ("old", "new"), [("executable = ", "executable = /opt/other"), (platform.python_version(), "3.11.999")]
)
def test_an_environment_of_another_python_is_not_added_to(clone, tmp_path: Path, old: str, new: str) -> None:
    """`python -m venv` would keep the packages that are there and run them by the new one."""
    (tmp_path / "bare" / ".venv").mkdir(parents=True)
    there = tmp_path / "bare" / ".venv" / "pyvenv.cfg"
    told = (Path(sys.prefix) / "pyvenv.cfg").read_text()
    assert old in told
    there.write_text(told.replace(old, new))
    done = clone("bare", "dev", f"PYTHON={sys.executable}")
    assert done.returncode != 0
    assert "packages of both would mix" in done.stderr
    assert new.removeprefix("executable = ") in done.stderr
    assert [path.name for path in there.parent.iterdir()] == ["pyvenv.cfg"]
    there.write_text(told)
    assert difference(there.parent) is None


def test_the_install_says_how_large_it_is_and_how_long_it_takes(clone) -> None:
    done = clone("bare", "install", "PYTHON=false")
    assert done.stdout.startswith(
        "Installing into .venv: Snakemake, PyTorch, numba and all else. About 2 GB, one to two"
    )
    assert done.returncode != 0  # there is no such Python


def test_an_install_says_what_it_is_at() -> None:
    sys.path.insert(0, str(ROOT / "workflow"))
    try:
        from installing import tell
    finally:
        sys.path.pop(0)
    fetched = ["  Downloading numpy.whl.metadata (62 kB)", *["  Using cached torch-2.whl (1 MB)"] * 30]
    output = io.StringIO()
    tell(["Collecting numpy", *fetched, "Installing collected packages: a, b, c", "Successfully installed a-1"], output)
    assert output.getvalue() == "package 25: torch-2.whl (1 MB)\ninstalling 3 packages\n"


def test_no_wheel_would_copy_the_packages_into_an_environment_of_others(tmp_path: Path) -> None:
    """`pip install .` and `pip wheel .` say why; an editable install is built as ever."""
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "workflow").mkdir()
    shutil.copy(ROOT / "workflow" / "editable_only.py", tmp_path / "workflow")
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "wheels", "."]
    done = subprocess.run(pip, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "singlehit is a workflow to clone, not a library to install" in done.stdout + done.stderr
    assert not list(tmp_path.glob("wheels/*.whl"))
    build = "import sys; sys.path.insert(0, 'workflow'); import editable_only; print(editable_only.build_editable('.'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wheel = tmp_path / done.stdout.split()[-1]
    assert wheel.exists()
    with zipfile.ZipFile(wheel) as files:
        (entries,) = (files.read(name).decode() for name in files.namelist() if name.endswith("entry_points.txt"))
    assert entries.split() == ["[console_scripts]", "singlehit", "=", "singlehit.command:main"]
