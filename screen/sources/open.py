"""Sources by the word that names one on the command line.

| SOURCE | what it is |
| --- | --- |
| run0042.cxi, frames.npy, .../datasets/demo | a file, or a dataset of ours: screened to its end |
| some/folder | one that grows: files are screened as they are complete |
| swmr:/path/file.h5?dataset=/entry/data | an HDF5 file that is being written, in SWMR mode |
| euxfel:/path/r0042?detector=SPB_DET_AGIPD1M-1 | a run of the European XFEL, through extra_data |
| karabo://host:port?source=NAME | a karabo bridge, asked train after train (REQ) |
| karabo+pull://host:port, karabo+sub://host:port | one that pushes; one that publishes, and loses trains (`--lossy`) |
| pva://CHANNEL | an EPICS channel of images (NTNDArray), through pvapy |
| dectris://host:port, lclstreamer://host:port | a PULL socket that takes DECTRIS Stream V2, or LCLStreamer's HDF5 |
| module:Class?key=value | a class of yours, `screen.stream.sources.Source` |

More is said by `?key=value&...`; [s] that a source may be silent before there is an alarm (10): silence.

| of | keys |
| --- | --- |
| karabo | source, property: where the bridge has several; axes=live or file: of its arrays; run, silence |
| pva | queue_size: updates that the server is to hold; run, silence |
| euxfel | detector: where there are several; raw=1 or 0: by default corrected, where there are any |
| swmr | dataset, poll [s], until_idle [s] |
| dectris, lclstreamer | source: the name in the ledger; of lclstreamer dataset; silence |
| module:Class | the arguments of the class, as text |
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl

from frames.formats.masks import MaskMeans
from screen.stream.sources import Source


@dataclass(frozen=True)
class Wishes:
    """What the command line says of any source."""

    run: str = ""
    """`FrameId.run` of a stream that does not say"""
    dataset: str | None = None
    """name of the frames in a file"""
    mask_means: MaskMeans | None = None
    folded: bool = False
    """whether there is a table, by which frames of any shape are folded"""
    frame_shape: tuple[int, ...] | None = None
    """that frames are to have: by it axes are told apart"""
    lossy: bool = False
    """that frames may be lost silently is agreed to"""
    poll: float = 0.5
    until_idle: float | None = None


def open_source(text: str, wishes: Wishes) -> Source:
    """The source that a word names.

    ValueError for one that names none, FileNotFoundError, ModuleNotFoundError where an extra is not installed.
    """
    if Path(text).exists():
        return _of_files(Path(text), wishes)
    scheme, separator, rest = text.partition(":")
    place, _, query = rest.removeprefix("//").partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else [])
    if separator and scheme in OPENERS:
        return _made(text, lambda: OPENERS[scheme](place, given, wishes))
    if separator and not rest.startswith("//") and "/" not in place:
        return _made(text, lambda: _plugin(scheme, place)(**given))
    if separator and rest.startswith("//"):
        raise ValueError(f"{text}: there is no source {scheme}://; expected one of {', '.join(OPENERS)}")
    raise FileNotFoundError(
        f"there is no {text}; expected a file, a folder, module:Class, or one of {', '.join(f'{s}:' for s in OPENERS)}"
    )


def _made(text: str, make: Callable[[], Source]) -> Source:
    try:
        return make()
    except TypeError as error:  # an argument that it does not have
        raise ValueError(f"{text}: {error}; `singlehit screen --help` tells what it takes") from error


def _of_files(path: Path, wishes: Wishes) -> Source:
    from screen.sources.files import Files, Settling

    grows = path.is_dir() and not any(
        (path / name).exists() for name in ("layout.json", "zarr.json", ".zgroup", ".zarray")
    )
    settling = Settling(poll=wishes.poll, until_idle=wishes.until_idle) if grows else None
    return Files(path, wishes.dataset, wishes.mask_means, stored=wishes.folded, settling=settling)


def _plugin(module: str, name: str) -> Any:
    try:
        found = getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ValueError(
            f"there is no source {module}:{name} ({error}); expected a class that can be imported"
        ) from error
    return found


def _karabo(pattern: Literal["REQ", "PULL", "SUB"]) -> Callable[[str, dict[str, str], Wishes], Source]:
    def opened(place: str, given: dict[str, str], wishes: Wishes) -> Source:
        from screen.sources.karabo import Karabo

        more: dict[str, Any] = {"run": wishes.run, **given}
        if "silence" in more:
            more["silence"] = float(more["silence"])
        return Karabo(f"tcp://{place}", pattern, frame_shape=wishes.frame_shape, lossy=wishes.lossy, **more)

    return opened


def _swmr(place: str, given: dict[str, str], wishes: Wishes) -> Source:
    from screen.sources.swmr import Swmr

    idle = float(given.pop("until_idle")) if "until_idle" in given else wishes.until_idle
    return Swmr(place, given.pop("dataset", wishes.dataset), until_idle=idle, **_numbers(given, "poll"))


def _euxfel(place: str, given: dict[str, str], wishes: Wishes) -> Source:
    from screen.sources.european_xfel import EuropeanXfel

    raw = {"raw": given.pop("raw") in ("1", "yes", "true")} if "raw" in given else {}
    return EuropeanXfel(place, **raw, **given)  # type: ignore[arg-type]


def _pva(place: str, given: dict[str, str], wishes: Wishes) -> Source:
    from screen.sources.pva import PvAccess

    size = {"queue_size": int(given.pop("queue_size"))} if "queue_size" in given else {}
    return PvAccess(place, **({"run": wishes.run} | size | _numbers(given, "silence")))


def _dectris(place: str, given: dict[str, str], wishes: Wishes) -> Source:
    importlib.import_module("cbor2")
    from screen.sources.pull import Pull, by_dectris

    return Pull(f"tcp://{place}", by_dectris(given.pop("source", place)), **_numbers(given, "silence"))


def _lclstreamer(place: str, given: dict[str, str], wishes: Wishes) -> Source:
    from screen.sources.pull import ByLclstreamer, Pull

    decoder = ByLclstreamer(given.pop("source", place), given.pop("dataset", wishes.dataset))
    return Pull(f"tcp://{place}", decoder, **_numbers(given, "silence"))


def _numbers(given: dict[str, str], *names: str) -> dict[str, Any]:
    """What was given, of which these are numbers."""
    return {key: float(value) if key in names else value for key, value in given.items()}


OPENERS: dict[str, Callable[[str, dict[str, str], Wishes], Source]] = {
    "karabo": _karabo("REQ"),
    "karabo+req": _karabo("REQ"),
    "karabo+pull": _karabo("PULL"),
    "karabo+sub": _karabo("SUB"),
    "swmr": _swmr,
    "euxfel": _euxfel,
    "pva": _pva,
    "dectris": _dectris,
    "lclstreamer": _lclstreamer,
}
"""By scheme: from the place, the arguments given, and what is wished of any source"""
