"""Sinks by the arguments of the command line."""

import argparse
from collections.abc import Callable
from pathlib import Path

from screen.network.asked import Asking
from screen.stream.sinks import Sink
from screen.stream.sources import Source
from screen.stream.status import Status

EXTRA = {
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "hdf5plugin": "hdf5",
    "karabo_bridge": "screen",
    "zmq": "screen",
    "cbor2": "screen",
    "starlette": "screen",
    "uvicorn": "screen",
    "prometheus_client": "screen",
    "extra_data": "facility",
    "pvaccess": "facility",
    "extra_redu": "dev",
}
"""Which of the package's extras has a module; what is in none of them the package itself needs"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be done with decisions."""
    group = parser.add_argument_group("where decisions go, beside the ledger")
    group.add_argument("--page", metavar="[HOST:]PORT", help="a live page; host is 127.0.0.1 unless another is given")
    group.add_argument("--metrics", metavar="[HOST:]PORT", help="metrics for Prometheus")
    group.add_argument(
        "--bridge", metavar="[push:]HOST:PORT", help="a karabo bridge that answers, or pushes, decisions"
    )
    group.add_argument(
        "--hits",
        choices=("copy", "folded", "virtual"),
        help="CXI of what is kept: as recorded, as the network saw it, or references into the files of the source",
    )
    group.add_argument(
        "--euxfel", type=Path, metavar="FOLDER", help="at the end, flags in the European XFEL's layout (needs --run)"
    )
    group.add_argument("--proposal", type=int, default=0, help="of --euxfel (default: 0)")
    group.add_argument("--detector", default="SPB_DET_AGIPD1M-1", help="of --euxfel (default: SPB_DET_AGIPD1M-1)")


def opened(arguments: argparse.Namespace) -> list[Sink]:
    """The sinks that are asked for.

    ValueError for arguments that do not fit each other, OSError for a port that is taken; ModuleNotFoundError, which
    names the extra, where a package is not installed. What was opened before is closed then.
    """
    sinks: list[Sink] = []
    try:
        for make in _makers(arguments):
            sinks.append(make())
    except BaseException as error:
        for sink in sinks:
            if not getattr(sink, "blocks", False):  # files are not begun: there is nothing to be complete
                sink.close()
        if isinstance(error, ModuleNotFoundError):
            raise absent(error) from error
        raise
    return sinks


def watch(sinks: list[Sink], status: Callable[[], Status]) -> None:
    """Let those that tell how screening stands ask for it."""
    for sink in sinks:
        if (tell := getattr(sink, "watch", None)) is not None:
            tell(status)


def recover(run: Path, source: Source, asking: Asking, sinks: list[Sink]) -> None:
    """Of a run that goes on: write copied hits that a kill cost, where the source has them still, and tell of it."""
    from screen.sinks.hits import CopiedHits
    from screen.sinks.lost import lost, told, write_again

    for sink in sinks:
        if isinstance(sink, CopiedHits) and (records := lost(run, sink.folder)):
            for line in told(len(records), write_again(records, source, asking, sink), sink.folder):
                print(line)


def absent(error: ModuleNotFoundError) -> ModuleNotFoundError:
    """The same, with the extra that has the module."""
    if "pip install" in str(error):
        return error
    module = (error.name or "").partition(".")[0]
    what = f"'.[{EXTRA[module]}]'" if module in EXTRA else "."
    return ModuleNotFoundError(f"{module} is not installed: pip install -e {what} has it", name=error.name)


def _makers(arguments: argparse.Namespace) -> list[Callable[[], Sink]]:
    """In the order in which mistakes are found: what is wrong in itself before a port is taken."""
    out: Path = arguments.out
    found: list[Callable[[], Sink]] = []
    if arguments.euxfel is not None:
        digits = arguments.run.removeprefix("r")
        if not digits.isdigit():
            raise ValueError(
                f"--euxfel writes files by the run's number, and --run is {arguments.run!r}; give --run 42"
            )
        if Path(arguments.source).exists():
            raise ValueError(
                f"--euxfel is of a stream's trains, and {arguments.source} is of files, whose frames have no trains"
            )
        found.append(lambda: _euxfel(arguments, int(digits)))
    if arguments.hits == "virtual":
        found.append(lambda: _virtual(arguments))
    elif arguments.hits is not None:
        found.append(lambda: _copied(out / "hits", stored=arguments.hits == "copy"))
    if arguments.bridge is not None:
        found.append(lambda: _bridge(arguments.bridge))
    if arguments.metrics is not None:
        host, port = address(arguments.metrics, "--metrics")
        found.append(lambda: _metrics(port, host))
    if arguments.page is not None:
        host_of_page, port_of_page = address(arguments.page, "--page")
        found.append(lambda: _page(port_of_page, host_of_page))
    return found


def address(text: str, option: str) -> tuple[str, int]:
    """Host and port; ValueError for what is none."""
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{option} is {text!r}, expected a port, or host:port as 0.0.0.0:8000")
    return host or "127.0.0.1", int(port)


def _euxfel(arguments: argparse.Namespace, run: int) -> Sink:
    from screen.sinks.euxfel import EuXFELRun

    return EuXFELRun(arguments.out, arguments.euxfel, run=run, proposal=arguments.proposal, detector=arguments.detector)


def _virtual(arguments: argparse.Namespace) -> Sink:
    from screen.sinks.hits import VirtualHits

    frames = Path(arguments.source)
    if not frames.exists() or (frames / "layout.json").exists():
        raise ValueError(f"--hits virtual refers to HDF5 files, and {arguments.source} is no file or folder of such")
    return VirtualHits(arguments.out, frames, arguments.out / "hits.cxi", arguments.dataset, arguments.mask_means)


def _copied(folder: Path, *, stored: bool) -> Sink:
    from screen.sinks.hits import CopiedHits

    return CopiedHits(folder, stored=stored)


def _bridge(text: str) -> Sink:
    from screen.sinks.bridge import Bridge

    pushes, place = text.startswith("push:"), text.removeprefix("push:")
    return Bridge(f"tcp://{place}", "PUSH" if pushes else "REP")


def _metrics(port: int, host: str) -> Sink:
    from screen.sinks.metrics import Metrics

    return Metrics(port, host)


def _page(port: int, host: str) -> Sink:
    from screen.page.page import Page

    page = Page(port, host)
    print(f"the page: {page.url}", flush=True)
    return page
