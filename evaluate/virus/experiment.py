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
from evaluate.virus.source.config import FilesConfig
from evaluate.virus.source.splits import Numbers
from frames.schema import Identifier, Strict
from frames.store.config import StorageConfig
from simulate.virus.config import VirusSimulationConfig


class ExperimentConfig(Strict):
    """From shots to the frames that networks see."""

    source: Literal["simulated", "file"] = Field("simulated", description="file: recorded frames, those of `files`")
    files: FilesConfig | None = Field(None, description="of recorded frames and a person's labels")
    simulation: VirusSimulationConfig | None = None
    storage: StorageConfig = StorageConfig()
    hits: HitsConfig = HitsConfig()
    sizes: SizesConfig = SizesConfig()
    reject_dimers: bool = Field(
        False, description="whether the second test decides, too; the published sets were chosen by size alone"
    )
    splits: dict[Literal["train", "validation", "test"], Numbers] = Field(
        description="exact numbers of frames, by what the annotator calls them"
    )

    @property
    def simulated(self) -> VirusSimulationConfig:
        """The section `simulation`; ValueError where there is none."""
        if self.simulation is None:
            raise ValueError("virus has no section `simulation`: nothing is simulated")
        return self.simulation

    @property
    def recorded(self) -> FilesConfig | None:
        """The section `files` of recorded frames; None of a simulation."""
        return self.files if self.source == "file" else None

    @model_validator(mode="after")
    def _frames_come_from_somewhere(self) -> Self:
        if self.source == "file" and self.files is None:
            raise ValueError("source: file needs a section files: frames, the file or files, and labels, a CSV")
        if self.source == "simulated" and self.simulation is None:
            raise ValueError("source: simulated needs a section simulation; or say source: file")
        return self

    @model_validator(mode="after")
    def _enough_is_shot(self) -> Self:
        for split in ("train", "validation", "test"):
            if split not in self.splits:
                raise ValueError(f"splits: {split} is missing; expected train, validation and test")
            wanted = self.splits[split].single + self.splits[split].other
            if self.source == "simulated" and (fired := self.simulated.shots[split]) < wanted:
                raise ValueError(
                    f"simulation.shots.{split} {fired} are fewer than the {wanted} frames that splits.{split} asks for"
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
    """What can be told only by looking at files: of recorded frames what is not there or not as it should be, and
    labels that are too few."""
    if (recorded := run.virus.recorded) is None:
        return []
    if lacking := [path for path in recorded.read if not path.exists()]:
        return [f"virus.files: there is no file {path}" for path in lacking]
    try:
        recording = recorded.recording()
        labels = recorded.labelled(recording)
        for name in ("photon_energy_eV", "distance_mm", "pixel_size_um"):
            recording.instrument(name)
    except (OSError, ValueError) as error:
        return [f"virus.files: {error}"]
    wanted = run.virus.splits.values()
    return [
        f"virus.splits: {asked} frames called {answer} are asked for, but {recorded.labels} has {there}; ask for fewer"
        for answer, asked, there in (
            ("single", sum(one.single for one in wanted), int(labels.is_single.sum())),
            ("other", sum(one.other for one in wanted), int((~labels.is_single).sum())),
        )
        if asked > there
    ]
