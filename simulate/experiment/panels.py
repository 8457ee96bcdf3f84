"""Detector models as panels, and how much of each image pixel they cover.

The geometries are nominal: what is public of each detector's design, with edges on whole native pixels. Quadrants and
halves of the real ones move from experiment to experiment by millimetres and turn by a degree. Wide pixels between
ASICs count as a gap beside ordinary ones.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from frames.pixels.positions import Pixels
from simulate.experiment.config import DetectorConfig

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """A grid of native pixels without gaps. Lengths in native pixels, seen from the beam axis, x and y of the lab."""

    corner: tuple[int, int]
    """Outer corner of the first pixel."""
    fast: tuple[int, int]
    """Direction in which the pixel number grows fast: a unit vector along x or y."""
    slow: tuple[int, int]
    n_fast: int
    n_slow: int

    def centres(self) -> Array:
        """(2, n_slow, n_fast) x and y of the pixels' centres."""
        fast, slow = np.arange(self.n_fast) + 0.5, np.arange(self.n_slow)[:, None] + 0.5
        return np.stack([self.corner[axis] + self.fast[axis] * fast + self.slow[axis] * slow for axis in (0, 1)])

    def turned(self, quarters: int) -> "Panel":
        """The same after so many quarter turns about the beam, from x to y."""

        def turn(vector: tuple[int, int]) -> tuple[int, int]:
            x, y = vector
            return [(x, y), (-y, x), (-x, -y), (y, -x)][quarters % 4]

        return Panel(turn(self.corner), turn(self.fast), turn(self.slow), self.n_fast, self.n_slow)


def panels(model: str) -> list[Panel]:
    """Nominal geometry of a detector model.

    Raises
    ------
    ValueError for a model that has no panels.
    """
    if model not in LAYOUTS:
        raise ValueError(f"detector model {model!r} has no panels; those that have: {', '.join(LAYOUTS)}")
    return LAYOUTS[model]()


