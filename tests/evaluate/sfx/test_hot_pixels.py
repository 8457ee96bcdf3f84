"""Hot pixels of a dataset: masked where its frames are prepared, found alike where they are read as a user's file."""

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evaluate.sfx.peaks import peaks_of_dataset
from evaluate.sfx.prepared import live_pixels, prepare, prepare_dataset
from frames.files import read_arrays
from frames.formats.open import open_frames
from frames.pixels.hot import hot_in, hot_pixels
from frames.pixels.peaks.config import PeakConfig
from frames.store.config import StorageConfig
from frames.store.dataset import open_dataset
from frames.store.spots import read_peaks
from screen.network.crystals import network_input_of
from screen.peaks import peaks_of
from simulate.config import LocalClusterConfig
from simulate.sfx.crystal import crystal
from simulate.sfx.detector import detector
from simulate.sfx.frame import make
from simulate.stages.crystal_dataset import complete_dataset, make_layout, make_plan, make_shards
from support.made.crystals import config
from train.config.hits import LearningConfig

LEARNING = LearningConfig.model_validate(
    {
        "preprocessing": {
            "wide": {"pixels": 200, "local_contrast": "wide", "maxima": True},
            "seed": {"pixels": 200, "local_contrast": "divisive"},
        },
        "systems": {
            "cnn": {"network": "cnn", "preprocessing": "wide", "labels": ["few"]},
            "rows": {"network": "rows", "preprocessing": "seed", "labels": ["few"]},
            "ours": {"network": "spots", "labels": ["few"]},
        },
    }
)


def test_a_detector_with_hot_pixels_gives_what_one_without_gives() -> None:
    """All of its hot pixels are found and nothing else is; prepared, its frames are those of a detector without."""
    own = {share: config(detector={"hot_fraction": share, "n_pixels": 300, "seed": 3}) for share in (1e-4, 0.0)}
    camera, cells = detector(own[1e-4]), crystal(own[0.0].crystal, own[0.0].crystal.resolution_A)
    shots = [(seed, (0, 3, 30)[seed % 3]) for seed in range(10)]
    sound = np.stack([make(own[0.0], cells, detector(own[0.0]), *shot).adu for shot in shots])
    is_hot = (camera.hot > 0) & camera.live
    assert is_hot.sum() >= 5
    frames = np.where(is_hot, make(own[1e-4], cells, camera, 0, 0).adu, sound)
    blank = [make(one, cells, detector(one), 1, 0, blank=True).adu for one in own.values()]
    np.testing.assert_array_equal(blank[0] != blank[1], is_hot)  # the simulator changes these pixels alone
    np.testing.assert_array_equal(hot_of(frames, camera.live), is_hot)
    assert not hot_of(sound, camera.live).any()
    live = camera.live & ~is_hot
    n = len(frames)
    with_hot, without = (
        prepare([(slice(0, n), some)], n, np.arange(n), LEARNING, "shots", live) for some in (frames, sound)
    )
    for name, values in with_hot.items():
        if not name.startswith(("seconds", "background")):
            np.testing.assert_array_equal(values, without[name], err_msg=name)
    # Even with these pixels live, as many stand out of the frames of the sound detector.
    whole = prepare([(slice(0, n), sound)], n, np.arange(n), LEARNING, "shots", camera.live)
    bright, as_bright = ((one["wide_image"] > 6).sum((1, 2)) for one in (with_hot, whole))
    assert np.abs(bright.astype(int) - as_bright).max() <= 2
    hidden = prepare([(slice(0, n), frames)], n, np.arange(n), LEARNING, "shots", camera.live)
    assert np.median((hidden["wide_image"] > 6).sum((1, 2)) - as_bright) >= 5  # what is wrong where they are live


def hot_of(frames: NDArray, live: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return hot_pixels(((frame, live) for frame in frames), frames.shape[1:]).bad


def test_a_dataset_and_a_file_are_prepared_alike(tmp_path: Path) -> None:
    """What is masked is recorded, and masked where the same frames come as a file: the numbers are the same."""
    own, folder = config(detector={"hot_fraction": 1e-4, "n_pixels": 300, "seed": 3}), tmp_path / "shots"
    make_plan(own, tmp_path / "plan.parquet")
    make_layout(own, StorageConfig(patterns_per_chunk=1, patterns_per_shard=12), tmp_path / "plan.parquet", folder)
    make_shards(own, LocalClusterConfig(), tmp_path / "plan.parquet", folder, [0], 1, tmp_path / "job.json")
    complete_dataset(own, folder)
    dataset, file = open_dataset(folder), open_frames(folder)
    prepare_dataset(dataset, LEARNING, tmp_path / "shots.npz")
    arrays = read_arrays(tmp_path / "shots.npz")
    hot = hot_in(file)
    camera = detector(own)
    np.testing.assert_array_equal(hot.bad, (camera.hot > 0) & camera.live)
    np.testing.assert_array_equal(arrays["hot"], hot.places)
    assert arrays["n_looked_at"] == hot.n_frames == len(dataset)
    np.testing.assert_array_equal(live_pixels(dataset)[0], camera.live & ~hot.bad)
    peaks_of_dataset(folder, PeakConfig(), tmp_path / "peaks.parquet")
    # from here on as `singlehit hits` goes on
    pd.testing.assert_frame_equal(
        read_peaks(tmp_path / "peaks.parquet"), peaks_of(file, None, hot.bad), check_dtype=False
    )
    how = LEARNING.preprocessing["wide"]
    about = SimpleNamespace(preprocessing=asdict(how) | {"vectors": "rows"}, image_shape=(how.edge, how.edge))
    network: Any = SimpleNamespace(description=about)
    for _, images in file.blocks():
        for row, image in enumerate(images):
            made = network_input_of(network, image, live_pixels(dataset)[0], "a frame")
            np.testing.assert_array_equal(made.astype(np.float16), arrays["wide_image"][row])
