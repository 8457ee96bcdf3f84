"""Frames of one or several files as photons on one grid of pixels, with one mask and one place of the beam.

Frames are numbered from 0 through the files in their order, and keep this number whatever is done with them. Images
whose beam lies elsewhere than in the first group (spi-processing makes a group of each place) are moved by whole
pixels; what is left is half a pixel at most. A pixel that is unusable in one group is taken as unusable in all.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from frames.formats.hdf5 import find_frames, open_hdf5, stored_mask
from frames.formats.masks import MaskMeans, bad_pixels
from frames.formats.open import is_named_hdf5, open_file
from frames.formats.readings import must_be_readings
from frames.formats.spi.images import centre_beside, has_images, read_groups
from frames.frames import BYTES_AT_ONCE, Frames, spans

NEGATIVE = -0.5
"""Photons a pixel, mean of a frame, below which it is no frame of photons; of an empty one it is near 0, either side"""

LEAST_KEPT = 0.9
"""Of the pixels that are usable in some frames, those that have to be usable in all, where each frame has a mask"""

Place = tuple[float, float]
"""x, y of the beam [pixels], 0 the middle of the first pixel"""


@dataclass(frozen=True)
class Said:
    """What whoever reads the files says of them; None where the files are to say it."""

    dataset: str | None = None
    """of the frames, in an HDF5 file"""
    mask: str | None = None
    """an .npy file or a dataset of the files, nonzero where unusable; `none` where every pixel counts"""
    mask_means: MaskMeans | None = None
    centre: Place | None = None
    photon: float | None = None
    """what the files count for a photon; by default they hold counts"""
    photon_energy_eV: float | None = None
    distance_mm: float | None = None
    pixel_size_um: float | None = None
    skip: Collection[int] = frozenset()
    """numbers of frames that are not read: damaged ones"""


@dataclass(frozen=True)
class Part:
    """Frames of one mask and one centre."""

    path: Path
    patterns: Frames
    start: int
    """row of the first in the file"""
    first: int
    """number of the first in the recording"""
    n: int
    mask: NDArray[np.bool_]
    centre: Place
    shift: tuple[int, int] = (0, 0)
    """rows, columns by which its images are moved up and left"""


@dataclass(frozen=True, repr=False)
class Recording:
    """n frames, read when they are asked for."""

    parts: Sequence[Part]
    mask: NDArray[np.bool_]
    """(ny, nx) True where unusable"""
    centre: Place
    said: Said = field(default_factory=Said)

    def __len__(self) -> int:
        return self.parts[-1].first + self.parts[-1].n

    def __repr__(self) -> str:
        return f"Recording({self.source}: {len(self)} of {self.mask.shape[0]} x {self.mask.shape[1]} pixels)"

    @property
    def source(self) -> str:
        """Its files, for messages."""
        return ", ".join(dict.fromkeys(str(part.path) for part in self.parts))

    def instrument(self, name: str) -> float:
        """`photon_energy_eV`, `distance_mm` or `pixel_size_um`; ValueError where neither file nor caller says it."""
        value = getattr(self.said, name) or getattr(self.parts[0].patterns.instrument, name)
        if value is None:
            raise ValueError(f"{self.source}: neither the file nor you say {name}; say it")
        return float(value)

    def origin(self) -> tuple[list[str], NDArray[np.int64]]:
        """(n,) file of each frame, and its row in the file."""
        files = [str(part.path) for part in self.parts for _ in range(part.n)]
        return files, np.concatenate([np.arange(part.start, part.start + part.n) for part in self.parts])

    def ranges(self) -> dict[str, range]:
        """Name of each file, with its folder where two have one name -> numbers of its frames."""
        found: dict[Path, range] = {}
        for part in self.parts:
            found[part.path] = range(found.get(part.path, range(part.first, 0)).start, part.first + part.n)
        alone = len({path.name for path in found}) == len(found)
        return {path.name if alone else str(path): numbers for path, numbers in found.items()}

    @property
    def n_blocks(self) -> int:
        """How many `blocks` gives."""
        return len(self.slices())

    def slices(self) -> list[slice]:
        """Rows that are best read together."""
        return spans(len(self), BYTES_AT_ONCE, 4 * self.mask.size)

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Rows and their frames, block after block."""
        return ((rows, self.read(rows)) for rows in self.slices())

    def read(self, rows: slice) -> NDArray[np.float32]:
        """(rows, ny, nx) photons of a slice with 0 <= start <= stop <= n; 0 where masked, and of frames left out.

        ValueError naming file and frame for what is damaged, holds no reading in a pixel that is not masked, is no
        count although nothing says what a photon is, or is negative altogether.
        """
        frames = np.zeros((rows.stop - rows.start, *self.mask.shape), np.float32)
        for part in self.parts:
            for start, stop in _runs(max(rows.start, part.first), min(rows.stop, part.first + part.n), self.said.skip):
                frames[start - rows.start : stop - rows.start] = self._photons(part, start, stop)
        return frames

    def _photons(self, part: Part, start: int, stop: int) -> NDArray[np.float32]:
        at = part.start + start - part.first
        try:
            stored = part.patterns.fetch(slice(at, at + stop - start))
            moved = _moved(self._readings(stored, part, at), part.shift, 0)
            values = np.where(self.mask, 0, moved)
            self._must_be_photons(values, part, at)
        except ValueError as error:
            more = f"; in the run this file's frames count from {part.first - part.start}" if part.first else ""
            raise ValueError(f"{error}{more}") from error
        return np.asarray(values / (self.said.photon or 1.0), np.float32)

    def _readings(self, stored: NDArray, part: Part, at: int) -> NDArray:
        try:
            return must_be_readings(stored, part.mask, part.patterns.source, at, part.patterns.fill)
        except ValueError as error:
            raise ValueError(f"{error}, or leave the frame out") from error

    def _must_be_photons(self, values: NDArray, part: Part, at: int) -> None:
        mean = values.reshape(len(values), -1).mean(1, dtype=np.float64) / (self.said.photon or 1.0)
        if (mean < NEGATIVE).any():
            frame = int((mean < NEGATIVE).argmax())
            raise ValueError(
                f"{part.patterns.source}: frame {at + frame} is negative, {mean[frame]:.3g} photons a pixel; expected "
                "0 or more: subtract the dark frame once, or leave the frame out"
            )
        if self.said.photon is None:
            no_count = ((values < 0) | (values != np.rint(values))).reshape(len(values), -1)
            if no_count.any():
                frame = int(no_count.any(1).argmax())
                value = values[frame].ravel()[int(no_count[frame].argmax())]
                raise ValueError(
                    f"{part.patterns.source}: frame {at + frame} has a pixel of {value:g}, no count of photons; say "
                    "what the file counts for a photon, 1 where it holds photons with noise"
                )


