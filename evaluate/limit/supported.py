"""Which datasets have a Bayes-optimal accuracy that is known; apart from it, for a config is checked in every job."""

from frames.readout.config import ReadoutConfig
from simulate.experiment.config import BeamConfig, DatasetConfig


def check_supported(config: DatasetConfig, name: str) -> None:
    """Refuse a dataset whose likelihood is not the one of evaluate/limit/likelihood.py.

    Raises
    ------
    ValueError naming each entry of the config that it knows nothing of.
    """
    beam, readout = config.beam, config.readout
    known = {
        "beam": BeamConfig(
            photon_energy_eV=beam.photon_energy_eV,
            focus_radius_um=beam.focus_radius_um,
            fluence_jitter=beam.fluence_jitter,
        ),
        "readout": ReadoutConfig(read_noise_photons=readout.read_noise_photons, seed=readout.seed),
    }
    problems = [
        f"{section}.{key} = {value!r}"
        for section, ideal in known.items()
        for key, value in getattr(config, section)
        if value != getattr(ideal, key)
    ]
    if config.record != "photons":
        problems.append(f"record = {config.record!r}")
    if config.engine == "skopi":
        problems.append(f"engine = {config.engine!r}")
    if problems:
        raise ValueError(
            f"dataset {name}: no exact likelihood is known here for {', '.join(problems)}; the Bayes-optimal "
            "accuracy takes counted photons, Gaussian read noise and pulses that vary in their photons alone: "
            "take the dataset out of evaluation.bayes_limit.datasets"
        )
