"""Datasets that ask what no dataset of the project asks, from their stores to their pages.

Nothing of the project knows these questions: all there is of them are the targets in `support.made.questions`, which
the store, the training, the predictions, the tables, the figures and the page loop over.
"""

import json
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from evaluate.classification.tables import columns_for
from evaluate.metrics import by_target
from evaluate.predictions.predictions import averaged, read_predictions
from evaluate.run.files import RunFiles
from evaluate.run.outputs import predictors, study_figures, table_names
from evaluate.run.study import Study
from evaluate.table_files import read_table
from frames.files import sha256
from frames.store.dataset import open_dataset
from frames.targets import Target
from report.classification.draw import study_drawings
from report.classification.page import build_study_report
from report.formatting import hundredths, percent
from support.made.html_page import Page, table_rows
from support.made.questions import CPU, HIT, KIND, PLACES, learned, study_of
from train.loop.checkpoint import load_model

ASKED = {"one question": (KIND,), "two questions": (HIT, KIND), "three questions": (HIT, PLACES, KIND)}

Toy = tuple[RunFiles, Study, str]
"""Its files, what it is, and its page."""


@pytest.fixture(scope="module", params=ASKED, ids=str)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    study = study_of(ASKED[request.param])
    files = learned(study, tmp_path_factory.mktemp("toys") / "toy")
    for name, draw in study_drawings(files, study).items():
        draw(files.figure(name))
    build_study_report(files.folder, study, files.report)
    return files, study, files.report.read_text(encoding="utf-8")


def targets_of(study: Study) -> Sequence[Target]:
    return study.targets["toy"]


def test_the_network_has_a_head_and_the_history_a_column_for_each(made: Toy) -> None:
    files, study, _ = made
    trained = load_model(files.model("toy", "late3", 0), CPU)
    assert trained.description.targets == targets_of(study)
    columns = pd.read_csv(files.history("toy", "late3", 0)).columns
    names = [target.name for target in targets_of(study)]
    assert [name for name in columns if name.endswith("_collapsed")] == [f"{name}_collapsed" for name in names]
    assert list(read_table(files, "history"))[-len(names) :] == [f"validation_{name}_accuracy" for name in names]


def test_predictions_are_of_the_targets_classes_and_can_be_averaged(made: Toy) -> None:
    files, study, _ = made
    dataset = open_dataset(files.dataset("toy"))
    for _, model, seed in predictors(study):
        predictions = read_predictions(files.predictions("toy", model, seed), None)
        for target in targets_of(study):
            codes = target.codes(predictions[target.name].to_numpy())
            assert np.array_equal(codes, dataset.labels(target.name)[predictions["pattern"]])
            p = predictions[[f"p_{target.name}_{value}" for value in target.classes]].to_numpy()
            assert p.sum(axis=1) == pytest.approx(1, abs=1e-5)
            assert np.array_equal(target.values(p.argmax(axis=1)), predictions[f"predicted_{target.name}"])
        pd.testing.assert_frame_equal(averaged([predictions, predictions]), predictions)


def right_of(files: RunFiles, study: Study, model: str, seed: int) -> dict[str, float]:
    """Accuracies, pattern by pattern: each question of those that have an answer, and all together."""
    predictions = read_predictions(files.predictions("toy", model, seed))
    asked: dict[str, list[bool]] = {target.name: [] for target in targets_of(study)}
    together = []
    for row in predictions.to_dict("records"):
        answers = {name: row[f"predicted_{name}"] == row[name] for name in asked if row[name] not in ("none", -1)}
        for name, right in answers.items():
            asked[name].append(right)
        together.append(all(answers.values()))
    return {name: float(np.mean(right)) for name, right in {"test": together, **asked}.items()}


def test_tables_have_the_questions_columns_and_count_right(made: Toy) -> None:
    files, study, _ = made
    targets = targets_of(study)
    columns = columns_for(targets)
    for name in table_names(study):
        record = json.loads(files.table(name).with_suffix(".json").read_text())
        assert list(pd.read_csv(files.table(name))) == list(record["columns"]) == list(columns[name])
    cnn = read_table(files, "cnn").set_index(["model", "seed"])
    confusion, labels = (read_table(files, name) for name in ("confusion", "per_label"))
    for _, model, seed in predictors(study):
        found = right_of(files, study, model, seed)
        assert {name: cnn.loc[(model, seed), f"{name}_accuracy"] for name in found} == pytest.approx(found)
        test = read_predictions(files.predictions("toy", model, seed))
        for target in targets:
            of_it = (confusion["model"] == model) & (confusion["seed"] == seed) & (confusion["target"] == target.name)
            counted = {(row.label, row.predicted): row.n for row in confusion[of_it].itertuples()}
            pairs = zip(test[target.name], test[f"predicted_{target.name}"], strict=True)
            known = pd.Series([(str(a), str(b)) for a, b in pairs if a not in ("none", -1)]).value_counts()
            assert counted == known.to_dict()
            rows = labels[(labels["model"] == model) & (labels["seed"] == seed) & (labels["target"] == target.name)]
            assert rows["label"].tolist() == [str(value) for value in target.classes]
    assert cnn.loc[("late3", 0), "test_accuracy"] > 2 * cnn.loc[("majority", 0), "test_accuracy"]
    kept = [target for target in targets if target.kept is not None]
    asked = [*(target.name for target in targets), *(f"{target.name}_{target.kept}" for target in kept)]
    for name in ("calibration", "reliability"):
        assert read_table(files, name)["target"].unique().tolist() == asked
    for name in ("selection", "purity"):
        assert read_table(files, name)["target"].unique().tolist() == [target.name for target in kept]


