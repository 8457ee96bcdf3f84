"""The config of one way to shoot and record: beam, detector, background, readout. Presets are named examples of it."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from frames.readout.config import ReadoutConfig
from frames.schema import NonNegative, OnDetector, Photons, Share, Strict
from simulate.experiment.beam import peak_fluence


def refuse(problems: Iterable[str], info: ValidationInfo) -> None:
    """ValueError with a line for every problem, each beginning with its dotted key.

    Where the context of a validation is a list, they join it instead, to be told with all that is wrong elsewhere.
    """
    if isinstance(info.context, list):
        info.context.extend(problems)
    elif lines := list(problems):
        raise ValueError("\n".join(lines))


class FluenceJitterConfig(Strict):
    """Shot-to-shot factor on the photons of a pulse: of mean 1 and standard deviation sigma, or `loguniform`."""

    model: Literal["none", "normal", "gamma", "lognormal", "loguniform"] = Field(
        "none",
        description="`normal`: the poster's N(1, sigma), anything at or below zero becomes `floor`; `loguniform`: "
        "every order of magnitude as often, the nominal pulse being the brightest",
    )
    sigma: Annotated[float, Field(gt=0, le=10)] = 0.9
    floor: Annotated[float, Field(gt=0, le=10)] = 0.1
    decades: Annotated[float, Field(gt=0, le=12)] = Field(
        4.0, description="loguniform: the factor is 10^U(-decades, 0), of mean (1 - 10^-decades)/(decades ln 10)"
    )


class BeamConfig(Strict):
    """The X-ray pulse; polarised along x."""

    photon_energy_eV: Annotated[float, Field(ge=100, le=1e5)] = 4600.0
    energy_jitter: Annotated[float, Field(ge=0, le=0.03)] = Field(
        0.0, description="relative standard deviation of the photon energy from shot to shot (SASE)"
    )
    focus_radius_um: Annotated[float, Field(ge=0.01, le=100)] = Field(
        0.5, description="uniform focus: of the disc; Gaussian: where it falls to 1/e²"
    )
    focus_profile: Literal["uniform", "gaussian"] = "uniform"
    injection_radius_um: Annotated[float, Field(gt=0, le=1e4)] | None = Field(
        None, description="Gaussian focus: hits lie evenly in a disc of this radius about its axis; default: the focus"
    )
    fluence_jitter: FluenceJitterConfig = FluenceJitterConfig()
    centre_offset_um: tuple[OnDetector, OnDetector] = Field(
        (0.0, 0.0), description="where the beam meets the detector on the mean, x and y from the middle of the image"
    )
    centre_jitter_um: Annotated[float, Field(ge=0, le=1e6)] = Field(
        0.0, description="standard deviation of where the beam meets the detector, along x and along y"
    )

    @model_validator(mode="after")
    def _injection_needs_a_profile(self) -> Self:
        if self.injection_radius_um is not None and self.focus_profile == "uniform":
            raise ValueError(
                "injection_radius_um needs focus_profile: gaussian; a uniform focus is the same everywhere"
            )
        return self


class DetectorConfig(Strict):
    """A square image around the beam, of a flat detector."""

    model: Literal["square", "pnccd", "epix10k", "jungfrau4m", "agipd1m"] = Field(
        "square", description="panels and gaps, see simulate/experiment/panels.py; `square` has neither"
    )
    n_pixels: Annotated[int, Field(ge=8, le=4096)] = Field(128, description="of the image, along an edge")
    binning: Annotated[int, Field(ge=1, le=64)] = Field(1, description="native pixels in an image pixel, along an edge")
    pixel_size_um: Annotated[float, Field(ge=1, le=1e4)] | None = Field(
        None, description="native; default: the model's own, 600 for `square`"
    )
    distance_mm: Annotated[float, Field(ge=1, le=1e5)] = 323.0
    beamstop_radius_pixels: NonNegative = Field(0.0, description="image pixels with their centre inside it read 0")
    missing: Literal["none", "quarter", "half", "three_quarters"] = Field("none", description="part that is dead")
    mask_file: Path | None = Field(None, description=".npy, bool (n_pixels, n_pixels), True where unusable")

    @property
    def image_pixel_size_um(self) -> float:
        """Edge of an image pixel."""

        native = NATIVE_PIXEL_UM[self.model] if self.pixel_size_um is None else self.pixel_size_um
        return native * self.binning


class BackgroundConfig(Strict):
    """Photons that come from no particle, at the nominal fluence; they follow the pulse's own."""

    flat_photons: Photons = Field(0.0, description="mean per image pixel, everywhere")
    radial_photons: Photons = Field(0.0, description="mean per image pixel at the beam, falling as exp(-r/radius)")
    radial_radius_pixels: Annotated[float, Field(ge=1e-3, le=1e6)] = 32.0


