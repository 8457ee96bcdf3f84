"""Programs of Python in processes that have their imports already: forked from one that made them, once for a suite.

A suite that starts a hundred programs, each of them a snakemake or one of its jobs, spends most of its time on the same
imports, again and again. What a program does then is what it does anywhere: it has its own arguments, folder,
environment, files and memory. Runs that are killed, interrupted or measured start theirs as everybody does.

    python tests/support/programs/warm.py SOCKET     # the server; it ends with its standard input
"""

import atexit
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

MODULES = (
    *("snakemake.cli", "snakemake.script", "snakemake.benchmark"),
    *("pandas", "pyarrow.parquet", "zarr", "numba", "torch", "h5py", "gemmi", "jinja2"),
    *("scipy.signal", "scipy.stats", "scipy.optimize", "scipy.spatial", "scipy.ndimage"),
    *("sklearn.cluster", "sklearn.linear_model", "sklearn.manifold", "sklearn.mixture", "sklearn.neighbors"),
    *("sklearn.tree", "matplotlib.pyplot"),
)
"""What takes long to import; nothing of this project, which each program reads as it is."""


LONGEST_S = 900
"""A program that says nothing for so long is none."""


class Started:
    """A program that runs; `wait` for its exit status."""

    def __init__(self, connection: socket.socket) -> None:
        self._lines = connection.makefile()
        self.pid = int(self._lines.readline())

    def wait(self) -> int:
        """Exit status; that of a kill where it ended without a word."""
        return int(self._lines.readline() or -signal.SIGKILL)


def start(server: Path, arguments: Sequence[str], environment: Mapping[str, str], outputs: tuple[int, int]) -> Started:
    """Start a program, `-m MODULE ...` or a file and its arguments, in this folder.

    Parameters
    ----------
    server :  socket of one.
    outputs : what is to be its standard output and standard error.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(server))
    connection.settimeout(LONGEST_S)
    asked = json.dumps({"arguments": [*arguments], "folder": os.getcwd(), "environment": dict(environment)})
    socket.send_fds(connection, [len(asked.encode()).to_bytes(8, "big")], list(outputs))
    connection.sendall(asked.encode())
    return Started(connection)


def run(server: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as `subprocess.run(..., capture_output=True, text=True)` does."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
        status = start(server, arguments, os.environ, (out.fileno(), error.fileno())).wait()
        said = [stream.read() for stream in (out, error) if not stream.seek(0)]
    return subprocess.CompletedProcess([*arguments], status, *said)


@contextmanager
def served() -> Iterator[Path]:
    """A server, by its socket."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warm"
        command = [sys.executable, __file__, str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            try:
                yield path
            finally:
                process.stdin.close()


def serve(path: Path) -> None:
    """Answer who connects, until standard input ends."""
    for name in MODULES:
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [], 1)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if sys.stdin in ready:
                return
            if not ready:
                continue
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _become(path, connection)
            connection.close()


def _become(server: Path, connection: socket.socket) -> None:
    """Be the program that is asked for; does not return."""
    size, outputs, _, _ = socket.recv_fds(connection, 8, 2)
    content = b""
    while len(content) < int.from_bytes(size, "big"):
        content += connection.recv(2**20)
    asked = json.loads(content)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    for number, output in enumerate(outputs, 1):
        os.dup2(output, number)
        os.close(output)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    connection.sendall(f"{os.getpid()}\n".encode())
    status = _run(server, asked["arguments"])
    connection.sendall(f"{status}\n".encode())
    os._exit(0)


def _run(server: Path, arguments: list[str]) -> int:
    """The program, and what Python does at its end; its exit status."""
    status: Any = 0
    try:
        if arguments[0] == "-m":
            _jobs_are_warm_too(server)
            sys.path.insert(0, os.getcwd())
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    if not (status is None or isinstance(status, int)):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return int(status or 0)


def _jobs_are_warm_too(server: Path) -> None:
    """Snakemake starts the scripts of its rules by the same server."""
    from snakemake.benchmark import benchmarked
    from snakemake.script import PythonScript

    def execute_script(self: PythonScript, fname: str, edit: bool = False) -> None:
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(self.threads))
        job = start(server, [fname], {**os.environ, **threads}, (1, 2))
        with nullcontext() if self.bench_record is None else benchmarked(job.pid, self.bench_record):
            status = job.wait()
        if status:
            raise subprocess.CalledProcessError(status, fname)

    PythonScript.execute_script = execute_script


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
