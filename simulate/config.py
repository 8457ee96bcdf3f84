"""The simulation's half of a run's config: typed, with units in the names; unknown keys are refused."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from frames.labels import NO_STRUCTURE
from frames.schema import Identifier, Positive, Strict, did_you_mean
from frames.store.config import StorageConfig
from frames.targets import Target, shot_targets
from simulate.experiment.config import BeamConfig, DatasetConfig, DetectorConfig, refuse
from simulate.experiment.presets import resolve, valid_defaults
from simulate.molecules.config import ArchiveConfig, StructureConfig, VolumeConfig
from simulate.plan.config import PlanConfig, share_of

SlurmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.,-]*$", max_length=64)]
"""Part of a job script, so nothing that could be another line or option of it."""


class LocalClusterConfig(Strict):
    """A dataset's shards are rendered by Snakemake's jobs, each with a process per thread."""

    kind: Literal["local"] = "local"


class SlurmClusterConfig(Strict):
    """A dataset's shards are rendered by workers that are SLURM jobs of their own, of one core; one Snakemake job, from
    which SLURM jobs can be submitted, hands them their shards."""

    kind: Literal["slurm"]
    partition: SlurmName | None = Field(None, description="of the workers; None is the cluster's default")
    account: SlurmName | None = None
    workers_min: Annotated[int, Field(ge=1)] = 1
    workers_max: Annotated[int, Field(ge=1)] = Field(32, description="as many as there is work for, up to this")
    memory_gb: Positive = Field(4.0, description="of a worker; it holds the plan, all volumes and a shard")
    walltime_minutes: Annotated[int, Field(ge=10)] = Field(60, description="of a worker; then another takes its place")
    interface: SlurmName | None = Field(None, description="network by which workers reach the job, such as ib0")

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        if self.workers_min > self.workers_max:
            raise ValueError(f"workers_min {self.workers_min} is more than workers_max {self.workers_max}; lower it")
        return self


def _pieces(structure: Mapping[str, Any], number: int) -> Iterator[dict[str, Any]]:
    """Structures made up of the pieces of one, which is read as it is for itself."""
    name = structure.get("id")
    entry = {} if structure.get("source") == "file" else {"pdb_id": structure.get("pdb_id") or name}
    for n in range(number):
        yield {**structure, **entry, "id": f"piece-{name}-{n}", "piece_of": name}


class SimulationConfig(Strict):
    """Everything up to the datasets."""

    structures: Annotated[tuple[StructureConfig, ...], Field(min_length=1)]
    random_phantoms: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0, description="so many molecules made up by chance come after the structures: random-0, random-1, ..."
    )
    random_assemblies: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0, description="so many more, made up by chance as dumbbells, stacked rings and their like: assembled-0, ..."
    )
    random_pieces: Annotated[int, Field(ge=0, le=1000)] = Field(
        0, description="so many more of each structure that is no phantom, made up of its pieces: piece-<id>-0, ..."
    )
    archive: ArchiveConfig = ArchiveConfig()
    beam: BeamConfig = Field(BeamConfig(), description="of datasets that say nothing else")
    detector: DetectorConfig = Field(DetectorConfig(), description="of datasets that say nothing else")
    volume: VolumeConfig = VolumeConfig()
    plan: PlanConfig = PlanConfig()
    datasets: Annotated[dict[Identifier, DatasetConfig], Field(min_length=1)]
    storage: StorageConfig = StorageConfig()
    cluster: Annotated[LocalClusterConfig | SlurmClusterConfig, Field(discriminator="kind")] = LocalClusterConfig()

    @model_validator(mode="before")
    @classmethod
    def _random_phantoms_are_structures(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        numbers = [values.get(key, 0) for key in ("random_phantoms", "random_assemblies", "random_pieces")]
        if not all(isinstance(number, int) for number in numbers):
            return values
        named = values.get("structures")
        if not isinstance(named, list | tuple):
            return values
        given = [structure for structure in named if isinstance(structure, dict)]
        there = {structure.get("id") for structure in given}  # a dumped config has them
        names = [
            f"{kind}-{n}" for kind, number in zip(("random", "assembled"), numbers, strict=False) for n in range(number)
        ]
        added = [{"id": name, "source": "phantom", "phantom": name} for name in names]
        for structure in given:
            if structure.get("source") != "phantom" and structure.get("piece_of") is None:
                added += _pieces(structure, numbers[2])
        return {**values, "structures": [*named, *(one for one in added if one["id"] not in there)]}

    @model_validator(mode="before")
    @classmethod
    def _datasets_have_their_base(cls, values: Any, info: ValidationInfo) -> Any:
        if isinstance(values, dict) and isinstance(values.get("datasets"), dict):
            datasets, problems = resolve(values["datasets"], valid_defaults(values))
            refuse(problems, info)
            return {**values, "datasets": datasets}
        return values

    @model_validator(mode="after")
    def _parts_fit_together(self, info: ValidationInfo) -> Self:
        refuse(self._misfits(), info)
        return self

    def _misfits(self) -> Iterator[str]:
        ids = [structure.id.lower() for structure in self.structures]
        if duplicates := sorted({i for i in ids if ids.count(i) > 1}):
            yield f"simulation.structures: ids {duplicates} appear more than once (case does not tell them apart)"
        if NO_STRUCTURE in ids:
            yield (
                f"simulation.structures: structure id {NO_STRUCTURE!r} is what shots without a particle are called; "
                "take another"
            )
        by_skopi = [name for name, dataset in self.datasets.items() if dataset.engine == "skopi"]
        if by_skopi and self.plan.mixed_fraction > 0:
            yield (
                f"simulation.plan.mixed_fraction is {self.plan.mixed_fraction:g}, but datasets {by_skopi} have "
                "engine: skopi, which knows no mixed species; set it to 0 or use engine: fast"
            )
        for number, structure in enumerate(self.structures):
            if structure.piece_of is not None and structure.piece_of not in (there := [s.id for s in self.structures]):
                yield (
                    f"simulation.structures.{number}.piece_of: {structure.piece_of!r} is no structure of the run"
                    f"{did_you_mean(structure.piece_of, there)}"
                )
        for name, dataset in self.datasets.items():
            key = f"simulation.datasets.{name}.select"
            yield from self._wrong_shares(f"{key}.shares", dataset.select.shares)
            yield from self._wrong_structures(f"{key}.structures", name)

    def _wrong_structures(self, key: str, dataset: str) -> Iterator[str]:
        """That a dataset would hold no structure, or some whose partners in mixed shots it leaves out."""
        which, selected = self.datasets[dataset].select.structures, self.selected(dataset)
        if not selected:
            yield f"{key}: {which}, but the run has none; add some or remove it"
        elif len(selected) < len(self.structures) and self.plan.mixed_fraction > 0:
            yield (
                f"{key}: {which} leaves out structures that plan.mixed_fraction = "
                f"{self.plan.mixed_fraction:g} puts beside others; set one of them back to its default"
            )

    def _wrong_shares(self, key: str, shares: Mapping[int, float]) -> Iterator[str]:
        """Where a share is of no class of the plan, or leaves a class without a pattern in some split."""
        if unknown := [m for m in shares if m not in self.plan.hit_multiplicities]:
            yield (
                f"{key}: of hit multiplicities {unknown}, which are not among the plan's "
                f"{list(self.plan.hit_multiplicities)}"
            )
        for multiplicity, share in shares.items():
            if empty := [split for split, size in self.plan.split_sizes.items() if not share_of(size, share)]:
                yield (
                    f"{key}.{multiplicity}: {share:g} leaves the classes of hit multiplicity {multiplicity} no "
                    f"{empty[0]} pattern of {self.plan.split_sizes[empty[0]]}; raise it or patterns_per_class"
                )

    def selected(self, dataset: str) -> tuple[str, ...]:
        """Ids of the structures whose patterns a dataset holds, in the order of the config."""
        which = self.datasets[dataset].select.structures
        return tuple(structure.id for structure in self.structures if which == "all" or which == structure.kind)

    def targets(self, dataset: str) -> tuple[Target, ...]:
        """What a dataset asks of every pattern: how many particles were hit, and which structure."""
        return shot_targets(self.selected(dataset), self.plan.hit_multiplicities)

    def planned(self, placement: str) -> tuple[str, ...]:
        """Ids of the structures in the plan of a placement: those that any of its datasets holds."""
        held = {
            name
            for key, dataset in self.datasets.items()
            if dataset.placement == placement
            for name in self.selected(key)
        }
        return tuple(structure.id for structure in self.structures if structure.id in held)

    def structure(self, structure_id: str) -> StructureConfig:
        """The structure with this id; KeyError names the known ones."""
        for structure in self.structures:
            if structure.id == structure_id:
                return structure
        raise KeyError(f"structure {structure_id!r} is not in this run; known: {[s.id for s in self.structures]}")
