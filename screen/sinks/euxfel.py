"""Decisions in the European XFEL's file layout, as its own hit finder leaves them: `.../REDU/SPI_HITFINDER:output`.

    run/CORR-R0042-REDU00-S00000.h5    in format 1.2, for extra_data.RunDirectory; beside others or alone

| key of the source | values, one a frame |
| --- | --- |
| data.trainId, data.pulseId | uint64 |
| data.hitFlag | uint8, 1 where the frame is kept for its probability, or unanswered |
| data.missFlag | uint8, 1 where it is kept at random, below the threshold |
| data.dataFlag | uint8, 1 where it is kept for either |
| data.hitscore | int64, probability in millionths; −1 where the network gave none |
| data.pSingle, data.decision | float32; uint8, which of `screen.stream.ledger.DECISIONS` |

Keys and meanings of the first four are those of extra_redu's SpiHitfinder. A train of which nothing came has no frames.
"""

import re
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from frames.files import atomic_path
from screen.sinks.decisions import decisions_of
from screen.stream.ledger import DECISIONS
from screen.stream.policy import RANDOM

TRAINS_A_FILE = 3500
"""As extra_redu's"""


class EuXFELRun:
    """A sink that writes the layout at the end, of all that the ledger holds: kills before do not matter."""

    blocks = True

    def __init__(self, ledger: Path, folder: Path, *, run: int, proposal: int = 0, detector: str = "SPB_DET_AGIPD1M-1"):
        """ValueError for a run below 0 or a detector that is no device of Karabo's."""
        if run < 0 or not re.fullmatch(r"[\w\-]+(/[\w\-]+)*", detector):
            raise ValueError(f"run {run} of {detector!r}, expected a number and a device such as SPB_DET_AGIPD1M-1")
        self._ledger, self._folder, self._run, self._proposal, self._detector = ledger, folder, run, proposal, detector

    def decided(self, records: object, images: object) -> None:
        """The ledger has it."""

    def close(self) -> None:
        """Write the files."""
        write_run(decisions_of(self._ledger), self._folder, self._run, self._proposal, self._detector)


def write_run(decisions: pa.Table, folder: Path, run: int, proposal: int, detector: str) -> list[Path]:
    """Write all decisions, file after file, each atomically; where they are.

    ValueError where two sources gave frames of one train and pulse, which this layout cannot tell apart, and for a
    train below 1, which it takes for none.
    """
    columns = {name: decisions[name].to_numpy(zero_copy_only=False) for name in ("train", "pulse", "p_single")}
    kept = np.asarray(decisions["decision"]) == "keep"
    at_random = np.asarray(decisions["reason"]) == RANDOM
    order = np.lexsort((columns["pulse"], columns["train"]))
    train, pulse = columns["train"][order], columns["pulse"][order]
    if ((np.diff(train) == 0) & (np.diff(pulse) == 0)).any():
        raise ValueError(f"{folder}: a train has a pulse twice, of several runs; the layout is of one run of a stream")
    p = columns["p_single"][order].astype("f4")
    decision = np.asarray(decisions["decision"].to_pandas().map({d: n for n, d in enumerate(DECISIONS)}))[order]
    if len(train) and train[0] < 1:
        raise ValueError(
            f"{folder}: train {train[0]}, and the layout takes trains from 1 on; frames of files have none"
        )
    values = {
        "trainId": train.astype("u8"),
        "pulseId": pulse.astype("i8").astype("u8"),
        "hitFlag": (kept & ~at_random)[order].astype("u1"),
        "missFlag": (kept & at_random)[order].astype("u1"),
        "dataFlag": kept[order].astype("u1"),
        "hitscore": np.where(np.isnan(p), -1, np.round(1e6 * np.nan_to_num(p))).astype("i8"),
        "pSingle": p,
        "decision": decision.astype("u1"),
    }
    stamps = (1e9 * decisions["arrived"].to_numpy()[order]).astype("u8")
    trains, first = np.unique(train, return_index=True)
    written = []
    for number, start in enumerate(range(0, len(trains), TRAINS_A_FILE)):
        few = slice(start, start + TRAINS_A_FILE)
        begin, end = first[start], first[few.stop] if few.stop < len(first) else len(train)
        rows = np.arange(begin, end)
        path = folder / f"CORR-R{run:04d}-REDU00-S{number:05d}.h5"
        with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
            _write_index(file, trains[few], stamps[first[few]])
            _write_metadata(file, run, proposal, number, f"{detector}/REDU/SPI_HITFINDER:output/data")
            _write_source(file, f"{detector}/REDU/SPI_HITFINDER:output", values, rows[pulse[rows] >= 0], trains[few])
        written.append(path)
    return written


def _write_index(file: h5py.File, trains: NDArray, stamps: NDArray) -> None:
    file["INDEX/trainId"] = trains.astype("u8")
    file["INDEX/timestamp"] = stamps
    file["INDEX/flag"] = np.ones(len(trains), "i4")
    file["INDEX/origin"] = np.full(len(trains), -1, "i4")


def _write_source(file: h5py.File, source: str, values: dict[str, NDArray], rows: NDArray, trains: NDArray) -> None:
    for key, of_all in values.items():
        file.create_dataset(f"INSTRUMENT/{source}/data/{key}", data=of_all[rows], maxshape=(None,))
    start = np.searchsorted(values["trainId"][rows], trains.astype("u8"))
    file[f"INDEX/{source}/data/first"] = start.astype("u8")
    file[f"INDEX/{source}/data/count"] = np.diff(np.append(start, len(rows))).astype("u8")


def _write_metadata(file: h5py.File, run: int, proposal: int, sequence: int, source: str) -> None:
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ").encode()
    says = {
        "dataFormatVersion": b"1.2",
        "creationDate": now,
        "updateDate": now,
        "daqLibrary": b"singlehit",
        "karaboFramework": b"",
        "runType": b"",
        "sample": b"",
    }
    for name, text in says.items():
        file[f"METADATA/{name}"] = [text]
    for name, number in {"proposalNumber": proposal, "runNumber": run, "sequenceNumber": sequence}.items():
        file[f"METADATA/{name}"] = np.array([number], "u4")
    text = h5py.special_dtype(vlen=bytes)
    for name, value in {"dataSourceId": f"INSTRUMENT/{source}", "root": "INSTRUMENT", "deviceId": source}.items():
        file.create_dataset(f"METADATA/dataSources/{name}", data=[value.encode()], dtype=text)
