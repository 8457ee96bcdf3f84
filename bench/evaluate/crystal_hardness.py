"""How hard a config's crystal frames are, told by shots of another seed: none of them is in a table.

Two numbers of real frames are to be met: how often a peak finder, its threshold on counts chosen on validation, agrees
with the labels (as often as DIALS does with the experts: .97, .86, .91 ± .03), and the recall in LO19 of a 2-D network
that learned on LN83 alone (.70 ± .10, arXiv 2309.04474). Detectors have no hot pixels here: these are masked in a run.

    python -m bench.evaluate.crystal_hardness --config config/sfx-medium.yaml --systems cnn_seed
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from evaluate.sfx.config import load_config
from evaluate.sfx.measures import best_threshold, measures
from evaluate.sfx.prepared import data_of, prepare
from frames.files import read_arrays, write_arrays
from frames.pixels.peaks.finder import Mask, find_peaks
from frames.provenance import json_digest
from simulate.sfx import plan
from simulate.sfx.config import CrystalDatasetConfig
from simulate.sfx.crystal import crystal
from simulate.sfx.detector import detector
from simulate.sfx.frame import make
from train.config.hits import LearningConfig
from train.tasks.find_hits import fit_hits, hit_probability, predict_logits

CPU = torch.device("cpu")

OTHER_SEED = 7000
"""Added to a dataset's seed."""

HALVES = 20
"""Draws of the halves of which one chooses the finder's threshold."""


def fewer(config: CrystalDatasetConfig, n: int) -> CrystalDatasetConfig:
    """The dataset with n frames, classes in their shares, of another seed, its detector without hot pixels."""
    own = config.frames
    hit, maybe = (round(n * part / own.total) for part in (own.hit, own.maybe))
    frames = own.model_copy(update={"hit": hit, "maybe": maybe, "miss": n - hit - maybe})
    camera = config.detector.model_copy(update={"hot_fraction": 0.0})
    return config.model_copy(update={"seed": config.seed + OTHER_SEED, "frames": frames, "detector": camera})


def made(
    config: CrystalDatasetConfig, n: int, learning: LearningConfig, n_searched: int, name: str, work: Path
) -> dict[str, NDArray]:
    """Arrays of `evaluate.sfx.prepared.prepare` for n shots, `n_peaks` of the first `n_searched`; kept in `work`."""
    own = fewer(config, n)
    ways = sorted({system.preprocessing or "" for system in learning.systems.values()})
    about = [own.model_dump(mode="json"), n_searched, ways, str(learning.preprocessing)]
    path = work / f"{name}-{json_digest(about)[:12]}.npz"
    if path.exists():
        return read_arrays(path)
    camera, cells, table = (
        detector(own),
        crystal(own.crystal, own.crystal.resolution_A),
        plan.draw(own.frames, own.seed),
    )
    table = table.sample(frac=1, random_state=0).assign(frame=np.arange(n))  # those tested are as all are
    mask, peaks = Mask.of(camera.live), []

    def blocks():
        for row in table.itertuples():
            adu = make(own, cells, camera, int(row.seed), int(row.n_spots), blank=bool(row.blank)).adu
            if row.frame < n_searched:
                peaks.append(len(find_peaks(adu, mask)))
            yield slice(row.frame, row.frame + 1), adu[None]

    arrays = prepare(blocks(), n, table["n_spots"].to_numpy(np.int64), learning, name, camera.live)
    arrays["n_peaks"] = np.array(peaks)
    work.mkdir(parents=True, exist_ok=True)
    write_arrays(path, arrays)
    return arrays


def agreement(label: NDArray, n_peaks: NDArray) -> tuple[float, float]:
    """Mean and deviation, over draws of halves, of how often the finder is right; one half chooses its threshold."""
    truth, right = label[: len(n_peaks)] > 0, []
    for draw in range(HALVES):
        first = np.random.default_rng(draw).permutation(len(truth)) < len(truth) // 2
        least = best_threshold(truth[first], n_peaks[first])
        right.append(float(((n_peaks >= least) == truth)[~first].mean()))
    return float(np.mean(right)), float(np.std(right))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, default=Path("config/sfx-medium.yaml"))
    parser.add_argument("--systems", nargs="*", default=["cnn_seed"], help="supervised ones, trained on --source")
    parser.add_argument("--source", default="ln83")
    parser.add_argument("--targets", nargs="+", default=["ln84", "lo19"])
    parser.add_argument(
        "--frames", type=int, default=400, help="of each dataset, that are tested and searched for peaks"
    )
    parser.add_argument("--seeds", type=int, default=2, help="trainings")
    parser.add_argument("--work", type=Path, default=Path("results/sfx-hardness"))
    given = parser.parse_args()
    run = load_config(yaml.safe_load(given.config.read_text()))
    learning = run.sfx.learned
    learning = learning.model_copy(update={"systems": {name: learning.systems[name] for name in given.systems}})
    sizes = next(iter(learning.labels.values()))
    n_learned = sizes.train + sizes.validation
    arrays = {}
    for name in (given.source, *given.targets):
        n = given.frames + (n_learned if name == given.source else 0)
        arrays[name] = made(run.sfx.datasets[name], n, learning, given.frames, name, given.work)
        mean, deviation = agreement(arrays[name]["label"], arrays[name]["n_peaks"])
        told = {
            "bench": "crystal_hardness",
            "dataset": name,
            "finder_right": round(mean, 3),
            "of_draws": round(deviation, 3),
        }
        print(json.dumps(told), flush=True)
    for name, system in learning.systems.items():
        data = {key: data_of(one, system, key) for key, one in arrays.items()}
        own = np.arange(given.frames, given.frames + n_learned)  # the first were searched for peaks, and are tested
        for seed in range(given.seeds):
            own = np.random.default_rng(seed).permutation(own)
            train, validation = (data[given.source].take(rows) for rows in (own[: sizes.train], own[sizes.train :]))
            folder = given.work / "models" / f"{name}-{seed}"
            trained = fit_hits(
                system.network, train, validation, system.recipe, seed, CPU, folder, {}, measure_threads=False
            )
            for key, one in data.items():
                test = one.take(np.arange(given.frames))
                p = hit_probability(predict_logits(trained.model, test.inputs, system.recipe, CPU))
                numbers = measures(test.label > 0, p.numpy() > 0.5)._asdict()
                told = {"bench": "crystal_hardness", "system": name, "seed": seed, "tested_on": key}
                print(json.dumps(told | {what: round(float(x), 3) for what, x in numbers.items()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
