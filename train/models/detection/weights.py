"""Darknet's files of weights, read and written.

Little-endian: int32 major, minor, revision; images seen so far, as int64 from version 0.2 on, else int32; then for each
convolution in the order of the .cfg, as float32: where it is normalised beta, gamma, mean, variance and the kernel,
else its bias and the kernel (out, in, y, x). Modules here are defined in that order.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from frames.files import atomic_path
from train.models.detection.layers import Convolution

VERSION = 0, 2, 5


def tensors(model: nn.Module) -> Iterator[Tensor]:
    """The numbers of a network in the order of a file."""
    for part in model.modules():
        if isinstance(part, Convolution):
            norm = part.norm
            if norm.running_mean is None or norm.running_var is None:
                raise ValueError(
                    "a convolution's normalisation keeps no statistics: expected running mean and variance"
                )
            yield from (norm.bias, norm.weight, norm.running_mean, norm.running_var, part.convolution.weight)
        elif isinstance(part, nn.Conv2d) and part.bias is not None:
            yield from (part.bias, part.weight)


def write_weights(path: Path, model: nn.Module, seen: int = 0) -> None:
    """Write a network's weights; `seen`: images that it was trained on."""
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        stream.write(np.array(VERSION, "<i4").tobytes() + np.array(seen, "<i8").tobytes())
        for some in tensors(model):
            stream.write(some.detach().cpu().contiguous().numpy().astype("<f4").tobytes())


def read_weights(path: Path, model: nn.Module) -> int:
    """Set a network's weights to those of a file, which is all read before any is set: images that it saw.

    ValueError where the file holds more numbers than the network has, or fewer.
    """
    content = path.read_bytes()
    if len(content) < 16:
        raise ValueError(f"{path} has {len(content)} bytes, too few for the header of a darknet file of weights")
    major, minor, _ = np.frombuffer(content, "<i4", 3)
    is_long = major * 10 + minor >= 2
    seen = int(np.frombuffer(content, "<i8" if is_long else "<i4", 1, 12)[0])
    body = content[20 if is_long else 16 :]
    wanted = list(tensors(model))
    expected = sum(some.numel() for some in wanted)
    if len(body) != 4 * expected:
        raise ValueError(
            f"{path} holds {len(body) / 4:g} numbers after its header, but the network has {expected}; expected "
            "weights of the same architecture, width, channels and number of classes"
        )
    numbers, start = np.frombuffer(body, "<f4"), 0
    with torch.no_grad():
        for some in wanted:
            part = numbers[start : start + some.numel()].astype(np.float32)
            some.copy_(torch.from_numpy(part).view(some.shape))
            start += some.numel()
    return seen
