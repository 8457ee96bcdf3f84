"""Tables of pixels, by which frames of another detector become images of the size and scale that a network knows.

singlehit tabulate --geom agipd.geom --like results/run/datasets/spb -o pixels.npz

How, step by step: docs/guide/selecting.md, "Frames of another detector".
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frames.files import DAMAGED, must_be_free
from frames.frames import Instrument
from frames.geometry import Geometry
from frames.pixels.positions import Pixels, assembled, of_geometry
from frames.pixels.table import NOWHERE, PER_PIXEL, PixelTable, counted, q_step
from simulate.experiment.panels import LAYOUTS, of_panels

DIFFERS, TOO_FAR = 0.03, 0.2
"""Relative difference of a pixel's step in q from that of a training, beyond which it is told, and refused; the first
is also that of the live share of the image."""


def tabulate(
    pixels: Pixels,
    n_pixels: int,
    binning: int,
    *,
    dark: NDArray | float | None = None,
    adu_per_photon: NDArray | float | None = None,
    threshold: NDArray | float | None = None,
    made_from: str = "",
) -> PixelTable:
    """The table of an image of n_pixels x n_pixels, each of binning x binning detector pixels.

    Parameters
    ----------
    dark, adu_per_photon, threshold : as in `PixelTable`; a number is every pixel's.

    Raises
    ------
    ValueError where nothing of the frame is on the image, and for numbers that are no pixel's.
    """
    x, y = (along / binning + n_pixels / 2 for along in (pixels.x, pixels.y))  # [image pixels] from the image's corner
    with np.errstate(invalid="ignore"):
        held = pixels.usable & (x >= 0) & (x < n_pixels) & (y >= 0) & (y < n_pixels)
    if not held.any():
        raise ValueError(
            f"no usable pixel of the frames is within {n_pixels / 2:g} image pixels of the beam, in x and in y; see "
            "where the beam's centre is, and the binning"
        )
    target = np.full(pixels.shape, NOWHERE, np.int32)
    target[held] = np.floor(y[held]).astype(np.int32) * n_pixels + np.floor(x[held]).astype(np.int32)
    given = {"dark": dark, "adu_per_photon": adu_per_photon, "threshold": threshold}
    return PixelTable(
        target=target,
        n_pixels=n_pixels,
        binning=binning,
        pixel_size_um=pixels.pixel_size_um * binning,
        distance_mm=pixels.distance_mm,
        photon_energy_eV=pixels.photon_energy_eV,
        beam_centre=_left_over(target, x, y, n_pixels, binning),
        mask=pixels.mask,
        made_from=made_from,
        **{name: None if value is None else _each(name, value, target) for name, value in given.items()},
    )


def _each(name: str, value: NDArray | float, target: NDArray[np.int32]) -> NDArray[np.float32]:
    """A value for each pixel of a frame."""
    values = np.asarray(value)
    if values.shape not in ((), target.shape) or values.dtype.kind not in "iuf":
        raise ValueError(f"{name} is {values.dtype} {values.shape}, expected a number, or numbers {target.shape}")
    each = np.array(np.broadcast_to(values, target.shape), np.float32)
    needed = each[target != NOWHERE]
    if not np.isfinite(needed).all() or (name != "dark" and not (needed > 0).all()):
        raise ValueError(
            f"{name} is no {'finite' if name == 'dark' else 'positive'} number in a pixel that is used; mask it"
        )
    return each


def _left_over(
    target: NDArray[np.int32], x: NDArray[np.float64], y: NDArray[np.float64], n_pixels: int, binning: int
) -> tuple[float, float]:
    """Where the beam lies in the image: as far from its middle as image pixels lie from the middle of their own pixels.

    Of image pixels that are whole, where there are any, on the mean.
    """
    held = target != NOWHERE
    each = target[held]
    counts = counted(each, n_pixels).ravel()
    whole = counts == binning**2 if (counts == binning**2).any() else counts > 0

    def off(place: NDArray[np.float64], middle: NDArray[np.float64]) -> float:
        mean = np.bincount(each, place[held], minlength=n_pixels**2)[whole] / counts[whole]
        return float((middle[whole] - mean).mean())

    row, column = np.divmod(np.arange(n_pixels**2), n_pixels)
    return off(x, column + 0.5), off(y, row + 0.5)


def binning_like(pixels: Pixels, geometry: Geometry) -> int:
    """Detector pixels along the edge of an image pixel that come next to the training's change of q across a pixel."""
    native = q_step(Instrument(None, pixels.photon_energy_eV, pixels.pixel_size_um, pixels.distance_mm))
    return max(1, round(q_step(geometry) / native))


def disagreement(table: PixelTable, geometry: Geometry) -> float:
    """Relative difference of the image's step in q from a dataset's; so differs also the q that its edge is at."""
    return q_step(table.instrument) / q_step(geometry) - 1


