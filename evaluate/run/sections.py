"""The sections of a run's config that say how it is judged."""

from typing import Annotated

from pydantic import AfterValidator, Field

from frames.schema import Datasets, Identifier, Strict, did_you_mean, unique

BASELINES = ("total_intensity", "spectral_clustering")
"""Names in evaluate.baselines.registry, which takes seconds to import."""


MAJORITY = "majority"
"""The baseline that needs no patterns: always the most frequent class."""


TWIN_CONTROLS = ("total_intensity", "pixels", "spectral_clustering")
"""Names in evaluate.baselines.feature_controls."""


def _control(name: str) -> str:
    if name not in TWIN_CONTROLS:
        meant = did_you_mean(name, TWIN_CONTROLS)
        raise ValueError(f"no control is called {name!r}; known: {', '.join(TWIN_CONTROLS)}{meant}")
    return name


def _baseline(name: str) -> str:
    if name not in BASELINES:
        meant = did_you_mean(name, BASELINES)
        raise ValueError(f"no baseline is called {name!r}; known: {', '.join(BASELINES)}{meant}")
    return name


Baselines = Annotated[tuple[Annotated[str, AfterValidator(_baseline)], ...], AfterValidator(unique)]


Orientations = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), AfterValidator(unique)]


class BayesLimitConfig(Strict):
    """How well the structure of a single hit can be told at all, evaluate/limit/limit.py."""

    datasets: Annotated[Datasets, Field(min_length=1)]
    patterns_per_structure: Annotated[int, Field(ge=1)] = Field(
        24, description="single hits of the test split; by default no more than there are"
    )
    orientations: Orientations = Field((625, 1250, 2500), description="of each structure, to average over")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class TwinEvaluationConfig(Strict):
    """What twin networks are asked, evaluate/twin/protocols.py."""

    evaluate_on: Datasets = Field(
        (), description="datasets, beside the one trained on; labels of new structures are given in these alone"
    )
    baselines: Annotated[tuple[Annotated[str, AfterValidator(_control)], ...], AfterValidator(unique)] = TWIN_CONTROLS
    labels: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), AfterValidator(unique)] = Field(
        (1, 5, 10, 20),
        description="labelled patterns of a new structure, of single and of multiple hits each; by default those of "
        "these that every structure has in the validation split",
    )
    draws: Annotated[int, Field(ge=1)] = 10
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class EvaluationConfig(Strict):
    """What the networks are compared with and evaluated on."""

    baselines: Baselines = ("total_intensity",)
    ensembles: dict[Identifier, Annotated[tuple[Identifier, ...], Field(min_length=1), AfterValidator(unique)]] = Field(
        {},
        description="name -> models that answer together, from all seeds, by their mean probabilities; judged as a "
        "network is on every dataset that all of them are trained on",
    )
    cross_dataset: dict[Identifier, Datasets] = Field(
        {}, description="dataset trained on -> others, about whose test split what was trained on it is asked too"
    )
    photon_curve: Datasets = Field((), description="datasets that differ in photons_per_pulse alone, for a figure")
    bayes_limit: BayesLimitConfig | None = None
    twins: TwinEvaluationConfig = TwinEvaluationConfig()
