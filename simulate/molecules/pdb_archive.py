"""PDB entries from mirror folders, the cache or the archives' servers, with a sha256 on record for each."""

import gzip
import hashlib
import io
import logging
import re
import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
from filelock import FileLock

from frames.files import atomic_path, read_json, write_json
from simulate.molecules.config import ArchiveConfig, must_be_safe, short_entry

log = logging.getLogger(__name__)

SUFFIXES = (".cif.gz", ".cif", ".pdb.gz", ".pdb", ".ent.gz", ".ent")
"""Formats by preference: mmCIF is the archive's own and has no limit on atoms or chains."""

ROOTS = (
    *(
        f"{above}{kind}/{what}"
        for above in ("", "structures/", "data/structures/", "pub/pdb/data/structures/")
        for kind in ("divided", "all")
        for what in ("mmCIF", "pdb")
    ),
    *("mmCIF", "pdb", "entries", "data/entries", "pub/wwpdb/pdb/data/entries", "pub/pdb_versioned/data/entries"),
    *(f"{above}views/{which}/coordinates/mmcif" for above in ("", "pub/pdb_versioned/") for which in ("latest", "all")),
)
"""Folders of the archive's own mirrors that hold entries, from wherever one was begun: the archive of today, that of
extended ids (pdb_00001ss8) and the versioned one."""

MAX_BYTES = 4 * 10**9
"""Of an entry, uncompressed: several times the largest of the archive. An answer without end would fill the disk."""

FIRST_PAUSE_S = 1.0
"""Before the first retry; it doubles with each."""


def fetch(pdb_id: str, archive: ArchiveConfig) -> Path:
    """File of a PDB entry: from the mirrors, else from the cache, else downloaded into the cache.

    The sha256 of every file handed out is recorded in the lock file and must be the same ever after.

    Raises
    ------
    FileNotFoundError that lists every place tried and why it failed.
    ValueError where the file is damaged or is not the one on record.
    """
    entry = short_entry(pdb_id)
    failures: list[str] = []
    path = _find(entry, (*archive.mirrors, archive.cache_dir), failures) or _download(entry, archive, failures)
    if path is None:
        advice = f"\nPut {entry}.cif.gz into one of the folders, or correct archive.mirrors or archive.servers."
        raise FileNotFoundError("\n  - ".join([f"PDB entry {entry} was not found:", *failures]) + advice)
    _check_against_lock(entry, path, archive.lock_file)
    return path


def uncompressed(path: Path) -> bytes:
    """Content of a plain or gzip file, whatever it is called.

    Raises
    ------
    ValueError where the file is empty or too large, or the gzip stream is cut short or damaged.
    """
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty; fetch it again")
    parts, size = [], 0
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed or path.suffix.lower() == ".gz" else path.open("rb") as stream:
            while part := stream.read(2**20):
                parts.append(part)
                if (size := size + len(part)) > MAX_BYTES:
                    raise ValueError(f"{path} holds more than {MAX_BYTES / 1e6:g} MB: no structure is that large")
        return b"".join(parts)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        advice = "fetch it again" if packed else "fetch it again, or take .gz off its name"
        raise ValueError(f"{path} is not a complete gzip file ({error}); {advice}") from error


def sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file's uncompressed content: gzip's own header holds a time stamp."""
    return hashlib.sha256(uncompressed(path)).hexdigest()


def _find(entry: str, folders: Iterable[Path], failures: list[str]) -> Path | None:
    for folder in folders:
        for place in _places(entry, folder):
            if (path := _file_in(place, entry)) is not None:
                return path
        failures.append(f"{folder}: " + ("no such entry" if folder.is_dir() else "no such folder"))
    return None


def _extended(entry: str) -> str:
    return entry if entry.startswith("pdb_") else f"pdb_0000{entry}"


def _places(entry: str, folder: Path) -> Iterator[Path]:
    """Folders of a mirror that may hold the entry's file: its root, and those named by the two middle characters."""
    yield folder
    for root in (folder, *(folder / name for name in ROOTS)):
        if root.is_dir():
            for middle in dict.fromkeys((entry[-3:-1], entry[-3:-1].upper())):
                yield root / middle / _extended(entry)
                yield root / middle
            yield root


