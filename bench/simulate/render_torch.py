"""Patterns per second rendered and Poisson-sampled with torch on its device, against the compiled path on all cores.

One to four particles in equal parts; patterns stay on the device. `error` is of the expected photons against the
compiled path, `mean_z` by how many standard deviations the photons of all patterns differ from their expectation.
On a GPU, `roofline` is the share of its memory's bandwidth, measured in the same run by copying, that the least traffic
would take: the voxels read and the image written once, 4 bytes a pixel. Where there is no GPU, torch runs on the CPU:
that shows that the path is right, not how fast it is.
"""

import os
import time
from collections.abc import Callable

import numpy as np
import torch

from bench.setting import field, geometry, molecule, rate, relative, report, some_shots
from frames.readout.config import ReadoutConfig
from simulate.diffraction import patterns
from simulate.diffraction.volume import stack
from simulate.experiment.detector_torch import record
from simulate.experiment.photons import sample_photons
from simulate.plan.shots import Shots

MULTIPLICITIES = (1, 2, 3, 4)


def together(parts: list[Shots]) -> Shots:
    """All shots of several."""
    names = ("species", "orientations", "positions", "fluence", "photon_energy_eV", "beam_centre", "pulse_factor")
    counts = np.concatenate([np.diff(part.start) for part in parts])
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Shots(start=np.concatenate([[0], np.cumsum(counts)]), **arrays)


def timed(work: Callable[[], object], device: torch.device, repeats: int = 5) -> float:
    """Seconds of the fastest run."""
    best = np.inf
    for _ in range(repeats + 1):  # the first one warms up
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best


def copied_bytes_per_s(device: torch.device) -> float:
    """Of the device's memory, reading and writing."""
    source = torch.ones(2**28, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / timed(lambda: target.copy_(source), device)


if __name__ == "__main__":
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    entry, atoms = molecule()
    detector = geometry()
    volumes = stack([field(atoms, detector)])
    n = 16384 if device.type == "cuda" else 128
    shots = together([some_shots(atoms, m, n // len(MULTIPLICITIES)) for m in MULTIPLICITIES])
    render = patterns.on_device(volumes, detector, device)
    live = torch.as_tensor(detector.live, dtype=torch.float32, device=device)
    generator = torch.Generator(device).manual_seed(0)

    expected = render(shots)
    photons = record(expected, ReadoutConfig(), live, generator)
    mean_z = float((photons.double().sum() - expected.double().sum()) / expected.double().sum().sqrt())
    seconds = timed(lambda: record(render(shots), ReadoutConfig(), live, generator), device)
    compiled = patterns.expected_photons(volumes, detector, shots)
    seeds = np.arange(n, dtype=np.uint64)
    theirs = rate(lambda: sample_photons(patterns.expected_photons(volumes, detector, shots), seeds), n)

    more: dict[str, object] = {}
    if device.type == "cuda":
        coarse = int(patterns._refinements(volumes, detector).n_coarse[0])
        traffic = len(shots.species) * coarse**2 * 27 * 8 + n * detector.live.size * 4
        more["roofline"] = traffic / copied_bytes_per_s(device) / seconds
    report(
        "render_torch",
        n / seconds,
        theirs,
        "patterns/s",
        device=torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        competitor_is=f"compiled, {os.cpu_count()} cores",
        structure=entry,
        error=relative(expected.cpu().numpy(), compiled),
        mean_z=mean_z,
        **more,
    )
