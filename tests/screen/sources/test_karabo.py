"""Trains of a karabo bridge, from the European XFEL's own server, through its death and return."""

import contextlib
import itertools
import socket
import threading
import time

import numpy as np
import pytest
import zmq

from screen.sources.karabo import Karabo, in_order
from screen.sources.open import Wishes, open_source
from screen.stream.frame import NO_PULSE
from support.programs.servers import free_port, program, server

pytest.importorskip("karabo_bridge")
from karabo_bridge import ServerInThread
from karabo_bridge.serializer import serialize


def simulated(port, *more):
    return server(program("karabo-bridge-server-sim"), port, "-d", "AGIPDModule", "-r", *more)


def first_trains(source, n, within=15.0):
    """The first n trains that are not empty."""
    watch = threading.Timer(within, source.close)
    watch.start()
    try:
        found = list(itertools.islice((train for train in source if train), n))
    finally:
        watch.cancel()
    assert len(found) == n, f"{len(found)} trains in {within} s"
    return found


@pytest.mark.parametrize(("data_like", "pattern"), [("online", "REQ"), ("file", "REQ"), ("online", "PULL")])
def test_trains_of_the_simulated_server(data_like, pattern):
    """In both orders of axes every frame is (slow, fast) = (512, 128), a pulse each."""
    port = free_port()
    with simulated(port, "--data-like", data_like, "-z", {"REQ": "REP", "PULL": "PUSH"}[pattern]):
        source = Karabo(f"tcp://127.0.0.1:{port}", pattern)
        trains = first_trains(source, 3)
    trains_seen = [train[0].id.train for train in trains]
    assert trains_seen == [*range(trains_seen[0], trains_seen[0] + 3)]
    for train in trains:
        assert [frame.id.pulse for frame in train] == list(range(64))
        assert {frame.id.source for frame in train} == {"SPB_DET_AGIPD1M-1/DET/0CH0:xtdf"}
        for frame in train:
            assert frame.problem is None
            assert frame.image.shape == (512, 128)
            assert frame.image.dtype == np.uint16
            assert 1500 <= frame.image.min() <= frame.image.max() < 1600


def test_a_whole_detector_of_the_simulated_server():
    port = free_port()
    with server(program("karabo-bridge-server-sim"), port, "-r", "-g", "zeros"):
        ((*frames,),) = first_trains(Karabo(f"tcp://127.0.0.1:{port}", frame_shape=(16, 512, 128)), 1)
    assert len(frames) == 64
    assert {frame.image.shape for frame in frames} == {(16, 512, 128)}


