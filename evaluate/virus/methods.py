"""Each method on one experiment: trained on labels of a person, asked which test frames are single hits."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.cluster import SpectralClustering
from sklearn.neighbors import NearestNeighbors

from evaluate.virus.config import DetectionConfig, SelectionConfig
from evaluate.virus.em import EMClasses, classify
from evaluate.virus.files import SINGLE
from evaluate.virus.source.seen import Seen, StoredFrames
from frames.files import atomic_path, write_arrays
from frames.provenance import json_digest
from train.batches.drawn import Boxed, labelled
from train.batches.polar_bins import PolarBins, polar_bins
from train.batches.representation import Representation, pictures, resized_boxes
from train.models.detection.boxes import pattern_box
from train.tasks.detect import describe_detector, fit_detector, select
from train.tasks.find_single import best_threshold, fit_finder, load_members, log_odds

SPLITS = ("train", "validation", "test")

CLUSTERED = 5000
"""Frames that spectral clustering is done on at most."""


@dataclass(frozen=True)
class Experiment:
    """Frames of one run with their splits."""

    frames: NDArray | StoredFrames
    """(n, ny, nx) photons, in the order of the table"""
    table: pd.DataFrame
    """a row a frame: `evaluate.virus.files.SPLITS`"""
    mask: NDArray[np.bool_]
    """(ny, nx) True where a pixel counts nothing"""
    centre: tuple[float, float]
    """x, y of the beam [pixels]"""
    seen: Seen | None = None
    """what was made of the frames before, by the settings of the run; None makes it when it is asked for"""

    def __post_init__(self) -> None:
        if len(self.frames) != len(self.table):
            raise ValueError(f"{len(self.frames)} frames, but {len(self.table)} rows of splits; expected one a frame")
        if self.mask.shape != self.frames.shape[1:]:
            raise ValueError(f"the mask is {self.mask.shape}, but frames are {self.frames.shape[1:]}")
        for split in ("train", "validation"):
            n = int(self.single[self.rows(split)].sum())
            if not 0 < n < len(self.rows(split)):
                raise ValueError(
                    f"{n} of {len(self.rows(split))} frames of the {split} split are single hits by the labels; label "
                    "some that are and some that are not"
                )

    @property
    def single(self) -> NDArray[np.bool_]:
        """(n,) as the person says."""
        return np.asarray(self.table["manual"] == SINGLE)

    def rows(self, split: str) -> NDArray[np.int64]:
        """Of the frames of a split."""
        return np.flatnonzero(self.table["split"] == split)

    @property
    def digest(self) -> str:
        """Of frames, labels and the beam's place: a training of others is not gone on with."""
        told = self.table[["frame", "split", "manual"]].to_csv(index=False)
        counted = self.frames[:].sum((1, 2), dtype=np.float64) if self.seen is None else self.seen.photons
        return json_digest([told, counted.tolist(), list(self.centre), int(self.mask.sum())])

    def bins(self, how: SelectionConfig) -> PolarBins:
        """Rings and angles of the frames."""
        shape = (self.frames.shape[1], self.frames.shape[2])
        return polar_bins(shape, self.centre, self.mask, how.n_rings, how.n_angles, how.r_min_pixels)

    def polar(self, how: SelectionConfig, log: bool = False) -> NDArray[np.float32]:
        """(n, rings, angles) photons, or with `log` log(photons + 1), of all frames."""
        made = None if self.seen is None else self.seen.polar_log if log else self.seen.polar
        if made is None:
            return self.bins(how).of(self.frames, log)
        if made.shape != (wanted := (len(self.table), how.n_rings, how.n_angles)):
            raise ValueError(f"rings and angles were made as {made.shape}, expected {wanted}; make them anew")
        return made

    def pictures(self, rows: NDArray[np.int64], how: Representation) -> NDArray[np.uint8]:
        """(rows, size, size) grey, as `train.batches.representation.pictures` draws them."""
        if self.seen is None or how.scale not in self.seen.pictures:
            return pictures(self.frames[rows], self.mask, how)
        made = self.seen.pictures[how.scale]
        if made.shape[1] != how.image_size:
            raise ValueError(f"pictures were made of {made.shape[1]} pixels, expected {how.image_size}; make them anew")
        return made[rows]

    def boxes(self) -> NDArray[np.float32]:
        """(n, 4) [pixels of the frame] of the labelled frames that the person calls single; NaN of others."""
        if self.seen is not None:
            return self.seen.boxes
        boxes = np.full((len(self.table), 4), np.nan, np.float32)
        for row in np.flatnonzero(self.boxed):
            boxes[row] = pattern_box(self.frames[int(row)], self.mask)
        return boxes

    @property
    def boxed(self) -> NDArray[np.bool_]:
        """(n,) labelled frames that the person calls single: nobody's word on a test frame is looked at."""
        return self.single & np.asarray(self.table["split"] != "test")


