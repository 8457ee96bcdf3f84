"""All tables of a run that finds hits, and what its page shows of frames, features and mistakes."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from evaluate.run.files import RunFiles
from evaluate.sfx import embedding, tables
from evaluate.sfx.config import SfxRun
from evaluate.sfx.experiments import Case, cases, final_model, model_folder
from evaluate.sfx.outputs import features_file, models_folder, predictions_file, prepared_file
from evaluate.sfx.prepared import data_of, read_prepared
from frames.files import atomic_path, read_table, write_arrays
from frames.store.dataset import Dataset, open_dataset
from frames.store.spots import counted, peaks_file, read_peaks, read_spots, spots_file
from train.batches.contrast import contrasted
from train.config.hits import LearningConfig
from train.tasks.find_hits import load_hits, predict_logits

CPU = torch.device("cpu")
MAPPED = 300
"""Frames of source, and of target, on the map."""

TIMED_S = 0.3
"""Seconds that a network is timed for."""

SHOWN = 3
"""Frames of each class, and mistakes of each kind."""

SPOTS_SHOWN = 250


def write_tables(run: SfxRun, files: RunFiles) -> None:
    """Write every table, and the arrays that the page shows. FileNotFoundError where the run is not that far."""
    learning, names = run.sfx.learned, list(run.sfx.datasets)
    parts = [
        read_table(predictions_file(files, name, system)).to_pandas() for system in learning.systems for name in names
    ]
    predictions = pd.concat(parts, ignore_index=True)
    prepared = {name: read_prepared(prepared_file(files, name)) for name in names}
    counts = {
        name: counted(read_peaks(peaks_file(files.dataset(name))), len(prepared[name]["label"])) for name in names
    }
    everything = pd.concat([predictions, tables.by_peaks(counts, predictions)], ignore_index=True)
    frames = {name: _about(files, name, prepared[name]) for name in names}
    maps, overlaps = _maps(learning, files, names, prepared)
    made = {
        "sfx": tables.tidy(everything, learning),
        "sfx_calibration": tables.calibration(predictions),
        "sfx_failures": tables.failures(everything, frames),
        "sfx_speed": _speed(learning, files, names, prepared),
        "sfx_overlap": overlaps,
        "sfx_training": _histories(learning, files, names),
    }
    for name, table in made.items():
        with atomic_path(files.table(name)) as temporary:
            table.to_csv(temporary, index=False)
    shown = maps | _frames_shown(learning, files, names, prepared, everything)
    for name, arrays in prepared.items():
        shown |= {f"hot_{name}": arrays["hot"], f"looked_at_{name}": np.array(arrays["n_looked_at"])}
    write_arrays(features_file(files), shown, compress=True)


def _about(files: RunFiles, name: str, arrays: Mapping[str, Any]) -> pd.DataFrame:
    """A row for each frame: visible spots, the median of their signal-to-noise ratios, background."""
    table = pd.DataFrame({"n_spots": arrays["n_spots"].astype(float), "background": arrays["background"]})
    table.loc[table["n_spots"] < 0, "n_spots"] = np.nan  # experts told the class alone
    table["snr"] = np.nan
    if (path := spots_file(files.dataset(name))).exists():  # deposited frames have no true spots
        spots = read_spots(path)
        table["snr"] = spots[spots["visible"]].groupby("frame")["snr"].median().reindex(table.index)
    return table


def _first(learning: LearningConfig, name: str, source: str, names: list[str]) -> Case:
    return next(cases(learning, name, source, names))


def _maps(
    learning: LearningConfig, files: RunFiles, names: list[str], prepared: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, NDArray], pd.DataFrame]:
    """Of the first adversarial system and the supervised one like it: maps of a pair, overlaps of all pairs."""
    name = next((name for name, one in learning.systems.items() if one.method == "adversarial"), None)
    columns = ["system", "trained_on", "tested_on", "overlap"]
    if name is None:
        return {}, pd.DataFrame(columns=columns)
    system = learning.systems[name]
    alike = [
        other
        for other, one in learning.systems.items()
        if (one.method, one.network, one.preprocessing) == ("supervised", system.network, system.preprocessing)
    ]
    maps: dict[str, NDArray] = {}
    rows = []
    generator = np.random.default_rng(0)
    chosen = {key: np.sort(generator.permutation(len(one["label"]))[:MAPPED]) for key, one in prepared.items()}
    for source in names:
        for target in [one for one in names if one != source]:
            for learned in (*alike[:1], name):
                first = _first(learning, learned, source, names)
                case = first._replace(target=target if learned == name else "")
                folder = model_folder(models_folder(files), source, learned, case)
                trained = load_hits(final_model(folder, learning.systems[learned]), CPU)
                both = [data_of(prepared[key], system, key).take(chosen[key]) for key in (source, target)]
                points = [embedding.features(trained, data.inputs, CPU) for data in both]
                scale = np.concatenate(points).std(0) + 1e-6
                mixed = embedding.overlap(points[0] / scale, points[1] / scale)
                rows.append(dict(zip(columns, (learned, source, target, mixed), strict=True)))
                if len(maps) < 6:  # of the first pair
                    key = "adversarial" if learned == name else "source_only"
                    maps[f"map_{key}"] = embedding.mapped(np.concatenate(points))
                    maps[f"map_{key}_target"] = np.repeat([False, True], [len(one) for one in points])
                    maps[f"map_{key}_label"] = np.concatenate([one.label for one in both])
    return maps, pd.DataFrame(rows, columns=columns)


def _speed(
    learning: LearningConfig, files: RunFiles, names: list[str], prepared: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Of each system, milliseconds a frame on one thread: reading, pre-processing and the network."""
    rows, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)
    arrays = prepared[names[0]]
    for name, system in learning.systems.items():
        folder = model_folder(models_folder(files), names[0], name, _first(learning, name, names[0], names))
        trained = load_hits(final_model(folder, system), CPU)
        inputs = data_of(arrays, system, names[0]).inputs[:64]
        predict_logits(trained.model, inputs, system.recipe, CPU)
        started, n = time.perf_counter(), 0
        while time.perf_counter() - started < TIMED_S:
            predict_logits(trained.model, inputs, system.recipe, CPU)
            n += len(inputs)
        network = (time.perf_counter() - started) / n
        reading = arrays["seconds_reading"]
        before = arrays[f"seconds_{system.preprocessing or 'candidates'}"]
        rows.append(
            {
                "system": name,
                "reading_ms": 1e3 * reading,
                "preprocessing_ms": 1e3 * before,
                "network_ms": 1e3 * network,
                "network_per_s": 1 / network,
                "end_to_end_per_s": 1 / (reading + before + network),
                "parameters": sum(weights.numel() for weights in trained.model.parameters()),
            }
        )
    torch.set_num_threads(threads)
    return pd.DataFrame(rows)


