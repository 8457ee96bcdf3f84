"""Where the networks run."""

import ctypes
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
    if name == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # float32 is what it says: by default convolutions keep 10 bits of 23
    return torch.device(name)


def held_on(device: torch.device) -> torch.device | None:
    """Where the patterns lie that a network on the device is to see: on a GPU beside it; None: in the CPU's memory."""
    return device if device.type == "cuda" else None


def emulates_bfloat16(device: torch.device) -> bool:
    """Whether arithmetic in bfloat16 is slower there than in float32, as on a CPU before AVX512-BF16 (2020)."""
    return device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()


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


def keep_memory() -> None:
    """Let glibc keep what this process frees, from now on.

    It gives large arrays back to the system, and every step of a training faults all of its activations in again, which
    takes as long as the arithmetic. Another C library is left as it is: this is speed, no result hangs on it.
    """
    mmap_max, trim_threshold = -4, -1  # of malloc.h
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)


def describe_device(device: torch.device) -> str:
    """For logs: the GPU's name, or the number of CPU threads."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, threads: {torch.get_num_threads()}"
