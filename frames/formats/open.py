"""The one reader of each format, by what a file is; for screening, embedding and export alike."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from frames.formats.checks import AsStored
from frames.formats.masks import MaskMeans
from frames.formats.stacks import DEFAULT_NAMES, read_npy, read_stack, read_zarr
from frames.frames import Frames

HDF5_SUFFIXES = (".h5", ".hdf5", ".cxi", ".hdf", ".nxs")

EXPECTED = "expected HDF5 or CXI (.h5, .hdf5, .cxi), .emc, a Zarr folder, a folder .../datasets/<name>, or .npy"

ADVICE = {
    ".npz": "holds several arrays: save the frames alone with np.save",
    ".gz": "is packed with gzip: unpack it",
    ".bz2": "is packed with bzip2: unpack it",
    ".zip": "is a ZIP archive: unpack it",
    ".tar": "is a tar archive: unpack it",
    ".cbf": "holds a single image: write the frames as (n, ny, nx) into HDF5, as with FabIO",
    ".img": "holds a single image: write the frames as (n, ny, nx) into HDF5, as with FabIO",
    ".tif": "holds images: write the frames as (n, ny, nx) into HDF5",
    ".tiff": "holds images: write the frames as (n, ny, nx) into HDF5",
    ".xtc": "is raw data of LCLS: write the frames to HDF5 with psana",
    ".xtc2": "is raw data of LCLS: write the frames to HDF5 with psana",
    ".mat": "is a file of MATLAB: write the frames as (n, ny, nx) into HDF5",
}
"""What to do with files that are not read."""


def is_named_hdf5(path: Path) -> bool:
    """Whether a file's name ends as those of HDF5 do, in small letters or capitals."""
    return path.suffix.lower() in HDF5_SUFFIXES


def dataset_of(path: Path, name: str | None = None) -> Path | None:
    """The folder of the dataset of ours that a path names, by itself or by its store; None where it names another."""
    folder = path.parent if path.name == "patterns.zarr" and name is None else path
    return folder if path.is_dir() and (folder / "layout.json").exists() else None


def open_frames(path: Path | str, name: str | None = None, mask_means: MaskMeans | None = None) -> Frames:
    """The frames of a file or folder, those of a dataset as the detector reads them, with the noise of the readout.

    Nothing but their shape, labels and a mask is read yet.

    Parameters
    ----------
    name, mask_means : as of `open_file`.

    Raises
    ------
    As `open_file`; DamagedDatasetError where it is one of our datasets, and not complete.
    """
    path = Path(path)
    folder = dataset_of(path, name)
    if folder is None:
        return open_file(path, name, mask_means)
    from frames.store.as_frames import of_dataset
    from frames.store.dataset import open_dataset

    if name is not None:
        raise ValueError(f"{folder} is a dataset of patterns and has none called {name!r}; leave the name out")
    return replace(of_dataset(open_dataset(folder), as_stored=False), source=str(folder))


def open_file(
    path: Path | str, name: str | None = None, mask_means: MaskMeans | None = None, stored: AsStored | None = None
) -> Frames:
    """The frames of a file, or of a Zarr folder, with what it says of beam, detector and mask; they are read later.

    Parameters
    ----------
    name :       of the array in an HDF5 file or a Zarr group; by default the first of `DEFAULT_NAMES` that is there.
    mask_means : what nonzero means in its masks, instead of what the file says: `bad`, `good`, or bits of `cxi`.
    stored :     to have frames as the detector stores them, of any number of axes; by default only (n, ny, nx).

    Raises
    ------
    FileNotFoundError    there is no such file or folder.
    ModuleNotFoundError  what reads its format (h5py, zarr) is not installed.
    ValueError           it is none of these, is damaged, holds no frames (n, ny, nx) of real numbers, or not all.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; {EXPECTED}")
    if path.is_dir():
        return read_zarr(path, name, mask_means, stored)
    suffix = path.suffix.lower()
    if suffix in (".npy", ".emc") and name is not None:
        raise ValueError(f"{path} is one array and has no dataset {name!r}; leave the name out")
    if suffix in (".npy", ".emc") and stored is not None and stored.mask is not None:
        raise ValueError(f"{path} is one array, and has no mask {stored.mask.name}, by which the table of pixels masks")
    if suffix == ".npy":
        return read_npy(path, stored)
    if suffix == ".emc":
        from frames.formats.emc import read_emc

        return read_emc(path, mask_means=mask_means)
    if is_named_hdf5(path):
        return _open_hdf5(path, name, mask_means, stored)
    if suffix in ADVICE:
        raise ValueError(f"{path} {ADVICE[suffix]}; {EXPECTED}")
    raise ValueError(f"{path} is of no known format; {EXPECTED}")


def _open_hdf5(path: Path, name: str | None, mask_means: MaskMeans | None, stored: AsStored | None) -> Frames:
    from frames.formats.cxi import is_cxi, read_cxi
    from frames.formats.hdf5 import find_frames, open_hdf5
    from frames.formats.skopi_h5 import QUANTITIES, read_skopi
    from frames.formats.spi.images import has_images, read_images

    with open_hdf5(path) as file:
        if name is None and stored is None and has_images(file):
            return read_images(path, mask_means)
        said = file.get("metadata")
        if name is None and stored is None and said is not None and "idh5_version" in {*said.attrs, *_names(said)}:
            from frames.formats.cxidb76 import read_idh5  # with pandas, which takes long to import

            return read_idh5(path)
        if name is None and {"place_ones", "place_multi"} <= {*file}:
            from frames.formats.emc import SPARSE_HDF5

            raise ValueError(f"{path}: {SPARSE_HDF5}")
        chosen, _ = find_frames(file, DEFAULT_NAMES if name is None else (name.strip("/"),), path)
        cxi = is_cxi(file, chosen)
    if cxi:
        return read_cxi(path, chosen, mask_means, stored)
    if chosen in QUANTITIES and stored is None:
        return read_skopi(path, chosen, mask_means)
    return read_stack(path, chosen, mask_means, stored)


def _names(node: object) -> list[str]:
    """What an HDF5 group holds; nothing of a dataset."""
    return list(node) if isinstance(node, Mapping) else []
