"""What a detector reads of expected photons, on the device where they were rendered: as detector.py and readout.py do.

The same distributions from torch's own generator, so not the same numbers: for patterns that are seen once.
"""

import torch
from torch import Tensor

from frames.readout import readout
from frames.readout.config import ReadoutConfig
from simulate.experiment.photons import refuse_overflow


def record(expected: Tensor, config: ReadoutConfig, live: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Readings (n, ny, nx) of expected photons (n, ny, nx), on their device; 0 where live (ny, nx) is 0.

    OverflowError if a pixel counts more than a dataset holds and nothing saturates.
    """
    shape = (expected.shape[1], expected.shape[2])

    def fixed(pattern) -> Tensor:
        return torch.tensor(pattern, device=expected.device)

    reading = torch.poisson(expected, generator=generator)
    if config.saturation_photons is None:
        refuse_overflow(int(reading.amax()))
    else:
        reading.clamp_(max=config.saturation_photons)
    if config.is_ideal:
        return reading
    reading *= fixed(readout.gains(config, shape))
    reading += config.hot_photons * fixed(readout.hot(config, shape))
    if config.read_noise_photons:
        noise = torch.empty_like(reading).normal_(generator=generator)
        reading.add_(noise, alpha=config.read_noise_photons)
    if config.adu_per_photon:
        reading = (reading * config.adu_per_photon).round_() / config.adu_per_photon
    return reading * ((live > 0) & ~fixed(readout.dead(config, shape)))
