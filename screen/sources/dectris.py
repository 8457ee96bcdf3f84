"""Messages of DECTRIS' Stream V2: CBOR, in which arrays are tags 40 and 64 to 87 (RFC 8746), compressed by tag 56500.

What is lz4 or bslz4 has the layout that HDF5's filters 32004 and 32008 have, and is undone by these (hdf5plugin).
"""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILTERS = {"lz4": 32004, "bslz4": 32008}
MULTI_DIMENSIONAL, COMPRESSED = 40, 56500
TYPES = {
    64: "u1", 65: ">u2", 66: ">u4", 67: ">u8", 68: "u1", 69: "<u2", 70: "<u4", 71: "<u8", 72: "i1", 73: ">i2",
    74: ">i4", 75: ">i8", 77: "<i2", 78: "<i4", 79: "<i8", 80: ">f2", 81: ">f4", 82: ">f8", 84: "<f2", 85: "<f4",
    86: "<f8",
}  # fmt: skip
"""Of typed arrays, by tag"""


def decode(message: bytes) -> Any:
    """A message with its arrays. ValueError for what is none, or compressed in a way that is not read."""
    import cbor2

    def tag(tagged: Any, *_: Any) -> Any:
        if tagged.tag == MULTI_DIMENSIONAL:
            shape, values = tagged.value
            return np.asarray(values).reshape(shape)
        if tagged.tag in TYPES:
            return typed(tagged.value, np.dtype(TYPES[tagged.tag]))
        if tagged.tag == COMPRESSED:
            return tuple(tagged.value)
        return tagged

    try:
        return cbor2.loads(bytes(message), tag_hook=tag)
    except (cbor2.CBORDecodeError, TypeError) as error:
        if isinstance(error.__cause__, ValueError):  # of an array in it
            raise error.__cause__ from error
        raise ValueError(f"not CBOR of DECTRIS' Stream V2 ({error})") from error


def typed(values: bytes | tuple, dtype: np.dtype) -> NDArray:
    """A flat array of a typed array's bytes, compressed or not."""
    if isinstance(values, tuple):
        algorithm, element, compressed = values
        return decompressed(compressed, algorithm, int(element), dtype)
    return np.frombuffer(values, dtype)


def decompressed(data: bytes, algorithm: str, element: int, dtype: np.dtype) -> NDArray:
    """A flat array of what an algorithm compressed, in elements of so many bytes. ValueError."""
    import h5py
    import hdf5plugin  # noqa: F401  its import makes the filters known

    if algorithm not in FILTERS:
        raise ValueError(f"compressed by {algorithm}, expected {' or '.join(FILTERS)}; set it at the detector")
    n = int.from_bytes(data[:8], "big")  # both begin with the size of what was compressed
    if n % dtype.itemsize or element not in (1, 2, 4, 8):
        raise ValueError(f"{n} bytes in elements of {element} are no {dtype}")
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((n // dtype.itemsize,))
        options = (0, 2) if algorithm == "bslz4" else ()  # blocks as the data say; of lz4
        properties.set_filter(FILTERS[algorithm], h5py.h5z.FLAG_MANDATORY, options)
        space = h5py.h5s.create_simple((n // dtype.itemsize,))
        stored = h5py.h5d.create(file.id, b"values", h5py.h5t.py_create(dtype), space, properties)
        stored.write_direct_chunk((0,), data)
        values = np.empty(n // dtype.itemsize, dtype)
        try:
            stored.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
        except OSError as error:
            raise ValueError(f"{algorithm} is damaged ({error})") from error
    return values


def image_in(message: dict[str, Any]) -> NDArray:
    """(ny, nx) of an image message with one threshold. ValueError."""
    channels = message.get("data")
    if not isinstance(channels, dict) or len(channels) != 1:
        raise ValueError(f"{len(channels or ())} channels of data, expected one")
    (image,) = itertools.islice(channels.values(), 1)
    if not isinstance(image, np.ndarray) or image.ndim != 2:
        raise ValueError("the data are no image")
    return image