def listening(port, within):
    """When a server that is starting takes connections, of `time.monotonic`."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return time.monotonic()
        time.sleep(0.02)
    raise AssertionError(f"nobody listens on {port} after {within} s")


@pytest.mark.parametrize("data_like", ["online", "file"])
def test_a_server_that_is_killed_is_heard_of_again_within_three_seconds(data_like):
    """Killed while we wait for its answer: the reference client would wait for ever."""
    port, alarms, came = free_port(), [], []
    source = Karabo(f"tcp://127.0.0.1:{port}")
    source.alarm = alarms.append

    def listen():
        for train in source:
            if train:
                came.append(time.monotonic())

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()

    def wait_for(n, within):
        until = time.monotonic() + within
        while len(came) < n and time.monotonic() < until:
            time.sleep(0.01)
        assert len(came) >= n

    try:
        for _ in range(2):
            with simulated(port, "--data-like", data_like):
                wait_for(len(came) + 2, 30.0)
            time.sleep(0.3)
        n = len(came)
        with simulated(port, "--data-like", data_like):
            back = listening(port, 30.0)
            wait_for(n + 1, 30.0)
        assert came[n] - back < 3.0
        assert any("is gone" in alarm for alarm in alarms)
        assert any("is back" in alarm for alarm in alarms)
    finally:
        source.close()
        listener.join(5)
    assert not listener.is_alive()


def test_no_train_of_a_slow_server_is_lost():
    """One that takes longer to answer than the silence that is told of: what it has taken up would be lost."""
    port, alarms = free_port(), []
    source = Karabo(f"tcp://127.0.0.1:{port}", silence=0.3)
    source.alarm = alarms.append
    with zmq.Context() as context, context.socket(zmq.REP) as answering:
        answering.bind(f"tcp://127.0.0.1:{port}")

        def answer():
            for train in range(3):
                answering.recv()
                time.sleep(1.0)
                answering.send_multipart(a_train(tid=train, **{"image.data": np.zeros((1, 8, 6), np.float32)}))

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        found = first_trains(source, 3)
        thread.join(5)
        source.close()
    assert [train[0].id.train for train in found] == [0, 1, 2]
    assert any("is silent for 0.3 s" in alarm for alarm in alarms)
    assert any("is back" in alarm for alarm in alarms)
    assert not any("is gone" in alarm for alarm in alarms)


def test_two_clients_of_one_server_get_trains_of_their_own():
    port = free_port()
    with simulated(port):
        sources = [Karabo(f"tcp://127.0.0.1:{port}") for _ in range(2)]
        found = [[], []]

        def listen(k):
            found[k] += [train[0].id.train for train in first_trains(sources[k], 4)]

        threads = [threading.Thread(target=listen, args=(k,)) for k in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not set(found[0]) & set(found[1])


def a_train(source="det", tid=7, **values):
    return serialize({source: values}, {source: {"timestamp.tid": tid, "timestamp": 12.5, "source": source}})


def frames_of(message, **more):
    return Karabo("tcp://127.0.0.1:1", **more).train_of([bytes(part) for part in message])


def test_poisoned_trains_are_named():
    """Nothing that somebody sends ends screening."""
    images = np.zeros((4, 2, 8, 6), np.float32)
    pulses = np.array([0, 4, 8, 12])
    good = {"image.data": images, "image.pulseId": pulses}
    frames = frames_of(a_train(**good))
    assert [(frame.id.train, frame.id.pulse, frame.timestamp) for frame in frames] == [(7, n, 12.5) for n in pulses]
    (lost,) = frames_of(a_train(**{"image.pulseId": pulses}))
    assert (lost.problem, lost.id.pulse) == ("missing: train without frames", NO_PULSE)
    (empty,) = frames_of(a_train(**{"image.data": images[:0], "image.pulseId": pulses[:0]}))
    assert empty.problem == "missing: train without frames"
    gone = frames_of(a_train(**good, modulesPresent=[True, False]))
    assert [frame.problem for frame in gone] == ["missing: module 1"] * 4
    (odd,) = frames_of(a_train(**good | {"image.pulseId": pulses[:3]}))
    assert "not of 3 pulses" in odd.problem
    for message in ([b"not msgpack", b"x"], [b"\xc1"], a_train(**good)[:3], []):
        (torn,) = frames_of(message)
        assert torn.problem.startswith("unreadable")
    repeated = frames_of(a_train(**good | {"image.pulseId": np.zeros(4, int)}))
    assert [frame.id.pulse for frame in repeated] == [0, 1, 2, 3]


def test_a_message_is_never_unpickled(monkeypatch):
    """As that of a server that pickles: it is unreadable."""
    import pickle

    def refuse(*_):
        raise AssertionError("unpickled")

    monkeypatch.setattr(pickle, "loads", refuse)
    (frame,) = frames_of([pickle.dumps({"det": {"image.data": 1}})])
    assert frame.problem.startswith("unreadable")


def test_both_orders_of_axes_are_one():
    """Against a loop; and what cannot be told apart is said."""
    file = np.arange(5 * 3 * 8 * 6).reshape(5, 3, 8, 6)  # pulse, module, slow, fast
    live = np.empty((3, 6, 8, 5), int)
    for pulse, module, slow, fast in np.ndindex(file.shape):
        live[module, fast, slow, pulse] = file[pulse, module, slow, fast]
    for stored in (file, live):
        assert np.array_equal(in_order(stored, 5, None, None), file)
        assert np.array_equal(in_order(stored, None, None, (3, 8, 6)), file)
    assert np.array_equal(in_order(live[0], 5, None, None), file[:, 0])
    assert np.array_equal(in_order(live, 5, "live", None), file)
    assert np.array_equal(in_order(file[0, 0], None, None, None), file[:1, 0])
    assert np.array_equal(in_order(file[0], 1, None, (3, 8, 6)), file[:1])
    with pytest.raises(ValueError, match="cannot be told apart"):
        in_order(np.zeros((5, 6, 6, 5)), 5, None, None)
    with pytest.raises(ValueError, match="not of 4 pulses"):
        in_order(file, 4, None, None)


def test_one_that_publishes_is_refused_or_labelled():
    with pytest.raises(ValueError, match="--lossy"):
        open_source("karabo+sub://127.0.0.1:9", Wishes())
    port, alarms = free_port(), []
    with simulated(port, "-z", "PUB"):
        source = open_source(f"karabo+sub://127.0.0.1:{port}", Wishes(lossy=True))
        source.alarm = alarms.append
        first_trains(source, 1)
    assert "LOSSY" in alarms[0]


def test_what_is_no_address_is_refused():
    with pytest.raises(ValueError, match="is no address"):
        open_source("karabo://nowhere", Wishes())


def test_a_bridge_with_several_sources_asks_which():
    data = {"a": {"image.data": np.zeros((2, 8, 6))}, "b": {"image.data": np.ones((2, 8, 6))}}
    message = serialize(data, {name: {"timestamp.tid": 1} for name in data})
    (frame,) = frames_of(message)
    assert "name one by ?source=" in frame.problem
    frames = frames_of(message, source="b", axes="file")
    assert [frame.image.mean() for frame in frames] == [1, 1]


def test_the_servers_own_thread_is_understood():
    """ServerInThread, as extra_data and others use it."""
    images = np.random.default_rng(0).poisson(1, (6, 128, 128)).astype(np.uint16)
    with ServerInThread("tcp://127.0.0.1:*") as serve:
        port = serve.endpoint.rpartition(":")[2]
        serve.feed({"det": {"image.data": images, "image.pulseId": np.arange(6)}}, {"det": {"timestamp.tid": 3}})
        (train,) = first_trains(Karabo(f"tcp://127.0.0.1:{port}"), 1)
    assert np.array_equal([frame.image for frame in train], images)