class ViewsConfig(Strict):
    """From where particles are seen: along the beam's direction in a particle's own frame, or against it."""

    side: Literal["all", "outside", "inside"] = Field("all", description="of the double cone about the particle's z")
    cone_deg: Annotated[float, Field(gt=0, lt=90)] = Field(
        60.0, description="half-angle; at 60, half of all directions are inside"
    )

    @property
    def heights(self) -> tuple[float, float]:
        """Lowest and highest |z| of the unit vectors along which particles are seen."""
        edge = math.cos(math.radians(self.cone_deg))
        return {"all": (0.0, 1.0), "outside": (0.0, edge), "inside": (edge, 1.0)}[self.side]


class SelectConfig(Strict):
    """Which patterns of the plan, and which views of its particles, a dataset holds."""

    shares: dict[int, Share] = Field(
        {}, description="hit multiplicity -> share of every class's patterns, in every split; all where not named"
    )
    views: ViewsConfig = ViewsConfig()
    structures: Literal["all", "deposited", "phantoms", "pieces"] = Field(
        "all", description="whose patterns: of all structures of the run, or of those of one kind alone"
    )


class DatasetConfig(Strict):
    """One way of shooting and recording the plan."""

    photons_per_pulse: Annotated[float, Field(gt=0, le=1e20)] = Field(
        description="in the whole focus; the brightest lasers reach 1e13, noise-free patterns are often asked of 1e14"
    )
    record: Literal["expected", "photons"] = Field(
        description="`expected`: noise-free mean per pixel (float32); `photons`: Poisson counts (uint16)"
    )
    placement: Literal["ballistic", "random_contact", "surface_contact", "dispersed", "either_contact"] = Field(
        "ballistic", description="how particles of a multi-hit lie together, see simulate/plan/placement.py"
    )
    select: SelectConfig = SelectConfig()
    beam: BeamConfig = BeamConfig()
    detector: DetectorConfig = DetectorConfig()
    background: BackgroundConfig = BackgroundConfig()
    readout: ReadoutConfig = ReadoutConfig()
    engine: Literal["fast", "torch", "skopi"] = Field(
        "fast",
        description="`fast`: compiled, on the CPU; `torch`: the same on a GPU where there is one (equal to float32 "
        "rounding, not to the bit); `skopi`: skopi's own experiment, the reference",
    )

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if self.record == "expected" and not self.readout.is_ideal:
            raise ValueError("readout needs record: photons; an expectation has no detector noise")
        if self.select.views.side != "all" and self.placement in ("surface_contact", "either_contact"):
            raise ValueError(
                f"select.views.side: {self.select.views.side} turns particles where they lie, and placement: "
                f"{self.placement} laid them by how they were turned; use another placement, as ballistic"
            )
        if self.engine == "skopi":
            beyond = {
                "beam.energy_jitter": self.beam.energy_jitter,
                "beam.centre_offset_um": any(self.beam.centre_offset_um),
                "beam.centre_jitter_um": self.beam.centre_jitter_um,
                "beam.focus_profile": self.beam.focus_profile == "gaussian",
                "background": self.background.flat_photons or self.background.radial_photons,
                "detector.model": self.detector.model != "square",
            }
            if found := [name for name, value in beyond.items() if value]:
                raise ValueError(f"engine: skopi knows no {', '.join(found)}; use engine: fast")
        return self

    @property
    def peak_fluence(self) -> float:
        """Of a pulse without jitter, on its axis [photons/µm²]."""
        return peak_fluence(self.photons_per_pulse, self.beam.focus_radius_um, self.beam.focus_profile)


NATIVE_PIXEL_UM: Mapping[str, float] = {
    "square": 600.0,
    "pnccd": 75.0,
    "epix10k": 100.0,
    "jungfrau4m": 75.0,
    "agipd1m": 200.0,
}