@dataclass(frozen=True)
class Selected:
    """What a method says of the test frames."""

    frame: NDArray[np.int64]
    """(n,) ids"""
    chosen: NDArray[np.bool_]
    score: NDArray[np.float32]
    """(n,) higher is likelier a single hit; NaN where the method has none"""
    box: NDArray[np.float32]
    """(n, 4) [pixels of the frame]; NaN where the method has none"""

    def write(self, path: Path) -> None:
        """As .npz."""
        write_arrays(path, {"frame": self.frame, "chosen": self.chosen, "score": self.score, "box": self.box})


def yolo(run: Experiment, method: str, how: DetectionConfig, seed: int, folder: Path) -> Selected:
    """One row of the slides: trained, and the intersection of its last five checkpoints selected."""
    seen = how.representation(method)
    shape = (run.frames.shape[1], run.frames.shape[2])
    boxes = resized_boxes(run.boxes(), shape, seen)
    train, validation = (
        labelled(run.pictures(rows, seen), run.single[rows], boxes[rows])
        for rows in (run.rows("train"), run.rows("validation"))
    )
    architecture = method.split("_")[0]
    description = describe_detector(architecture, seen, how.width, how.recipe, seed, "virus", run.digest)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    fit_detector(description, train, validation, device, folder)
    rows = run.rows("test")
    scores, chosen, found = select(folder, run.pictures(rows, seen), device, validation)
    back = np.array([shape[1], shape[0]] * 2, np.float32) / seen.image_size
    return _selected(run, chosen, np.nanmin(scores, axis=0), found * back)


def em(run: Experiment, how: SelectionConfig, seed: int) -> tuple[Selected, EMClasses, NDArray[np.int64]]:
    """Classes of all frames; those chosen by the labels of training and validation, or by hand; from 0.

    The rule: classes by their share of frames that the person called single (one of each added), best first, and of
    all such lists the one of the highest F1 on the labelled frames. A class without a labelled frame is not chosen.
    """
    found = classify(run.polar(how, how.em.log), run.bins(how).live, how.em, seed)
    known = np.concatenate([run.rows("train"), run.rows("validation")])
    if how.em_classes is None:
        good = chosen_classes(found.classes[known], run.single[known], how.em.n_classes)
    else:
        good = classes_by_hand(Path(how.em_classes), how.em.n_classes)
    share = np.array(
        [
            (run.single[known][found.classes[known] == k].sum() + 1) / ((found.classes[known] == k).sum() + 2)
            for k in range(how.em.n_classes)
        ]
    )
    rows = run.rows("test")
    classes = found.classes[rows]
    return _selected(run, np.isin(classes, good), share[classes]), found, good


def chosen_classes(classes: NDArray, single: NDArray[np.bool_], n_classes: int) -> NDArray[np.int64]:
    """The classes of the rule that `em` states, of labelled frames (n,) in classes (n,)."""
    size = np.bincount(classes, minlength=n_classes)
    positive = np.bincount(classes[single], minlength=n_classes)
    order = np.argsort(-(positive + 1) / (size + 2), kind="stable")
    order = order[size[order] > 0]
    shared, taken = np.cumsum(positive[order]), np.cumsum(size[order])
    f1 = 2 * shared / (taken + single.sum())
    return np.sort(order[: int(f1.argmax()) + 1])


