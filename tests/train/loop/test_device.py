"""Where networks run, and what that must not cost."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from train.loop.device import choose_device, describe_device

REPOSITORY = Path(__file__).resolve().parents[3]


def test_devices_by_name():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match="tpu"):
        choose_device("tpu")
    assert "threads" in describe_device(torch.device("cpu"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_an_error():
    with pytest.raises(RuntimeError, match="finds no GPU"):
        choose_device("cuda")


@pytest.mark.parametrize(("already_at_work", "survivors", "warns"), [(False, 0, False), (True, 500_000, True)])
def test_denormals_are_flushed_in_every_thread_or_a_warning_is_given(already_at_work, survivors, warns):
    """In a process of its own, because threads keep the flag. Each of two threads takes half of the million."""
    code = f"""
import torch
from train.loop.device import flush_denormals
torch.set_num_threads(2)
if {already_at_work}:
    torch.ones(1_000_000) + 1
flush_denormals()
denormals = torch.ones(1_000_000, dtype=torch.int32).view(torch.float32)
print(int(((denormals * 1.0).view(torch.int32) != 0).sum()))
"""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120
    )
    assert int(result.stdout) == survivors
    assert ("denormals are not flushed" in result.stderr) is warns