def _file_in(folder: Path, entry: str) -> Path | None:
    extended = _extended(entry)
    for stem in dict.fromkeys((entry, entry.upper(), extended, extended.upper(), f"{extended}_xyz", f"pdb{entry}")):
        for suffix in (*SUFFIXES, *map(str.upper, SUFFIXES)):
            if (path := folder / f"{stem}{suffix}").is_file():
                return path
    if folder.name == extended:  # of several versions the last
        versions = [path for path in folder.glob(f"{extended}_xyz_v*") if path.name.endswith(SUFFIXES)]
        return max(
            versions, key=lambda path: [int(number) for number in re.findall(r"\d+", path.name[16:])], default=None
        )
    return None


def _download(entry: str, archive: ArchiveConfig, failures: list[str]) -> Path | None:
    archive.cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(archive.cache_dir / f".{entry}.lock"):
        if path := _find(entry, [archive.cache_dir], []):
            return path  # another job fetched it while this one waited for the lock
        for template in archive.servers:
            url = template.format(id=entry, ID=entry.upper())
            path = archive.cache_dir / f"{entry}{_suffix(url)}"
            try:
                _download_with_retries(url, path, archive)
            except (requests.RequestException, ValueError) as error:
                failures.append(f"{url}: {error}")
            else:
                return path
    return None


def _suffix(url: str) -> str:
    path = urlsplit(url).path
    for suffix in SUFFIXES:
        if path.endswith(suffix):
            return suffix
    raise ValueError(f"archive.servers: {url} ends in none of {', '.join(SUFFIXES)}")


class _Bounded(io.FileIO):
    """A file that grows to `MAX_BYTES` and no further."""

    def write(self, content: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(content) > MAX_BYTES:
            raise ValueError(f"the answer is longer than {MAX_BYTES / 1e6:g} MB: no structure is that large")
        return super().write(content)


def _answered_safely(response: requests.Response, **arguments: object) -> None:
    must_be_safe(response.url)  # of every redirection, too


def _download_with_retries(url: str, path: Path, archive: ArchiveConfig) -> None:
    download = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(), timeout=archive.timeout_s, hooks={"response": _answered_safely}
    )
    for attempt in range(archive.retries + 1):
        log.info("downloading %s", url)
        try:
            with atomic_path(path) as temporary:
                with _Bounded(temporary, "w") as stream:
                    download(url, stream, None)
                if uncompressed(temporary).lstrip().startswith(b"<"):
                    raise ValueError("the answer is a web page, not a structure")
            return
        except (requests.RequestException, ValueError) as error:
            if attempt == archive.retries or _is_final(error):
                raise
            pause = FIRST_PAUSE_S * 2**attempt
            log.warning("%s failed (%s); trying again in %g s", url, error, pause)
            time.sleep(pause)


def _is_final(error: Exception) -> bool:
    """Whether the server has answered for good: 4xx, except 408 (timeout) and 429 (too many requests)."""
    response = getattr(error, "response", None)
    return response is not None and 400 <= response.status_code < 500 and response.status_code not in (408, 429)


def _check_against_lock(entry: str, path: Path, lock_file: Path) -> None:
    # Mirror and cache may hold the same entry in two formats, which have different sums.
    key = f"{entry}{'.cif' if '.cif' in path.name.lower() else '.pdb'}"
    digest = sha256(path)
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{lock_file}.lock"):
        recorded = read_json(lock_file) if lock_file.exists() else {}
        if key not in recorded:
            recorded[key] = {"sha256": digest, "file": path.name}
            write_json(lock_file, dict(sorted(recorded.items())))
        elif recorded[key]["sha256"] != digest:
            raise ValueError(
                f"{path} has sha256 {digest}, but {lock_file} has {recorded[key]['sha256']} on record for {key}: "
                f"the archive revised the entry or the file was changed. Bring back the file on record, or delete "
                f"{key} from the lock file to accept this one; results from the two are not comparable."
            )
