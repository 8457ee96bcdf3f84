"""Fixtures that several test folders share."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def structures_folder() -> Path:
    """Folder of real deposited structures; a test that needs it skips where there is none."""
    folder = Path(os.environ.get("SINGLEHIT_STRUCTURES", REPOSITORY.parent / "shared" / "structures"))
    if not (folder / "1aon.pdb.gz").exists():
        pytest.skip(f"no deposited structures in {folder}; set SINGLEHIT_STRUCTURES to a folder that has them")
    return folder
