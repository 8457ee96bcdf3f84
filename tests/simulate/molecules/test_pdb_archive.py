"""Finding and downloading entries, against a server on this machine."""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from simulate.molecules import pdb_archive
from simulate.molecules.config import ArchiveConfig, StructureConfig
from simulate.molecules.pdb_archive import fetch, sha256
from support.made.archive_server import Server

ENTRY = b"data_1AON\n_entry.id 1AON\n"
GOOD = gzip.compress(ENTRY)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.closing.set()
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that would have been slept between attempts."""
    pauses: list[float] = []
    monkeypatch.setattr(pdb_archive, "time", SimpleNamespace(sleep=pauses.append))
    return pauses


def configure(
    tmp_path: Path, *servers: str, retries: int = 2, timeout_s: float = 5.0, mirrors: tuple[Path, ...] = ()
) -> ArchiveConfig:
    return ArchiveConfig(
        mirrors=mirrors,
        servers=servers,
        cache_dir=tmp_path / "cache",
        lock_file=tmp_path / "lock.json",
        timeout_s=timeout_s,
        retries=retries,
    )


def two_servers(server: Server) -> tuple[str, str]:
    """The layouts of the archive's own addresses: upper case at one, lower case at the other."""
    return f"{server.url}/download/{{ID}}.cif.gz", f"{server.url}/entry-files/{{id}}.cif.gz"


FIRST, SECOND = "/download/1AON.cif.gz", "/entry-files/1aon.cif.gz"


def cached(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache").iterdir() if not path.name.endswith(".lock"))


# Folders


@pytest.mark.parametrize("name", ["1aon.cif.gz", "1aon.cif", "1aon.pdb.gz", "1aon.pdb", "1AON.cif.gz", "1AON.pdb"])
def test_mirror_is_used_without_a_download(tmp_path: Path, server: Server, name: str) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / name).write_bytes(GOOD if name.endswith(".gz") else ENTRY)
    config = configure(tmp_path, *two_servers(server), mirrors=(tmp_path / "absent", mirror))
    assert fetch("1AON", config) == mirror / name
    assert not server.requests
    assert json.loads(config.lock_file.read_text()).keys() == {f"1aon.{'cif' if 'cif' in name else 'pdb'}"}


@pytest.mark.parametrize("pdb_id", ["1aon", "1AON", "pdb_00001aon", "PDB_00001AON"])
@pytest.mark.parametrize(
    "place",
    [
        "ao/1aon.cif.gz",
        "ao/pdb1aon.ent.gz",
        "AO/1AON.CIF.GZ",
        "pdb1aon.ent",
        "1AON.PDB",
        "pdb_00001aon.cif.gz",
        "pdb_00001aon_xyz.cif.gz",
        "divided/mmCIF/ao/1aon.cif.gz",
        "data/structures/divided/pdb/ao/pdb1aon.ent.gz",
        "data/structures/all/mmCIF/1aon.cif.gz",
        "pub/pdb/data/structures/divided/mmCIF/ao/1aon.cif.gz",
        "ao/pdb_00001aon/pdb_00001aon_xyz.cif.gz",
        "data/entries/ao/pdb_00001aon/pdb_00001aon.cif.gz",
        "views/latest/coordinates/mmcif/ao/pdb_00001aon/pdb_00001aon_xyz.cif.gz",
    ],
)
def test_mirrors_of_the_archive_are_used_as_they_are(tmp_path: Path, place: str, pdb_id: str) -> None:
    path = tmp_path / "mirror" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(GOOD if place.lower().endswith(".gz") else ENTRY)
    # Beside it, what is of another entry or holds no atoms.
    for other in ("1aonn.cif.gz", "2aon.cif.gz", "pdb_00001aon-sf.cif.gz", "r1aonsf.ent.gz", "1aon-assembly1.cif.gz"):
        (path.parent / other).write_bytes(b"not this")
    config = configure(tmp_path, mirrors=(tmp_path / "mirror",))
    assert fetch(pdb_id, config) == path
    assert list(json.loads(config.lock_file.read_text())) == [f"1aon.{'cif' if 'cif' in place.lower() else 'pdb'}"]