def _histories(learning: LearningConfig, files: RunFiles, names: list[str]) -> pd.DataFrame:
    """Every epoch of the adversarial trainings."""
    parts = []
    for name, system in learning.systems.items():
        if system.method == "adversarial":
            for source in names:
                for case in cases(learning, name, source, names):
                    history = model_folder(models_folder(files), source, name, case) / "history.csv"
                    about = {"system": name, "trained_on": source, "tested_on": case.target, "seed": case.seed}
                    parts.append(pd.read_csv(history).assign(**about))
    columns = ["system", "trained_on", "tested_on", "seed", "epoch"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _frames_shown(
    learning: LearningConfig,
    files: RunFiles,
    names: list[str],
    prepared: Mapping[str, Mapping[str, Any]],
    predictions: pd.DataFrame,
) -> dict[str, NDArray]:
    """Frames of each class with spots; one hit by every pre-processing; what the best system gets most wrong."""
    arrays: dict[str, NDArray] = {}
    for name in names:
        dataset, label = open_dataset(files.dataset(name)), prepared[name]["label"]
        # Of each class one in the middle of its numbers of spots.
        for code, kind in enumerate(("miss", "maybe", "hit")):
            rows = np.flatnonzero(label == code)
            if not len(rows):
                continue
            row = rows[np.argsort(prepared[name]["n_spots"][rows], kind="stable")[len(rows) // 2]]
            _keep(arrays, f"class_{name}_{kind}", dataset, files, name, int(row))
    first = names[0]
    hits = np.flatnonzero(prepared[first]["label"] == 2)
    if len(hits):
        dataset = open_dataset(files.dataset(first))
        frame, live = dataset.read(slice(int(hits[0]), int(hits[0]) + 1))[0], ~dataset.mask
        live[tuple(prepared[first]["hot"].T)] = False
        for how, contrast in learning.preprocessing.items():
            made = contrasted(frame, contrast, live)
            arrays[f"contrast_{how}"], arrays[f"rows_{how}"] = made.image, made.rows
    test = predictions[(predictions["split"] == "test") & (predictions["trained_on"] == predictions["tested_on"])]
    ours = [name for name, one in learning.systems.items() if one.network == "spots"] or list(learning.systems)
    for name in names:
        one = test[(test["tested_on"] == name) & (test["system"] == ours[0])].drop_duplicates("row")
        wrong = (one["p_hit"] - (one["label"] > 0)).to_numpy()
        for kind, order in (("missed", np.argsort(wrong)), ("false", np.argsort(-wrong))):
            row = one.iloc[order[0]] if len(order) else None
            if row is not None and abs(wrong[order[0]]) > 0.5:
                _keep(arrays, f"mistake_{name}_{kind}", open_dataset(files.dataset(name)), files, name, int(row["row"]))
                arrays[f"mistake_{name}_{kind}_p"] = np.array([row["p_hit"], prepared[name]["n_spots"][row["row"]]])
    return arrays


def _keep(arrays: dict[str, NDArray], key: str, dataset: Dataset, files: RunFiles, name: str, row: int) -> None:
    """A frame, its row, and x and y of its visible spots, brightest first."""
    arrays[key] = dataset.read(slice(row, row + 1))[0].astype(np.float32)
    arrays[f"{key}_row"] = np.array([row])
    spots = np.empty((0, 2), np.float32)
    if (path := spots_file(files.dataset(name))).exists():
        table = read_spots(path)
        mine = table[(table["frame"] == row) & table["visible"]].head(SPOTS_SHOWN)
        spots = mine[["x", "y"]].to_numpy(np.float32)
    arrays[f"{key}_spots"] = spots