def main(argv: list[str] | None = None) -> int:
    """Command line: write a table of pixels."""
    parser = argparse.ArgumentParser(
        prog="singlehit tabulate",
        description="Write the table by which frames of another detector are summed into images of the size and scale "
        "that a network knows.",
        epilog="example: singlehit tabulate --assembled 1024 1024 --centre 511.5 511.5 --pixel-size 75 "
        "--distance 323 --energy 4600 --like results/demo/datasets/noise_free -o pixels.npz",
    )
    frames = parser.add_argument_group("the frames").add_mutually_exclusive_group(required=True)
    frames.add_argument("--geom", type=Path, help="where CrystFEL's geometry file says")
    frames.add_argument("--assembled", type=int, nargs=2, metavar=("NY", "NX"), help="images of so many pixels")
    frames.add_argument("--dataset", type=Path, help="images of a folder .../datasets/<name>")
    frames.add_argument(
        "--detector", choices=LAYOUTS, help="panels (panels, slow, fast) of simulate/experiment/panels.py"
    )
    parser.add_argument(
        "--centre",
        type=float,
        nargs=2,
        metavar=("X", "Y"),
        help="of the beam in assembled images [pixels]: column and row, the middle of the first pixel is 0 0",
    )
    parser.add_argument("--pixel-size", type=float, metavar="UM", help="edge of a pixel of assembled images [µm]")
    parser.add_argument("--distance", type=float, metavar="MM", help="from the sample [mm]; of a .geom, its clen")
    parser.add_argument("--energy", type=float, metavar="EV", help="of a photon [eV]")
    parser.add_argument(
        "--frame-shape", type=int, nargs="+", metavar="N", help="of a frame, if larger than in the .geom"
    )
    parser.add_argument(
        "--like",
        type=Path,
        metavar="DATASET",
        help="folder .../datasets/<name> that the network was "
        "trained on: the images get its size, and the binning that comes next to its step in q",
    )
    parser.add_argument("--n-pixels", type=int, metavar="N", help="of the images, along an edge (default: --like's)")
    parser.add_argument("--bin", type=int, metavar="B", help="pixels summed along an edge (default: by --like)")
    parser.add_argument(
        "--mask", type=Path, metavar="FILE.npy", help="of a frame's shape, nonzero where a pixel is bad"
    )
    parser.add_argument(
        "--dark", metavar="VALUE", help="subtracted from every value; a number, or .npy of a frame's shape"
    )
    parser.add_argument(
        "--adu-per-photon", metavar="VALUE", help="divides what is left; the same, or `geom`: as the .geom says"
    )
    parser.add_argument(
        "--threshold",
        metavar="VALUE",
        help="k photons are counted from k - 1 + VALUE on (0.5: rounded); "
        "default: values stay as they are, noise and all",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write, .npz")
    parser.add_argument("--force", action="store_true", help=f"write it where steps in q differ by over {TOO_FAR:.0%}%")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    arguments = parser.parse_args(argv)
    try:
        print(_run(arguments))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _run(arguments: argparse.Namespace) -> str:
    """Write the table; what it does to frames, in some lines."""
    if arguments.output.suffix != ".npz":
        raise ValueError(f"--output is {arguments.output}, expected a name that ends in .npz")
    must_be_free([arguments.output], overwrite=arguments.overwrite)
    pixels = _pixels(arguments)
    like = None if arguments.like is None else _geometry(arguments.like)
    n_pixels, binning = arguments.n_pixels, arguments.bin
    if like is not None:
        n_pixels = like.shape[0] if n_pixels is None else n_pixels
        binning = binning_like(pixels, like) if binning is None else binning
    if n_pixels is None or binning is None:
        raise ValueError("give --like, a dataset that the network was trained on, or --n-pixels and --bin")
    if n_pixels < 1 or binning < 1:
        raise ValueError(f"--n-pixels is {n_pixels} and --bin {binning}, expected 1 or more")
    values = {name: _value(name, getattr(arguments, name), pixels) for name in PER_PIXEL}
    table = tabulate(pixels, n_pixels, binning, **values, made_from=_told(arguments))
    said = [_described(arguments.output, table, pixels)]
    if like is not None:
        off = disagreement(table, like)
        theirs, ours = like.shape[0] / 2 * q_step(like), n_pixels / 2 * q_step(table.instrument)
        said.append(
            f"a pixel's step in q is {1 + off:.3f} times that of {arguments.like}, whose image ends at {theirs:.4g} "
            f"Å⁻¹ and this one at {ours:.4g}"
        )
        said.append(f"live: {table.live.mean():.1%} of the image, of the training's {like.live.mean():.1%}")
        if abs(off) > TOO_FAR and not arguments.force:
            raise ValueError(
                f"a pixel's step in q would be {1 + off:.3f} times that of {arguments.like} with {binning} x {binning} "
                "pixels summed: patterns of another scale than the network knows. Train one for this detector "
                "(docs/guide/selecting.md), or give --force"
            )
        if abs(off) > DIFFERS:
            _warn(f"steps in q differ by {off:+.1%}: particles look that much larger or smaller")
        if abs(table.live.mean() - like.live.mean()) > DIFFERS:
            _warn("more or less of the image is masked than in training")
    table.save(arguments.output)
    return "\n".join(said)


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def _pixels(arguments: argparse.Namespace) -> Pixels:
    """As the frames are described; ValueError where something is missing, or of no use."""
    needs = {"assembled": ("centre", "pixel_size", "distance"), "detector": ("distance",), "geom": (), "dataset": ()}
    may = {
        "assembled": ("energy",),
        "detector": ("energy",),
        "geom": ("distance", "energy", "frame_shape"),
        "dataset": (),
    }
    kind = next(name for name in needs if getattr(arguments, name) is not None)
    for name in ("centre", "pixel_size", "distance", "energy", "frame_shape"):
        given, option = getattr(arguments, name), f"--{name.replace('_', '-')}"
        if given is None and name in needs[kind]:
            raise ValueError(f"--{kind} needs {option}")
        if given is not None and name not in (*needs[kind], *may[kind]):
            raise ValueError(f"{option} says nothing about --{kind}; leave it out")
        if given is not None and name != "centre" and not (np.array(given) > 0).all():
            raise ValueError(f"{option} is {given}, expected more than 0")
    if kind == "geom":
        from frames.formats.crystfel import read_geom

        shape = None if arguments.frame_shape is None else tuple(arguments.frame_shape)
        given = {"photon_energy_eV": arguments.energy, "distance_mm": arguments.distance}
        pixels = read_geom(arguments.geom, **given, shape=shape)
    elif kind == "dataset":
        pixels = of_geometry(_geometry(arguments.dataset))
    elif kind == "detector":
        pixels = of_panels(arguments.detector, arguments.distance, arguments.energy)
    else:
        shape, centre = tuple(arguments.assembled), tuple(arguments.centre)
        pixels = assembled(shape, centre, arguments.pixel_size, arguments.distance, arguments.energy)
    if arguments.mask is None:
        return pixels
    mask = _array(arguments.mask)
    if mask.shape != pixels.shape or mask.dtype.kind not in "biu":
        raise ValueError(f"{arguments.mask} holds {mask.dtype} {mask.shape}, expected whole numbers {pixels.shape}")
    return Pixels(**vars(pixels) | {"usable": pixels.usable & (mask == 0)})


def _geometry(folder: Path) -> Geometry:
    path = folder / "geometry.npz"
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}; expected a folder .../datasets/<name> of a run")
    return Geometry.load(path)