def test_of_the_versions_of_an_entry_the_last_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "mirror" / "data" / "entries" / "ao" / "pdb_00001aon"
    folder.mkdir(parents=True)
    for version in ("1-0", "1-10", "2-0", "10-2", "9-11"):
        (folder / f"pdb_00001aon_xyz_v{version}.cif.gz").write_bytes(GOOD)
    (folder / "pdb_00001aon_xyz_v11-0.xml.gz").write_bytes(GOOD)
    assert fetch("1aon", configure(tmp_path, mirrors=(tmp_path / "mirror",))).name == "pdb_00001aon_xyz_v10-2.cif.gz"


def test_entries_that_have_only_an_extended_id(tmp_path: Path) -> None:
    path = tmp_path / "mirror" / "xy" / "pdb_1000axyz" / "pdb_1000axyz.cif.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(GOOD)
    config = configure(tmp_path, mirrors=(tmp_path / "mirror",))
    assert fetch("PDB_1000AXYZ", config) == path
    assert list(json.loads(config.lock_file.read_text())) == ["pdb_1000axyz.cif"]


def test_ids_of_both_lengths_are_one_entry() -> None:
    assert StructureConfig(id="pdb_00001ss8").entry == StructureConfig(id="groel", pdb_id="1SS8").entry == "1ss8"
    assert StructureConfig(id="groel", pdb_id="pdb_1000axyz").entry == "pdb_1000axyz"
    for bad in ("groel", "pdb_0001ss8", "pdb_00001ss8x"):
        with pytest.raises(ValueError, match="not a PDB id"):
            StructureConfig(id=bad)


def test_content_tells_whether_a_file_is_packed(tmp_path: Path) -> None:
    (tmp_path / "packed.cif").write_bytes(GOOD)
    assert pdb_archive.uncompressed(tmp_path / "packed.cif") == ENTRY
    (tmp_path / "plain.cif.GZ").write_bytes(ENTRY)
    with pytest.raises(ValueError, match=r"plain\.cif\.GZ is not a complete gzip file .* or take \.gz off its name"):
        pdb_archive.uncompressed(tmp_path / "plain.cif.GZ")


def test_mirrors_come_before_the_cache_and_mmcif_before_pdb(tmp_path: Path) -> None:
    config = configure(tmp_path, mirrors=(tmp_path / "mirror",))
    for folder in (tmp_path / "cache", tmp_path / "mirror"):
        folder.mkdir()
        (folder / "1aon.pdb").write_bytes(b"HEADER")
        if folder.name == "cache":
            (folder / "1aon.cif").write_bytes(ENTRY)
    assert fetch("1aon", config) == tmp_path / "mirror" / "1aon.pdb"
    (tmp_path / "mirror" / "1aon.pdb").unlink()
    assert fetch("1aon", config) == tmp_path / "cache" / "1aon.cif"


def test_damaged_file_in_a_mirror_is_an_error_and_not_passed_over(tmp_path: Path, server: Server) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "1aon.cif.gz").write_bytes(GOOD[:-5])
    config = configure(tmp_path, *two_servers(server), mirrors=(tmp_path / "mirror",))
    with pytest.raises(ValueError, match=r"1aon\.cif\.gz is not a complete gzip file"):
        fetch("1aon", config)
    assert not config.lock_file.exists()


# Downloads


def test_download_enters_the_cache_once(tmp_path: Path, server: Server) -> None:
    server.answers[FIRST] = [(200, GOOD)]
    config = configure(tmp_path, *two_servers(server))
    path = fetch("1aon", config)
    assert path == tmp_path / "cache" / "1aon.cif.gz"
    assert path.read_bytes() == GOOD
    assert fetch("1aon", config) == path
    assert server.requests == [FIRST]
    assert cached(tmp_path) == ["1aon.cif.gz"]
    assert json.loads(config.lock_file.read_text()) == {"1aon.cif": {"sha256": sha256(path), "file": "1aon.cif.gz"}}


