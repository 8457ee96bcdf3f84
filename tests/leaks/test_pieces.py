"""What is made of the pieces of a molecule is held out with it: wherever a fold is trained, and wherever it starts."""

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from evaluate.run.config import RunConfig
from evaluate.run.config_files import read_config
from evaluate.run.files import RunFiles

ROOT = Path(__file__).resolve().parents[2]
FAMILY = ("1oel", "1aon")


def run(**encoders: Any) -> RunConfig:
    """Three deposited molecules and two of the pieces of each, a family of two."""
    return RunConfig.model_validate(
        {
            "run": "pieces",
            "title": "Pieces",
            "simulation": {
                "structures": [
                    {"id": "globule", "source": "phantom", "phantom": "globule"},
                    *({"id": name} for name in ("6vxx", *FAMILY)),
                ],
                "random_pieces": 2,
                "datasets": {
                    "mixed": {"base": "poster"},
                    "made_up": {"base": "poster", "select": {"structures": "phantoms"}},
                    "cut_up": {"base": "poster", "select": {"structures": "pieces"}},
                },
            },
            "twins": {
                "families": {"chaperonins": list(FAMILY)},
                "datasets": ["mixed"],
                "recipe": {"base": "ours", "on_the_fly": False},
                "encoders": {"late3": {"folds": ["chaperonins", "none"]}} | encoders,
            },
            "evaluation": {"twins": {"evaluate_on": ["mixed"], "labels": [1]}},
        }
    )


def trained_in(fold: str, config: RunConfig, encoder: str = "late3") -> list[str]:
    """Structures that the rule's script has left out of the training, of a dataset of all."""
    structures, left_out = config.simulation.selected("mixed"), []

    def fit_twin(name: str, dataset: Any, recipe: Any, seed: int, device: Any, folder: Path, held_out: Any, *_: Any):
        left_out.extend(held_out)

    wiring = ModuleType("evaluate.run.job")
    wiring.start = lambda snakemake: (config, RunFiles(Path("results")))  # type: ignore[attr-defined]
    wiring.rendered_from = None  # type: ignore[attr-defined]
    wiring.measures_threads = lambda *_: False  # type: ignore[attr-defined]
    training = next(t for t in config.twins.trainings if (t.encoder, t.fold) == (encoder, fold))
    snakemake = SimpleNamespace(
        wildcards=SimpleNamespace(**training._asdict(), shape=training.shape),
        input={},
        output=SimpleNamespace(model="model.pt"),
        threads=1,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "evaluate.run.job", wiring)
        patch.setattr("frames.store.dataset.open_dataset", lambda folder: SimpleNamespace(structures=structures))
        patch.setattr("train.tasks.embed.fit_twin", fit_twin)
        runpy.run_path(str(ROOT / "workflow" / "scripts" / "train" / "train_twin.py"), {"snakemake": snakemake})
    return left_out


def test_no_molecule_of_a_held_out_familys_chains_is_learned_from():
    config = run()
    assert sorted(trained_in("chaperonins", config)) == sorted(
        name for name in config.simulation.selected("mixed") if "1oel" in name or "1aon" in name
    )
    assert len(trained_in("chaperonins", config)) == 6
    assert trained_in("none", config) == []


@pytest.mark.parametrize("dataset", ["mixed", "cut_up"])
def test_no_fold_starts_from_what_saw_its_family_or_a_piece_of_it(dataset):
    begun = {"start": "shapes", "network": "late3", "folds": ["chaperonins"]}
    with pytest.raises(ValueError, match=r"learned from \[.*'piece-1aon-0'.*\], which fold 'chaperonins' holds out"):
        run(shapes={"network": "late3", "datasets": [dataset], "folds": ["none"]}, going_on=begun)
    run(shapes={"network": "late3", "datasets": [dataset], "folds": ["chaperonins"]}, going_on=begun)
    run(shapes={"network": "late3", "datasets": ["made_up"], "folds": ["none"]}, going_on=begun)


def test_the_network_that_ships_is_asked_by_folds_that_know_no_piece_of_the_family():
    """Of the committed config: what the fold of each deposited structure learned has nothing of its family."""
    config = RunConfig.model_validate(read_config(ROOT / "config" / "unseen.yaml"))
    made_of = {s.id: s.piece_of or s.id for s in config.simulation.structures}
    deposited = config.simulation.selected("mixed")
    asked = {name for members in config.twins.families.values() for name in members}
    assert asked == {s.id for s in config.simulation.structures if s.kind == "deposited"}
    for family, members in config.twins.families.items():
        learned = set(deposited) - set(config.held_out(family))
        assert not {made_of[name] for name in learned} & set(members)
        assert len(learned) > 268  # what is made up, and other families
