"""The simulation's half of a run's config: typed, with units in the names; unknown keys are refused."""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from simulate import phantoms
from simulate.experiment import (
    BeamConfig,
    DatasetConfig,
    DetectorConfig,
    Fraction,
    Identifier,
    Positive,
    Strict,
    refuse,
    resolve,
    share_of,
    valid_defaults,
)

NO_STRUCTURE = "none"
"""What a shot without a particle is called in place of a structure's id."""


ENTRY = r"(?:[0-9][A-Za-z0-9]{3}|[Pp][Dd][Bb]_[A-Za-z0-9]{8})"
"""A PDB id, of four characters (1ss8) or extended (pdb_00001ss8)."""


def short_entry(pdb_id: str) -> str:
    """An entry's id in lower case and as short as it goes: 1ss8 is pdb_00001ss8, too."""
    entry = pdb_id.lower()
    short = entry.removeprefix("pdb_0000")
    return short if re.fullmatch(r"[0-9][a-z0-9]{3}", short) else entry


def _phantom(name: str) -> str:
    phantoms.must_be_known(name)
    return name


class StructureConfig(Strict):
    """One molecule of the run and every choice made when it is read."""

    id: Identifier = Field(description="name in files, tables and figures")
    source: Literal["pdb", "file", "phantom"] = "pdb"
    pdb_id: Annotated[str, Field(pattern=f"^{ENTRY}$")] | None = Field(
        None, description="PDB entry when it is not the id itself: 1ss8 or pdb_00001ss8"
    )
    path: Path | None = Field(None, description="mmCIF or PDB file, plain or .gz (source: file)")
    phantom: Annotated[str, AfterValidator(_phantom)] | None = Field(
        None, description="construction in simulate/phantoms.py (source: phantom)"
    )
    assembly: str = Field("deposited", description="`deposited`: the atoms as stored; else the name of an assembly")
    models: Literal["first", "all"] = Field(
        "first", description="of a file with several: the first of alternatives (NMR), or all, copies in a .pdb1 file"
    )
    altlocs: Literal["first", "highest_occupancy"] = "first"
    waters: bool = False
    hydrogens: bool = False
    ligands: bool = Field(True, description="keep ions and HETATM groups that are no amino acid, nucleotide or water")
    hydration_angstrom: Annotated[float, Field(ge=0, le=100)] = Field(
        0.0, description="thickness of a layer of water, see simulate/hydration.py"
    )
    stand_in_for: str | None = Field(None, description="entry of the paper that this structure replaces")

    @model_validator(mode="after")
    def _source_has_what_it_needs(self) -> Self:
        if self.source == "file" and self.path is None:
            raise ValueError(f"structure {self.id}: source 'file' needs a path")
        if self.source == "phantom" and self.phantom is None:
            raise ValueError(f"structure {self.id}: source 'phantom' needs the name of a phantom")
        if self.source == "pdb" and self.entry is None:
            raise ValueError(f"structure {self.id}: not a PDB id (like 1ss8); set pdb_id, or source: file")
        if self.models == "all" and self.assembly != "deposited":
            raise ValueError(
                f"structure {self.id}: models: all and assembly: {self.assembly} both ask for copies; choose one"
            )
        return self

    @property
    def entry(self) -> str | None:
        """Lower-case PDB id, of four characters where it has so few, for source `pdb`."""
        candidate = self.pdb_id or self.id
        return short_entry(candidate) if re.fullmatch(ENTRY, candidate) else None


