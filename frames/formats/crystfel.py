"""CrystFEL's geometry files (.geom), as far as they say where pixels lie and which are bad.

Written after CrystFEL's manual page crystfel_geometry(5): lines `name = value` and `panel/name = value`, comments from
`;` on, values without a panel for all panels first named after them, the last of several values. Its x, y and z are
ours (docs/conventions.md). The packages that read these files are GPL (cfelpyutils, and cfel_fmt, by which EXtra-geom
reads them).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frames.geometry import wavelength
from frames.pixels.positions import MaskBeside, Pixels

NEEDED = ("min_fs", "max_fs", "min_ss", "max_ss", "corner_x", "corner_y", "res", "fs", "ss")
OF_PANELS = (*NEEDED, "coffset", "clen", "no_index", "mask_edge_pixels", "adu_per_photon", "adu_per_eV")
OF_ALL = ("photon_energy", "wavelength", "detector_shift_x", "detector_shift_y")
NUMBERED = re.compile(r"dim\d|mask(_file|_good|_bad)?|mask0_(data|file|goodbits|badbits)")

IGNORED = (
    *("data", "peak_list", "peak_list_type", "peak_info_location", "max_adu", "saturation_map", "saturation_map_file"),
    *("bandwidth", "photon_energy_bandwidth", "rail_direction", "clen_for_centering", "badrow_direction"),
)
"""What says nothing of where pixels lie, nor of which are bad."""

SMALLEST, LARGEST = 1e-6, 1e-2
"""Edge of a pixel of any detector [m]."""

OFF_AXIS = 0.1
"""By how much directions of pixels may be longer or shorter than one, or the cosine between them off 0."""

TILE, TILE_HOLDS, CROWDED = 4, 24, 0.01
"""Edge of a square [pixels]; of its 16 pixels half as many more where turned panels meet; and in so small a share of
the squares that all meet alike."""

SYNONYMS = {"mask": "mask0_data", "mask_file": "mask0_file", "mask_good": "mask0_goodbits", "mask_bad": "mask0_badbits"}

BAD_XY, BAD_FS_SS = ("min_x", "max_x", "min_y", "max_y"), ("min_fs", "max_fs", "min_ss", "max_ss")

Values = dict[str, str]


@dataclass
class _Panel:
    """One panel of a file."""

    place: tuple[int | slice, ...]
    """its pixels in the array of a frame"""
    position: NDArray[np.float64]
    """(3, n_ss, n_fs) of their centres [m]"""
    usable: NDArray[np.bool_]
    """(n_ss, n_fs)"""
    res: float
    """[pixels/m]"""
    adu_per_photon: float | None

    def tiles(self) -> NDArray[np.float64]:
        """(3, n_ss, n_fs) places of pixels in squares of TILE pixels, and steps of 2 % of the distance."""
        steps = np.full(self.usable.shape, np.log(self.position[2].mean()) / 0.02)
        return np.stack([*(self.position[:2] * self.res / TILE), steps])


def read_geom(
    path: Path | str,
    *,
    photon_energy_eV: float | None = None,
    distance_mm: float | None = None,
    shape: tuple[int, ...] | None = None,
) -> Pixels:
    """The pixels that a .geom file describes, in the array that it says they lie in, less the axis of frames.

    Parameters
    ----------
    photon_energy_eV, distance_mm :
        in place of the file's, which may only name a place in a data file. The distance is that of `clen`: a panel's
        own is `coffset` more.
    shape : of a frame, where it has more pixels than the file describes.

    Raises
    ------
    FileNotFoundError; ValueError that names the line or the panel, for what is not understood, missing or
    contradictory, and where neither file nor caller says the distance.
    """
    text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    try:
        whole, panels, bad = _statements(text)
        energy = _energy(whole) if photon_energy_eV is None else photon_energy_eV
        made = {name: _panel(name, values, whole, energy, distance_mm) for name, values in panels.items()}
        for name, values in bad.items():
            _mark_bad(name, values, made)
        return _together(list(made.values()), energy, shape, _mask_of(panels))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _statements(text: str) -> tuple[Values, dict[str, Values], dict[str, Values]]:
    """What is said of all panels, of each panel, and of each bad region."""
    whole: Values = {}
    panels: dict[str, Values] = {}
    bad: dict[str, Values] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not (statement := line.partition(";")[0].strip()):
            continue
        left, equals, value = (part.strip() for part in statement.partition("="))
        if not (left and equals and value):
            raise ValueError(f"line {number}: {statement!r} is no `name = value`")
        panel, slash, key = left.rpartition("/")
        if slash and panel.startswith("bad"):
            if key not in (*BAD_XY, *BAD_FS_SS, "panel"):
                raise ValueError(f"line {number}: {key!r} of a bad region is not known; correct or remove it")
            bad.setdefault(panel, {})[key] = value
        elif left.startswith(("group", "rigid_group")) or key in IGNORED:
            continue
        elif key in OF_PANELS or NUMBERED.fullmatch(key) or (not slash and key in OF_ALL):
            values = panels.setdefault(panel, dict(whole)) if slash else whole
            values[SYNONYMS.get(key, key)] = value
        else:
            raise ValueError(
                f"line {number}: {key!r} is not known here; remove it if it says nothing of where pixels lie, and mask "
                "by a file what it would mask"
            )
    if not panels:
        raise ValueError("it has no panel; expected lines such as p0/min_fs = 0")
    return whole, panels, bad


def _panel(
    name: str, values: Values, whole: Values, photon_energy_eV: float | None, distance_mm: float | None
) -> _Panel:
    if missing := [key for key in NEEDED if key not in values]:
        raise ValueError(f"panel {name} has no {', '.join(missing)}")
    first_fs, last_fs, first_ss, last_ss = (_whole(f"{name}/{key}", values[key]) for key in BAD_FS_SS)
    n_ss, n_fs = last_ss + 1 - first_ss, last_fs + 1 - first_fs
    if min(n_ss, n_fs) < 1:
        raise ValueError(f"panel {name} is of fs {first_fs} to {last_fs} and ss {first_ss} to {last_ss}")
    corner_x, corner_y, res = (_number(f"{name}/{key}", values[key]) for key in ("corner_x", "corner_y", "res"))
    if res <= 0:
        raise ValueError(f"{name}/res is {res:g}, expected pixels per metre")
    if not SMALLEST <= 1 / res <= LARGEST:
        raise ValueError(f"{name}/res is {res:g}: pixels of {1 / res:g} m; expected pixels per metre, 5000 of 200 µm")
    fs, ss = (_vector(f"{name}/{key}", values[key]) for key in ("fs", "ss"))
    lengths, across = (float(np.hypot.reduce(axis)) for axis in (fs, ss)), abs(float(np.dot(fs, ss)))
    if any(abs(length - 1) > OFF_AXIS for length in lengths) or across > OFF_AXIS:
        raise ValueError(
            f"{name}/fs is {values['fs']!r} and {name}/ss {values['ss']!r}, expected directions of length 1, at right "
            "angles to each other"
        )
    along_fs, along_ss = np.arange(n_fs) + 0.5, np.arange(n_ss)[:, None] + 0.5
    axes = zip((corner_x, corner_y, 0.0), fs, ss, strict=True)
    position = np.stack([corner + of_fs * along_fs + of_ss * along_ss for corner, of_fs, of_ss in axes]) / res
    if distance_mm is None:
        clen = values.get("clen", whole.get("clen", "missing"))
        if clen == "missing" or clen.startswith("/"):
            raise ValueError(f"clen is {clen}, no number; give the distance")
        distance_mm = 1e3 * _quantity("clen", clen, {"": 1.0, "m": 1.0, "mm": 1e-3})
    for axis, key in enumerate(("detector_shift_x", "detector_shift_y")):
        position[axis] += _quantity(key, whole.get(key, "0"), {"": 1.0, "m": 1.0, "mm": 1e-3})
    position[2] += distance_mm * 1e-3 + _number(f"{name}/coffset", values.get("coffset", "0"))
    if (nearest := position[2].min()) <= 0:
        raise ValueError(
            f"panel {name} lies at {nearest:g} m along the beam, expected more than 0; see clen and coffset"
        )
    usable = np.zeros((n_ss, n_fs), bool)
    edge = _whole(f"{name}/mask_edge_pixels", values.get("mask_edge_pixels", "0"))
    usable[edge : n_ss - edge, edge : n_fs - edge] = values.get("no_index", "0") not in ("1", "true")
    place = _place(name, values, slice(first_ss, last_ss + 1), slice(first_fs, last_fs + 1))
    return _Panel(place, position, usable, res, _gain(values, photon_energy_eV))


def _place(name: str, values: Values, ss: slice, fs: slice) -> tuple[int | slice, ...]:
    """Of a panel in the array of a frame: dim0, dim1, ... without the axis of frames, which has to be the first."""
    said = {int(key[3:]): value for key, value in values.items() if key.startswith("dim")} or {0: "ss", 1: "fs"}
    axes = [said.get(axis, "") for axis in range(max(said) + 1)]
    if axes.count("ss") != 1 or axes.count("fs") != 1 or axes.index("fs") < axes.index("ss") or "%" in axes[1:]:
        raise ValueError(
            f"panel {name} has dim = {', '.join(axes)}; expected % (frames) first or not at all, ss once, fs once and "
            "after it, and a number for each other axis"
        )
    return tuple(
        {"ss": ss, "fs": fs}[axis] if axis in ("ss", "fs") else _whole(f"{name}/dim", axis)
        for axis in axes
        if axis != "%"
    )


def _gain(values: Values, photon_energy_eV: float | None) -> float | None:
    """ADU of a photon, where the file says it."""
    if "adu_per_photon" in values:
        return _number("adu_per_photon", values["adu_per_photon"])
    if "adu_per_eV" in values and photon_energy_eV is not None:
        return _number("adu_per_eV", values["adu_per_eV"]) * photon_energy_eV
    return None


def _mark_bad(name: str, values: Values, panels: Mapping[str, _Panel]) -> None:
    """Take a bad region from the usable pixels: in x and y by their centres, in fs and ss by their numbers."""
    bounds = set(values) - {"panel"}
    if bounds not in (set(BAD_XY), set(BAD_FS_SS)):
        raise ValueError(
            f"{name} has {', '.join(sorted(bounds))}; expected {', '.join(BAD_XY)}, or {', '.join(BAD_FS_SS)}"
        )
    wanted = values.get("panel")
    if wanted is not None and wanted not in panels:
        raise ValueError(f"{name} is of panel {wanted!r}, which the file has not")
    if bounds == set(BAD_FS_SS) and wanted is None and len({_array(panel.place) for panel in panels.values()}) > 1:
        raise ValueError(f"{name} names no panel, but fs and ss number the pixels of several arrays")
    for panel_name, panel in panels.items():
        if wanted not in (None, panel_name):
            continue
        if bounds == set(BAD_XY):
            x0, x1, y0, y1 = (_number(f"{name}/{key}", values[key]) for key in BAD_XY)
            x, y = panel.position[:2] * panel.res
            panel.usable[(x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)] = False
        else:
            f0, f1, s0, s1 = (_whole(f"{name}/{key}", values[key]) for key in BAD_FS_SS)
            ss, fs = (axis for axis in panel.place if isinstance(axis, slice))
            panel.usable[
                max(s0 - ss.start, 0) : max(s1 + 1 - ss.start, 0), max(f0 - fs.start, 0) : max(f1 + 1 - fs.start, 0)
            ] = False


def _array(place: tuple[int | slice, ...]) -> tuple[int, ...]:
    """Which of the arrays (ss, fs) of a frame a panel lies in."""
    return tuple(axis for axis in place if isinstance(axis, int))


def _together(
    panels: list[_Panel], photon_energy_eV: float | None, shape: tuple[int, ...] | None, mask: MaskBeside | None
) -> Pixels:
    if len({len(panel.place) for panel in panels}) > 1:
        raise ValueError("its panels lie in arrays of different numbers of axes: see dim0, dim1, ...")
    ends = [[axis.stop if isinstance(axis, slice) else axis + 1 for axis in panel.place] for panel in panels]
    least = tuple(max(lengths) for lengths in zip(*ends, strict=True))
    shape = least if shape is None else shape
    if len(shape) != len(least) or any(a < b for a, b in zip(shape, least, strict=True)):
        raise ValueError(f"its panels lie in frames of {least} pixels, so these cannot be of {shape}")
    _must_lie_apart(panels)
    position, usable, gain = np.full((3, *shape), np.nan), np.zeros(shape, bool), np.ones(shape)
    for panel in panels:
        if np.isfinite(position[(0, *panel.place)]).any():
            raise ValueError(f"two panels share the pixels {panel.place} of a frame")
        position[(slice(None), *panel.place)] = panel.position
        usable[panel.place] = panel.usable
        gain[panel.place] = np.nan if panel.adu_per_photon is None else panel.adu_per_photon
    pixel_size = 1 / float(np.median([panel.res for panel in panels]))
    distance = float(np.nanmedian(position[2]))
    x, y = np.round(position[:2] * (distance / position[2]) / pixel_size, 6)  # of what lies on a border, metres are not
    return Pixels(
        x,
        y,
        usable,
        pixel_size * 1e6,
        distance * 1e3,
        photon_energy_eV,
        adu_per_photon=None if np.isnan(gain).any() else gain,
        mask=mask,
    )


def _must_lie_apart(panels: list[_Panel]) -> None:
    """ValueError where panels at one distance lie over each other: photons would count twice."""
    tiles = np.concatenate([np.rint(panel.tiles()).reshape(3, -1) for panel in panels], axis=1).astype(np.int64)
    _, first, which, held = np.unique(
        tiles[0] + (tiles[1] << 20) + (tiles[2] << 40), return_index=True, return_inverse=True, return_counts=True
    )
    if (crowded := (held > TILE_HOLDS)[which]).mean() > CROWDED:
        x, y, _ = TILE * tiles[:, first[held.argmax()]]
        raise ValueError(
            f"panels lie over each other: {crowded.sum()} of {crowded.size} pixels share their place with others, as "
            f"about x {x}, y {y}; see corner_x, corner_y, fs and ss"
        )


def _mask_of(panels: Mapping[str, Values]) -> MaskBeside | None:
    """The mask that all panels have beside the frames, None where they have none."""
    keys = "mask0_data", "mask0_file", "mask0_goodbits", "mask0_badbits"
    said = {tuple(values.get(key, "") for key in keys) for values in panels.values()}
    if len(said) > 1:
        raise ValueError("its panels have different masks; mask by a file")
    name, file, good, bad = said.pop()
    if file:
        raise ValueError(f"its mask lies in {file}; remove the lines of masks from the .geom, and give the mask apart")
    if not name:
        return None
    return MaskBeside(name.strip("/"), _whole("mask0_goodbits", good or "0"), _whole("mask0_badbits", bad or "0"))


def _energy(whole: Values) -> float | None:
    """[eV], None where the file does not say it itself."""
    said = {key: whole[key] for key in ("photon_energy", "wavelength") if key in whole}
    if len(said) > 1:
        raise ValueError("it says photon_energy and wavelength; remove one of them")
    for key, value in said.items():
        if value.startswith("/"):
            return None
        if key == "photon_energy":
            return _above_zero(key, value, {"": 1.0, "eV": 1.0, "keV": 1e3})
        return wavelength(_above_zero(key, value, {"m": 1e10, "A": 1.0}))  # λ = hc/E, and E = hc/λ
    return None


def _above_zero(key: str, value: str, units: Mapping[str, float]) -> float:
    if (number := _quantity(key, value, units)) <= 0:
        raise ValueError(f"{key} is {value!r}, expected more than 0")
    return number


def _quantity(key: str, value: str, units: Mapping[str, float]) -> float:
    """A number with one of these units behind it."""
    number, _, unit = value.partition(" ")
    if (unit := unit.strip()) not in units:
        raise ValueError(f"{key} is {value!r}, expected a number and one of {', '.join(filter(None, units))}")
    return _number(key, number) * units[unit]


def _number(key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = np.nan
    if not np.isfinite(number):
        raise ValueError(f"{key} is {value!r}, expected a number")
    return number


def _whole(key: str, value: str) -> int:
    if not re.fullmatch(r"\d+|0[xX][0-9a-fA-F]+", value, re.ASCII):
        raise ValueError(f"{key} is {value!r}, expected a whole number, 0 or more")
    return int(value, 16 if value[:2] in ("0x", "0X") else 10)


def _vector(key: str, value: str) -> tuple[float, float, float]:
    """A direction such as `+0.999x -0.003y`, z where it is named."""
    found = {"x": 0.0, "y": 0.0, "z": 0.0}
    text = re.sub(r"\s", "", value)
    term = r"([+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)?)([xyz])"
    if not re.fullmatch(f"(?:{term})+", text):
        raise ValueError(f"{key} is {value!r}, expected a vector such as +1.0x -0.002y")
    for factor, axis in re.findall(term, text):
        found[axis] += float(factor + "1" if factor in ("", "+", "-") else factor)
    return found["x"], found["y"], found["z"]
