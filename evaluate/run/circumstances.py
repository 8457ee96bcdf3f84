"""When, from which commit and on what kind of machine a result is made: for readers, in no digest."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from frames.provenance import ROOT


def circumstances() -> dict[str, str]:
    """All three, as a table's provenance and the pages have them."""
    return {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit(), "host": host_kind()}


def commit(root: Path = ROOT) -> str:
    """The git commit of the code, and whether tracked files have changed since; where that is not known, why."""
    if not (root / ".git").exists():  # a parent's repository is not this code's
        return "unknown: the code is no git checkout"
    asked = [
        "git",
        "--no-optional-locks",
        "-C",
        str(root),
        "describe",
        "--always",
        "--abbrev=40",
        "--exclude=*",
        "--dirty= and changes",
    ]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return f"unknown: git does not tell ({type(error).__name__})"
    return said.stdout.strip()


def host_kind() -> str:
    """Processor and cores of this machine, without its name."""
    known = Path("/proc/cpuinfo")  # platform.processor() is empty on most Linux
    lines = known.read_text(encoding="utf-8", errors="replace").splitlines() if known.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = os.cpu_count() or 1
    return f"{names[0] if names else platform.machine()}, {cores} {'core' if cores == 1 else 'cores'}"
