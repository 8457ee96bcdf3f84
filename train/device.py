"""Where the networks run."""

import logging

import torch

logger = logging.getLogger(__name__)


def choose_device(name: str = "auto") -> torch.device:
    """The device called `auto` (a GPU where there is one), `cpu` or `cuda`.

    RuntimeError for cuda where there is none: hours on a CPU in its place would be a surprise.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device is {name!r}, expected auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(
            f"device cuda was asked for, but torch {torch.__version__} finds no GPU here; "
            "set training.device to auto or cpu, or run on a GPU node with a CUDA build of torch"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def flush_denormals() -> None:
    """Let numbers below 1e-38 be zero, in this process from now on.

    Adam with an L2 penalty drives weights there, and every operation on one is a hundred times slower: training fell
    to a tenth of its speed. It is a flag of each thread, which new threads inherit; torch cannot set it in those that
    are already at work, so a warning says when it comes too late for some.
    """
    torch.set_flush_denormal(True)
    denormal = torch.ones(2**16 * torch.get_num_threads(), dtype=torch.int32).view(torch.float32)  # a task per thread
    if (denormal * 1.0).view(torch.int32).any():
        logger.warning("denormals are not flushed in all threads: train before other work with torch in this process")


def describe_device(device: torch.device) -> str:
    """For logs: the GPU's name, or the number of CPU threads."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, threads: {torch.get_num_threads()}"
