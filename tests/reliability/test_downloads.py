"""Downloads are what was asked for: over https, of bounded size, from addresses without other gaps."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from simulate.molecules import pdb_archive
from simulate.molecules.config import ArchiveConfig


@pytest.mark.parametrize(
    "server",
    ["http://example.org/{id}.cif", "ftp://example.org/{id}.cif", "file:///etc/{id}.cif", "example.org/{id}.cif"],
)
def test_only_https_is_fetched(server: str) -> None:
    with pytest.raises(ValueError, match="only https is"):
        ArchiveConfig(servers=(server,))


@pytest.mark.parametrize("server", ["https://example.org/{name}.cif", "https://example.org/{id.x}.cif", "https://{0}"])
def test_an_address_has_no_other_gaps(server: str) -> None:
    with pytest.raises(ValueError, match=r"no address with \{id\} or \{ID\} in it"):
        ArchiveConfig(servers=(server,))


class Answers(BaseHTTPRequestHandler):
    """Sends on to an address that is not to be trusted, or answers without end."""

    def do_GET(self) -> None:
        if "away" in self.path:
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.2:{self.server.server_port}/1abc.cif")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(200):
                self.wfile.write(b"x" * 1000)
        except ConnectionError:
            pass

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("0.0.0.0", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def fetched_from(server: str, folder: Path) -> Path:
    config = ArchiveConfig(servers=(server,), cache_dir=folder / "cache", lock_file=folder / "lock.json", retries=0)
    return pdb_archive.fetch("1abc", config)


def test_a_redirection_is_checked_too(tmp_path: Path, url: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"http://127\.0\.0\.2:\d+/1abc\.cif is not fetched"):
        fetched_from(f"{url}/away/{{id}}.cif", tmp_path)
    assert not list((tmp_path / "cache").glob("*.cif"))


def test_an_answer_without_end_is_cut(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetched_from(f"{url}/{{id}}.cif", tmp_path / "whole").stat().st_size == 200_000
    monkeypatch.setattr(pdb_archive, "MAX_BYTES", 100_000)
    with pytest.raises(FileNotFoundError, match=r"longer than 0\.1 MB"):
        fetched_from(f"{url}/{{id}}.cif", tmp_path)
    assert not list((tmp_path / "cache").glob("*.cif*"))


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdb_archive, "MAX_BYTES", 10**6)
    (tmp_path / "1abc.cif.gz").write_bytes(gzip.compress(bytes(5 * 10**6)))
    assert (tmp_path / "1abc.cif.gz").stat().st_size < 10**4
    with pytest.raises(ValueError, match="holds more than 1 MB"):
        pdb_archive.uncompressed(tmp_path / "1abc.cif.gz")
