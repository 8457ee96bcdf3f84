"""The card of the network that ships: what it is, what it never saw, what it reaches, and where not to trust it.

python -m evaluate.single_hit.card --tables docs/results/unseen --started docs/results/unseen/training-start.json \\
    --training docs/results/unseen/training-folded.json docs/results/unseen/training-spectral.json

Writes card.json, which tests read, and card.md, which says the same, beside the model.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from evaluate.single_hit.calibration import calibration_error
from evaluate.single_hit.trial import made_up, simulated
from frames.files import atomic_path, read_json, sha256, write_json
from frames.targets import STRUCTURE
from simulate.molecules.phantoms import PHANTOMS
from train.inference.shipped import MODEL, Twin, load_twin

CHECKED = {"n_molecules": 6, "patterns_each": 24}
"""Of the line that a test simulates and reproduces."""

NETWORK = {
    ("unseen", 0): "selector",
    ("unlabelled", 0): "selector",
    ("few_shot", 20): "selector",
}
"""Which answer of the network is on the card, of each protocol and number of labels."""

PROTOCOLS = {
    "unseen": "the pattern alone",
    "unlabelled": "and the sample's other patterns, no label (`--one-sample`)",
    "few_shot": "and 20 + 20 labels (`--one-sample --labels`)",
}

CONDITIONS = {
    "ph13": "10¹³ photons per pulse, Poisson, Gaussian noise of 0.15",
    "jittered": "the same, pulses that jitter as N(1, 0.9)",
    "ph12": "10¹² photons per pulse",
    "ph11_5": "3·10¹¹ photons per pulse",
    "half_missing": "half of the detector missing",
    "three_quarters_missing": "three quarters missing",
    "contact": "particles whose molecular surfaces touch",
    "shifted": "the beam 2 pixels off",
}

NOT_TO_BE_TRUSTED = (
    "Frames of another photon energy, distance, pixel size or noise than the experiment above: `singlehit select` "
    "compares, warns, and refuses what is far (docs/guide/selecting.md). Train for yours: config/unseen.yaml.",
    "Frames without any particle, and crystals: every frame is taken for a hit of one to four particles.",
    "Particles larger than 40 nm or lighter than 60 kDa, viruses and nanoparticles: none was learned from.",
    "A mixture of species in a shot: several particles were of one kind.",
    "What `--one-sample` says of a sample without single, or without multiple, hits.",
    "p(single) as a probability beyond what is said above, and of one protein: the factor is of all families together, "
    "and proteins differ by the deviation that the table gives. With labels or `--one-sample` it is another's word.",
    "A pattern alone of long or branched molecules, of several whose surfaces touch, or of few photons: two lobes are "
    "taken for two particles, though the best rule would tell them (docs/results/unseen.md). Give it a whole sample, "
    "or labels.",
)


def reached(tables: Path) -> list[dict[str, Any]]:
    """Rows of the card from single_hit.csv: of each condition and protocol the network's and the best control's."""
    table = pd.read_csv(tables / "single_hit.csv", keep_default_na=False, na_values=[""])
    rows: list[dict[str, Any]] = []
    for (dataset, protocol, labels), asked in table.groupby(["dataset", "protocol", "labels"], sort=False):
        if (protocol, labels) not in NETWORK:
            continue
        ours = asked[(asked["answerer"] == "network") & (asked["classifier"] == NETWORK[protocol, labels])].iloc[0]
        controls = asked[asked["answerer"] != "network"]
        best = controls.loc[controls["accuracy"].idxmax()]
        rows.append(
            {
                "dataset": dataset,
                "protocol": protocol,
                "labels": int(labels),
                "accuracy": float(ours["accuracy"]),
                "deviation": float(ours["deviation"]),
                "n_test": int(ours["n_test"]),
                "n_structures": int(ours["n_structures"]),
                "majority": float(ours["majority_accuracy"]),
                "best_control": f"{best['answerer']}, {best['classifier']}",
                "control_accuracy": float(best["accuracy"]),
                "control_deviation": float(best["deviation"]),
            }
        )
    order = [*CONDITIONS]
    return sorted(rows, key=lambda row: (order.index(row["dataset"]), [*PROTOCOLS].index(row["protocol"])))


def checked(twin: Twin) -> dict[str, Any]:
    """The line that anyone can check: patterns of made-up molecules that were not learned from, each alone."""
    trial = simulated(made_up(CHECKED["n_molecules"]), CHECKED["patterns_each"])
    scores = twin.alone.scores(twin.embed(trial.frames))
    right = (scores > 0) == (trial.hit_multiplicity == 1)
    return {**CHECKED, "n": len(right), "right": int(right.sum()), "accuracy": float(right.mean()), "majority": 0.5}


def learned_from(training: Mapping[str, Any]) -> dict[str, int]:
    """How many molecules of each kind a training learned from."""
    names = next(target["classes"] for target in training["targets"] if target["name"] == STRUCTURE)
    seen = [name for name in names if name not in training["held_out"]]
    prefixes = {"random-": "random phantoms", "assembled-": "random assemblies", "piece-": "molecules made of pieces"}
    kinds = [
        next((kind for prefix, kind in prefixes.items() if name.startswith(prefix)), None)
        or ("phantoms of the demo" if name in PHANTOMS else "deposited structures")
        for name in seen
    ]
    every = ("phantoms of the demo", *prefixes.values(), "deposited structures")
    return {kind: kinds.count(kind) for kind in every}


def card(
    twin: Twin, model: Path, tables: Path, trainings: Sequence[Mapping[str, Any]], started: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything on the card; JSON-able.

    Parameters
    ----------
    trainings : training.json of its networks, asked beside each other. started : of that whose weights the first of
                them began with.
    """
    domain = twin.domain
    assert domain is not None, "a network that ships says what it was trained on"
    families = pd.read_csv(tables / "single_hit_structures.csv", keep_default_na=False)[["fold", "structure"]]
    return {
        "model": twin.description.model,
        "file": model.name,
        "sha256": sha256(model),
        "bytes": model.stat().st_size,
        "n_parameters": sum(one["n_parameters"] for one in trainings),
        "trained_by": "config/unseen.yaml",
        "seeds": sorted({one["seed"] for one in trainings}),
        "patterns_learned_from": {
            name: {"n": one["n_train"] * (epochs if fresh else 1), "each": 1 if fresh else epochs}
            for name, one in (("start", started), *((one["model"], one) for one in trainings))
            for epochs, fresh in [(one["recipe"]["epochs"], one["recipe"]["on_the_fly"])]
        },
        "training_seconds": sum(one["seconds"] for one in (started, *trainings)),
        "device": trainings[0]["device"],
        "structures_learned_from": {"start": learned_from(started), "whole": learned_from(trainings[0])},
        "held_out": {str(fold): sorted(set(some["structure"])) for fold, some in families.groupby("fold", sort=False)},
        "experiment": {key: value for key, value in vars(domain.setup).items() if value is not None},
        "reaches": reached(tables),
        "calibration_error": {
            str(name): calibration_error(some)
            for name, some in pd.read_csv(tables / "single_hit_calibration.csv").groupby("dataset", sort=False)
        },
        "sureness": twin.sureness,
        "check": checked(twin),
        "not_to_be_trusted": list(NOT_TO_BE_TRUSTED),
    }


