"""Photons that come from no particle: carrier gas, slits, optics."""

import numpy as np
from numpy.typing import NDArray

from frames.geometry import Geometry
from simulate.experiment.config import BackgroundConfig


def expected(config: BackgroundConfig, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Mean photons per image pixel (ny, nx) at the nominal fluence: flat + radial · exp(−r/radius).

    r is the distance of a pixel's centre from the image's, in pixels. For a pixel that is live as a whole.
    """
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    r = np.hypot(y[:, None], x[None, :])
    return (config.flat_photons + config.radial_photons * np.exp(-r / config.radial_radius_pixels)).astype(np.float32)


def steady(config: BackgroundConfig, geometry: Geometry) -> NDArray[np.float32]:
    """The same on the detector: times the share of each pixel that is live."""
    return expected(config, geometry.shape) * geometry.live.astype(np.float32)
