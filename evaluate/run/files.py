"""Where the files of a run lie; docs/architecture.md has the picture."""

from dataclasses import dataclass
from pathlib import Path

from simulate.molecules.phantoms import RANDOM

Number = int | str
"""A number, or the wildcard that stands for it."""


@dataclass(frozen=True)
class RunFiles:
    """The files under one run's folder."""

    folder: Path

    def atoms(self, structure: str) -> Path:
        """Atoms of a structure."""
        return self.folder / "structures" / _among_its_like(structure) / f"{structure}.npz"

    def structure(self, structure: str) -> Path:
        """What a structure is."""
        return self.folder / "structures" / _among_its_like(structure) / f"{structure}.json"

    def field(self, structure: str, reach: str) -> Path:
        """F(q) of a structure as far as `reach`, a name from simulate/experiment/reach.py."""
        return self.folder / "volumes" / reach / _among_its_like(structure) / f"{structure}.npz"

    def volume(self, structure: str, reach: str) -> Path:
        """How finely F(q) is sampled, and how well."""
        return self.folder / "volumes" / reach / _among_its_like(structure) / f"{structure}.json"

    def plan(self, placement: str) -> Path:
        """One row per pattern, for datasets of this placement."""
        return self.folder / "plans" / f"{placement}.parquet"

    def dataset(self, condition: str) -> Path:
        """Folder of a dataset."""
        return self.folder / "datasets" / condition

    def geometry(self, condition: str) -> Path:
        """The detector of a dataset in reciprocal space."""
        return self.dataset(condition) / "geometry.npz"

    def geometry_record(self, condition: str) -> Path:
        """Beam and detector of a dataset in numbers."""
        return self.dataset(condition) / "geometry.json"

    def layout(self, condition: str) -> Path:
        """What a dataset will hold."""
        return self.dataset(condition) / "layout.json"

    def job(self, condition: str, number: Number) -> Path:
        """The shards that one job rendered."""
        return self.dataset(condition) / "jobs" / f"{number}.json"

    def card(self, condition: str) -> Path:
        """What a complete dataset holds."""
        return self.dataset(condition) / "dataset.json"

    def training(self, condition: str, model: str, seed: Number) -> Path:
        """Folder of a trained network."""
        return self.folder / "models" / condition / model / f"seed{seed}"

    def model(self, condition: str, model: str, seed: Number) -> Path:
        """A trained network."""
        return self.training(condition, model, seed) / "model.pt"

    def history(self, condition: str, model: str, seed: Number) -> Path:
        """How it was trained, epoch by epoch."""
        return self.training(condition, model, seed) / "history.csv"

    def training_record(self, condition: str, model: str, seed: Number) -> Path:
        """What it was trained with: device and digests."""
        return self.training(condition, model, seed) / "training.json"

    def twin(self, dataset: str, encoder: str, fold: str, shape: str, seed: Number) -> Path:
        """Folder of a trained twin network; `shape` is that of its embedding, `d8-m0.2`."""
        return self.folder / "twins" / dataset / encoder / fold / shape / f"seed{seed}"

    def embeddings(self, dataset: str, encoder: str, fold: str, shape: str, seed: Number) -> Path:
        """Embeddings by a twin network, or by a control, of all datasets that it is evaluated on."""
        twin = self.twin(dataset, encoder, fold, shape, seed)
        return self.folder / "embeddings" / twin.relative_to(self.folder / "twins").with_suffix(".npz")

    def predictions(self, trained_on: str, model: str, seed: Number, evaluate_on: str | None = None) -> Path:
        """Predictions of a network, or of a baseline, for the dataset it was trained on or for another one."""
        return self.folder / "predictions" / trained_on / (evaluate_on or trained_on) / f"{model}-seed{seed}.parquet"

    def table(self, name: str) -> Path:
        """A table; its provenance is the .json beside it."""
        return self.folder / "tables" / f"{name}.csv"

    def examples(self, condition: str) -> Path:
        """A pattern of every class of a dataset, for pictures."""
        return self.folder / "tables" / "examples" / f"{condition}.npz"

    def figure(self, name: str) -> Path:
        """A figure, by name with suffix."""
        return self.folder / "figures" / name

    @property
    def benchmarks(self) -> Path:
        """Folder of what each job took, as Snakemake writes it: <rule>.tsv or <rule>/<wildcards>.tsv."""
        return self.folder / "benchmarks"

    def usage(self, log: Path) -> Path:
        """What the job with this log says at its end of what it took, beside its benchmark."""
        return (self.benchmarks / log.relative_to(self.folder / "logs")).with_suffix(".json")

    @property
    def cost(self) -> Path:
        """What all jobs took; its provenance is the .json beside it."""
        return self.folder / "cost.csv"

    @property
    def cost_page(self) -> Path:
        """The page about what the run took."""
        return self.folder / "cost.html"

    @property
    def twin_report(self) -> Path:
        """The page about twin networks."""
        return self.folder / "twin.html"

    @property
    def report(self) -> Path:
        """The page that tells all of it."""
        return self.folder / "report.html"


def _among_its_like(structure: str) -> str:
    """Random molecules come by the hundred: they lie in a folder of their own, made by one job."""
    return "random" if RANDOM.fullmatch(structure) else ""
