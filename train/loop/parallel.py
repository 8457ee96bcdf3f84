"""One training by several processes, a GPU each, that comes to what one process would come to.

Each rank takes its slice of every batch. Outputs are then gathered, so that each rank computes the loss of the whole
batch, whatever that is, and the gradients of the slices add up to that of the batch.
"""

import logging
import tempfile
import threading
from collections.abc import Callable, Mapping
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from train.batches.batches import Patterns, RankSlice


def launch_ranks(n: int, device: torch.device, function: Callable[..., Any], *arguments: Any) -> None:
    """Call function(*arguments) in `n` processes that train together, each on a GPU of its own, or here where n is 1.

    They share the CPU threads of this process, and log through it: the first all, the others warnings alone. One that
    fails ends all of them. A script that calls this is guarded by `__name__ == "__main__"`: they import it.

    Raises
    ------
    RuntimeError  there are fewer GPUs than processes.
    ProcessRaisedException, ProcessExitedException  of torch.multiprocessing, with what went wrong in the first to fail.
    """
    if n == 1:
        function(*arguments)
        return
    if device.type == "cuda" and (found := torch.cuda.device_count()) < n:
        raise RuntimeError(
            f"training.gpus_per_training is {n}, but torch finds {found} GPU(s); lower it, or ask for more"
        )
    records = multiprocessing.get_context("spawn").Queue()
    listener = QueueListener(records, *logging.getLogger().handlers)
    listener.start()
    try:
        with tempfile.TemporaryDirectory(prefix="singlehit-") as meeting:
            n_threads = max(1, torch.get_num_threads() // n)
            multiprocessing.spawn(
                _take_part, (n, Path(meeting) / "store", device, n_threads, records, function, arguments), nprocs=n
            )
    finally:
        # A process that was ended in the middle of a record holds the queue for ever: nobody is to wait for it.
        records.cancel_join_thread()
        stopping = threading.Thread(target=listener.stop, daemon=True)
        stopping.start()
        stopping.join(timeout=10)


def _take_part(
    rank: int,
    n: int,
    meeting: Path,
    device: torch.device,
    n_threads: int,
    records: Any,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    """What process number `rank` does."""
    logging.basicConfig(level=logging.WARNING if rank else logging.INFO, handlers=[QueueHandler(records)])
    torch.set_num_threads(n_threads)
    if device.type == "cuda":
        torch.cuda.set_device(rank)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, init_method=meeting.as_uri(), rank=rank, world_size=n)
    function(*arguments)
    dist.destroy_process_group()  # not after an error: it would wait for processes that wait for this one


def share() -> RankSlice:
    """This process's slice of every batch."""
    return RankSlice(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else RankSlice()


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return share().rank == 0


def normalises_batches(model: nn.Module) -> bool:
    """Whether in training a pattern's output depends on the rest of its batch."""
    return any(isinstance(module, _BatchNorm) for module in model.modules())


def learner(model: nn.Module, device: torch.device) -> nn.Module:
    """The model as it is trained: the gradients of its weights are means over the processes.

    Batch normalisation takes its statistics from the whole batch, on GPUs. ValueError for a model with one on the CPU,
    where torch has no such layer: each process would normalise by its own share.
    """
    if share().n == 1:
        return model
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)
    elif normalises_batches(model):
        raise ValueError("the network has batch normalisation, which several processes can share on GPUs only")
    # Buffers are the same everywhere, as is the batch that they follow from.
    return DistributedDataParallel(model, broadcast_buffers=False)


def gather_batch(outputs: Any, patterns: Patterns, n: int) -> tuple[Any, Patterns]:
    """Outputs for a batch of `n` patterns, and its labels without images, from the slices of all ranks."""
    if share().n == 1:
        return outputs, patterns
    labels = torch.from_numpy(np.stack([*patterns.labels.values()], 1))  # stay on the CPU: a GPU would stall
    codes = dict(zip(patterns.labels, _joined(labels, n).numpy().T, strict=True))
    if isinstance(outputs, Tensor):
        joined: Any = _joined(outputs, n)
    elif isinstance(outputs, Mapping):
        joined = {name: _joined(output, n) for name, output in outputs.items()}
    else:  # a named tuple
        joined = type(outputs)(*(_joined(output, n) for output in outputs))
    return joined, Patterns(np.empty((n, 0)), codes)


def _joined(mine: Tensor, n: int) -> Tensor:
    """The `n` rows of a batch in their order, (n, ...), from this process's (m, ...) and the others'.

    The gradient of `mine` is that of the batch times the number of processes, because of which its mean is taken.
    """
    rank, processes = share()
    mine = mine.float() if mine.is_floating_point() else mine
    padded = pad(mine, (0, 0) * (mine.ndim - 1) + (0, -(-n // processes) - len(mine)))
    parts = [torch.empty_like(padded) for _ in range(processes)]
    dist.all_gather(parts, padded.detach().contiguous())
    if padded.requires_grad:
        parts[rank] = padded.detach() + processes * (padded - padded.detach())
    return torch.stack(parts, 1).flatten(0, 1)[:n]  # row i is row i // processes of process i % processes
