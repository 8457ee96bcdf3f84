"""Datasets as files that other programs read, and such files as one another. What lies where: docs/guide/formats.md.

singlehit export results/demo/datasets/noise_free --format cxi --output frames.cxi --split test
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from frames.files import must_be_free
from frames.formats.cxi import write_cxi
from frames.formats.emc import detector_path, write_emc
from frames.formats.masks import MASK_HELP, MASK_MEANS, MaskMeans
from frames.formats.open import dataset_of, open_file
from frames.formats.skopi_h5 import write_skopi
from frames.formats.stacks import is_zarr
from frames.frames import Frames
from frames.labels import SPLITS
from frames.store.as_frames import of_dataset
from frames.store.dataset import open_dataset
from frames.store.integrity import DamagedDatasetError

WRITERS: dict[str, Callable[[Frames, Path | str], None]] = {
    "cxi": write_cxi,
    "skopi": write_skopi,
    "emc": write_emc,
}
AS_STORED = {"cxi": False, "skopi": True, "emc": True}
"""Whether a format takes the stored counts, unless told otherwise; else what the detector reads."""


def open_patterns(
    source: Path | str,
    *,
    as_stored: bool = True,
    name: str | None = None,
    mask_means: MaskMeans | None = None,
) -> Frames:
    """The patterns of a dataset's folder or of a file in any of the formats that `frames.formats.open` knows.

    Parameters
    ----------
    name, mask_means : as of `open_file`; not of a dataset.

    Raises
    ------
    FileNotFoundError if there is nothing; ValueError if it is none of these; DamagedDatasetError.
    """
    source = Path(source)
    folder = dataset_of(source, name) or (source if source.is_dir() and not is_zarr(source) else None)
    if folder is None:
        return open_file(source, name, mask_means)
    if name is not None or mask_means is not None:
        raise ValueError(f"{source} is a dataset of patterns, with a mask of its own; leave their names out")
    dataset = open_dataset(folder)
    if not (folder / "geometry.npz").exists():
        raise FileNotFoundError(f"dataset {folder} has no geometry.npz; run snakemake to make it again")
    return of_dataset(dataset, as_stored=as_stored)


def outputs(output: Path, file_format: str) -> list[Path]:
    """Every file that an export writes."""
    return [output, detector_path(output)] if file_format == "emc" else [output]


def main(argv: list[str] | None = None) -> int:
    """Command line: export a dataset, or convert a file."""
    parser = argparse.ArgumentParser(
        prog="singlehit export",
        description="Write a dataset as CXI, skopi's HDF5 or Dragonfly's .emc, or turn one of these into another.",
        epilog="example: singlehit export results/demo/datasets/noise_free --format cxi --output frames.cxi",
    )
    parser.add_argument("source", type=Path, help="a folder .../datasets/<name>, or HDF5, CXI, Zarr, .emc, .npy")
    parser.add_argument("--format", choices=tuple(WRITERS), required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write")
    parser.add_argument("--split", choices=(*SPLITS, "all"), default="all")
    parser.add_argument("--rows", type=_rows, default=slice(None), metavar="A:B", help="of the split, counted from 0")
    images = parser.add_mutually_exclusive_group()
    images.add_argument("--raw", action="store_true", help="photons as stored (default of skopi and emc)")
    images.add_argument("--read", action="store_true", help="as the detector reads them, with noise (default of cxi)")
    parser.add_argument(
        "--dataset", metavar="NAME", help="of the frames in the file (default: CXI's and skopi's places)"
    )
    parser.add_argument("--mask-means", choices=tuple(MASK_MEANS), help=MASK_HELP)
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    arguments = parser.parse_args(argv)
    as_stored = arguments.raw or (AS_STORED[arguments.format] and not arguments.read)
    try:
        if arguments.read and not arguments.source.is_dir():
            raise ValueError(f"{arguments.source} does not say how its detector reads; --read is for a dataset")
        written = outputs(arguments.output, arguments.format)
        if arguments.format == "emc" and arguments.output.suffix != ".emc":
            raise ValueError(f"--output is {arguments.output}, expected a name that ends in .emc, by which it is known")
        must_be_free(written, overwrite=arguments.overwrite)
        patterns = open_patterns(
            arguments.source, as_stored=as_stored, name=arguments.dataset, mask_means=arguments.mask_means
        )
        if patterns.note:
            print(patterns.note, file=sys.stderr)
        if arguments.split != "all":
            patterns = patterns.split(arguments.split)
        patterns = patterns.rows(arguments.rows)
        WRITERS[arguments.format](patterns, arguments.output)
    except (OSError, ValueError, ModuleNotFoundError, DamagedDatasetError) as error:
        print(error, file=sys.stderr)
        return 2
    n, ny, nx = patterns.shape
    print(f"{' and '.join(map(str, written))}: {n} patterns of {ny} x {nx} pixels, {patterns.quantity}")
    if patterns.mask_said:
        print(patterns.mask_said)
    return 0


def _rows(text: str) -> slice:
    first, colon, last = text.partition(":")
    try:
        chosen = slice(int(first) if first else None, int(last) if last else None)
    except ValueError:
        chosen = slice(None)
        colon = ""
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} are no rows; expected a:b, like 0:1000")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
