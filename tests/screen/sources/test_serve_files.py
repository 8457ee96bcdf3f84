"""A run that karabo-bridge-serve-files streams, and dies of: an alarm, and a ledger that closes on what came.

It stops without a word to its client where a train has no frames, and where modules have the names of today.
"""

import threading
import time

import h5py
import numpy as np
import pytest

from frames.files import read_table
from frames.pixels.table import PixelTable
from screen.network.asked import Asking
from screen.sources.karabo import Karabo
from screen.stream.ledger import Ledger
from screen.stream.policy import Policy
from screen.stream.screening import Screening
from support.programs.servers import free_port, program, server
from support.streaming import Heard, network

pytest.importorskip("extra_data")
from extra_data.tests.mockdata import write_file
from extra_data.tests.mockdata.detectors import AGIPDModule

N_TRAINS, N_FRAMES, SHAPE = 3, 2, (16, 512, 128)
NAME = "SPB_DET_AGIPD1M-1/DET/APPEND"


def filled(folder, kind="DET", frames_per_train=N_FRAMES):
    """Corrected data of 16 modules: every value is the module's number, and 100 times the frame's in the run."""
    folder.mkdir()
    for module in range(16):
        path = folder / f"CORR-R0042-AGIPD{module:02}-S00000.h5"
        source = f"SPB_DET_AGIPD1M-1/{kind}/{module}CH0"
        made = AGIPDModule(source, raw=False, frames_per_train=frames_per_train)
        write_file(str(path), [made], N_TRAINS, format_version="1.0")
        with h5py.File(path, "r+") as file:
            data = file[f"INSTRUMENT/{source}:xtdf/image/data"]
            data[:] = np.broadcast_to(module + 100 * np.arange(len(data))[:, None, None], data.shape)
    return folder


def by_module():
    """A table by which each of 16 modules is summed into a pixel of 4 x 4."""
    target = np.broadcast_to(np.arange(16, dtype=np.int32)[:, None, None], SHAPE).copy()
    return PixelTable(target, 4, 512, 1.0, 1.0, None, (0.0, 0.0))


def screened(folder, run, within=60.0):
    """Of a run that is served: the ledger, the images that sinks were handed, alarms, and what the server said.

    It is ended as an operator would, once there was an alarm and the server is no more.
    """
    port, sink = free_port(), Heard()
    source = Karabo(f"tcp://127.0.0.1:{port}", frame_shape=SHAPE, run="r42")
    asking = Asking(network(shape=(4, 4)), by_module())
    screening = Screening(source, asking, Policy(0.5, kept_share=0.0), Ledger(folder), [sink])
    thread = threading.Thread(target=screening.run)
    with server(program("karabo-bridge-serve-files"), run, port, "--append-detector-modules") as process:
        thread.start()
        end = time.monotonic() + within
        while time.monotonic() < end and not (process.poll() is not None and screening.status().alarms):
            time.sleep(0.05)
        screening.stop()
        thread.join(20)
        assert not thread.is_alive()
        process.kill()
        said = process.stderr.read().decode()
    alarms = screening.status().alarms
    images = np.concatenate(sink.images) if sink.images else np.zeros((0, 4, 4))
    return read_table(folder / "decisions.parquet").to_pandas(), images, alarms, said


def frames_of(trains):
    """(n, 4, 4) images of what these trains hold, of the first frame's number of each."""
    numbers = np.concatenate([first + np.arange(N_FRAMES) for first in trains])
    return 512 * 128 * (np.arange(16).reshape(4, 4) + 100 * numbers[:, None, None])


@pytest.mark.parametrize(
    ("kind", "per_train", "came", "dies_of"),
    [
        ("DET", N_FRAMES, {10000: 0, 10001: 2, 10002: 4}, None),
        ("DET", np.array([2, 0, 2], "u8"), {10000: 0}, "arg is an empty sequence"),
        ("CORR", N_FRAMES, {}, "doesn't match pattern"),
    ],
    ids=["a whole run", "a train without frames", "modules of today's names"],
)
def test_what_came_is_decided_and_that_it_ended_is_told(tmp_path, kind, per_train, came, dies_of):
    """Each frame as it was stored; of a server that died no more, and the ledger closes."""
    table, images, alarms, said = screened(tmp_path / "run", filled(tmp_path / "r0042", kind, per_train))
    # One that dies as soon as it is there may never have been heard of.
    assert any("is gone" in alarm or (not came and "is silent" in alarm) for alarm in alarms)
    assert (dies_of is None and "Error" not in said) or dies_of in said
    ids = [(NAME, "r42", train, pulse) for train in came for pulse in range(N_FRAMES)]
    assert list(table[["source", "run", "train", "pulse"]].itertuples(index=False, name=None)) == ids
    assert (table["decision"] == "keep").all()
    np.testing.assert_array_equal(images, frames_of(came.values()) if came else images[:0])
