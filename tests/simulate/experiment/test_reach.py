"""How far volumes reach: beyond every pixel of every shot, by little, and the same for alike experiments."""

import numpy as np
import pytest

from frames.geometry import wavelength
from simulate.experiment.beam import JITTER_CUT
from simulate.experiment.config import DatasetConfig
from simulate.experiment.geometry import scattering_vectors, square_detector
from simulate.experiment.reach import largest_q, reach_of, reach_q


def dataset(**sections: dict) -> DatasetConfig:
    return DatasetConfig.model_validate({"photons_per_pulse": 1e12, "record": "photons", **sections})


def test_the_posters_reach_by_hand() -> None:
    """Corner at √2 · 64 · 600 µm, 323 mm away: θ = 9.543°; λ = 2.6953 Å: q = 4π/λ sin(θ/2) = 0.3879 Å⁻¹."""
    assert largest_q(dataset()) == pytest.approx(0.3879, abs=1e-4)
    assert reach_of(dataset()) == "q0.39"
    assert reach_q("q0.39") == 0.39


def test_no_pixel_centre_of_the_detector_lies_beyond() -> None:
    geometry = square_detector(photon_energy_eV=4600, n_pixels=128, pixel_size_um=600, distance_mm=323)
    # Corner of the pixel against its centre: 128/127, and no more.
    assert geometry.q_max < largest_q(dataset()) < 1.01 * geometry.q_max


def test_no_shot_asks_for_more_whatever_its_jitter() -> None:
    """Pixels of a shifted detector at a shifted energy, as far as either may go, by plain geometry."""
    jittered = dataset(beam={"energy_jitter": 0.02, "centre_jitter_um": 900, "centre_offset_um": [1500, -600]})
    limit = reach_q(reach_of(jittered))
    offset = (np.arange(128) - 63.5) * 600e-6
    for energy in (-1, 0, 1):
        for x in (-1, 0, 1):
            for y in (-1, 0, 1):
                shift = JITTER_CUT * 900e-6
                position = np.stack(
                    [
                        *np.meshgrid(offset - 1500e-6 + x * shift, offset + 600e-6 + y * shift),
                        np.full((128, 128), 0.323),
                    ],
                    axis=-1,
                )
                lamda = wavelength(4600 * (1 + energy * JITTER_CUT * 0.02))
                largest = np.linalg.norm(scattering_vectors(position, lamda), axis=-1).max()
                assert largest <= largest_q(jittered) <= limit
    assert largest_q(jittered) > 1.05 * largest_q(dataset())


@pytest.mark.parametrize("distance", [50.0, 323.0, 322.9, 3000.0, 20000.0])
def test_it_is_rounded_up_to_two_digits_and_never_down(distance: float) -> None:
    made = dataset(detector={"distance_mm": distance})
    exact, rounded = largest_q(made), reach_q(reach_of(made))
    assert exact <= rounded < 1.1 * exact + 1e-12  # 1.0 to 1.1 is the widest step of two digits
    digits = reach_of(made).removeprefix("q").lstrip("0.").replace(".", "")
    assert len(digits) == 2


def test_fluence_and_readout_do_not_move_it() -> None:
    other = dataset(readout={"read_noise_photons": 0.3}, beam={"fluence_jitter": {"model": "gamma"}})
    assert reach_of(other.model_copy(update={"photons_per_pulse": 1e9})) == reach_of(dataset())
