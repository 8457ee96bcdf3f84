"""All that the networks of a run learned."""

from collections.abc import Mapping
from dataclasses import dataclass

from evaluate.config import RunConfig
from evaluate.photon_curve import PhotonCurve, photon_curve
from evaluate.results import Result, Transfer, read_limits, read_results, read_transfers
from evaluate.run_files import RunFiles
from evaluate.variants import Variant, variants
from simulate.dataset import Dataset


@dataclass(frozen=True)
class Learned:
    """All of it."""

    results: list[Result]
    """one for each dataset trained on"""
    transfers: dict[str, list[Transfer]]
    """dataset trained on -> others that its models were asked about"""
    curve: PhotonCurve | None
    variants: list[Variant]

    def result(self, condition: str) -> Result:
        """What was learned from one dataset."""
        return next(result for result in self.results if result.condition == condition)


def learned(files: RunFiles, config: RunConfig, datasets: Mapping[str, Dataset]) -> Learned:
    """What a finished run learned from its datasets, if anything; FileNotFoundError names what the run lacks."""
    if config.training is None:
        return Learned([], {}, None, [])
    limits = read_limits(files, config)
    results, transfers = read_results(files, config, datasets, limits), read_transfers(files, config)
    return Learned(
        results=results,
        transfers=transfers,
        curve=photon_curve(config, datasets, results, [t for asked in transfers.values() for t in asked], limits),
        variants=variants(config.trained.models, results),
    )
