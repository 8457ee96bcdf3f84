"""Pushed messages: DECTRIS' and LCLStreamer's, and what is neither."""

import io
import itertools
import pickle
import struct
import threading
import time

import cbor2
import h5py
import hdf5plugin
import numpy as np
import pytest
import zmq

from frames.files import read_table
from screen.network.asked import Asking
from screen.network.network import Network
from screen.sources.dectris import COMPRESSED, decode
from screen.sources.pull import ByLclstreamer, Pull, by_dectris
from screen.stream.frame import Frame, FrameId
from screen.stream.ledger import Ledger
from screen.stream.policy import Policy
from screen.stream.screening import Screening
from support.programs.servers import free_port

IMAGE = np.random.default_rng(0).poisson(2.0, (64, 48))


def compressed(values, algorithm):
    """By the filters of HDF5, whose chunk is what DECTRIS sends."""
    filters = {"lz4": hdf5plugin.LZ4(), "bslz4": hdf5plugin.Bitshuffle(cname="lz4")}
    with h5py.File("made", "w", driver="core", backing_store=False) as file:
        stored = file.create_dataset("values", data=values.ravel(), chunks=(values.size,), **filters[algorithm])
        _, data = stored.id.read_direct_chunk((0,))
    assert struct.unpack(">Q", data[:8])[0] == values.nbytes
    return cbor2.CBORTag(COMPRESSED, [algorithm, values.itemsize, data])


def image_message(values, tag, data, **more):
    array = cbor2.CBORTag(40, [list(values.shape), cbor2.CBORTag(tag, data)])
    said = {"type": "image", "series_id": 3, "series_unique_id": "abc", "image_id": 11, "data": {"threshold_1": array}}
    return cbor2.dumps(said | more)


def several_channels():
    found = {"type": "image", "series_id": 3, "image_id": 11, "data": {"a": 1, "b": 2}}
    return cbor2.dumps(found)


@pytest.mark.parametrize("algorithm", [None, "lz4", "bslz4"])
@pytest.mark.parametrize(("tag", "dtype"), [(64, "u1"), (69, "<u2"), (70, "<u4"), (65, ">u2"), (85, "<f4")])
def test_images_of_dectris_are_decoded(tag, dtype, algorithm):
    values = IMAGE.astype(dtype)
    data = values.tobytes() if algorithm is None else compressed(values, algorithm)
    (frame,) = by_dectris("eiger")(image_message(values, tag, data), 1.5)
    assert (frame.id.source, frame.id.run, frame.id.train, frame.timestamp) == ("eiger", "abc", 11, 1.5)
    assert frame.problem is None
    assert frame.image.dtype == np.dtype(dtype)
    assert np.array_equal(frame.image, values)


def by_their_decoder(message):
    """The image of a message, decompressed by DECTRIS' own library; tags as RFC 8746 and DECTRIS describe them."""
    from dectris.compression import decompress

    types = {64: "u1", 69: "<u2", 70: "<u4", 65: ">u2", 85: "<f4"}

    def hook(tag, *_):
        if tag.tag == COMPRESSED:
            algorithm, element, data = tag.value
            return decompress(data, algorithm, elem_size=element)
        if tag.tag == 40:
            shape, values = tag.value
            return values.reshape(shape)
        return np.frombuffer(tag.value, types[tag.tag])

    (image,) = cbor2.loads(message, tag_hook=hook)["data"].values()
    return image


@pytest.mark.parametrize("algorithm", ["lz4", "bslz4"])
@pytest.mark.parametrize(("tag", "dtype"), [(64, "u1"), (69, "<u2"), (70, "<u4"), (65, ">u2"), (85, "<f4")])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 48), (257, 131), (514, 1030)])
def test_their_own_decoder_agrees(tag, dtype, algorithm, shape):
    """Of less than a block of either algorithm, of several, and of what is left over of the last; in both orders."""
    pytest.importorskip("dectris.compression", reason="no dectris-compression; it is in the extra `dectris`")
    values = np.random.default_rng(1).poisson(3.0, shape).astype(dtype)
    message = image_message(values, tag, compressed(values, algorithm))
    (frame,) = by_dectris("eiger")(message, 0.0)
    theirs = by_their_decoder(message)
    assert frame.image.dtype == theirs.dtype
    np.testing.assert_array_equal(frame.image, theirs)
    np.testing.assert_array_equal(theirs, values)


