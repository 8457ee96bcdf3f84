"""The config of one way to shoot and record: beam, detector, background, readout. Presets are named examples of it."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from simulate.beam import peak_fluence
from simulate.names import did_you_mean

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=64)]
"""Part of file names and Snakemake wildcards, so nothing that could leave the run's folder."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
OnDetector = Annotated[float, Field(ge=-1e8, le=1e8)]
"""A place on a plane of detectors [µm], up to a hundred metres from its middle."""
Photons = Annotated[float, Field(ge=0, le=1e12)]
"""In one pixel: what any detector could stand, many times over."""
Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]

PRESETS = Path(__file__).parent / "presets.yaml"


class Strict(BaseModel):
    """A config section: unknown keys are errors, values do not change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
        "square", description="panels and gaps, see simulate/panels.py; `square` has neither"
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
        from simulate.panels import NATIVE_PIXEL_UM

        native = NATIVE_PIXEL_UM[self.model] if self.pixel_size_um is None else self.pixel_size_um
        return native * self.binning


class BackgroundConfig(Strict):
    """Photons that come from no particle, at the nominal fluence; they follow the pulse's own."""

    flat_photons: Photons = Field(0.0, description="mean per image pixel, everywhere")
    radial_photons: Photons = Field(0.0, description="mean per image pixel at the beam, falling as exp(-r/radius)")
    radial_radius_pixels: Annotated[float, Field(ge=1e-3, le=1e6)] = 32.0


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
    structures: Literal["all", "deposited", "phantoms"] = Field(
        "all", description="whose patterns: of all structures of the run, or of those that are (no) phantoms"
    )


def share_of(n_patterns: int, share: float) -> int:
    """How many of so many patterns a share of them is."""
    return round(share * n_patterns)


class DatasetConfig(Strict):
    """One way of shooting and recording the plan."""

    photons_per_pulse: Annotated[float, Field(gt=0, le=1e20)] = Field(
        description="in the whole focus; the brightest lasers reach 1e13, noise-free patterns are often asked of 1e14"
    )
    record: Literal["expected", "photons"] = Field(
        description="`expected`: noise-free mean per pixel (float32); `photons`: Poisson counts (uint16)"
    )
    placement: Literal["ballistic", "random_contact", "surface_contact", "dispersed"] = Field(
        "ballistic", description="how particles of a multi-hit lie together, see simulate/placement.py"
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
        if self.select.views.side != "all" and self.placement == "surface_contact":
            raise ValueError(
                f"select.views.side: {self.select.views.side} turns particles where they lie, and placement: "
                "surface_contact laid them by how they were turned; use another placement, as ballistic"
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


def valid_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """The run's own `beam` and `detector`, where they are valid: an error in one is told once, not by every dataset."""
    found = {}
    for key, section in (("beam", BeamConfig), ("detector", DetectorConfig)):
        try:
            found[key] = section.model_validate(values.get(key, {})).model_dump(exclude_unset=True)
        except ValidationError:
            continue
    return found


def presets() -> dict[str, dict[str, Any]]:
    """The named experiments of simulate/presets.yaml, not yet validated."""
    return yaml.safe_load(PRESETS.read_text(encoding="utf-8"))


def resolve(datasets: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Every dataset with its `base` filled in: a preset or another dataset of the run, whose values its own override.

    Parameters
    ----------
    datasets : as in the config: name -> mapping, perhaps with `base`.
    defaults : what holds where neither a dataset nor its base says otherwise: the run's own `beam` and `detector`.

    Returns
    -------
    The datasets, and a problem for each base that is unknown, and for datasets that are each other's; such a dataset is
    left without one, that the rest of such a dataset can be looked at.
    """
    known, problems = presets(), dict[frozenset[str], str]()

    def merged(name: str, chain: tuple[str, ...]) -> Any:
        own = datasets[name]
        if not isinstance(own, Mapping):
            return own  # pydantic says what is wrong with it
        base, chain = own.get("base"), (*chain, name)
        below: Any = {"photons_per_pulse": 1.0, "record": "photons"}
        key = f"simulation.datasets.{name}.base"
        if base is None:
            below = defaults
        elif base in chain[:-1]:
            circle = f"datasets {' -> '.join((*chain, base))} are based on each other"
            problems.setdefault(frozenset(chain[chain.index(base) :]), f"{key}: {circle}")
        elif base != name and base in list(datasets):
            below = merged(base, chain)
        elif base in list(known):
            below = overlaid(defaults, known[base])
        else:
            there = f"neither a dataset of the run {list(datasets)} nor a preset {list(known)}"
            problems[frozenset([name])] = f"{key}: {base!r} is {there}{did_you_mean(base, [*datasets, *known])}"
        if not isinstance(below, Mapping):
            return below
        return overlaid(below, {key: value for key, value in own.items() if key != "base"})

    return {name: merged(name, ()) for name in datasets}, list(problems.values())


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with the values of `above`, section by section; null in place of a section forgets it."""
    result = dict(below)
    for key, value in above.items():
        section = result.get(key)
        if isinstance(section, Mapping) and value is None:
            del result[key]
        elif isinstance(section, Mapping) and isinstance(value, Mapping):
            result[key] = overlaid(section, value)
        else:
            result[key] = value
    return result
