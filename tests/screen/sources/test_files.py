"""Files while they are written, copied and killed, by other processes."""

import os
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import pytest

from screen.sources.files import Files, Settling
from screen.sources.swmr import Swmr
from screen.stream.frame import NO_PULSE

FRAMES = np.random.default_rng(0).poisson(1.0, (50, 8, 6)).astype(np.uint16)
QUICK = Settling(poll=0.02, settled=0.15, tries=3, until_idle=0.5)


def all_of(source, within=20.0):
    watch = threading.Timer(within, source.close)
    watch.start()
    found = [frame for train in source for frame in train]
    watch.cancel()
    return found


def test_a_file_that_is_copied_slowly_is_read_once_it_is_whole(tmp_path):
    """Half of it is seen, and is no frame."""
    np.save(tmp_path / "whole.npy", FRAMES)
    data = (tmp_path / "whole.npy").read_bytes()
    folder = tmp_path / "grows"
    folder.mkdir()

    def copy():
        with open(folder / "a.npy", "wb") as stream:
            for at in range(0, len(data), 500):
                stream.write(data[at : at + 500])
                stream.flush()
                time.sleep(0.04)

    writer = threading.Thread(target=copy)
    writer.start()
    source = Files(folder, settling=QUICK)
    found = all_of(source)
    writer.join()
    assert np.array_equal([frame.image for frame in found], FRAMES)
    assert [(frame.id.run, frame.id.train) for frame in found] == [("a.npy", n) for n in range(50)]


def test_a_file_that_stays_half_is_unreadable_and_those_about_it_are_read(tmp_path):
    np.save(tmp_path / "a.npy", FRAMES)
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "b.npy").write_bytes(data[: len(data) // 2])
    np.save(tmp_path / "c.npy", FRAMES[:3])
    source = Files(tmp_path, settling=QUICK)
    alarms = []
    source.alarm = alarms.append
    found = all_of(source)
    assert sorted({frame.id.run for frame in found}) == ["a.npy", "b.npy", "c.npy"]
    (half,) = [frame for frame in found if frame.id.run == "b.npy"]
    assert half.id.pulse == NO_PULSE
    assert half.problem.startswith("unreadable")
    assert "b.npy cannot be read" in alarms[0]
    assert len(found) == 50 + 1 + 3


def test_files_whose_names_end_in_capitals_are_read_too(tmp_path):
    with open(tmp_path / "a.NPY", "wb") as stream:
        np.save(stream, FRAMES[:2])
    with h5py.File(tmp_path / "b.H5", "w") as file:
        file["photons"] = FRAMES[2:5]
    frames = all_of(Files(tmp_path, settling=QUICK))
    assert np.array_equal([frame.image for frame in frames], FRAMES[:5])


def test_what_is_decided_is_not_read_again(tmp_path):
    np.save(tmp_path / "a.npy", FRAMES)
    source = Files(tmp_path / "a.npy")
    source.decided = lambda id: id.train != 37
    (frame,) = all_of(source)
    assert frame.id.train == 37
    assert np.array_equal(frame.image, FRAMES[37])


def test_one_frame_that_holds_no_readings_costs_no_other(tmp_path):
    spoiled = FRAMES.astype(np.float32)
    spoiled[20, 3, 3] = np.nan
    np.save(tmp_path / "a.npy", spoiled)
    found = all_of(Files(tmp_path / "a.npy"))
    assert [frame.id.train for frame in found if frame.problem] == [20]
    assert len(found) == 50


WRITER = """
import sys, time, h5py, numpy as np
path, n, swmr = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "swmr"
file = h5py.File(path, "w", libver="latest")
data = file.create_dataset("data", (0, 8, 6), "u2", maxshape=(None, 8, 6), chunks=(1, 8, 6))
if swmr:
    file.swmr_mode = True
print("ready", flush=True)
for k in range(n):
    data.resize(k + 1, 0)
    data[k] = np.full((8, 6), k)
    data.flush()
    time.sleep(0.004)
print("done", flush=True)
time.sleep(60)
"""


def writer(path, n, mode):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(n), mode], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_file_is_read_while_it_is_written(tmp_path):
    """By another process, which is killed at last; what it wrote is there, and the file opens only like this."""
    path = tmp_path / "run.h5"
    process = writer(path, 200, "swmr")
    try:
        found = all_of(Swmr(path, "data", until_idle=1.0))
    finally:
        process.kill()
        process.wait()
    assert [frame.id.train for frame in found] == list(range(200))
    assert all((frame.image == frame.id.train).all() for frame in found)
    again = all_of(Swmr(path, "data", until_idle=0.1))
    assert len(again) == 200


def test_a_writer_killed_meanwhile_leaves_what_it_wrote(tmp_path):
    path = tmp_path / "run.h5"
    process = writer(path, 100_000, "swmr")
    threading.Timer(0.5, process.kill).start()
    found = all_of(Swmr(path, "data", until_idle=1.0))
    process.wait()
    assert [frame.id.train for frame in found if frame.problem is None][:20] == list(range(20))
    assert all((frame.image == frame.id.train).all() for frame in found if frame.problem is None)
    with pytest.raises(OSError, match="already open for write"):
        h5py.File(path, "r")


def test_a_writer_without_that_mode_is_told(tmp_path):
    process = writer(tmp_path / "run.h5", 10, "plain")
    try:
        with pytest.raises(ValueError, match="swmr_mode"):
            Swmr(tmp_path / "run.h5", "data")
    finally:
        process.kill()
        process.wait()