def _runs(start: int, stop: int, skip: Collection[int]) -> Iterator[tuple[int, int]]:
    """Stretches of start to stop without what is left out."""
    for end in [*sorted(row for row in skip if start <= row < stop), stop]:
        if start < end:
            yield start, end
        start = end + 1


def _moved(images: NDArray, shift: tuple[int, int], fill: int) -> NDArray:
    """Images (..., ny, nx) moved up and left by whole pixels; `fill` where nothing is known."""
    if shift == (0, 0):
        return images
    moved = np.full_like(images, fill)
    ny, nx = images.shape[-2:]
    (up, left) = shift
    to = [slice(max(-by, 0), n - max(by, 0)) for by, n in ((up, ny), (left, nx))]
    of = [slice(max(by, 0), n - max(-by, 0)) for by, n in ((up, ny), (left, nx))]
    moved[..., to[0], to[1]] = images[..., of[0], of[1]]
    return moved


def open_recording(files: Sequence[Path], said: Said) -> Recording:
    """The frames of files; their masks are read, and not yet the frames.

    Raises
    ------
    FileNotFoundError; ValueError naming the file for what `open_file` refuses, for images of several sizes, without a
    mask or the place of the beam, and where masks leave nothing; for a frame to leave out that is not there.
    """
    if said.photon is not None and not said.photon > 0:
        raise ValueError(f"a photon is said to be {said.photon:g} in {files[0]}, expected a number above 0")
    parts: list[Part] = []
    for path in files:
        parts += _parts(Path(path), said, parts[-1].first + parts[-1].n if parts else 0)
    shape, centre = parts[0].mask.shape, parts[0].centre
    moved, mask = [], np.zeros(shape, bool)
    for part in parts:
        if part.mask.shape != shape:
            raise ValueError(
                f"{part.path}: images are {part.mask.shape} pixels, those of {parts[0].path} {shape}; expected one size"
            )
        shift = round(part.centre[1] - centre[1]), round(part.centre[0] - centre[0])
        mask |= _moved(part.mask, shift, 1)
        moved.append(replace(part, shift=shift))
    found = Recording(moved, mask, centre, said)
    if mask.all():
        raise ValueError(f"{found.source}: the masks leave no pixel that every frame has; name one mask for all")
    if unknown := [row for row in said.skip if not 0 <= row < len(found)]:
        raise ValueError(f"{found.source}: there is no frame {unknown[0]} to leave out, only 0 to {len(found) - 1}")
    return found


