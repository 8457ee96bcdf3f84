"""Photons of a detector's pixels summed into the pixels of an image, in compiled loops."""

import numpy as np
from numba import njit, prange

f32 = np.float32

AT_ONCE = 4096
"""Pixels that become photons together, before they are summed: a loop of its own, which the compiler vectorises."""


@njit(parallel=True, error_model="numpy", cache=True)
def add_up(frames, bad, starts, stops, targets, images):
    """Sums, in float64, of frames (n, p) into images (n, q), by runs of pixels starts to stops (r,) of one target.

    bad : (n, p), or None.
    """
    for i in prange(frames.shape[0]):
        frame = frames[i]
        image = np.zeros(images.shape[1])
        for run in range(starts.shape[0]):
            total = 0.0
            for j in range(starts[run], stops[run]):
                if bad is not None and bad[i, j]:
                    continue
                total += np.float64(frame[j])
            image[targets[run]] += total
        images[i] = image


@njit(error_model="numpy", cache=True)
def _subtract_and_divide(values, dark, adu_per_photon, photons):
    for j in range(photons.shape[0]):
        photons[j] = (f32(values[j]) - dark[j]) / adu_per_photon[j]


@njit(error_model="numpy", cache=True)
def _discriminate(threshold, photons):
    for j in range(photons.shape[0]):
        count = np.floor(photons[j] + (f32(1) - threshold[j]))
        photons[j] = f32(0) if count < f32(0) else count  # what is no number stays none


@njit(parallel=True, error_model="numpy", cache=True)
def count_up(frames, bad, dark, adu_per_photon, threshold, starts, stops, targets, longest, images):
    """The same of photons, which dark, adu_per_photon and threshold, each (p,), make of the values in float32.

    threshold : or None. longest : of the runs.
    """
    for i in prange(frames.shape[0]):
        frame = frames[i]
        image = np.zeros(images.shape[1])
        held = np.empty(max(AT_ONCE, longest), f32)
        begin = end = 0
        for run in range(starts.shape[0]):
            if stops[run] > end:
                begin = starts[run]
                end = min(begin + held.shape[0], frame.shape[0])
                photons = held[: end - begin]
                _subtract_and_divide(frame[begin:end], dark[begin:end], adu_per_photon[begin:end], photons)
                if threshold is not None:
                    _discriminate(threshold[begin:end], photons)
            total = 0.0
            for j in range(starts[run], stops[run]):
                if bad is not None and bad[i, j]:
                    continue
                total += np.float64(held[j - begin])
            image[targets[run]] += total
        images[i] = image
