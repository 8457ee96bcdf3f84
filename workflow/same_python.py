"""Refuse to install into an environment that another Python made: what each installs would mix.

python workflow/same_python.py .venv
"""

import platform
import sys
from pathlib import Path


def difference(folder: Path) -> str | None:
    """What makes an environment another Python's than the one that runs this; None where nothing does."""
    lines = (folder / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    made_by = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    its_own = made_by.get("executable") or f"{made_by['home']}/python3"
    here = getattr(sys, "_base_executable", None) or sys.executable  # of an environment the one that it was made by
    version = made_by.get("version") or platform.python_version()
    if Path(its_own).resolve() == Path(here).resolve() and version == platform.python_version():
        return None
    return f"{folder} is of {its_own} ({version}), and this would install by {here} ({platform.python_version()})"


if __name__ == "__main__":
    if found := difference(Path(sys.argv[1])):
        sys.exit(
            f"{found}: packages of both would mix. Remove {sys.argv[1]}, or name its Python: make PYTHON=... again"
        )
