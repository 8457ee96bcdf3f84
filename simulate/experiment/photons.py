"""From expected photons to the photons that a detector takes; what it makes of them: frames/readout/readout.py."""

import numpy as np
from numpy.typing import NDArray

from frames.rng import states
from frames.store.encoding import MAX_PHOTONS


def sample_photons(
    expected_photons: NDArray[np.float32], seeds: NDArray[np.uint64], saturation: int | None = None
) -> NDArray[np.uint16]:
    """Poisson samples (n, ny, nx) of the expected photons (n, ny, nx), one seed a pattern.

    A pixel's count depends on its own mean, the pattern's seed and the pixel's place alone, and never falls when its
    mean grows within a branch of the method; the same seeds at two fluences give patterns of the same particle luck.

    Parameters
    ----------
    saturation : counts above it become it.

    Raises
    ------
    OverflowError if a pixel counts more than uint16 holds and nothing saturates; nothing wraps.
    """
    from simulate.experiment import photons_numba

    photons = np.empty(expected_photons.shape, dtype=np.uint16)
    largest = MAX_PHOTONS if saturation is None else min(saturation, MAX_PHOTONS)
    flat = expected_photons.reshape(len(photons), -1)
    greatest = photons_numba.sample(flat, states(seeds, "photons"), largest, photons.reshape(len(photons), -1))
    if saturation is None:
        refuse_overflow(int(greatest))
    return photons


def as_counts(photons: NDArray[np.int64], saturation: int | None = None) -> NDArray[np.uint16]:
    """The same counts as uint16, cut at saturation; OverflowError as for `sample_photons`."""
    if saturation is None:
        refuse_overflow(int(photons.max(initial=0)))
    return np.minimum(photons, MAX_PHOTONS if saturation is None else saturation).astype(np.uint16)


def refuse_overflow(greatest: int) -> None:
    """OverflowError where a pixel counts more photons than are stored."""
    if greatest > MAX_PHOTONS:
        raise OverflowError(
            f"a pixel counts {greatest} photons, more than the {MAX_PHOTONS} that are stored (uint16); "
            "lower photons_per_pulse, cover the pixel with a beamstop, set readout.saturation_photons, "
            "or record: expected"
        )
