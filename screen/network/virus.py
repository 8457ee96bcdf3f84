"""The networks that `singlehit virus` trained on a user's labels, as one file, asked about frames as they come.

It holds what that command knew of frames as well: mask, place of the beam, rings and angles, counts of a photon.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from frames.files import sha256
from screen.network.network import Network
from train.batches.polar_bins import polar_bins
from train.few_shot.logistic import probability
from train.loop.checkpoint import load, save
from train.models.polar.pattern import PolarPattern
from train.tasks.find_single import log_odds

FILES_KIND = "single hits of one virus"
"""That a file says it holds"""


class Seen(NamedTuple):
    """How frames are looked at."""

    mask: NDArray[np.bool_]
    """(ny, nx) True where a pixel is not usable"""
    centre: tuple[float, float]
    """of the beam, x and y [pixels]"""
    n_rings: int
    n_angles: int
    r_min: float
    """[pixels]"""
    photon: float
    """what frames count for a photon"""


def save_selector(path: Path, members: list[nn.Module], seen: Seen) -> None:
    """Write the networks of a training, and how frames are looked at, atomically."""
    about = seen._asdict() | {"mask": torch.from_numpy(np.asarray(seen.mask, np.uint8)), "centre": list(seen.centre)}
    about["photon"] = float(seen.photon)
    save(path, {"holds": FILES_KIND, "seen": about, "members": [member.state_dict() for member in members]})


def virus_network(path: Path) -> Network:
    """What `save_selector` wrote. ValueError for a file of something else, or of another version."""
    saved = load(path)
    try:
        seen = Seen(**saved["seen"] | {"mask": saved["seen"]["mask"].numpy() != 0})
        members = []
        for weights in saved["members"]:
            member = PolarPattern(seen.n_rings)
            member.load_state_dict(weights)
            members.append(member.eval())
    except (AttributeError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{path} holds no networks of `singlehit virus` of this version ({error}); write it again, --network"
        ) from error
    ny, nx = seen.mask.shape
    bins = polar_bins((ny, nx), (seen.centre[0], seen.centre[1]), seen.mask, seen.n_rings, seen.n_angles, seen.r_min)

    def predict(images: NDArray[np.float32]) -> NDArray[np.float64]:
        odds = log_odds(list(members), bins.of(images / np.float32(seen.photon)), bins.live)
        return probability(odds.astype(np.float64)).astype(float)

    return Network("polar_pattern", (ny, nx), predict, None, sha256(path))
