"""Runs as extra_data's own mock files have them, filled: each frame comes with its train, pulse and pixels."""

import itertools

import h5py
import numpy as np
import pytest

from screen.sources.european_xfel import EuropeanXfel
from screen.stream.frame import NO_PULSE

extra_data = pytest.importorskip("extra_data")
from extra_data.tests.mockdata import write_file  # noqa: E402
from extra_data.tests.mockdata.detectors import AGIPDModule  # noqa: E402

N_TRAINS, N_FRAMES = 3, 2


@pytest.fixture
def run(tmp_path):
    """16 modules, whose values say which module, train and pulse they are of; of raw data, the second plane is gain."""
    folder = tmp_path / "r0042"
    folder.mkdir()
    for module in range(16):
        path = folder / f"RAW-R0042-AGIPD{module:02}-S00000.h5"
        source = f"SPB_DET_AGIPD1M-1/DET/{module}CH0"
        write_file(str(path), [AGIPDModule(source, frames_per_train=N_FRAMES)], N_TRAINS, format_version="1.0")
        with h5py.File(path, "r+") as file:
            data = file[f"INSTRUMENT/{source}:xtdf/image/data"]
            values = np.full(data.shape, 9999, data.dtype)
            values[:, 0] = 100 * module + np.arange(len(values))[:, None, None]
            values[:, 0, 1, 2] = 7
            data[:] = values
    return folder


def test_every_frame_is_there_as_it_was_stored(run):
    source = EuropeanXfel(run)
    trains = list(source)
    assert source.name == "SPB_DET_AGIPD1M-1"
    assert [len(train) for train in trains] == [N_FRAMES] * N_TRAINS
    for n, train in enumerate(trains):
        for k, frame in enumerate(train):
            assert (frame.id.run, frame.id.train, frame.id.pulse) == ("r0042", 10000 + n, k)
            assert frame.problem is None
            assert frame.image.shape == (16, 512, 128)
            expected = np.broadcast_to(100 * np.arange(16)[:, None, None] + n * N_FRAMES + k, (16, 512, 128)).copy()
            expected[:, 1, 2] = 7
            assert np.array_equal(frame.image, expected)


@pytest.fixture(params=[("DET", "xtdf"), ("CORR", "output")])
def corrected(request, tmp_path):
    """Four modules of one plane; before 2026 their names were those of raw data."""
    kind, channel = request.param
    folder = tmp_path / "r0043"
    folder.mkdir()
    for module in range(4):
        path = folder / f"CORR-R0043-AGIPD{module:02}-S00000.h5"
        source = f"SPB_DET_AGIPD1M-1/{kind}/{module}CH0"
        modules = [AGIPDModule(source, raw=False, frames_per_train=N_FRAMES, channel_name=channel)]
        write_file(str(path), modules, N_TRAINS, format_version="1.0")
    return folder


def test_corrected_data_are_found_by_either_name(corrected):
    """Twelve modules that the mock has not are missing; of four all frames would be there."""
    trains = list(EuropeanXfel(corrected))
    assert [len(train) for train in trains] == [N_FRAMES] * N_TRAINS
    assert {frame.problem for train in trains for frame in train} == {
        f"missing: module {', '.join(map(str, range(4, 16)))}"
    }


def test_raw_data_are_not_taken_for_corrected_ones(run):
    with pytest.raises(ValueError, match="SPB_DET_AGIPD1M-1 has no corrected data in this run"):
        EuropeanXfel(run, raw=False)


def test_a_module_that_is_not_there_is_named(run):
    next(iter(run.glob("*AGIPD05*"))).unlink()
    frames = list(itertools.chain(*EuropeanXfel(run)))
    assert len(frames) == N_TRAINS * N_FRAMES
    assert {frame.problem for frame in frames} == {"missing: module 5"}


def test_a_train_without_frames_is_missing(run):
    for module in range(16):
        with h5py.File(run / f"RAW-R0042-AGIPD{module:02}-S00000.h5", "r+") as file:
            file[f"INDEX/SPB_DET_AGIPD1M-1/DET/{module}CH0:xtdf/image/count"][1] = 0
    trains = list(EuropeanXfel(run))
    assert [len(train) for train in trains] == [N_FRAMES, 1, N_FRAMES]
    assert trains[1][0].problem == "missing: train without frames"
    assert trains[1][0].id.pulse == NO_PULSE


def test_what_is_decided_is_not_read_again(run):
    source = EuropeanXfel(run)
    source.decided = lambda id: id.pulse >= 0 and (id.train, id.pulse) != (10002, 1)
    (frame,) = itertools.chain(*source)
    assert frame.image[2, 0, 0] == 205


def test_a_detector_that_is_not_there_is_told(run):
    with pytest.raises(ValueError, match=r"has the detectors SPB_DET_AGIPD1M-1"):
        EuropeanXfel(run, detector="MID_DET_AGIPD1M-1")
