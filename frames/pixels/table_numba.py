"""Photons of a detector's pixels summed into the pixels of an image, in compiled loops."""

import numpy as np
from numba import njit, prange

f32 = np.float32

AT_ONCE = 4096
"""Pixels that become photons together, before they are summed: a loop of its own, which the compiler vectorises."""


@njit(error_model="numpy", cache=True)
def _to_photons(values, dark, adu_per_photon, photons):
    for j in range(photons.shape[0]):
        photons[j] = (f32(values[j]) - dark[j]) / adu_per_photon[j]


@njit(error_model="numpy", cache=True)
def _to_counts(threshold, photons):
    for j in range(photons.shape[0]):
        count = np.floor(photons[j] + (f32(1) - threshold[j]))
        photons[j] = f32(0) if count < f32(0) else count  # what is no number stays none


@njit(inline="always")
def _sum(values, bad, start, stop, first):
    """Of values (...), of which the first is that of pixel `first`, of pixels start to stop; bad (p,) or empty."""
    total = 0.0
    if bad.shape[0] == 0:
        for j in range(start, stop):
            total += np.float64(values[j - first])
    else:
        for j in range(start, stop):
            total += 0.0 if bad[j] else np.float64(values[j - first])
    return total


@njit(nogil=True, error_model="numpy", cache=True)
def add_up_one(frame, left_out, dark, adu_per_photon, threshold, starts, stops, targets, photons, sums):
    """Add a frame (p,) to sums (q,), in this thread and without Python's lock; `add_up` has the rest.

    photons: room for `AT_ONCE` of them, or as many as the longest run has.
    """
    n_runs = starts.shape[0]
    if dark.shape[0] == 0:
        for run in range(n_runs):
            sums[targets[run]] += _sum(frame, left_out, starts[run], stops[run], 0)
        return
    run = 0
    # Block after block of whole runs, in loops of their own: a test in the loop over runs would double its time.
    while run < n_runs:
        begin = starts[run]
        end = min(begin + photons.shape[0], frame.shape[0])
        some = photons[: end - begin]
        _to_photons(frame[begin:end], dark[begin:end], adu_per_photon[begin:end], some)
        if threshold.shape[0] > 0:
            _to_counts(threshold[begin:end], some)
        while run < n_runs and stops[run] <= end:
            sums[targets[run]] += _sum(photons, left_out, starts[run], stops[run], begin)
            run += 1


@njit(parallel=True, error_model="numpy", cache=True)
def add_up(frames, bad, dark, adu_per_photon, threshold, starts, stops, targets, images):
    """Sums, in float64, of frames (n, p) into images (n, q), by runs of pixels starts to stops (r,) of one target.

    What is not to be applied is empty: bad (n, p); dark and adu_per_photon (p,), by which float32 photons are made of
    the values; threshold (p,), by which they are counted.
    """
    longest = (stops - starts).max()
    for i in prange(frames.shape[0]):
        sums = np.zeros(images.shape[1])
        photons = np.empty(max(AT_ONCE, longest), f32)
        add_up_one(frames[i], bad[i], dark, adu_per_photon, threshold, starts, stops, targets, photons, sums)
        images[i] = sums
