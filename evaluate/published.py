"""What the poster reports: Florin & Yoon, "CNNs vs. Twin Neural Networks", tables 1 and 2."""

from collections.abc import Mapping
from dataclasses import dataclass

from simulate.experiment import BeamConfig, DatasetConfig, FluenceJitterConfig, ReadoutConfig


@dataclass(frozen=True)
class PublishedScore:
    """One row of a published table, as fractions."""

    test_accuracy: float
    count_accuracy: float
    particle_accuracy: float
    collapsed: tuple[str, ...] = ()
    """heads at the majority baseline of the table's patterns, of which 57 % were single hits"""


@dataclass(frozen=True)
class PublishedTable:
    """A table of the poster."""

    number: int
    title: str
    rows: Mapping[str, PublishedScore]
    """network, by its name in train/models/registry.py"""


TABLE_1 = PublishedTable(
    1,
    "no noise",
    {
        "late3": PublishedScore(0.854, 0.934, 0.903),
        "late5": PublishedScore(0.851, 0.934, 0.904),
        "late10": PublishedScore(0.904, 0.973, 0.916),
        "late18": PublishedScore(0.843, 0.954, 0.863),
        "early": PublishedScore(0.878, 0.949, 0.914),
        "resnet18": PublishedScore(0.276, 0.653, 0.393),
        "vgg16": PublishedScore(0.893, 0.983, 0.899),
    },
)

TABLE_2 = PublishedTable(
    2,
    "fluence jitter, Poisson and Gaussian noise",
    {
        "late3": PublishedScore(0.489, 0.754, 0.616),
        "late5": PublishedScore(0.515, 0.779, 0.641),
        "late10": PublishedScore(0.505, 0.799, 0.604),
        "late18": PublishedScore(0.053, 0.566, 0.093, collapsed=("count", "particle")),
        "early": PublishedScore(0.070, 0.776, 0.089, collapsed=("particle",)),
        "resnet18": PublishedScore(0.580, 0.784, 0.704),
        "vgg16": PublishedScore(0.607, 0.825, 0.706),
    },
)

POSTER = DatasetConfig(
    photons_per_pulse=1e12,
    record="photons",
    beam=BeamConfig(fluence_jitter=FluenceJitterConfig(model="normal", sigma=0.9, floor=0.1)),
    readout=ReadoutConfig(read_noise_photons=0.3),
)


def published_for(dataset: DatasetConfig) -> PublishedTable | None:
    """The table whose patterns were recorded as this dataset's are, whatever its name; None if neither.

    Without noise the fluence is of no matter: networks see each pattern with unit variance. With noise it decides, so
    pulse, jitter, read noise and background have to be the poster's.
    """
    if dataset.record == "expected":
        return TABLE_1
    ours, poster = (
        (d.photons_per_pulse, d.beam.fluence_jitter, d.readout.read_noise_photons, d.background)
        for d in (dataset, POSTER)
    )
    return TABLE_2 if ours == poster else None