def test_missing_at_the_first_server_goes_to_the_second_at_once(
    tmp_path: Path, server: Server, pauses: list[float]
) -> None:
    server.answers[SECOND] = [(200, GOOD)]
    assert fetch("1aon", configure(tmp_path, *two_servers(server))).read_bytes() == GOOD
    assert server.requests == [FIRST, SECOND]
    assert not pauses


def test_nowhere_to_be_found_lists_every_place(tmp_path: Path, server: Server) -> None:
    (tmp_path / "mirror").mkdir()
    config = configure(tmp_path, *two_servers(server), mirrors=(tmp_path / "mirror", tmp_path / "absent"))
    with pytest.raises(FileNotFoundError) as caught:
        fetch("1aon", config)
    message = str(caught.value)
    for place, reason in {
        tmp_path / "mirror": "no such entry",
        tmp_path / "absent": "no such folder",
        tmp_path / "cache": "no such folder",
        f"{server.url}{FIRST}": "404",
        f"{server.url}{SECOND}": "404",
    }.items():
        assert any(str(place) in line and reason in line for line in message.splitlines()), (place, message)
    assert cached(tmp_path) == []
    assert not config.lock_file.exists()


def test_busy_server_is_asked_again_with_longer_pauses(tmp_path: Path, server: Server, pauses: list[float]) -> None:
    server.answers[FIRST] = [(503, b""), (429, b""), (200, GOOD)]
    assert fetch("1aon", configure(tmp_path, *two_servers(server))).read_bytes() == GOOD
    assert server.requests == [FIRST] * 3
    assert pauses == [pdb_archive.FIRST_PAUSE_S, 2 * pdb_archive.FIRST_PAUSE_S]


def test_retries_are_counted_per_server(tmp_path: Path, server: Server) -> None:
    server.answers[FIRST] = [(503, b"")]
    server.answers[SECOND] = [(500, b""), (200, GOOD)]
    fetch("1aon", configure(tmp_path, *two_servers(server), retries=1))
    assert server.requests == [FIRST, FIRST, SECOND, SECOND]


@pytest.mark.parametrize(
    "body",
    [GOOD[:-5], b"", ENTRY, gzip.compress(b"<html>sign in</html>")],
    ids=["cut", "empty", "not compressed", "web page"],
)
def test_incomplete_download_never_enters_the_cache(tmp_path: Path, server: Server, body: bytes) -> None:
    server.answers[FIRST] = [(200, body)]
    config = configure(tmp_path, two_servers(server)[0], retries=1)
    with pytest.raises(FileNotFoundError, match=r"not a complete gzip file|is empty|web page"):
        fetch("1aon", config)
    assert server.requests == [FIRST, FIRST], "a cut download is tried again"
    assert cached(tmp_path) == []
    server.answers[FIRST] = [(200, GOOD)]
    assert fetch("1aon", config).read_bytes() == GOOD


def test_web_page_in_place_of_a_plain_file_is_refused(tmp_path: Path, server: Server) -> None:
    server.answers["/1aon.cif"] = [(200, b"\n<!DOCTYPE html><html></html>")]
    with pytest.raises(FileNotFoundError, match="web page"):
        fetch("1aon", configure(tmp_path, f"{server.url}/{{id}}.cif", retries=0))


def test_slow_server_is_given_up(tmp_path: Path, server: Server) -> None:
    server.answers[FIRST] = [(0, b"")]
    server.answers[SECOND] = [(200, GOOD)]
    start = time.monotonic()
    assert fetch("1aon", configure(tmp_path, *two_servers(server), retries=0, timeout_s=0.2)).read_bytes() == GOOD
    assert 0.2 <= time.monotonic() - start < 5
    assert server.requests == [FIRST, SECOND]


def test_server_that_does_not_answer_at_all_is_listed(tmp_path: Path, server: Server) -> None:
    with Server() as gone:
        url = gone.url
    config = configure(tmp_path, f"{url}/{{id}}.cif.gz", two_servers(server)[1], retries=1)
    server.answers[SECOND] = [(200, GOOD)]
    assert fetch("1aon", config).read_bytes() == GOOD