def _value(name: str, given: str | None, pixels: Pixels) -> NDArray | float | None:
    """What an option says of every pixel: a number, or an array."""
    if given is None:
        return None
    if name == "adu_per_photon" and given == "geom":
        if pixels.adu_per_photon is None:
            raise ValueError(
                "no adu_per_photon is said of every panel, nor adu_per_eV with a photon energy; give a number"
            )
        return pixels.adu_per_photon
    try:
        return float(given)
    except ValueError:
        return _array(Path(given))


def _array(path: Path) -> NDArray:
    """Of an .npy file. Nothing is unpickled."""
    with path.open("rb") as stream:
        try:
            return np.lib.format.read_array(stream, allow_pickle=False)
        except DAMAGED as error:
            raise ValueError(f"{path} is no .npy file of numbers, or is damaged ({error})") from error


def _told(arguments: argparse.Namespace) -> str:
    """The options that a table is made by, for whoever finds it."""
    skipped = "output", "force", "overwrite"
    return ", ".join(
        f"{key} {value}" for key, value in vars(arguments).items() if value is not None and key not in skipped
    )


def _described(path: Path, table: PixelTable, pixels: Pixels) -> str:
    on_image = int((table.target != NOWHERE).sum())
    x, y = table.beam_centre
    n, b = table.n_pixels, table.binning
    return (
        f"{path}: frames {table.frame_shape} -> {n} x {n} pixels of {table.pixel_size_um:g} µm at "
        f"{table.distance_mm:g} mm, {b} x {b} summed; {on_image:,} of {int(pixels.usable.sum()):,} usable pixels are "
        f"on the image, {int((table.live == 0).sum()):,} of its {n**2:,} pixels are masked; the beam meets it at "
        f"x {x:+.3f}, y {y:+.3f} pixels from its middle"
    )


if __name__ == "__main__":
    sys.exit(main())