def test_classes_are_all_answers_together(made: Toy) -> None:
    """Of the first network, against a loop over its patterns."""
    files, study, _ = made
    names = [target.name for target in reversed(targets_of(study))]
    table = read_table(files, "per_class", {"kind", "hit"})
    rows = table[(table["model"] == "late3") & (table["seed"] == 0)].set_index(names)
    test = read_predictions(files.predictions("toy", "late3", 0))
    assert rows["n"].to_dict() == test.groupby(names).size().rename_axis(names).to_dict()
    for key, of_it in test.groupby(names):
        answers = dict(zip(names, key, strict=True))
        right = [
            all(value in ("none", -1) or row[f"predicted_{name}"] == value for name, value in answers.items())
            for row in of_it.to_dict("records")
        ]
        assert rows.loc[key, "recall"] == pytest.approx(np.mean(right))
    assert by_target.lone_target(targets_of(study)) == (HIT if len(names) > 1 else None)


def test_every_figure_is_drawn_and_on_the_page(made: Toy) -> None:
    files, study, page = made
    targets = targets_of(study)
    expected = {"accuracies.svg", "training_toy.svg"}
    for target in targets:
        expected |= {f"confusion_{target.name}_toy.svg", f"reliability_{target.name}_toy.svg"}
        expected |= {f"selection_{target.name}_toy.svg"} if target.kept is not None else set()
    expected |= {"confusion_both_toy.svg"} if len(targets) == 2 else set()
    drawn = {path.name for path in (files.folder / "figures").iterdir()}
    assert drawn == set(study_figures(study)) == expected
    assert page.count("<img ") == len(expected)
    matrix = files.figure("confusion_kind_toy.svg").read_text()
    assert all(f"<!-- {label} (" in matrix for label in KIND.classes)
    legend = files.figure("training_toy.svg").read_text()
    assert all(f"<!-- {target.name} -->" in legend for target in targets)


def test_the_page_says_what_was_asked_and_how_it_was_answered(made: Toy) -> None:
    files, study, source = made
    targets = targets_of(study)
    page, cnn = Page(source), read_table(files, "cnn")
    assert page.open == []
    head, *rows = table_rows(source, "Accuracies on toy")
    assert head[:2] == ["model", "joint accuracy"]
    networks = cnn[cnn["model"] == "late3"]
    for target in targets:
        column = head.index(target.name)
        assert rows[0][column].startswith(hundredths(networks[f"{target.name}_accuracy"].mean()))
        tile = f"<b>{percent(networks[f'{target.name}_accuracy'].mean())}</b>{target.name}<small>"
        assert tile in source
    assert [row[0] for row in rows] == ["late3", "total intensity", "spectral clustering", "majority"]
    assert {len(row) for row in rows} == {len(head)}
    questions = table_rows(source, "Questions of toy")[1:]
    assert [row[:2] for row in questions] == [[t.name, ", ".join(map(str, t.classes))] for t in targets]
    classes = table_rows(source, "Classes of toy")
    assert classes[0] == [*(target.name for target in targets), "patterns", "photons in a pattern"]
    counted = [sum(map(int, row[len(targets)].split(" + "))) for row in classes[1:]]
    assert sum(counted) == len(open_dataset(files.dataset("toy"))) == 240
    assert sha256(files.card("toy")) in source


def test_mistakes_and_classes_are_told_question_by_question(made: Toy) -> None:
    files, study, source = made
    targets, best = targets_of(study), read_table(files, "cnn")[lambda table: table["model"] == "late3"].iloc[0]
    confusion = read_table(files, "confusion")
    for target in targets:
        of_it = (confusion["target"] == target.name) & (confusion["model"] == "late3")
        rows = confusion[of_it & (confusion["seed"] == best["seed"]) & (confusion["label"] != confusion["predicted"])]
        told = {tuple(row[:3]) for row in table_rows(source, f"What is taken for what, classes of {target.name}, toy")}
        assert told - {("what it was", "taken for", "patterns"), ("–", "–", "0")} == {
            (row.label, row.predicted, str(row.n)) for row in rows.itertuples()
        }
    if len(targets) == 2:  # a table of both
        assert table_rows(source, "Results by class, toy")[0] == ["kind", "miss", "hit", "kind: recall", "precision"]
        assert [row[0] for row in table_rows(source, "Results by class, toy")[1:]] == [*KIND.classes, "none"]
    else:
        for target in targets:
            rows = table_rows(source, f"Results by {target.name}, toy")
            assert [row[0] for row in rows[1:]] == [str(value) for value in target.classes]
    trust = table_rows(source, "Calibration and selection on toy")[0]
    assert trust[1].startswith(f"calibration error: {targets[0].name}")
    n_kept = sum(target.kept is not None for target in targets)
    assert len(trust) == 1 + len(targets) + 3 * n_kept  # a class kept has its error, and two purities


def test_no_word_of_single_particles_is_on_it(made: Toy) -> None:
    """But for what a recipe weighs, which is set for shots, and what the poster is called."""
    text = re.sub(r"hit multiplicity 4|Single-Particle Images", "", Page(made[2]).text)
    body = text[: text.index("The whole config")]
    assert not re.findall(r"structure|multiplicit|particle|single hit|molecule|both right", body, re.IGNORECASE)