def pnccd() -> list[Panel]:
    """pnCCD of AMO: halves of 512x1024 pixels above and below the beam, 1,024 along x.

    Gap of 24 pixels (1.8 mm) and a central hole of 70: condor's documented configuration of this detector says 23 and
    70. Nominal: the halves move (6.6 mm in psana's geometry-def-pnccd.data, 10.5 mm in psgeom's
    pnccd-jun16-run120onwards-v1-1.geom), and the hole is round, here a square notch in each half.
    """
    width, height, gap, hole = 1024, 512, 24, 70
    notch = (hole - gap) // 2
    upper = [
        Panel((-width // 2, gap // 2 + notch), (1, 0), (0, 1), width, height - notch),
        Panel((-width // 2, gap // 2), (1, 0), (0, 1), (width - hole) // 2, notch),
        Panel((hole // 2, gap // 2), (1, 0), (0, 1), (width - hole) // 2, notch),
    ]
    return [panel.turned(turn) for turn in (0, 2) for panel in upper]


def epix10k() -> list[Panel]:
    """ePix10ka 2M: four quadrants about a hole of 8 mm, each of four modules of 2x2 ASICs of 176x192 pixels.

    Module centres: mean over the quadrants of the optical metrology that LCLSGeom gives as its example (README and
    templates/geometry-def-epix10k2M.data), freed of its common turn of 1.0 degree. ASIC gap: pixels beside it are
    225 µm wide (psana, SegGeometryEpix10kaV2), 2.5 pixels for both, here 3.
    """
    corners = product((-832, -427), (-769, -350))
    quadrant = [asic for x, y in corners for asic in _asics(x, y, (2, 2), (192, 176), 3)]
    return [asic.turned(turn) for turn in range(4) for asic in quadrant]


def jungfrau4m() -> list[Panel]:
    """JUNGFRAU 4M of LCLS: eight modules of 512x1024 pixels, long side along y, 2x4 ASICs of 256x256.

    Module centres: psana's geometry-def-jungfrau4M.data (after the drawing LCL5004-007815). ASIC gap of 2 pixels, for
    pixels of double size on both sides: EXtra-geom, JUNGFRAUGeometry.
    """
    corners = [(-1014, 72), (-464, 72), (86, -63), (636, -63)]
    upper = [asic for x, y in corners for asic in _asics(x, y, (2, 4), (256, 256), 2)]
    return [asic.turned(turn) for turn in (0, 2) for asic in upper]


def agipd1m() -> list[Panel]:
    """AGIPD 1M: four quadrants about a hole, each of four modules of 128x512 pixels, long side along x, eight ASICs.

    ASIC gap of 2 pixels (wide pixels) and module gap of 29: EXtra-geom, AGIPD_1MGeometry.from_quad_positions.
    Quadrants: its example(), made symmetric under a half turn; nominal, they move. EXtra-geom's x grows to the left
    seen along the beam, as ours does with y upwards.
    """
    quadrants = [(-523, 29), (-546, -606)]
    half = [
        asic for x, y in quadrants for module in range(4) for asic in _asics(x, y + 157 * module, (8, 1), (64, 128), 2)
    ]
    return [asic.turned(turn) for turn in (0, 2) for asic in half]


LAYOUTS = {"pnccd": pnccd, "epix10k": epix10k, "jungfrau4m": jungfrau4m, "agipd1m": agipd1m}


def _asics(x: int, y: int, grid: tuple[int, int], size: tuple[int, int], gap: int) -> list[Panel]:
    """ASICs of a module whose corner of smallest x and y is given; grid and size along x and y."""
    return [
        Panel((x + column * (size[0] + gap), y + row * (size[1] + gap)), (1, 0), (0, 1), *size)
        for row, column in product(range(grid[1]), range(grid[0]))
    ]


def coverage(detector: DetectorConfig) -> Array:
    """Live share of the area of each image pixel, (n_pixels, n_pixels): 1 within a panel, 0 where there is none.

    Image pixels are squares of `binning` native pixels, the image is centred on the beam. A native pixel belongs as a
    whole to the image pixel that its centre falls in, as in facility software that assembles images: exact where
    n_pixels times binning is even, else each is half a native pixel off in x and y, towards larger values.
    `missing` takes what lies above or beside the beam: `quarter` x > 0 and y > 0, `half` y > 0, `three_quarters` x > 0
    or y > 0 (by pixel centres). The beamstop and the mask file are not in it.
    """
    n = detector.n_pixels
    if detector.model == "square":
        share = np.ones((n, n))
    else:
        share = native_pixels(panels(detector.model), n, detector.binning) / detector.binning**2
    positive = np.arange(n) > (n - 1) / 2
    x, y = positive[None, :], positive[:, None]
    lost = {"none": np.array(False), "quarter": x & y, "half": y, "three_quarters": x | y}[detector.missing]
    return np.where(lost, 0.0, np.minimum(share, 1.0))


def native_pixels(layout: list[Panel], n_pixels: int, binning: int) -> NDArray[np.int64]:
    """(n_pixels, n_pixels) native pixels whose centre is in each image pixel."""
    counts = np.zeros(n_pixels**2, dtype=np.int64)
    for panel in layout:
        column, row = np.floor(panel.centres() / binning + n_pixels / 2).astype(np.int64)
        inside = (column >= 0) & (column < n_pixels) & (row >= 0) & (row < n_pixels)
        counts += np.bincount((row * n_pixels + column)[inside], minlength=n_pixels**2)
    return counts.reshape(n_pixels, n_pixels)


def of_panels(model: str, distance_mm: float, photon_energy_eV: float | None = None) -> Pixels:
    """Of a detector model, frames (panels, slow, fast) with the panels of simulate/experiment/panels.py in their order.

    Panels smaller than the largest lie in the first of its rows and columns.
    """
    from simulate.experiment.config import NATIVE_PIXEL_UM  # which need the configs' packages, a loaded table does not

    layout = panels(model)
    shape = len(layout), max(panel.n_slow for panel in layout), max(panel.n_fast for panel in layout)
    x, y = np.full(shape, np.nan), np.full(shape, np.nan)
    for index, panel in enumerate(layout):
        held = index, slice(panel.n_slow), slice(panel.n_fast)
        x[held], y[held] = panel.centres()
    return Pixels(x, y, np.isfinite(x), NATIVE_PIXEL_UM[model], distance_mm, photon_energy_eV)