def _parts(path: Path, said: Said, first: int) -> list[Part]:
    """Those of one file."""
    patterns = open_file(path, said.dataset, said.mask_means)
    if len(patterns.shape) != 3:
        raise ValueError(f"{patterns.source} is {patterns.shape}, expected frames (n, ny, nx)")
    shape = (patterns.shape[1], patterns.shape[2])
    given = _given_mask(path, said, shape)
    if said.dataset is None and is_named_hdf5(path):
        with open_hdf5(path) as file:
            in_groups = has_images(file)
        if in_groups:
            return _of_groups(path, patterns, said, given, first)
    mask = _must_have(_one_mask(patterns) if given is None else given, patterns.source, "mask")
    beside = None if said.dataset is None or not is_named_hdf5(path) else centre_beside(path, said.dataset)
    centre = _must_have(said.centre or beside, patterns.source, "image_center")
    return [Part(path, patterns, 0, first, patterns.shape[0], mask, centre)]


def _of_groups(path: Path, patterns: Frames, said: Said, given: NDArray[np.bool_] | None, first: int) -> list[Part]:
    """Neighbours of one mask and one centre are one part: there may be a group for each image."""
    parts: list[Part] = []
    for group in read_groups(path, said.mask_means):
        mask = _must_have(group.mask if given is None else given, f"{path}: {group.name}", "mask")
        centre = _must_have(said.centre or group.centre, f"{path}: {group.name}", "image_center")
        if parts and parts[-1].centre == centre and parts[-1].mask is mask:
            parts[-1] = replace(parts[-1], n=parts[-1].n + group.n)
        else:
            parts.append(Part(path, patterns, group.first, first + group.first, group.n, mask, centre))
    return parts


WANTING = {
    "mask": "name one, an .npy file or a dataset (nonzero: unusable), or say `none` where every pixel counts",
    "image_center": "say where the beam is, x and y in pixels, 0 the middle of the first",
}


T = TypeVar("T")


def _must_have(value: T | None, source: str, name: str) -> T:
    if value is None:
        raise ValueError(f"{source} has no {name}; {WANTING[name]}")
    return value


def _given_mask(path: Path, said: Said, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    if said.mask is None:
        return None
    if said.mask == "none":
        return np.zeros(shape, bool)
    if said.mask.endswith(".npy"):
        try:
            mask = bad_pixels(np.load(said.mask, allow_pickle=False), said.mask_means or "bad")
        except ValueError as error:
            raise ValueError(f"{said.mask} is no .npy file of numbers, or is damaged ({error})") from error
    elif is_named_hdf5(path):
        with open_hdf5(path) as file:
            name, stored = find_frames(file, (said.mask.strip("/"),), path)
            mask = stored_mask(name, stored, path).bad(slice(None), said.mask_means or "bad")
    else:
        raise ValueError(f"{path} has no dataset {said.mask}; name an .npy file as the mask")
    if mask.shape != shape:
        raise ValueError(f"mask {said.mask} is {mask.shape}, images of {path} are {shape}; expected one size")
    return np.asarray(mask)


def _one_mask(patterns: Frames) -> NDArray[np.bool_] | None:
    """What is unusable in any frame, where each has a mask of its own."""
    if patterns.bad is None:
        return patterns.instrument.mask
    ever, always = np.zeros(patterns.shape[1:], bool), np.ones(patterns.shape[1:], bool)
    for rows in patterns.spans(BYTES_AT_ONCE, 1):
        bad = patterns.bad(rows)
        ever |= bad.any(0)
        always &= bad.all(0)
    if (kept := (~ever).sum()) < LEAST_KEPT * (~always).sum():
        raise ValueError(
            f"{patterns.source}: each frame has a mask of its own; of {(~always).sum()} pixels {kept} are usable in "
            "all of them: name one mask for all, an .npy file"
        )
    return ever
