"""The typed config of a whole run; what it alone can tell to be wrong is said before work starts."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from evaluate.limit_scope import check_supported
from simulate.config import Identifier, SimulationConfig, Strict
from simulate.experiment import DatasetConfig, share_of
from train.config import ModelConfig, TrainingConfig, unique
from train.models.registry import unfit
from train.twin_config import EncoderConfig, TwinsConfig

WITHOUT_COMMON_FEATURES = ("early",)
"""Networks that cannot embed: each head has features of its own."""

BASELINES = ("total_intensity", "spectral_clustering")
"""Names in evaluate.baselines.registry, which takes seconds to import."""

MAJORITY = "majority"
"""The baseline that needs no patterns: always the most frequent answer."""


TWIN_CONTROLS = ("total_intensity", "pixels", "spectral_clustering")
"""Names in evaluate.twin.controls."""


def _control(name: str) -> str:
    if name not in TWIN_CONTROLS:
        raise ValueError(f"no control is called {name!r}; known: {', '.join(TWIN_CONTROLS)}")
    return name


def _baseline(name: str) -> str:
    if name not in BASELINES:
        raise ValueError(f"no baseline is called {name!r}; known: {', '.join(BASELINES)}")
    return name


Baselines = Annotated[tuple[Annotated[str, AfterValidator(_baseline)], ...], AfterValidator(unique)]
Datasets = Annotated[tuple[Identifier, ...], AfterValidator(unique)]
Orientations = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), AfterValidator(unique)]


class LimitsConfig(Strict):
    """How well the structure of a single hit can be told at all, evaluate/limit.py."""

    datasets: Annotated[Datasets, Field(min_length=1)]
    patterns_per_structure: Annotated[int, Field(ge=1)] = 24
    orientations: Orientations = Field((625, 1250, 2500), description="of each structure, to average over")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class TwinEvaluationConfig(Strict):
    """What twin networks are asked, evaluate/twin/protocols.py."""

    asked_about: Datasets = Field(
        (), description="datasets, beside the one trained on; labels of new structures are given in these alone"
    )
    controls: Annotated[tuple[Annotated[str, AfterValidator(_control)], ...], AfterValidator(unique)] = TWIN_CONTROLS
    labels: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), AfterValidator(unique)] = Field(
        (1, 5, 10, 20), description="labelled patterns of a new structure, of single and of multiple hits each"
    )
    draws: Annotated[int, Field(ge=1)] = 10
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class EvaluationConfig(Strict):
    """What the networks are compared with and asked about."""

    baselines: Baselines = ("total_intensity",)
    ensembles: dict[Identifier, Annotated[tuple[Identifier, ...], Field(min_length=1), AfterValidator(unique)]] = Field(
        {},
        description="name -> models that answer together, from all seeds, by their mean probabilities; judged as a "
        "network is on every dataset that all of them are trained on",
    )
    transfers: dict[Identifier, Datasets] = Field(
        {}, description="dataset trained on -> others, about whose test split what was trained on it is asked too"
    )
    photon_curve: Datasets = Field((), description="datasets that differ in photons_per_pulse alone, for a figure")
    limits: LimitsConfig | None = None
    twins: TwinEvaluationConfig = TwinEvaluationConfig()


class RunConfig(Strict):
    """One run: what is simulated, what is trained on it, how it is judged, and where its files go."""

    run: Identifier = Field(description="name of the run's folder under `results_dir`")
    title: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="heading of the report")
    results_dir: Path = Path("results")
    simulation: SimulationConfig
    training: TrainingConfig | None = Field(None, description="networks that count and name particles")
    twins: TwinsConfig | None = Field(None, description="networks that tell single from multiple hits of anything")
    evaluation: EvaluationConfig = EvaluationConfig()

    @model_validator(mode="after")
    def _sections_fit_together(self) -> Self:
        if self.training is None and self.twins is None:
            raise ValueError("nothing is trained: give the run a section `training`, or `twins`, or both")
        checks = (
            self._unknown_datasets,
            self._unfit_models,
            self._unfit_ensembles,
            self._unfit_transfers,
            self._unfit_curve,
            self._unfit_limits,
            self._unfit_twins,
        )
        if problems := [problem for check in checks for problem in check()]:
            raise ValueError("\n".join(problems))
        return self

    def _unknown_datasets(self) -> Iterator[str]:
        for key, names in self._datasets_named():
            for name in names:
                if name not in self.simulation.datasets:
                    yield f"{key}: {name!r} is not one of simulation.datasets {list(self.simulation.datasets)}"

    def _datasets_named(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Every key that names datasets, and these."""
        for section, networks in (("training.models", self.training), ("twins.encoders", self.twins)):
            if networks is None:
                continue
            yield f"{section.partition('.')[0]}.datasets", networks.datasets
            for name, model in _named(networks).items():
                if model.datasets != networks.datasets:  # its own
                    yield f"{section}.{name}.datasets", model.datasets
        yield "evaluation.twins.asked_about", self.evaluation.twins.asked_about
        for name, encoder in (self.twins.encoders if self.twins else {}).items():
            yield f"twins.encoders.{name}.asked_about", encoder.asked_about or ()
        for trained_on, others in self.evaluation.transfers.items():
            yield f"evaluation.transfers.{trained_on}", others
        yield "evaluation.photon_curve", self.evaluation.photon_curve
        if self.evaluation.limits:
            yield "evaluation.limits.datasets", self.evaluation.limits.datasets

    def _known(self, names: Iterable[str]) -> dict[str, DatasetConfig]:
        """Those datasets that are there; of the others `_unknown_datasets` tells."""
        return {name: self.simulation.datasets[name] for name in names if name in self.simulation.datasets}

    def _unfit_models(self) -> Iterator[str]:
        for section, networks in (("training.models", self.training), ("twins.encoders", self.twins)):
            for name, model in ({} if networks is None else _named(networks)).items():
                if name in (*BASELINES, *TWIN_CONTROLS, MAJORITY):
                    yield f"{section}.{name}: a baseline is called that; choose another name"
                for dataset, config in self._known(model.datasets).items():
                    n_pixels = config.detector.n_pixels
                    if takes := unfit(model.network, n_pixels):
                        yield (
                            f"{section}.{name}: {model.network!r} takes {takes}, "
                            f"but simulation.datasets.{dataset}.detector.n_pixels is {n_pixels}"
                        )

    def _unfit_ensembles(self) -> Iterator[str]:
        models = self.training.models if self.training else {}
        for name, members in self.evaluation.ensembles.items():
            key = f"evaluation.ensembles.{name}"
            if name in (*models, *BASELINES, MAJORITY):
                yield f"{key}: a model or a baseline is called that; choose another name"
            if unknown := [member for member in members if member not in models]:
                yield f"{key}: {unknown} are none of training.models {list(models)}"
            elif not any(len(self.members(dataset).get(name, ())) > 1 for dataset in self.trained.conditions):
                yield f"{key}: no dataset has two trainings of {list(members)} and all of them; add seeds or models"

    def _unfit_transfers(self) -> Iterator[str]:
        for trained_on, others in self.evaluation.transfers.items():
            key = f"evaluation.transfers.{trained_on}"
            conditions = self.training.conditions if self.training else []
            if trained_on not in conditions:
                yield f"{key}: nothing is trained on {trained_on!r}, only on {conditions}"
            if trained_on in others:
                yield f"{key}: what was trained on {trained_on!r} is asked about it anyway; remove it here"
            for own in self._known([trained_on]):
                yield from self._other_pixels(key, own, others)
                for other in self._known(others):
                    if (found := self.simulation.selected(other)) != (learned := self.simulation.selected(own)):
                        yield f"{key}: {other!r} has the structures {[*found][:30]}, expected {[*learned][:30]}"

    def _other_pixels(self, key: str, trained_on: str, others: Iterable[str]) -> Iterator[str]:
        learned = self.simulation.datasets[trained_on].detector.n_pixels
        for other, config in self._known(others).items():
            if (found := config.detector.n_pixels) != learned:
                yield f"{key}: {other!r} has images of {found} x {found} pixels, expected {learned} x {learned}"

    def _unfit_curve(self) -> Iterator[str]:
        experiments = {
            name: config.model_dump(exclude={"photons_per_pulse"})
            for name, config in self._known(self.evaluation.photon_curve).items()
        }
        for name, experiment in experiments.items():
            first = next(iter(experiments))
            if different := [key for key, value in experiment.items() if value != experiments[first][key]]:
                yield (
                    f"evaluation.photon_curve: {name!r} differs from {first!r} in {', '.join(different)}, "
                    "expected in photons_per_pulse alone"
                )

    def _unfit_limits(self) -> Iterator[str]:
        if (limits := self.evaluation.limits) is None:
            return
        plan = self.simulation.plan
        if 1 not in plan.hit_multiplicities:
            yield f"evaluation.limits: of single hits, but plan.hit_multiplicities is {list(plan.hit_multiplicities)}"
        for name, config in self._known(limits.datasets).items():
            try:
                check_supported(config, name)
            except ValueError as error:
                yield f"evaluation.limits: {error}"
            single = share_of(plan.split_sizes["test"], config.select.shares.get(1, 1.0))
            if single < limits.patterns_per_structure:
                yield (
                    f"evaluation.limits.patterns_per_structure is {limits.patterns_per_structure}, but {name!r} has "
                    f"{single} single hits of each structure in its test split; lower it or simulate more"
                )

    def _unfit_twins(self) -> Iterator[str]:
        if (twins := self.twins) is None:
            return
        there = [structure.id for structure in self.simulation.structures]
        for family, members in twins.families.items():
            if unknown := [name for name in members if name not in there]:
                yield f"twins.families.{family}: {unknown} are not among simulation.structures {there[:30]}"
        plan = self.simulation.plan
        if 1 not in plan.hit_multiplicities or len(plan.hit_multiplicities) < 2 or 0 in plan.hit_multiplicities:
            yield (
                f"twins: single hits are told from multiple ones, but plan.hit_multiplicities is "
                f"{list(plan.hit_multiplicities)}; name 1 and at least one larger"
            )
        for name, encoder in twins.encoders.items():
            if encoder.network in WITHOUT_COMMON_FEATURES:
                yield f"twins.encoders.{name}: {encoder.network!r} has no features that both heads share; take another"
            for dataset in self._known(encoder.datasets):
                yield from self._other_pixels(f"twins.encoders.{name}, of {dataset!r}", dataset, self.others_of(name))
                for fold in encoder.folds:
                    if set(self.simulation.selected(dataset)) <= set(twins.held_out(fold)):
                        yield f"twins.encoders.{name}: fold {fold!r} holds out every structure of {dataset!r}"
        trained_on = (dataset for encoder in twins.encoders.values() for dataset in encoder.datasets)
        for dataset in self._known(self.evaluation.twins.asked_about or tuple(dict.fromkeys(trained_on))):
            shares = self.simulation.datasets[dataset].select.shares
            sizes = {m: share_of(plan.split_sizes["validation"], shares.get(m, 1.0)) for m in plan.hit_multiplicities}
            fewest = min(sizes.get(1, 0), sum(size for m, size in sizes.items() if m > 1))
            if fewest < (most := max(self.evaluation.twins.labels)):
                yield (
                    f"evaluation.twins.labels asks for {most} labelled patterns, but {dataset!r} has {fewest} of each "
                    "structure in its validation split; lower it or raise plan.patterns_per_class"
                )

    def others_of(self, learner: str) -> tuple[str, ...]:
        """Datasets that an encoder, or a control, is asked about beside its own; a grid about none."""
        encoder = self.twinned.encoders.get(learner)
        if encoder is not None and encoder.is_grid:
            return ()
        asked_about = None if encoder is None else encoder.asked_about
        return self.evaluation.twins.asked_about if asked_about is None else asked_about

    def members(self, dataset: str) -> dict[str, list[tuple[str, int]]]:
        """Ensemble -> model and seed of all that answer in it, of those whose models are all trained on the dataset."""
        models = self.trained.models
        return {
            name: [(member, seed) for member in members for seed in models[member].seeds]
            for name, members in self.evaluation.ensembles.items()
            if all(member in models and dataset in models[member].datasets for member in members)
        }

    @property
    def trained(self) -> TrainingConfig:
        """The section `training`; ValueError where the run has none."""
        if self.training is None:
            raise ValueError(f"run {self.run} has no section `training`: it trains no network with two answers")
        return self.training

    @property
    def twinned(self) -> TwinsConfig:
        """The section `twins`; ValueError where the run has none."""
        if self.twins is None:
            raise ValueError(f"run {self.run} has no section `twins`: it trains no twin network")
        return self.twins

    @property
    def folder(self) -> Path:
        """Where the files of this run lie."""
        return self.results_dir / self.run