def test_messages_without_images_give_none():
    for kind in ("start", "end"):
        assert by_dectris("eiger")(cbor2.dumps({"type": kind, "series_id": 1}), 0.0) == []


def test_what_is_no_image_is_named():
    values = IMAGE.astype("<u2")
    odd = cbor2.CBORTag(COMPRESSED, ["zstd", 2, b"abc"])
    with pytest.raises(ValueError, match="compressed by zstd, expected lz4 or bslz4"):
        decode(image_message(values, 69, odd))
    (two,) = by_dectris("eiger")(several_channels(), 0.0)
    assert two.problem == "unreadable: 2 channels of data, expected one"
    with pytest.raises(ValueError, match="not CBOR"):
        decode(b"\x9f")
    with pytest.raises(ValueError, match="no type"):
        by_dectris("eiger")(cbor2.dumps([1, 2]), 0.0)


def hdf5(**arrays):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, values in arrays.items():
            file[name.replace("__", "/")] = values
    return buffer.getvalue()


def test_messages_come_through_a_socket_and_poison_is_put_aside(monkeypatch):
    """Of LCLStreamer's kind; a pickle among them is not unpickled."""
    monkeypatch.setattr(pickle, "loads", None)
    port = free_port()
    stack = np.random.default_rng(0).poisson(1.0, (5, 8, 6))
    source = Pull(f"tcp://127.0.0.1:{port}", ByLclstreamer("cspad", "/data/frames"))
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.bind(f"tcp://127.0.0.1:{port}")
        messages = [hdf5(data__frames=stack), pickle.dumps(stack), hdf5(other=stack), hdf5(data__frames=stack[0])]
        sender = threading.Thread(target=lambda: [push.send(message) for message in messages])
        sender.start()
        trains = iter(source)
        found = list(itertools.islice((train for train in trains if train), len(messages)))
        sender.join()
        source.close()
        assert list(trains) == []
    assert [len(train) for train in found] == [5, 1, 1, 1]
    assert np.array_equal([frame.image for frame in found[0]], stack)
    assert [frame.id.train for frame in (*found[0], *found[3])] == list(range(6))
    assert found[1][0].problem.startswith("unreadable: no HDF5")
    assert "no dataset data/frames in a message with other" in found[2][0].problem


def test_what_was_pushed_before_the_end_is_read():
    """Whoever pushes does not send it again, so that none of it may be left in the socket."""
    port, n = free_port(), 200
    message = hdf5(data__data=np.zeros((8, 6)))
    source = Pull(f"tcp://127.0.0.1:{port}", ByLclstreamer("cspad", "data/data"))
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.bind(f"tcp://127.0.0.1:{port}")
        trains = iter(source)
        sender = threading.Thread(target=lambda: [push.send(message) for _ in range(n)])
        sender.start()
        found = list(next(train for train in trains if train))
        sender.join()
        source.close()
        found += [frame for train in trains for frame in train]
    assert [frame.id.train for frame in found] == list(range(n))


class _Closed:
    """A source that still has two trains when it is closed."""

    name, lossless = "closed", True

    def __init__(self, drains):
        self.drains, self._closed = drains, threading.Event()

    def __iter__(self):
        yield [Frame(FrameId("closed", "r", 0, 0), np.zeros((8, 6)), 0.0)]
        self._closed.wait()
        yield from ([Frame(FrameId("closed", "r", n, 0), np.zeros((8, 6)), 0.0)] for n in (1, 2))

    def commit(self, ids):
        pass

    def close(self):
        self._closed.set()


@pytest.mark.parametrize(("drains", "n"), [(True, 3), (False, 1)])
def test_what_arrived_is_decided_after_the_end_where_nobody_sends_it_again(tmp_path, drains, n):
    """A file is read again from there on by the next screening."""
    network = Network("nothing", (8, 6), lambda images: np.full(len(images), 0.5), None, "")
    screening = Screening(_Closed(drains), Asking(network), Policy(0.5), Ledger(tmp_path))
    running = threading.Thread(target=screening.run)
    running.start()
    while not sum(screening.ledger.counts().values()):
        time.sleep(0.01)
    screening.stop()
    running.join()
    assert len(read_table(tmp_path / "decisions.parquet")) == n