def classes_by_hand(path: Path, n_classes: int) -> NDArray[np.int64]:
    """Classes, from 0, of a CSV that counts from 1. ValueError names what is not a class."""
    table = pd.read_csv(path)
    if "class" not in table:
        raise ValueError(f"{path} has columns {', '.join(table)}, expected one called class")
    classes = table["class"].to_numpy()
    if len(classes) == 0 or not all(float(one).is_integer() and 1 <= one <= n_classes for one in classes):
        raise ValueError(f"{path}: classes are {list(classes)}, expected whole numbers from 1 to {n_classes}")
    return np.unique(classes.astype(np.int64) - 1)


def write_em_class(path: Path, classes: NDArray, chosen: NDArray[np.bool_]) -> None:
    """`em_class/classes` (from 1) and `em_class/select` of all frames, as spi-em-class writes them."""
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        file["em_class/classes"] = classes + 1
        file["em_class/select"] = chosen


def spectral(run: Experiment, how: SelectionConfig, seed: int, n_clusters: int = 44) -> Selected:
    """Spectral clusters of all frames (Yoon 2011), named by the labels as the EM's classes are.

    What it costs grows faster than frames: of more than CLUSTERED the labelled ones and some others are clustered, and
    what is left belongs to the cluster of the nearest of these.
    """
    photons = run.polar(how)
    roots = np.sqrt(np.abs(np.fft.rfft(photons, axis=2))[:, :, :13]).reshape(len(photons), -1)
    roots = (roots - roots.mean(1, keepdims=True)) / np.maximum(roots.std(1, keepdims=True), 1e-9)
    known, rows = np.concatenate([run.rows("train"), run.rows("validation")]), run.rows("test")
    others = np.random.default_rng(seed).permutation(rows)[: max(0, CLUSTERED - len(known))]
    some = np.sort(np.concatenate([known, others]))
    n = min(n_clusters, len(some) // 4)
    model = SpectralClustering(n, affinity="nearest_neighbors", n_neighbors=min(10, len(some)), random_state=seed)
    clusters = np.empty(len(roots), int)
    clusters[some] = model.fit_predict(roots[some])
    if len(left := np.setdiff1d(np.arange(len(roots)), some)):
        nearest = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(roots[some])
        clusters[left] = clusters[some][nearest.kneighbors(roots[left], return_distance=False)[:, 0]]
    good = chosen_classes(clusters[known], run.single[known], n)
    share = np.array(
        [(run.single[known][clusters[known] == k].sum() + 1) / ((clusters[known] == k).sum() + 2) for k in range(n)]
    )
    return _selected(run, np.isin(clusters[rows], good), share[clusters[rows]])


def ours(run: Experiment, how: SelectionConfig, seed: int, folder: Path, rehearsed: Boxed | None = None) -> Selected:
    """The ensemble of polar networks; its threshold is that of the highest F1 on the validation frames.

    rehearsed : simulated frames to learn from as well, on the same rings and angles.
    """
    bins, photons = run.bins(how), run.polar(how)
    train, validation = (labelled(photons[rows], run.single[rows]) for rows in map(run.rows, SPLITS[:2]))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    fit_finder(train, validation, bins.live, how.finder, seed, device, folder, "virus", rehearsed, run.digest)
    models = load_members(folder, how.n_rings, device)
    threshold = best_threshold(log_odds(models, np.asarray(validation.images), bins.live), validation.single == 1)
    score = log_odds(models, photons[run.rows("test")], bins.live)
    return _selected(run, score >= threshold, score)


def _selected(run: Experiment, chosen: NDArray, score: NDArray, box: NDArray | None = None) -> Selected:
    frame = run.table["frame"].to_numpy()[run.rows("test")]
    no_box = np.full((len(frame), 4), np.nan, np.float32)
    return Selected(frame, np.asarray(chosen, bool), score.astype("f4"), no_box if box is None else box.astype("f4"))
