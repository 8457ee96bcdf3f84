"""Tables of geometries that extra_geom makes, against where extra_geom itself puts every pixel.

It writes CrystFEL's format, of which `singlehit tabulate --geom` makes the table. It is no dependency, as what it needs
to read such files is GPL: `pip install extra_geom` for these tests.
"""

import numpy as np
import pytest

from frames.formats.crystfel import read_geom
from frames.pixels.table import fold
from simulate.experiment.tabulate import tabulate

extra_geom = pytest.importorskip("extra_geom", reason="no extra_geom; it is in no extra, see above")

QUADRANTS = [(-525, 625), (-550, -10), (520, -160), (542.5, 475)]
MODULES = [(-1060, -530), (-1060, 20), (30, -510), (30, 40)]


def geometries():
    """Corners on a common grid, where an assembly of whole pixels is exact; and corners anywhere."""
    agipd, jungfrau = extra_geom.AGIPD_1MGeometry, extra_geom.JUNGFRAUGeometry
    on_grid = [(round(x), round(y)) for x, y in QUADRANTS]
    anywhere = np.random.default_rng(0).uniform(-3, 3, (2, 4, 2))
    upright = [(1, 1)] * 2 + [(-1, -1)] * 2
    return {
        "agipd": (agipd.from_quad_positions(on_grid), True),
        "agipd, anywhere": (agipd.from_quad_positions(QUADRANTS + anywhere[0]), False),
        "jungfrau": (jungfrau.from_module_positions(MODULES, orientations=upright), True),
        "jungfrau, anywhere": (jungfrau.from_module_positions(MODULES + anywhere[1], orientations=upright), False),
    }


GEOMETRIES = geometries()


def pixels_of(geometry, folder):
    path = folder / "made.geom"
    geometry.write_crystfel_geom(
        str(path), data_path="/data", dims=("frame", "modno", "ss", "fs"), clen=0.7, photon_energy=6000
    )
    return read_geom(path)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_pixel_is_where_extra_geom_says(name, tmp_path):
    """To a thousandth of one: the file has corners to 1e-6 of one, and directions to as much over 512 pixels."""
    geometry, _ = GEOMETRIES[name]
    pixels = pixels_of(geometry, tmp_path)
    theirs = geometry.get_pixel_positions(centre=True) / geometry.pixel_size
    assert pixels.shape == geometry.expected_data_shape
    np.testing.assert_allclose(pixels.x, theirs[..., 0], atol=1e-3)
    np.testing.assert_allclose(pixels.y, theirs[..., 1], atol=1e-3)


@pytest.mark.parametrize("name", [name for name, (_, is_on_grid) in GEOMETRIES.items() if is_on_grid])
def test_images_are_those_that_extra_geom_assembles(name, tmp_path):
    """Pixel by pixel; then summed by blocks of 8 x 8, the beam through their middle."""
    geometry, _ = GEOMETRIES[name]
    pixels = pixels_of(geometry, tmp_path)
    frame = np.random.default_rng(1).integers(1, 200, geometry.expected_data_shape).astype(np.uint16)
    assembled, (row, column) = geometry.position_modules(frame.astype(np.float32))
    n, half = 2304, 1152
    theirs = np.zeros((n, n), np.float32)
    ny, nx = assembled.shape
    theirs[half - row :, half - column :][:ny, :nx] = np.nan_to_num(assembled)
    assert theirs.sum(dtype=float) == frame.sum(dtype=float)
    np.testing.assert_array_equal(fold(frame[None], tabulate(pixels, n, 1))[0], theirs)
    binned = theirs.reshape(n // 8, 8, n // 8, 8).sum((1, 3))
    np.testing.assert_array_equal(fold(frame[None], tabulate(pixels, n // 8, 8))[0], binned)
