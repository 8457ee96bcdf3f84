"""Structures and their volumes: the settings."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from frames.schema import Identifier, Positive, Strict
from simulate.molecules import phantoms

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
        None, description="construction in simulate/molecules/phantoms.py (source: phantom)"
    )
    piece_of: Identifier | None = Field(
        None, description="the run's structure of whose pieces this molecule is made up, simulate/molecules/pieces.py"
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
        0.0, description="thickness of a layer of water, see simulate/molecules/hydration.py"
    )
    stand_in_for: str | None = Field(None, description="entry of the paper that this structure replaces")

    @model_validator(mode="after")
    def _source_has_what_it_needs(self) -> Self:
        if self.source == "file" and self.path is None:
            raise ValueError(f"structure {self.id}: source 'file' needs a path")
        if self.source == "phantom" and self.phantom is None:
            raise ValueError(f"structure {self.id}: source 'phantom' needs the name of a phantom")
        if self.source == "phantom" and self.piece_of is not None:
            raise ValueError(f"structure {self.id}: piece_of is for molecules of the archive or of files, not phantoms")
        if self.source == "pdb" and self.entry is None:
            raise ValueError(f"structure {self.id}: not a PDB id (like 1ss8); set pdb_id, or source: file")
        if self.models == "all" and self.assembly != "deposited":
            raise ValueError(
                f"structure {self.id}: models: all and assembly: {self.assembly} both ask for copies; choose one"
            )
        return self

    @property
    def kind(self) -> Literal["phantoms", "pieces", "deposited"]:
        """What `select.structures` of a dataset calls it."""
        return "phantoms" if self.source == "phantom" else "deposited" if self.piece_of is None else "pieces"

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