def test_address_of_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"1aon\.xml ends in none of \.cif\.gz"):
        fetch("1aon", configure(tmp_path, "http://127.0.0.1:9/{id}.xml"))


def test_jobs_at_once_download_once(tmp_path: Path, server: Server) -> None:
    entries = ["1aon", "1oel", "3cf3"]
    for entry in entries:
        server.answers[f"/{entry}.cif.gz"] = [(200, GOOD)]
    config = configure(tmp_path, f"{server.url}/{{id}}.cif.gz")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda entry: fetch(entry, config), entries * 2))
    assert sorted(server.requests) == [f"/{entry}.cif.gz" for entry in entries]
    assert list(json.loads(config.lock_file.read_text())) == [f"{entry}.cif" for entry in entries]


# The lock file


def test_changed_file_is_refused_with_both_sums(tmp_path: Path, server: Server) -> None:
    server.answers[FIRST] = [(200, GOOD)]
    config = configure(tmp_path, *two_servers(server))
    path = fetch("1aon", config)
    old = sha256(path)
    path.write_bytes(gzip.compress(ENTRY + b"_revised 1\n"))
    with pytest.raises(ValueError, match=r"delete 1aon\.cif from the lock file") as caught:
        fetch("1aon", config)
    assert old in str(caught.value)
    assert sha256(path) in str(caught.value)
    assert json.loads(config.lock_file.read_text())["1aon.cif"]["sha256"] == old


def test_the_lock_file_may_lie_in_folders_that_are_to_be_made(tmp_path: Path) -> None:
    config = configure(tmp_path, mirrors=(tmp_path,)).model_copy(
        update={"lock_file": tmp_path / "a" / "b" / "lock.json"}
    )
    (tmp_path / "1aon.pdb").write_bytes(b"HEADER")
    fetch("1aon", config)
    assert list(json.loads(config.lock_file.read_text())) == ["1aon.pdb"]


@pytest.mark.parametrize("place", [0, 1, 31, 63])
def test_every_digit_of_the_sum_on_record_counts(tmp_path: Path, place: int) -> None:
    """sha256 of `HEADER` as `printf HEADER | sha256sum` has it, and the same with one digit changed."""
    digest = "f7e99605443cbff450a31db39851467247f233aa8fe1e0f8546f9e1fee9faf2f"
    config = configure(tmp_path, mirrors=(tmp_path,))
    (tmp_path / "1aon.pdb").write_bytes(b"HEADER")
    config.lock_file.write_text(json.dumps({"1aon.pdb": {"sha256": digest, "file": "1aon.pdb"}}))
    fetch("1aon", config)
    changed = digest[:place] + ("0" if digest[place] != "0" else "1") + digest[place + 1 :]
    config.lock_file.write_text(json.dumps({"1aon.pdb": {"sha256": changed, "file": "1aon.pdb"}}))
    with pytest.raises(ValueError, match=f"has sha256 {digest}, but .* has {changed} on record for 1aon.pdb"):
        fetch("1aon", config)


def test_compression_does_not_change_the_sum(tmp_path: Path, server: Server) -> None:
    server.answers[FIRST] = [(200, gzip.compress(ENTRY, compresslevel=1, mtime=12345))]
    config = configure(tmp_path, *two_servers(server), mirrors=(tmp_path / "mirror",))
    downloaded = fetch("1aon", config)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "1aon.cif").write_bytes(ENTRY)
    assert fetch("1aon", config) == tmp_path / "mirror" / "1aon.cif" != downloaded


def test_formats_and_entries_are_recorded_apart(tmp_path: Path) -> None:
    config = configure(tmp_path, mirrors=(tmp_path / "mirror",))
    (tmp_path / "mirror").mkdir()
    for name in ("3cf3.pdb", "1aon.pdb", "1aon.cif"):
        (tmp_path / "mirror" / name).write_bytes(name.encode())
        fetch(name[:4], config)
    assert list(json.loads(config.lock_file.read_text())) == ["1aon.cif", "1aon.pdb", "3cf3.pdb"]
