"""A dataset as frames: read as any file of frames is."""

import numpy as np
from numpy.typing import NDArray

from frames.frames import Frames, Instrument
from frames.geometry import Geometry
from frames.labels import Label
from frames.store.dataset import Dataset
from frames.store.writer import IMAGES, array


def of_dataset(dataset: Dataset, *, as_stored: bool) -> Frames:
    """The frames of a dataset with all its labels, and `row`, their row in it.

    Parameters
    ----------
    as_stored : counts (uint16) or expected photons (float32) as they lie in the store; else as the detector reads them,
                with the noise of the readout, which are the counts again where the readout is ideal.
    """
    as_stored = as_stored or not dataset.reads_floats
    images, counted = IMAGES[dataset.record][0], as_stored and dataset.record == "photons"
    geometry = dataset.folder / "geometry.npz"
    return Frames(
        name=dataset.name,
        shape=dataset.shape,
        dtype=array(dataset.group, images).dtype if as_stored else np.float32,
        quantity=dataset.record if dataset.record == "expected" else "photons" if counted else "reading",
        fetch=dataset.read_raw if as_stored else dataset.read,
        labels=_labels(dataset, images),
        # Datasets of crystals and viruses have a mask and no geometry: without it a beamstop would be 65,535 bright.
        instrument=Instrument.of(Geometry.load(geometry)) if geometry.exists() else Instrument(mask=_mask(dataset)),
        together=dataset.patterns_per_shard,
    )


def _mask(dataset: Dataset) -> NDArray[np.bool_] | None:
    return dataset.mask if dataset.mask.any() else None


def _labels(dataset: Dataset, images: str) -> dict[str, Label]:
    """Every array of the store that has a value for each frame."""
    found = {"row": Label(np.arange(len(dataset)), {"long_name": f"row of dataset {dataset.name}"})}
    for name in sorted(dataset.group.array_keys()):
        stored = array(dataset.group, name)
        if name != images and stored.metadata.dimension_names[:1] == ("pattern",):
            found[name] = Label(np.asarray(stored[:]), dict(stored.attrs))
    return found
