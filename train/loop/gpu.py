"""Whether this machine has a GPU, told without torch, whose import takes seconds."""

from pathlib import Path

DRIVERS = Path("/dev/nvidiactl"), Path("/dev/kfd")
"""What the drivers of NVIDIA's and AMD's GPUs that compute put there."""


def has_gpu() -> bool:
    """Whether a driver is at work; torch may still be a build for the CPU alone."""
    return any(driver.exists() for driver in DRIVERS)
