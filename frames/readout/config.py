"""What a detector makes of photons: its settings."""

from typing import Annotated

from pydantic import Field

from frames.schema import Fraction, Photons, Strict


class ReadoutConfig(Strict):
    """What the detector makes of the photons. All is applied when a pattern is read; the store holds photons."""

    read_noise_photons: Photons = Field(0.0, description="standard deviation of Gaussian noise per pixel")
    gain_spread: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0, description="relative standard deviation of the pixels' gains about 1: a fixed pattern"
    )
    saturation_photons: Annotated[int, Field(ge=1, le=65534)] | None = Field(
        None, description="a pixel counts no further"
    )
    adu_per_photon: Annotated[float, Field(ge=1e-6, le=1e6)] | None = Field(
        None, description="rounds the reading to whole ADUs"
    )
    hot_fraction: Fraction = Field(0.0, description="of the pixels, which read `hot_photons` more than they should")
    hot_photons: Photons = 10.0
    dead_fraction: Fraction = Field(0.0, description="of the pixels, which read nothing and are in no mask")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="of the fixed patterns: gains, hot, dead")

    @property
    def is_ideal(self) -> bool:
        """Reads the stored photons as they are."""
        return self == ReadoutConfig(saturation_photons=self.saturation_photons, seed=self.seed)
