"""Fixtures that several test folders share."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

# Processes that share the tests share the cores, too: more threads would wait for each other in every sum of torch's,
# and in every loop of numba's, which brings torch to as many.
if n_processes := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    n_threads = max(1, (os.cpu_count() or 1) // int(n_processes))
    os.environ.setdefault("OMP_NUM_THREADS", str(n_threads))
    import numba

    numba.set_num_threads(n_threads)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest come first, or the process that has the last one would work on alone."""
    items.sort(key=lambda item: (not item.path.name.startswith("test_run"), item.path.parent.name != "workflow"))


@pytest.fixture(scope="session")
def structures_folder() -> Path:
    """Folder of real deposited structures; a test that needs it skips where there is none."""
    folder = Path(os.environ.get("SINGLEHIT_STRUCTURES", REPOSITORY.parent / "shared" / "structures"))
    if not (folder / "1aon.pdb.gz").exists():
        pytest.skip(f"no deposited structures in {folder}; set SINGLEHIT_STRUCTURES to a folder that has them")
    return folder