def must_be_safe(url: str) -> None:
    """ValueError for an address whose answers others could change on their way."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")):
        raise ValueError(f"{url} is not fetched: only https is, and http from this very machine")


def _server(template: str) -> str:
    try:
        url = template.format(id="1abc", ID="1ABC")
    except (LookupError, AttributeError, ValueError) as error:
        raise ValueError(f"{template!r} is no address with {{id}} or {{ID}} in it ({error!r})") from None
    must_be_safe(url)
    return template


class ArchiveConfig(Strict):
    """Where PDB entries come from: mirror folders first, then the archives, in order."""

    mirrors: tuple[Path, ...] = Field(
        (), description="folders that hold <id>.cif[.gz] or <id>.pdb[.gz], or the wwPDB's own"
    )
    servers: tuple[Annotated[str, AfterValidator(_server)], ...] = Field(
        ("https://files.rcsb.org/download/{ID}.cif.gz", "https://www.ebi.ac.uk/pdbe/entry-files/download/{id}.cif"),
        description="URL templates; {id} and {ID} are the entry in lower and upper case",
    )
    cache_dir: Path = Field(Path("resources/structures"), description="where downloads are kept, shared by all runs")
    lock_file: Path = Field(Path("resources/structures.lock.json"), description="sha256 of every structure ever used")
    timeout_s: Positive = 60.0
    retries: Annotated[int, Field(ge=0, le=10)] = 3


class VolumeConfig(Strict):
    """How finely F(q) is sampled."""

    accuracy: Annotated[float, Field(gt=1e-6, lt=0.2)] = Field(
        1e-3, description="relative L2 error allowed in a single hit's intensity"
    )
    random_phantom_accuracy: Annotated[float, Field(gt=1e-6, lt=0.2)] = Field(
        1e-2, description="the same of random phantoms: they come by the hundred, and are learned from alone"
    )
    max_grid: Annotated[int, Field(ge=16, le=1025)] = Field(401, description="largest number of voxels along an edge")


class SplitConfig(Strict):
    """Fractions of every class."""

    train: Positive = 0.7
    validation: Positive = 0.1
    test: Positive = 0.2

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        if not math.isclose(total := self.train + self.validation + self.test, 1.0, abs_tol=1e-9):
            raise ValueError(f"split fractions sum to {total:g}, expected 1")
        return self


class PlacementConfig(Strict):
    """Lengths of the placement models, simulate/placement.py."""

    contact_distance_angstrom: Annotated[float, Field(gt=0, le=1e4)] = Field(
        4.0, description="surface_contact: between the nearest atoms of two particles that touch"
    )
    dispersion_radius_um: Annotated[float, Field(gt=0, le=1e4)] = Field(
        0.5, description="dispersed: particles lie evenly in a cylinder along the beam, this long from its middle"
    )


class PlanConfig(Strict):
    """What is shot: one row per pattern."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    hit_multiplicities: tuple[Annotated[int, Field(ge=0, le=16)], ...] = Field(
        (1, 2, 3, 4), description="particles in a shot; 0 is background alone, a class of no structure"
    )
    patterns_per_class: Annotated[int, Field(ge=1)] = 5000
    split: SplitConfig = SplitConfig()
    placement: PlacementConfig = PlacementConfig()
    mixed_fraction: Fraction = Field(
        0.0, description="of the multi-hits; all but their first particle, which names the class, are of any structure"
    )

    @model_validator(mode="after")
    def _multiplicities_are_unique(self) -> Self:
        if len(set(self.hit_multiplicities)) != len(self.hit_multiplicities) or not self.hit_multiplicities:
            raise ValueError(f"hit_multiplicities {list(self.hit_multiplicities)} must be non-empty and unique")
        if self.hit_multiplicities == (0,):
            raise ValueError("hit_multiplicities [0] hit nothing; name at least one other")
        for name, n_patterns in self.split_sizes.items():
            if n_patterns < 1:
                raise ValueError(
                    f"patterns_per_class {self.patterns_per_class} leaves no {name} pattern per class; raise it"
                )
        return self

    @property
    def split_sizes(self) -> dict[str, int]:
        """Patterns of every class in each split: exact fractions, the same in every class."""
        size = self.patterns_per_class
        first_validation = round(self.split.train * size)
        first_test = round((self.split.train + self.split.validation) * size)
        return {
            "train": first_validation,
            "validation": first_test - first_validation,
            "test": size - first_test,
        }


class StorageConfig(Strict):
    """How patterns lie on disk and how the work is cut."""

    patterns_per_chunk: Annotated[int, Field(ge=1)] = 16
    patterns_per_shard: Annotated[int, Field(ge=1)] = 1024
    shards_per_job: Annotated[int, Field(ge=1)] = Field(64, description="whole shards rendered by one Snakemake job")

    @model_validator(mode="after")
    def _shards_hold_whole_chunks(self) -> Self:
        if self.patterns_per_shard % self.patterns_per_chunk:
            raise ValueError(
                f"patterns_per_shard {self.patterns_per_shard} is not a multiple of "
                f"patterns_per_chunk {self.patterns_per_chunk}"
            )
        return self


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


class SimulationConfig(Strict):
    """Everything up to the datasets."""

    structures: Annotated[tuple[StructureConfig, ...], Field(min_length=1)]
    random_phantoms: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0, description="so many molecules made up by chance come after the structures: random-0, random-1, ..."
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
        if not isinstance(values, dict) or not isinstance(number := values.get("random_phantoms", 0), int):
            return values
        named = values.get("structures")
        if not isinstance(named, list | tuple):
            return values
        there = {structure.get("id") for structure in named if isinstance(structure, dict)}
        names = [
            name for name in map("random-{}".format, range(number)) if name not in there
        ]  # a dumped config has them
        return {**values, "structures": [*named, *({"id": n, "source": "phantom", "phantom": n} for n in names)]}

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
        return tuple(
            structure.id
            for structure in self.structures
            if which == "all" or (structure.source == "phantom") == (which == "phantoms")
        )

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