def as_markdown(card: Mapping[str, Any]) -> str:
    """The same as a page."""
    made = {
        step: ", ".join(f"{n} {kind}" for kind, n in kinds.items() if n)
        for step, kinds in card["structures_learned_from"].items()
    }
    learned = card["patterns_learned_from"]
    beside = [
        f"`{name}`, asked beside it, from {of['n']:,} of the latter kinds, each seen {of['each']} times"
        for name, of in [*learned.items()][2:]
    ]
    first = [*learned.values()][1]
    families = "; ".join(f"{fold}: {', '.join(some)}" for fold, some in card["held_out"].items())
    n_structures = sum(map(len, card["held_out"].values()))
    setup = ", ".join(f"{key} {value:.4g}" for key, value in card["experiment"].items())
    seeds = ", ".join(map(str, card["seeds"]))
    check = card["check"]
    lines = [
        "# The network that ships: single or multiple",
        "",
        f"`{card['file']}`, {card['bytes'] / 1e6:.1f} MB, sha256 `{card['sha256'][:16]}…`: `{card['model']}`, "
        f"{card['n_parameters']:,} parameters, from photons to an embedding and p(single). Weights and arithmetic as "
        "ONNX, read by onnxruntime; no pickle. `singlehit select FILE -o frames.csv` and `singlehit screen` take it.",
        "",
        f"- **Trained on** {learned['start']['n']:,} fresh patterns of made-up molecules alone ({made['start']}), then "
        f"on {first['n']:,} of these, of deposited structures, and of molecules made of their pieces "
        f"({made['whole']}); each was seen once. {'; '.join(beside)}. `{card['trained_by']}`, seed {seeds}, "
        f"{card['training_seconds'] / 60:.0f} minutes on one thread of a CPU that others used as well.",
        f"- **Held out: nothing.** This file knows all {n_structures} structures of the table below. What it reaches "
        f"on proteins that nobody trained on was asked of {len(card['held_out'])} others, trained in the same way and "
        f"each without a family and all that is made of its pieces, about just this family ({families}). Nothing was "
        "chosen by them, but that the two networks weigh alike, and how sure they may be (docs/results/unseen.md).",
        f"- **Experiment**: {setup}. Pulses of 1.6·10¹¹ to 5·10¹³ photons, Gaussian noise of 0.15 photons a pixel, a "
        "beam that wanders by a pixel; of several particles in a shot bounding spheres touch, or molecular surfaces; "
        "from half of the patterns a part of the detector was missing.",
        "",
        "## What to expect of a protein that nobody trained on",
        f"Per cent right, mean ± standard deviation over {n_structures} structures, each asked of the network that "
        f"never saw its family. The majority would be right in {100 * card['reaches'][0]['majority']:.1f} %. The best "
        "control of that line knows the same training patterns: features that nobody trained. From one seed.",
        "",
        "| condition | what is known | right | best control | patterns, structures |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in card["reaches"]:
        ours, theirs = (
            f"{100 * row[f'{key}accuracy']:.1f} ± {100 * row[f'{key}deviation']:.1f}" for key in ("", "control_")
        )
        ours = f"**{ours}**" if row["accuracy"] >= row["control_accuracy"] else ours
        lines.append(
            f"| {CONDITIONS[row['dataset']]} | {PROTOCOLS[row['protocol']]} | {ours} | {theirs} "
            f"({row['best_control'].replace('_', ' ')}) | {row['n_test']:,}, {row['n_structures']} |"
        )
    errors = ", ".join(f"{CONDITIONS[name]} {100 * error:.1f}" for name, error in card["calibration_error"].items())
    lines += [
        "",
        "**p(single) of a pattern alone** is off by, in per cent, the mean over patterns of a tenth of its range: "
        f"{errors}. Log-odds are multiplied by {card['sureness']:g}, the likeliest factor for what the folds said of "
        "validation patterns of their families; in these figures each family has that of the other four "
        "(`python -m evaluate.single_hit.sureness`).",
        "",
        f"**To check**, of this very file: of {check['n']} patterns of {check['n_molecules']} made-up molecules that "
        f"were not learned from, each alone, {check['right']} are right ({100 * check['accuracy']:.1f} %); `pytest "
        "tests/evaluate/single_hit/test_card.py` simulates them and finds the same.",
        "",
        "## Where not to trust it",
        *(f"- {text}" for text in card["not_to_be_trusted"]),
        "",
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m evaluate.single_hit.card", description=__doc__)
    parser.add_argument("--tables", type=Path, required=True, help="folder of single_hit.csv")
    parser.add_argument("--training", type=Path, nargs="+", required=True, help="training.json of each of its networks")
    parser.add_argument(
        "--started", type=Path, required=True, help="the same of that whose weights the first began with"
    )
    parser.add_argument("--model", type=Path, default=MODEL, help="model.onnx (default: the one that ships)")
    arguments = parser.parse_args(argv)
    trainings, started = [read_json(path) for path in arguments.training], read_json(arguments.started)
    told = card(load_twin(arguments.model), arguments.model, arguments.tables, trainings, started)
    write_json(arguments.model.with_name("card.json"), told)
    with atomic_path(arguments.model.with_name("card.md")) as temporary:
        temporary.write_text(as_markdown(told), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
