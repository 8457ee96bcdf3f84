"""The typed config of a run on crystal frames: the section `sfx`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from evaluate.run.config_files import listed
from evaluate.run.config_problems import validated
from frames.pixels.peaks.config import PeakConfig
from frames.schema import Identifier, Strict
from frames.store.config import StorageConfig
from simulate.config import LocalClusterConfig, SlurmClusterConfig
from simulate.sfx.config import CrystalDatasetConfig
from train.config.hits import LearningConfig


class SfxConfig(Strict):
    """Datasets of crystal frames, and what is asked of them."""

    source: Literal["simulated", "cxidb76"] = Field(
        "simulated", description="cxidb76: the deposited frames of the same names are read in place of simulating"
    )
    folder: Path | None = Field(None, description="of CXIDB-76: <set>/<run>_2000.h5 and, beside, its label files")
    datasets: Annotated[dict[Identifier, CrystalDatasetConfig], Field(min_length=1)]
    storage: StorageConfig = StorageConfig(patterns_per_chunk=1, patterns_per_shard=50, shards_per_job=8)
    cluster: Annotated[LocalClusterConfig | SlurmClusterConfig, Field(discriminator="kind")] = LocalClusterConfig()
    peaks: PeakConfig = PeakConfig()
    learning: LearningConfig | None = Field(None, description="networks that find hits; none are trained without it")

    @property
    def learned(self) -> LearningConfig:
        """The section `learning`; ValueError where there is none."""
        if self.learning is None:
            raise ValueError("sfx has no section `learning`: no network is trained to find hits")
        return self.learning

    @model_validator(mode="after")
    def _real_ones_are_named(self) -> Self:
        if self.source == "cxidb76":
            from frames.formats.cxidb76 import SETS  # its readers take long to import

            if self.folder is None:
                raise ValueError("source: cxidb76 needs a folder; expected one that holds ln83/r0018_2000.h5 and so on")
            if unknown := [name for name in self.datasets if name.upper() not in SETS]:
                raise ValueError(f"source: cxidb76 has no {unknown}; there are {[name.lower() for name in SETS]}")
        return self

    @model_validator(mode="after")
    def _labels_are_there(self) -> Self:
        for label, asked in (self.learning.labels if self.learning else {}).items():
            for name, dataset in self.datasets.items():
                if (n := sum(asked.sizes)) > dataset.frames.total:
                    raise ValueError(
                        f"learning.labels.{label} asks for {n} frames, but {name} has {dataset.frames.total}; "
                        "ask for fewer"
                    )
        return self


class SfxRun(Strict):
    """One run on crystal frames."""

    run: Identifier = Field(description="name of the run's folder under `results_dir`")
    title: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="heading of the page")
    results_dir: Path = Path("results")
    sfx: SfxConfig

    @property
    def on_slurm(self) -> bool:
        """Whether shards are rendered by SLURM jobs of their own, started by a job of the run."""
        return self.sfx.cluster.kind == "slurm"

    @property
    def folder(self) -> Path:
        """Where the files of the run lie."""
        return self.results_dir / self.run


def load_config(mapping: Mapping[str, Any], files: Iterable[Path | str] = ()) -> SfxRun:
    """The config in a mapping; see `evaluate.run.config.load_config`."""
    config, problems = validated(mapping, SfxRun)
    if config is None:
        raise ValueError(listed(problems, files))
    return config


def problems_of(run: SfxRun) -> list[str]:
    """What is wrong with a config that can be told only by looking at files, a line each."""
    config = run.sfx
    if config.source == "simulated" or config.folder is None:
        return []
    from frames.formats.cxidb76 import SETS

    wanted = [config.folder / file for name in config.datasets for file in SETS[name.upper()].files]
    lacking = [file for file in wanted if not file.exists()]
    return [f"sfx.folder: there is no {file}; download it from CXIDB-76, or put its labels there" for file in lacking]
