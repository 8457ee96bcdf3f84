"""The typed config of a whole run; what it alone can tell to be wrong is said before work starts."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, model_validator

from evaluate.limit.supported import check_supported
from evaluate.run.config_files import listed
from evaluate.run.config_files import read_config as read_config
from evaluate.run.config_problems import validated
from evaluate.run.sections import BASELINES, MAJORITY, TWIN_CONTROLS, EvaluationConfig
from evaluate.run.study import Study, ensemble_members, training_of
from frames.schema import Identifier, Strict, did_you_mean
from simulate.config import SimulationConfig
from simulate.experiment.config import DatasetConfig, refuse
from simulate.plan.config import share_of
from train.config.training import ModelConfig, TrainingConfig
from train.config.twins import EncoderConfig, TwinsConfig
from train.models.registry import unfit

WITHOUT_COMMON_FEATURES = ("early",)
"""Networks that cannot embed: each head has features of its own."""


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
    def _sections_fit_together(self, info: ValidationInfo) -> Self:
        self._adapt_defaults()
        checks = (
            self._unknown_datasets,
            self._unfit_models,
            self._unfit_ensembles,
            self._unfit_cross_dataset,
            self._unfit_curve,
            self._unfit_bayes_limit,
            self._unfit_twins,
        )
        refuse((problem for check in checks for problem in check()), info)
        return self

    def _adapt_defaults(self) -> None:
        """What was not said is no more than there are patterns for."""
        evaluation, changed = self.evaluation, dict[str, Any]()
        if self.twins and "labels" not in evaluation.twins.model_fields_set:
            fewest = min((self._fewest_labelled(name) for name in self._asked_twins()), default=1)
            labels = tuple(n for n in evaluation.twins.labels if n <= fewest) or evaluation.twins.labels[:1]
            changed["twins"] = evaluation.twins.model_copy(update={"labels": labels})
        if (limits := evaluation.bayes_limit) and "patterns_per_structure" not in limits.model_fields_set:
            fewest = min(map(self._single_hits, self._known(limits.datasets)), default=1)
            n = min(limits.patterns_per_structure, max(fewest, 1))
            changed["bayes_limit"] = limits.model_copy(update={"patterns_per_structure": n})
        if changed:
            self.__dict__["evaluation"] = evaluation.model_copy(update=changed)  # still being made, if frozen

    def _unknown_datasets(self) -> Iterator[str]:
        for key, names in self._datasets_named():
            for name in names:
                if name not in (known := self.simulation.datasets):
                    meant = did_you_mean(name, known)
                    yield f"{key}: {name!r} is not one of simulation.datasets {list(known)}{meant}"

    def _datasets_named(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Every key that names datasets, and these."""
        for section, networks in (("training.models", self.training), ("twins.encoders", self.twins)):
            if networks is None:
                continue
            yield f"{section.partition('.')[0]}.datasets", networks.datasets
            for name, model in _named(networks).items():
                if model.datasets != networks.datasets:  # its own
                    yield f"{section}.{name}.datasets", model.datasets
        yield "evaluation.twins.evaluate_on", self.evaluation.twins.evaluate_on
        for name, encoder in (self.twins.encoders if self.twins else {}).items():
            yield f"twins.encoders.{name}.evaluate_on", encoder.evaluate_on or ()
        for trained_on, others in self.evaluation.cross_dataset.items():
            yield f"evaluation.cross_dataset.{trained_on}", others
        yield "evaluation.photon_curve", self.evaluation.photon_curve
        if self.evaluation.bayes_limit:
            yield "evaluation.bayes_limit.datasets", self.evaluation.bayes_limit.datasets

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
                yield f"{key}: {unknown} are none of training.models {list(models)}{did_you_mean(unknown[0], models)}"
            elif not any(len(self.members(dataset).get(name, ())) > 1 for dataset in self.trained.conditions):
                yield f"{key}: no dataset has two trainings of {list(members)} and all of them; add seeds or models"

    def _unfit_cross_dataset(self) -> Iterator[str]:
        for trained_on, others in self.evaluation.cross_dataset.items():
            key = f"evaluation.cross_dataset.{trained_on}"
            conditions = self.training.conditions if self.training else []
            if trained_on not in conditions:
                only = f"only on {conditions}" if conditions else "as there is no section `training`"
                yield f"{key}: nothing is trained on {trained_on!r}, {only}{did_you_mean(trained_on, conditions)}"
            if trained_on in others:
                yield f"{key}: what was trained on {trained_on!r} is evaluated on it anyway; remove it here"
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
        if self.evaluation.photon_curve and self.training is None:
            yield "evaluation.photon_curve: of networks; give the run a section `training`, or remove it"
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

    def _unfit_bayes_limit(self) -> Iterator[str]:
        if (limits := self.evaluation.bayes_limit) is None:
            return
        if self.training is None:
            yield "evaluation.bayes_limit: shown beside networks; give the run a section `training`, or remove it"
        plan = self.simulation.plan
        if 1 not in plan.hit_multiplicities:
            found = list(plan.hit_multiplicities)
            yield f"evaluation.bayes_limit: of single hits, but plan.hit_multiplicities is {found}"
        for name, config in self._known(limits.datasets).items():
            try:
                check_supported(config, name)
            except ValueError as error:
                yield f"evaluation.bayes_limit: {error}"
            if (single := self._single_hits(name)) < limits.patterns_per_structure:
                yield (
                    f"evaluation.bayes_limit.patterns_per_structure is {limits.patterns_per_structure}, but {name!r} "
                    f"has {single} single hits of each structure in its test split; lower it or simulate more"
                )

    def _unfit_twins(self) -> Iterator[str]:
        if (twins := self.twins) is None:
            return
        there = [structure.id for structure in self.simulation.structures]
        for family, members in twins.families.items():
            if unknown := [name for name in members if name not in there]:
                meant = did_you_mean(unknown[0], there)
                yield f"twins.families.{family}: {unknown} are not among simulation.structures {there[:30]}{meant}"
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
                    if set(self.simulation.selected(dataset)) <= set(self.held_out(fold)):
                        yield f"twins.encoders.{name}: fold {fold!r} holds out every structure of {dataset!r}"
        yield from self._leaking_starts(twins)
        for dataset in self._asked_twins():
            if (fewest := self._fewest_labelled(dataset)) < (most := max(self.evaluation.twins.labels)):
                yield (
                    f"evaluation.twins.labels asks for {most} labelled patterns, but {dataset!r} has {fewest} of each "
                    "structure in its validation split; lower it or raise plan.patterns_per_class"
                )

    def _leaking_starts(self, twins: TwinsConfig) -> Iterator[str]:
        """Encoders that would begin with weights of one that learned what they may not see."""
        for training in twins.trainings:
            if (start := twins.start_of(training)) is None or start.dataset not in self.simulation.datasets:
                continue
            learned = set(self.simulation.selected(start.dataset)) - set(self.held_out(start.fold))
            if seen := sorted(learned & set(self.held_out(training.fold))):
                yield (
                    f"twins.encoders.{training.encoder}.start: {start.encoder!r} learned from {seen[:10]}, which fold "
                    f"{training.fold!r} holds out; train it in that fold, too, or on a dataset without them"
                )

    def held_out(self, fold: str) -> tuple[str, ...]:
        """Ids of the structures that nobody trains on in a fold: the family's, and what is made of their pieces."""
        members = self.twinned.held_out(fold)
        pieces = [s.id for s in self.simulation.structures if s.piece_of in members and s.id not in members]
        return (*members, *pieces)

    def _single_hits(self, dataset: str) -> int:
        """Of each structure, in the test split."""
        share = self.simulation.datasets[dataset].select.shares.get(1, 1.0)
        return share_of(self.simulation.plan.split_sizes["test"], share)

    def _asked_twins(self) -> dict[str, DatasetConfig]:
        """Datasets in which labels of new structures are given."""
        encoders = self.twins.encoders.values() if self.twins else ()
        trained_on = (dataset for encoder in encoders for dataset in encoder.datasets)
        return self._known(self.evaluation.twins.evaluate_on or tuple(dict.fromkeys(trained_on)))

    def _fewest_labelled(self, dataset: str) -> int:
        """Patterns of each structure in the validation split, of single or of multiple hits, whatever is fewer."""
        plan, shares = self.simulation.plan, self.simulation.datasets[dataset].select.shares
        sizes = {m: share_of(plan.split_sizes["validation"], shares.get(m, 1.0)) for m in plan.hit_multiplicities}
        return min(sizes.get(1, 0), sum(size for m, size in sizes.items() if m > 1))

    def others_of(self, learner: str) -> tuple[str, ...]:
        """Datasets that an encoder, or a control, is evaluated on beside its own; a grid on none."""
        encoder = self.twinned.encoders.get(learner)
        if encoder is not None and encoder.is_grid:
            return ()
        evaluate_on = None if encoder is None else encoder.evaluate_on
        return self.evaluation.twins.evaluate_on if evaluate_on is None else evaluate_on

    @property
    def study(self) -> Study:
        """What of the run is neither how patterns are made nor of twin networks."""
        datasets = self.simulation.datasets
        return Study(
            run=self.run,
            title=self.title,
            targets={name: self.simulation.targets(name) for name in datasets},
            training=self.training,
            evaluation=self.evaluation,
            photons_per_pulse={
                name: datasets[name].photons_per_pulse for name in self.evaluation.photon_curve if name in datasets
            },
        )

    def members(self, dataset: str) -> dict[str, list[tuple[str, int]]]:
        """As `evaluate.run.study.ensemble_members`."""
        return ensemble_members(self.trained, self.evaluation, dataset)

    @property
    def trained(self) -> TrainingConfig:
        """The section `training`; ValueError where the run has none."""
        return training_of(self.run, self.training)

    @property
    def twinned(self) -> TwinsConfig:
        """The section `twins`; ValueError where the run has none."""
        if self.twins is None:
            raise ValueError(f"run {self.run} has no section `twins`: it trains no twin network")
        return self.twins

    @property
    def on_slurm(self) -> bool:
        """Whether shards are rendered by SLURM jobs of their own, started by a job of the run."""
        return self.simulation.cluster.kind == "slurm"

    @property
    def folder(self) -> Path:
        """Where the files of this run lie."""
        return self.results_dir / self.run


def _named(networks: TrainingConfig | TwinsConfig) -> Mapping[str, ModelConfig | EncoderConfig]:
    """The networks of a section, by name."""
    return networks.models if isinstance(networks, TrainingConfig) else networks.encoders


def load_config(mapping: Mapping[str, Any], files: Iterable[Path | str] = ()) -> RunConfig:
    """The config in a mapping, as read from YAML.

    Parameters
    ----------
    files : that it was read from, a later one over an earlier one: where in them a problem is will be said.

    Raises
    ------
    ValueError with a line for every problem: its dotted key, the value found and what was expected.
    """
    config, problems = validated(mapping, RunConfig)
    if config is None:
        raise ValueError(listed(problems, files))
    return config
