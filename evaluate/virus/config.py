"""Config of what finds single hits of a virus: sections `detection` and `selection` of a run."""

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evaluate.virus.em import EMConfig
from evaluate.virus.published import PUBLISHED
from simulate.virus.config import RehearsalConfig
from train.config.single_hits import DetectRecipe, FindRecipe

if TYPE_CHECKING:
    from train.batches.representation import Representation

YOLO = tuple(name for name in PUBLISHED if name.startswith("yolo"))
"""The six rows of the slides: architecture, colours and scale."""


class Strict(BaseModel):
    """No key that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DetectionConfig(Strict):
    """How the detectors are trained."""

    methods: tuple[str, ...] = Field(YOLO, description="rows of the slides that are trained")
    image_size: Annotated[int, Field(ge=32, multiple_of=32)] = Field(416, description="pixels along a picture's edge")
    width: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="factor on all channels; 1 as published")
    recipe: DetectRecipe = Field(DetectRecipe(), description="of YOLOv2 and YOLOv3")
    seeds: tuple[int, ...] = Field((0,), min_length=1, description="a training each")
    seeds_of: dict[str, tuple[int, ...]] = Field({}, description="method -> its own seeds, in place of `seeds`")

    @model_validator(mode="after")
    def _known(self) -> Self:
        if unknown := [name for name in self.methods if name not in YOLO]:
            raise ValueError(f"detection.methods has {unknown[0]!r}, expected some of {', '.join(YOLO)}")
        for name, seeds in self.seeds_of.items():
            if name not in self.methods or not seeds:
                raise ValueError(
                    f"detection.seeds_of has {name!r} with seeds {list(seeds)}, expected a seed or more of one of "
                    f"{', '.join(self.methods)}"
                )
        return self

    @property
    def trainings(self) -> list[tuple[str, int]]:
        """(method, seed) of each."""
        return [(name, seed) for name in self.methods for seed in self.seeds_of.get(name, self.seeds)]

    def representation(self, method: str) -> "Representation":
        """The pictures of a method."""
        from train.batches.representation import Representation

        _, colours, scale = method.split("_")
        return Representation(colours, scale, self.image_size)  # type: ignore[arg-type]


class SelectionConfig(Strict):
    """How the others select."""

    n_rings: Annotated[int, Field(ge=8)] = Field(26, description="rings that frames are summed on")
    n_angles: Annotated[int, Field(ge=8)] = Field(72, description="angles over half a circle")
    r_min_pixels: Annotated[float, Field(ge=0)] = Field(6, description="pixels; nearer to the beam nothing is read")
    em: EMConfig = Field(EMConfig(), description="classes")
    em_seeds: tuple[int, ...] = Field((0,), min_length=1, description="a run of the EM each")
    em_classes: str | None = Field(None, description="CSV with a column class: those chosen by hand, from 1")
    finder: FindRecipe = Field(FindRecipe(), description="ours")
    rehearsal: RehearsalConfig | None = Field(None, description="simulated frames that ours learns from as well")
    seeds: tuple[int, ...] = Field((0,), min_length=1, description="an ensemble of ours each")
