"""The section `sfx.datasets`: crystals, beam, detector, background, and how many frames show what."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from frames.schema import Fraction, NonNegative, Positive, Share, Strict

Count = Annotated[int, Field(ge=0, le=10_000_000)]
Angle = Annotated[float, Field(gt=0, lt=180)]

SIZES = {"rayonix": 1920, "cspad": 1765}
"""Pixels along an edge of each detector, gaps among them."""


class CrystalConfig(Strict):
    """What crystals are of."""

    cell: tuple[Positive, Positive, Positive, Angle, Angle, Angle] = Field(
        (42, 52, 88, 90, 90, 90), description="Å and degrees: a, b, c, α, β, γ"
    )
    space_group: str = Field("P 21 21 21", description="Hermann-Mauguin symbol")
    structure: Path | None = Field(
        None, description="PDB or mmCIF file whose structure factors, cell and space group are taken"
    )
    b_factor_A2: NonNegative = Field(20.0, description="Å²; how fast intensities fall with resolution")
    resolution_A: Positive = Field(2.0, description="Å; nothing is diffracted beyond")
    domain_nm: Positive = Field(100.0, description="edge of a perfect block, which gives reflections their width")
    mosaicity_deg: NonNegative = Field(0.1, description="degrees; standard deviation of the blocks' orientations")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="of intensities after Wilson")

    @model_validator(mode="after")
    def _known_group(self) -> Self:
        import gemmi

        try:
            group = gemmi.SpaceGroup(self.space_group)
        except ValueError as error:
            raise ValueError(
                f"space_group: {self.space_group!r} is none that gemmi knows; write it as in 'P 21 21 21'"
            ) from error
        if self.structure is None and not gemmi.UnitCell(*self.cell).is_compatible_with_spacegroup(group):
            raise ValueError(f"cell: {list(self.cell)} does not fit the space group {self.space_group}")
        if self.structure is not None and not self.structure.exists():
            raise ValueError(f"structure: there is no file {self.structure}")
        return self


class CrystalBeamConfig(Strict):
    """The pulses."""

    photon_energy_eV: Annotated[float, Field(ge=1000, le=100_000)] = 9535.0
    bandwidth: Annotated[float, Field(ge=0, le=0.1)] = Field(
        0.002, description="relative standard deviation of a pulse's photon energies"
    )
    divergence_mrad: NonNegative = Field(0.1, description="standard deviation of directions")
    polarisation: Annotated[float, Field(ge=-1, le=1)] = Field(1.0, description="1: along x, 0: none, -1: along y")


class CrystalDetectorConfig(Strict):
    """What records the frames, and how it reads."""

    model: Literal["rayonix", "cspad"] = "rayonix"
    n_pixels: Annotated[int, Field(ge=64, le=4096)] | None = Field(
        None, description="of the middle of the binned detector; all of it by default"
    )
    binning: Annotated[int, Field(ge=1, le=16)] = Field(1, description="pixels along an edge that are read as one")
    pixel_size_um: Positive = Field(177.08, description="before binning")
    distance_mm: Positive = 123.5
    beamstop_mm: NonNegative = Field(6.7, description="radius of the shadow on the detector")
    neighbour_share: Annotated[float, Field(ge=0, lt=0.33)] = Field(
        0.143, description="of a pixel's signal that each of its neighbours along a row is given, and along a column"
    )
    gain_adu: Positive = Field(1.0, description="ADU of a photon")
    gain_spread: NonNegative = Field(0.002, description="relative standard deviation of the pixels' gains")
    read_noise_adu: NonNegative = 3.0
    pedestal_adu: NonNegative = Field(10.0, description="what a pixel reads in the dark")
    saturation_adu: Annotated[int, Field(ge=1, le=65534)] = Field(
        65534, description="a pixel reads no further; 65535 is what was never recorded"
    )
    hot_fraction: Fraction = Field(2e-5, description="share of pixels that read a fixed high value")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(0, description="of gains and hot pixels")

    @model_validator(mode="after")
    def _has_so_many_pixels(self) -> Self:
        most = SIZES[self.model] // self.binning
        if self.n_pixels is not None and self.n_pixels > most:
            raise ValueError(f"n_pixels is {self.n_pixels}, but {self.model} binned by {self.binning} has {most}")
        return self

    @property
    def size(self) -> int:
        """Pixels along an edge of the images."""
        return self.n_pixels or SIZES[self.model] // self.binning

    @property
    def pixel_mm(self) -> float:
        """Edge of a pixel of the images."""
        return 1e-3 * self.pixel_size_um * self.binning


class TapeConfig(Strict):
    """A tape that carries the crystals and shades one side of the detector."""

    transmission: Share = Field(0.9, description="of what goes through it")
    edge_mm: Positive = Field(2.0, description="width over which its shade sets in")
    wander_mm: NonNegative = Field(3.0, description="standard deviation of where on the detector")
    probability: Fraction = Field(1.0, description="share of frames with it")


class CrystalBackgroundConfig(Strict):
    """All that is no spot of a crystal. Photons are those of an unbinned pixel near the beam."""

    water_photons: NonNegative = Field(1600.0, description="at the ring of water, 3.2 Å")
    air_photons: NonNegative = Field(2700.0, description="of air and carrier, towards the beam")
    air_reach: Positive = Field(0.35, description="1/Å; where that has fallen to 1/e")
    spread: NonNegative = Field(0.15, description="relative standard deviation from frame to frame")
    tape: TapeConfig | None = None
    ice_fraction: Fraction = Field(0.05, description="share of frames with ice")
    ice_photons: NonNegative = Field(200.0, description="at the strongest of ice's rings")
    ice_spots: Count = Field(8, description="most spots of crystals of ice in such a frame")
    streak_fraction: Fraction = Field(0.05, description="share of frames with a streak from the beam")
    streak_photons: NonNegative = Field(800.0, description="in its brightest pixel")


class FramesConfig(Strict):
    """How many frames show what."""

    hit: Count
    maybe: Count
    miss: Count
    blank_share: Fraction = Field(1 / 3, description="of the misses that show no crystal at all")
    median_spots: Annotated[float, Field(gt=10)] = Field(22.0, description="visible spots of a hit")
    spots_spread: Positive = Field(1.0, description="standard deviation of ln(spots - 9) of hits")
    most_spots: Annotated[int, Field(ge=11, le=5000)] = 213
    drift: Fraction = Field(0.0, description="how much more often hits come early than late")

    @property
    def total(self) -> int:
        """All frames."""
        return self.hit + self.maybe + self.miss

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.total:
            raise ValueError("hit, maybe and miss are all 0; a dataset needs a frame")
        return self


class CrystalDatasetConfig(Strict):
    """One dataset of simulated frames."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    frames: FramesConfig
    crystal: CrystalConfig = CrystalConfig()
    beam: CrystalBeamConfig = CrystalBeamConfig()
    detector: CrystalDetectorConfig = CrystalDetectorConfig()
    background: CrystalBackgroundConfig = CrystalBackgroundConfig()
