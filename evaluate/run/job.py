"""What every rule's script does first: log to the rule's file and to the terminal, and load the run's config."""

import atexit
import fcntl
import logging
import os
import resource
import socket
import sys
import time
from contextlib import ExitStack
from copy import copy
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from evaluate.run.circumstances import host_kind
from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.systems import load_run
from frames.files import write_json
from frames.interrupts import kept
from frames.provenance import PACKAGES, ROOT

if TYPE_CHECKING:
    from simulate.render.images import Inputs

CHATTY = ("distributed", "matplotlib", "fontTools")
"""Libraries of which only warnings are of interest."""

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

FOLDERS = [ROOT / name for name in PACKAGES]
"""Of this project; the environment may lie beside them."""

HELD = ExitStack()
"""What is so until the process ends, however it does."""


class Job(Protocol):
    """What Snakemake tells the script of a rule."""

    input: Any
    wildcards: Any
    threads: int
    resources: Any
    config: dict[str, Any]
    log: Any


def _say_nothing_of_an_interrupt(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _say_nothing_of_an_interrupt


def start(snakemake: Job) -> tuple[Any, RunFiles]:
    """Set up the log of the job, and be the only one at work on it; the run's config and where its files lie."""
    to_file, to_terminal = logging.FileHandler(snakemake.log[0], mode="w"), logging.StreamHandler()
    to_terminal.setLevel(logging.WARNING)
    to_terminal.setFormatter(_WithoutTrace("%(levelname)s %(message)s"))
    for handler in (to_file, to_terminal):
        handler.addFilter(_worth_reading)
    logging.basicConfig(level=logging.INFO, handlers=[to_file, to_terminal], format=FORMAT)
    logging.captureWarnings(True)
    sys.excepthook = partial(_say_why_it_failed, Path(snakemake.log[0]))
    HELD.enter_context(kept())
    log = Path(snakemake.log[0])
    HELD.enter_context(_locked(log.with_name(f".{log.stem}.lock")))
    run = load_run(snakemake.config)
    files = RunFiles(run.folder)
    atexit.register(_say_what_it_took, files.usage(log), snakemake.resources.get("gpu", 0))
    # Libraries take every core unless told before they are loaded, and numba brings torch, which has the same OpenMP,
    # to as many: two jobs of one thread each on two cores would train at half of their speed, waiting for each other.
    n_threads = min(snakemake.threads, os.cpu_count() or 1)
    threadpool_limits(n_threads)  # of those that are loaded
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(n_threads))
    if numba := sys.modules.get("numba"):
        # It has read the environment: if that changed now, the first function to be compiled would be an error.
        numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS))
    else:
        os.environ["NUMBA_NUM_THREADS"] = str(n_threads)
    return run, files


def measures_threads(asked: int | None, given: int) -> bool:
    """Whether a training measures how many of the threads that its job was given it takes: not where the config asks
    for so many; a warning says where it cannot have them."""
    if asked is not None and given < asked:
        logging.warning(
            "the config asks for trainings of %d threads, but this job has %d: its weights are not to the bit those of "
            "one that has them; raise --cores",
            *(asked, given),
        )
    return asked is None


class _WithoutTrace(logging.Formatter):
    """A traceback is for the log of the job."""

    def format(self, record: logging.LogRecord) -> str:
        told = copy(record)
        told.exc_info = told.exc_text = None
        return super().format(told)


def _say_why_it_failed(log: Path, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What is wrong with files or values in a line; of what nobody thought of, the log has the traceback as well."""
    if issubclass(kind, KeyboardInterrupt):
        logging.info("interrupted; the same command goes on where it was")
    elif is_expected(error, trace):
        logging.critical("%s", error)
    else:
        where = f"{kind.__name__}: {error} (this should not happen: please report it, with {log})"
        logging.critical(where, exc_info=(kind, error, trace))


def is_expected(error: BaseException, trace: TracebackType | None) -> bool:
    """Whether an error tells of files, of the network, or was raised here, for values that cannot be used."""
    if isinstance(error, OSError):
        return True
    while trace and trace.tb_next:
        trace = trace.tb_next
    raised_in = Path(trace.tb_frame.f_code.co_filename if trace else "").resolve()
    return isinstance(error, ValueError) and any(map(raised_in.is_relative_to, FOLDERS))


def rendered_from(snakemake: Job, run: RunConfig) -> "Inputs":
    """The files that a rule names as those that patterns are rendered from."""
    from simulate.experiment.reach import reach_of
    from simulate.render.images import Inputs

    name, files = snakemake.wildcards.dataset, RunFiles(run.folder)
    structures, reach = run.simulation.selected(name), reach_of(run.simulation.datasets[name])
    return Inputs(
        plan=Path(snakemake.input.plan),
        geometry=Path(snakemake.input.geometry),
        # An engine may need one or the other: the rule says which.
        volumes={name: files.field(name, reach) for name in structures} if snakemake.input.volumes else {},
        atoms={name: files.atoms(name) for name in structures} if snakemake.input.atoms else {},
    )


def _locked(path: Path) -> IO[str]:
    """The locked file of a job; waits while another process works on the same.

    That happens after a driver was killed and its job was not: what the old job writes, perhaps with an older config,
    must not come after what the new one does.
    """
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        logging.warning("%s is at work on this already: waiting for it to end", file.read().strip() or "another job")
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        logging.warning("%s cannot be locked (%s): make sure that no job of a killed driver is left", path, error)
    file.truncate(0)
    print(f"process {os.getpid()} on {socket.gethostname()}", file=file, flush=True)
    return file


def _field(path: Path, name: str) -> str:
    """Of a file of lines `name: value`."""
    return dict(line.split(":", 1) for line in path.read_text().splitlines())[name]


def _say_what_it_took(path: Path, gpus: int) -> None:
    """What this process and those that it started and that have ended took, for evaluate/run/benchmarks.py."""
    own, others = (resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    usage = {
        "ended": time.time(),
        "host": host_kind(),
        "cpu_seconds": sum(part.ru_utime + part.ru_stime for part in (own, others)),
        "gpus": gpus if (torch := sys.modules.get("torch")) and torch.cuda.is_available() else 0,
    }
    if (process := Path("/proc/self")).exists():  # Linux alone
        # The highest mark of getrusage begins with what the process that started this one had resident.
        peak_kb = int(_field(process / "status", "VmHWM").removesuffix("kB"))
        usage["peak_bytes"] = 1024 * max(peak_kb, others.ru_maxrss)
        usage["written_bytes"] = int(_field(process / "io", "wchar"))  # of ended children too
    write_json(path, usage)


def _worth_reading(record: logging.LogRecord) -> bool:
    if record.name == "distributed.nanny" and "still alive" in record.getMessage():
        return False  # of workers that are being ended, after Ctrl-C
    return record.levelno >= logging.WARNING or record.name.split(".")[0] not in CHATTY