def _named(networks: TrainingConfig | TwinsConfig) -> Mapping[str, ModelConfig | EncoderConfig]:
    """The networks of a section, by name."""
    return networks.models if isinstance(networks, TrainingConfig) else networks.encoders


class _EveryKeyOnce(yaml.SafeLoader):
    """Reads YAML, as `yaml.safe_load` does, in which a key that is there twice is an error and not the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        marks: dict[str, yaml.Mark] = {}
        for key, _ in node.value:
            if (first := marks.setdefault(str(key.value), key.start_mark)) is not key.start_mark:
                raise ValueError(
                    f"line {key.start_mark.line + 1}: {key.value} is there already, in line {first.line + 1}; "
                    "keep one of them, or rename it"
                )
        return super().construct_mapping(node, deep)


def read_config(path: Path | str) -> dict[str, Any]:
    """The mapping in a YAML file, for `load_config`. OSError; ValueError where it is none or has a key twice."""
    try:
        mapping = _EveryKeyOnce(Path(path).read_text(encoding="utf-8")).get_single_data()
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path} is no config: {error}") from error
    if not isinstance(mapping, dict):
        raise ValueError(
            f"{path} is no config: expected keys (run, title, simulation, ...), found {_shortened(mapping)}"
        )
    return mapping


def load_config(mapping: Mapping[str, Any]) -> RunConfig:
    """The config in a mapping, as read from YAML.

    Raises
    ------
    ValueError with a line for every problem: its dotted key, the value found and what was expected.
    """
    try:
        return RunConfig.model_validate(dict(mapping))
    except ValidationError as error:
        problems = [problem for details in error.errors(include_url=False) for problem in _problems(details)]
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ValueError("\n  ".join([f"{count} in the config:", *problems])) from error


def _problems(details: ErrorDetails) -> list[str]:
    key = ".".join(str(part) for part in details["loc"] if part != "[key]")
    message, value = details["msg"].removeprefix("Value error, "), details["input"]
    match details["type"]:
        case "missing":
            return [f"{key} is missing"]
        case "extra_forbidden" | "unexpected_keyword_argument":
            return [f"{key} is not a known key (found {_shortened(value)}); correct or remove it"]
        case "too_short" if len(value) >= details["ctx"]["min_length"]:
            return []  # its items were refused one by one, and are listed
        case "value_error" if not isinstance(value, str | int | float):
            # Of a whole section: the message names key and value. Of the run: one line per problem.
            return [f"{key}: {line}" if key else line for line in message.splitlines()]
        case "tuple_type":
            return [f"{key} = {_shortened(value)}: should be a list, such as [{_shortened(value)}]"]
        case "dict_type" | "model_type" | "dataclass_type":
            return [f"{key} = {_shortened(value)}: should be keys with values, such as {{key: value}}"]
        case "string_type":
            return [f'{key} = {_shortened(value)}: should be text; write "{value}" if that is its name']
        case _:
            expectation = message.replace("Input should", "should")
            return [f"{key} = {_shortened(value)}: {expectation[:1].lower()}{expectation[1:]}"]


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
