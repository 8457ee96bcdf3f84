"""How an experiment on a virus is simulated: the section `virus.simulation` of a run's config."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from frames.schema import Strict
from simulate.virus.kinds import KINDS

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Range = tuple[Positive, Positive]


class DetectorConfig(Strict):
    """One of the two ways in which pnCCD frames of this virus are known."""

    geometry: Literal["roi", "binned"] = Field(
        "binned",
        description="roi: 240 x 123 pixels of 75 um of one plane, 130 mm, 7.29 A; "
        "binned: 260 x 257 of 300 um, 586 mm, 7.75 A",
    )
    background_photons: Annotated[float, Field(ge=0)] = Field(0.01, description="a pixel, mean")
    block_photons: Annotated[float, Field(ge=0)] = Field(0.15, description="a pixel, mean, of the noisy block")
    streak: Share = Field(0.01, description="photons of the columns beside the centre that are smeared along them")
    read_noise_photons: Annotated[float, Field(ge=0)] = 0.216
    adu_per_photon: Positive = 8.1
    gain_spread: Annotated[float, Field(ge=0, le=0.5)] = 0.01


class VirusConfig(Strict):
    """The particle, and its densities [electrons/nm3]; layers are parts of the circumradius."""

    diameter_nm: Range = Field(
        (70.2, 74.9),
        description="circumdiameter of an icosahedron; uniform. A body of even density fits 2.7 nm less, as the core "
        "is denser than the shell: 67.5 to 72.2 nm, as real ones do",
    )
    capsid: Positive = 449.0
    membrane: Positive = 341.0
    core: Positive = 539.0
    membrane_from: Share = 0.87
    core_from: Share = 0.80
    droplet: Positive = Field(370.0, description="sugar and water")

    @model_validator(mode="after")
    def _layers_lie_inside(self) -> Self:
        if not self.core_from <= self.membrane_from:
            raise ValueError(
                f"core_from {self.core_from} lies outside of membrane_from {self.membrane_from}: the core is inmost"
            )
        if self.diameter_nm[0] > self.diameter_nm[1]:
            raise ValueError(f"diameter_nm {self.diameter_nm}: expected the smaller first")
        return self


class AnnotatorConfig(Strict):
    """A person who calls frames single hits: how often, by what was hit and how bright it is.

    Fixed by what YOLOv2, coloured and linear, reaches against this person's labels: the F1 of about .55 that the slides
    have of real ones. It was fixed before ours was trained on them, and is not to be changed for what ours reaches.
    """

    recall: Share = Field(0.92, description="of singles bright enough to see")
    half_photons: Positive = Field(5e4, description="of a single, at which half of that is found")
    width: Positive = Field(0.25, description="of the rise, in the logarithm of photons")
    takes: dict[str, Share] = Field(
        {"aggregate": 0.02, "with_droplet": 0.06, "broken": 0.08, "ellipsoid": 0.04, "droplet": 0.02, "double": 0.01},
        description="kind -> share that is called single all the same",
    )


class VirusSimulationConfig(Strict):
    """Shots that are fired."""

    shots: dict[Literal["train", "validation", "test"], Annotated[int, Field(ge=1)]] = Field(
        description="shots fired for each split; enough that hits and sizes leave what `splits` asks for"
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    photons: Range = Field(
        (7e4, 2e5), description="that a 70 nm virus would scatter into the live pixels; log-uniform, of every shot"
    )
    kinds: dict[str, Share] = Field(
        {
            "single": 0.12, "double": 0.12, "aggregate": 0.18, "droplet": 0.2, "ellipsoid": 0.1,
            "with_droplet": 0.1, "broken": 0.1, "empty": 0.08,
        },
        description="share of each; they sum to 1",
    )  # fmt: skip
    virus: VirusConfig = VirusConfig()
    detector: DetectorConfig = DetectorConfig()
    annotator: AnnotatorConfig = AnnotatorConfig()

    @model_validator(mode="after")
    def _kinds_are_known(self) -> Self:
        if unknown := [kind for kind in (*self.kinds, *self.annotator.takes) if kind not in KINDS]:
            raise ValueError(f"no kind is called {unknown[0]!r}; there are {', '.join(KINDS)}")
        if abs(sum(self.kinds.values()) - 1) > 1e-6:
            raise ValueError(f"kinds: shares sum to {sum(self.kinds.values()):g}, expected 1")
        if missing := [split for split in ("train", "validation", "test") if split not in self.shots]:
            raise ValueError(f"shots: {missing[0]} is missing; expected train, validation and test")
        if self.photons[0] > self.photons[1]:
            raise ValueError(f"photons {self.photons}: expected the smaller first")
        return self


class RehearsalConfig(Strict):
    """Simulated frames that ours learns from beside a person's labels: of particles whose make-up is not known.

    Their viruses are not those of the experiment, of which nobody knows the densities: each of some has its own, off
    the literature's by up to `off`. Of an experiment that is simulated itself neither shots nor volumes are shared.
    """

    shots: Annotated[int, Field(ge=8)] = 3000
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    viruses: Annotated[int, Field(ge=1, le=64)] = Field(4, description="make-ups, a part of the shots each")
    off: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.15, description="relative, at most, of a density or of a layer's depth, uniform"
    )
    diameter_nm: Range = Field((66.0, 79.0), description="circumdiameter, uniform: wider than what is looked for")
    photons: Range = Field((5e4, 3e5), description="as of a simulation; wider, too")
    halo_photons: Annotated[float, Field(ge=0)] = Field(
        1.0, description="at most, a pixel beside the beam: light that gas and slits scatter; uniform from none"
    )
    halo_reach: tuple[Share, Share] = Field(
        (0.15, 0.6), description="where it has fallen to 1/e, as parts of the detector's largest q; log-uniform"
    )
    kinds: dict[str, Share] = Field(
        {
            "single": 0.27, "double": 0.07, "aggregate": 0.1, "droplet": 0.33, "ellipsoid": 0.11,
            "with_droplet": 0.05, "broken": 0.07,
        },
        description="share of each; two of three droplets and ellipsoids fail the size filter",
    )  # fmt: skip

    @model_validator(mode="after")
    def _ranges_are_ranges(self) -> Self:
        for name in ("diameter_nm", "photons", "halo_reach"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} {(low, high)}: expected two numbers above 0, the smaller first")
        if unknown := [kind for kind in self.kinds if kind not in KINDS]:
            raise ValueError(f"no kind is called {unknown[0]!r}; there are {', '.join(KINDS)}")
        if abs(sum(self.kinds.values()) - 1) > 1e-6:
            raise ValueError(f"kinds: shares sum to {sum(self.kinds.values()):g}, expected 1")
        return self
