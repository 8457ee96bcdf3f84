"""Frames that were kept, as CXI files with their ids: copied as they come, or virtual, out of the files they lie in.

    run/hits/000000.cxi ...   copied: whole files of `HITS_A_FILE` at most, in order
    run/hits.cxi              virtual: written at the end, of all that the ledger holds; a few bytes a frame

In both `experiment_identifier` is the id as `screen.stream.frame.FrameId` writes it, and the labels are `LABELS`.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from frames.files import atomic_path
from frames.formats.checks import AsStored
from frames.formats.cxi import DATA, DETECTOR, LABELS, VERSION, write_cxi
from frames.formats.hdf5 import write_labels
from frames.formats.masks import MaskMeans
from frames.formats.open import is_named_hdf5, open_file
from frames.frames import Frames, Instrument, Label
from screen.sinks.decisions import decisions_of
from screen.stream.ledger import Record

HITS_A_FILE = 256
"""Of a copy: what a kill costs of it at most; the ledger still names these frames"""


class CopiedHits:
    """A sink that copies frames which are kept, for sources that do not stay, as streams."""

    blocks = True

    def __init__(self, folder: Path, *, stored: bool = True, hits_a_file: int = HITS_A_FILE):
        """Into a folder, after the files that are there.

        stored : frames as the source gave them, modules one below the other, as (modules x slow, fast); else the
                 images that the network saw.
        """
        self.folder, self.stored, self._most = folder, stored, hits_a_file
        self.without_image = 0
        """kept frames that there is no image of: the network saw none in time"""
        folder.mkdir(parents=True, exist_ok=True)
        self._number = max((int(path.stem) + 1 for path in folder.glob("[0-9]*.cxi")), default=0)
        self._records: list[Record] = []
        self._images: list[NDArray] = []

    def decided(self, records: Sequence[Record], images: NDArray | None) -> None:
        """Keep frames until there are enough for a file."""
        for at, record in enumerate(records):
            if record.decision != "keep":
                continue
            if images is None or (not self.stored and np.isnan(images[at]).all()):
                self.without_image += 1
                continue
            image = images[at].reshape(-1, images.shape[-1])
            if self._images and (image.shape, image.dtype) != (self._images[0].shape, self._images[0].dtype):
                self._write()
            self._images.append(image.copy())  # a view would keep the whole batch
            self._records.append(record)
            if len(self._images) >= self._most:
                self._write()

    def close(self) -> None:
        """Write the last file."""
        self._write()

    def _write(self) -> None:
        if not self._images:
            return
        images = np.stack(self._images)
        patterns = Frames(
            name=self._records[0].id.source,
            shape=images.shape,
            dtype=images.dtype,
            quantity="reading",
            fetch=lambda rows: images[rows],
            labels=labels_of(self._records),
            instrument=Instrument(),
        )
        # These stay where the disk is full, and are tried with the next frame.
        write_cxi(patterns, self.folder / f"{self._number:06d}.cxi")
        self._number += 1
        self._records, self._images = [], []


def labels_of(records: Sequence[Record]) -> dict[str, Label]:
    """Of hits: their ids, and what the network said."""
    return _labels(
        [str(record.id) for record in records],
        [record.id.source for record in records],
        [record.id.run for record in records],
        np.array([record.id.train for record in records], "i8"),
        np.array([record.id.pulse for record in records], "i8"),
        np.array([record.p_single for record in records], "f4"),
    )


def _labels(
    ids: Sequence[str], sources: Sequence[str], runs: Sequence[str], train: NDArray, pulse: NDArray, p: NDArray
) -> dict[str, Label]:
    found = {"identifier": Label(np.array([id.encode() for id in ids]), {"long_name": "source:run:train:pulse"})}
    for name, texts in (("source", sources), ("run", runs)):
        meanings, codes = np.unique(np.array(texts), return_inverse=True)
        found[name] = Label(codes.astype("i4"), {"flag_meanings": [str(text) for text in meanings]})
    return found | {
        "train": Label(train, {"long_name": "train, or number of the frame in its file"}),
        "pulse": Label(pulse),
        "p_single": Label(p, {"long_name": "probability, by the network, that the frame is to be kept"}),
    }


class VirtualHits:
    """A sink that writes, at the end, a file of references to the frames that were kept, of all that the ledger holds.

    For sources that are HDF5 files. The files have to stay where they are, seen from the file of references.
    """

    blocks = True

    def __init__(
        self,
        ledger: Path,
        frames: Path,
        output: Path,
        dataset: str | None = None,
        mask_means: MaskMeans | None = None,
    ):
        """Of a file or a folder of files; ValueError for a file that is not HDF5."""
        if not frames.is_dir() and not is_named_hdf5(frames):
            raise ValueError(f"{frames} is no HDF5 file, of which hits could be virtual; have them copied: --hits copy")
        self._ledger, self._frames, self._output = ledger, frames, output
        self._dataset, self._mask_means = dataset, mask_means

    def decided(self, records: object, images: object) -> None:
        """The ledger has it."""

    def close(self) -> None:
        """Write the file."""
        decisions = decisions_of(self._ledger)
        write_virtual(decisions, self._frames, self._output, self._dataset, self._mask_means)


def write_virtual(
    decisions: pa.Table,
    frames: Path,
    output: Path,
    dataset: str | None = None,
    mask_means: MaskMeans | None = None,
) -> int:
    """Write kept frames of a file, or of a folder's files, as references; how many.

    Nothing is written where none was kept. ValueError where frames of several files have other shapes or types, or lie
    in files of which there can be no references.
    """
    kept = decisions.filter(pc.and_(pc.equal(decisions["decision"], "keep"), pc.greater_equal(decisions["pulse"], 0)))
    if not len(kept):
        return 0
    runs, rows = np.asarray(kept["run"]).astype(str), kept["train"].to_numpy()
    opened: dict[str, Frames] = {}
    for run in dict.fromkeys(runs):
        path = frames / run if frames.is_dir() else frames
        if not is_named_hdf5(path):
            raise ValueError(f"{path} is no HDF5 file, of which hits could be virtual; have them copied: --hits copy")
        opened[run] = open_file(path, dataset, mask_means, AsStored(None))
    first = next(iter(opened.values()))
    for other in opened.values():
        if (other.shape[1:], other.dtype) != (first.shape[1:], first.dtype):
            raise ValueError(
                f"{other.source} has frames {other.shape[1:]} of {other.dtype}, {first.source} {first.shape[1:]} of "
                f"{first.dtype}: one file cannot refer to both; have them copied: --hits copy"
            )
    layout = h5py.VirtualLayout((len(kept), *first.shape[1:]), first.dtype)
    breaks = np.flatnonzero((runs[1:] != runs[:-1]) | (np.diff(rows) != 1)) + 1
    for start, stop in zip([0, *breaks], [*breaks, len(rows)], strict=True):
        patterns = opened[runs[start]]
        path, _, name = patterns.source.rpartition(": ")
        seen_from = os.path.relpath(path, output.parent).replace("%", "%%")  # which HDF5 takes for a number's place
        lies = h5py.VirtualSource(seen_from, name, patterns.shape, patterns.dtype)
        layout[start:stop] = lies[int(rows[start]) : int(rows[start]) + int(stop - start)]
    ids = [
        f"{source}:{run}:{train}:{pulse}"
        for source, run, train, pulse in zip(
            *(kept[name].to_pylist() for name in ("source", "run", "train", "pulse")), strict=True
        )
    ]
    p = kept["p_single"].to_numpy(zero_copy_only=False).astype("f4")
    labels = _labels(ids, kept["source"].to_pylist(), list(runs), rows, kept["pulse"].to_numpy().astype("i8"), p)
    with atomic_path(output) as temporary, h5py.File(temporary, "w") as file:
        file["cxi_version"] = VERSION
        file["number_of_entries"] = 1
        file["entry_1/title"] = first.name
        file["entry_1/program_name"] = "singlehit"
        file["entry_1/experiment_identifier"] = labels["identifier"].values
        data = file.create_virtual_dataset(f"{DETECTOR}/data", layout, fillvalue=first.fill)
        data.attrs["quantity"] = first.quantity
        data.attrs["numEvents"] = len(kept)
        file[DATA] = h5py.SoftLink(f"/{DETECTOR}/data")
        for group in ("entry_1/data_1", DETECTOR):
            file[f"{group}/experiment_identifier"] = h5py.SoftLink("/entry_1/experiment_identifier")
        if first.instrument.mask is not None:
            file[f"{DETECTOR}/mask"] = first.instrument.mask.astype("u4")
        write_labels(file.create_group(LABELS), labels)
    return len(kept)
