"""The section `virus` of a run's config: the experiment, hits, sizes and the splits that are taken."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from evaluate.run.config_files import listed
from evaluate.run.config_problems import validated
from evaluate.virus.config import DetectionConfig, SelectionConfig
from evaluate.virus.hits import HitsConfig
from evaluate.virus.sizes import SizesConfig
from evaluate.virus.source.splits import Numbers
from frames.schema import Identifier, Strict
from frames.store.config import StorageConfig
from simulate.virus.config import VirusSimulationConfig


class ExperimentConfig(Strict):
    """From shots to the frames that networks see."""

    simulation: VirusSimulationConfig
    storage: StorageConfig = StorageConfig()
    hits: HitsConfig = HitsConfig()
    sizes: SizesConfig = SizesConfig()
    reject_dimers: bool = Field(
        False, description="whether the second test decides, too; the published sets were chosen by size alone"
    )
    splits: dict[Literal["train", "validation", "test"], Numbers] = Field(
        description="exact numbers of frames, by what the annotator calls them"
    )

    @model_validator(mode="after")
    def _enough_is_shot(self) -> Self:
        for split in ("train", "validation", "test"):
            if split not in self.splits:
                raise ValueError(f"splits: {split} is missing; expected train, validation and test")
            wanted = self.splits[split].single + self.splits[split].other
            if self.simulation.shots[split] < wanted:
                raise ValueError(
                    f"simulation.shots.{split} {self.simulation.shots[split]} are fewer than the {wanted} frames that "
                    f"splits.{split} asks for"
                )
        return self


class VirusRunConfig(Strict):
    """One run on a virus."""

    run: Identifier = Field(description="name of the run's folder under `results_dir`")
    title: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="heading of the page")
    results_dir: Path = Path("results")
    virus: ExperimentConfig
    detection: DetectionConfig = DetectionConfig()
    selection: SelectionConfig = SelectionConfig()

    @property
    def on_slurm(self) -> bool:
        """Whether shards are jobs of a cluster of their own: they are not, each job of the run makes some."""
        return False

    @property
    def folder(self) -> Path:
        """Where the files of the run lie."""
        return self.results_dir / self.run


def load_config(mapping: Mapping[str, Any], files: Iterable[Path | str] = ()) -> VirusRunConfig:
    """The config in a mapping, as read from YAML; see `evaluate.run.config.load_config`."""
    config, problems = validated(mapping, VirusRunConfig)
    if config is None:
        raise ValueError(listed(problems, files))
    return config


def problems_of(run: VirusRunConfig) -> list[str]:
    """What can be told only by looking at files: nothing, as all is simulated."""
    return []
