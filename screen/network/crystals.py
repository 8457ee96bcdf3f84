"""Networks that find hits of crystals, asked about frames: each frame is prepared as its training's were."""

import logging
import threading
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from frames.files import sha256
from frames.pixels.hot import HotSearch
from frames.pixels.peaks.finder import Mask
from screen.network.network import Network
from train.batches.candidates import candidates_of
from train.batches.contrast import ALL_LIVE, VECTORS, Contrast, contrasted, halved
from train.tasks.find_hits import TrainedHits, hit_probability, load_hits, predict_logits

logger = logging.getLogger(__name__)


def binned(image: NDArray, live: NDArray[np.bool_] | None, how: Contrast) -> tuple[NDArray, NDArray[np.bool_] | None]:
    """A frame (ny, nx) and its live pixels, binned 2 x 2 where the square that a network sees still fits.

    Once, and no more: of a spot as small as a pixel a second time leaves half of its deviations.
    """
    if min(image.shape) // 2 < how.needed:
        return image, live
    image, alive = halved(image, ALL_LIVE if live is None else live)
    return image, None if live is None else alive


def contrast_of(trained: TrainedHits) -> Contrast | None:
    """How frames are prepared for a network; None of one that counts spots."""
    about = {key: value for key, value in trained.description.preprocessing.items() if key != "vectors"}
    return Contrast(**about) if about else None


def network_input_of(
    trained: TrainedHits,
    image: NDArray,
    live: NDArray[np.bool_] | None,
    source: str,
    photon_adu: float | None = None,
) -> NDArray:
    """What the network takes of a frame (ny, nx): as its training's were prepared. ValueError as preparing says."""
    if (how := contrast_of(trained)) is None:
        return candidates_of(image, None if live is None else Mask.of(live), photon_adu).features
    takes_image = trained.description.image_shape[0] > 0
    image, live = binned(image, live, how)
    made = contrasted(image, how, live, image=takes_image, source=source)
    if takes_image:
        return made.image
    return np.stack((made.rows, made.columns))[VECTORS[trained.description.preprocessing["vectors"]]]


def must_take(trained: TrainedHits, shape: tuple[int, ...], source: str) -> None:
    """ValueError where frames (ny, nx) are too small for what it sees of them."""
    if (how := contrast_of(trained)) is not None:
        how.must_fit(shape, source)


def hit_network(path: Path, shape: tuple[int, int] | None) -> Network:
    """A model.pt that finds hits, for frames of a size; p is of a hit or maybe, NaN of a frame that shows nothing.

    Pixels that are hot in the first frames are masked from then on; in these they are not.

    ValueError where no size is given, as it takes frames of any, or where it is too small.
    """
    cpu = torch.device("cpu")
    trained = load_hits(path, cpu)
    if shape is None:
        raise ValueError(f"{path} finds hits in frames of any size: say of which these are, --frame-shape NY NX")
    must_take(trained, shape, "the stream")

    search, lock = HotSearch(shape), threading.Lock()
    live: NDArray[np.bool_] | None = None

    def look(image: NDArray[np.float32]) -> None:
        nonlocal live
        with lock:  # several threads may ask at once
            if not search.ended:
                search.add(image)
                if search.ended:
                    found = search.found()
                    live = ~found.bad
                    logger.info("%s", found.said)

    def predict(images: NDArray[np.float32]) -> NDArray[np.float64]:
        inputs, shows = [], np.zeros(len(images), bool)
        for number, image in enumerate(images):
            look(image)
            try:
                inputs.append(network_input_of(trained, image, live, "a frame"))
                shows[number] = True
            except ValueError:  # blank, saturated: no answer, and so it is kept
                continue
        p = np.full(len(images), np.nan)
        if inputs:
            logits = predict_logits(trained.model, np.stack(inputs), trained.description.recipe, cpu)
            p[shows] = hit_probability(logits).numpy()
        return p

    return Network(trained.description.model, shape, predict, None, sha256(path))
