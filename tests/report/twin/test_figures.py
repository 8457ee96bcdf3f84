"""Figures of twin networks hold what they should, and which of them a run has follows from its config."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from evaluate.predictions.embeddings import Embedded, write_embedded, write_support
from evaluate.run.config import RunConfig, load_config
from evaluate.run.files import RunFiles
from evaluate.twin import outputs, shown
from evaluate.twin.outputs import CONTROL, embeddings_file, figure_names, twin_folder
from evaluate.twin.shown import first_training
from report.plot.style import BLUE, ORANGE
from report.twin import draw
from report.twin.figures import accuracy as figures
from report.twin.figures import embedding
from report.twin.rows import few_shot_rows, grid_tables, unseen_rows
from support.drawing import watch_drawing
from support.made.twin_run import NAMES, structures_table, twin_config, twin_mapping, twin_table, write_run


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure in SVG and the gallery, after it was drawn."""
    return watch_drawing(monkeypatch, figures, embedding)


def test_names_follow_from_the_config() -> None:
    assert figure_names(twin_config()) == [
        *("twin_grid_grid.svg", "twin_evolution_small.png", "twin_evolution_polar.png", "twin_map_polar.png"),
        *("twin_roc.svg", "twin_few_shot.svg", "twin_per_structure.svg", "twin_gallery.png", "twin_conditions.svg"),
    ]


def test_without_a_grid_or_unseen_structures_there_are_no_figures_of_them() -> None:
    assert figure_names(twin_config(grid=None, polar=None)) == ["twin_evolution_small.png", "twin_map_small.png"]
    assert figure_names(twin_config(small=None, polar=None)) == ["twin_grid_grid.svg"]


def test_structures_of_another_dataset_are_unseen(tmp_path: Path) -> None:
    mapping = twin_mapping(tmp_path)
    mapping["simulation"]["structures"].append({"id": "4a0v"})
    mapping["simulation"]["datasets"]["clear"]["select"] = {"structures": "phantoms"}
    mapping["simulation"]["datasets"]["dim"]["select"] = {"structures": "all"}
    mapping["twins"]["encoders"] = {"small": mapping["twins"]["encoders"]["small"]}
    config = load_config(mapping)
    assert outputs.unseen_structures(config, "small", "dim") == ["4a0v"]
    assert outputs.unseen_structures(config, "total_intensity", "dim") == ["4a0v"]
    assert outputs.unseen_datasets(config, "small") == ["dim"]
    assert "twin_roc.svg" in figure_names(config)


def test_the_main_encoder_is_ours_else_the_first_that_is_no_grid() -> None:
    assert outputs.main_encoder(twin_config()) == "polar"
    assert outputs.main_encoder(twin_config(polar=None)) == "small"
    assert outputs.main_encoder(twin_config(polar=None, small=None)) is None
    assert outputs.main_condition(twin_config()) == "dim"


def test_grid_writes_the_means_of_the_table_and_marks_collapsed_cells(drawn: list[Figure], tmp_path: Path) -> None:
    tables = grid_tables(twin_table(), twin_config(), "grid")
    figures.grid(tmp_path / "grid.svg", *tables)
    held_out, _, triplets, _ = drawn[0].axes  # a colour bar each
    cells = [{text.get_position(): text.get_text() for text in axes.texts} for axes in (held_out, triplets)]
    assert cells[0] == {(0, 0): "61.0", (1, 0): "71.0", (0, 1): "81.0", (1, 1): "91.0 ×"}
    assert cells[1] == {(0, 0): "90.0", (1, 0): "80.0", (0, 1): "70.0", (1, 1): "60.0 ×"}
    assert [label.get_text() for label in held_out.get_yticklabels()] == ["2", "8"]
    assert [label.get_text() for label in held_out.get_xticklabels()] == ["0", "0.5"]
    scales = [axes.get_images()[0].get_clim() for axes in (held_out, triplets)]
    assert scales == [(61, 91), (60, 90)]  # whole per cent around its own


def test_conditions_have_a_dot_for_every_seed(drawn: list[Figure], tmp_path: Path) -> None:
    rows = unseen_rows(twin_table(), twin_config()).rename(columns={"encoder": "learner"})
    figures.conditions(tmp_path / "conditions.svg", rows, ["total_intensity", "pixels"])
    axes = drawn[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["clear", "dim"]
    dots = [sorted(line.get_xdata().round(6)) for line in axes.lines if line.get_marker() in ("o", "D", "v")]
    assert dots == [[80], [50], [50], [90, 94], [60], [55]]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["polar", "total intensity", "pixels", "majority"]


def test_per_structure_goes_by_family(drawn: list[Figure], tmp_path: Path) -> None:
    each, config = structures_table(), twin_config()
    families = outputs.families_of(config, outputs.unseen_structures(config, "polar", "dim"))
    assert families == {"round": ["ball", "ring"], "long": ["rod"]}
    of = {name: each[each["encoder"] == name] for name in ("polar", "pixels")}
    figures.per_structure(tmp_path / "each.svg", families, ("polar", of["polar"]), ("pixels", of["pixels"]))
    axes = drawn[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ball", "ring", "rod"]
    assert [text.get_text() for text in axes.texts] == ["round", "long"]
    lines = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    dots = {line.get_label(): {tuple(xy) for xy in line.get_xydata().round(6)} for line in lines}
    assert dots == {"polar": {(95, 0), (96, 1), (85, 2)}, "pixels": {(55, 0), (56, 1), (45, 2)}}
    assert (axes.get_xlim(), axes.get_xlabel()) == ((40, 100), "right (%), from 40")


@pytest.mark.parametrize(("lowest", "start"), [(97.2, 90), (95, 90), (94.9, 80), (12, 0), (3, 0)])
def test_axes_of_accuracy_begin_at_a_ten(lowest: float, start: float) -> None:
    assert figures.axis_start(lowest) == start


def test_few_shot_has_a_line_a_classifier_and_one_without_labels(drawn: list[Figure], tmp_path: Path) -> None:
    config, table = twin_config(), twin_table()
    curves = {name: few_shot_rows(table, config, "polar", name) for name in ("adapted", "centroid")}
    figures.few_shot(tmp_path / "few.svg", curves, 0.92, 0.5)
    lines = {line.get_label(): list(np.round(line.get_ydata(), 6)) for line in drawn[0].axes[0].lines}
    assert lines["adapted"] == [94, 95]
    assert lines["centroid"] == [86, 87]
    assert lines["without labels"] == [92, 92]
    assert drawn[0].axes[0].get_xscale() == "log"
    assert drawn[0].axes[0].get_ylim() == (70, 100)  # a deviation of 10 below 86
    legend = [text.get_text() for text in drawn[0].axes[0].get_legend().get_texts()]
    assert "always the more frequent answer\n(50.0 %, below this axis)" in legend


def test_roc_curve_is_that_of_every_threshold() -> None:
    """Against every threshold, one at a time."""
    rng = np.random.default_rng(0)
    scores, is_single = rng.integers(0, 8, 60).astype(float), rng.random(60) < 0.4
    false, true = shown.roc_curve(scores, is_single)
    slow = [(0.0, 0.0)]
    for threshold in sorted(set(scores), reverse=True):
        kept = scores >= threshold
        slow.append(((kept & ~is_single).sum() / (~is_single).sum(), (kept & is_single).sum() / is_single.sum()))
    np.testing.assert_allclose(np.transpose([false, true]), slow)


def test_places_are_components_or_principal_ones() -> None:
    rng = np.random.default_rng(1)
    flat = rng.normal(size=(20, 2))
    np.testing.assert_array_equal(shown.places(flat, flat), flat)
    np.testing.assert_array_equal(shown.places(flat[:, :1], flat[:, :1])[:, 1], 0)
    deep = rng.normal(size=(50, 4)) * (1, 5, 0.1, 3)
    found = shown.places(deep, deep)
    covariance = np.cov(deep.T)
    np.testing.assert_allclose(np.cov(found.T).diagonal(), np.linalg.eigvalsh(covariance)[::-1][:2])


def test_a_collapsed_embedding_is_mapped_to_one_place() -> None:
    assert not shown.map_of(np.ones((12, 8), np.float32)).any()


class FakeDataset:
    """Of ten-pixel patterns, each lit by its own row."""

    record = "counts"
    shape = (0, 10, 10)
    mask = np.zeros((10, 10), bool)

    def __init__(self, n: int):
        self.splits = {"train": slice(0, 5), "validation": slice(5, 5 + n // 2), "test": slice(5 + n // 2, 5 + n)}

    def read(self, rows: slice) -> np.ndarray:
        return np.full((1, 10, 10), rows.start, np.float32)


def made_up(n: int, seed: int, split: tuple[str, ...] = ("validation", "test")) -> Embedded:
    """Embeddings (n, 3) in which single hits lie apart, mostly."""
    rng = np.random.default_rng(seed)
    multiplicity = rng.integers(1, 3, n)
    embeddings = rng.normal(size=(n, 3)).astype(np.float32) + 2 * (multiplicity == 1)[:, None]
    return Embedded(
        embeddings.astype(np.float32),
        rng.choice(NAMES, n),
        multiplicity,
        np.repeat(split, n // len(split)),
        rng.lognormal(size=n),
    )


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RunFiles, RunConfig]:
    config = twin_config(tmp_path)
    files = RunFiles(config.folder)
    write_run(files, twin_table())
    assert config.twins is not None
    controls = [CONTROL._replace(dataset="clear", encoder=name) for name in config.evaluation.twins.baselines]
    for number, training in enumerate([*config.twins.trainings, *controls]):
        folder, path = twin_folder(files, training), embeddings_file(files, training)
        folder.mkdir(parents=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        known = made_up(80, number, ("train",)).without(config.twins.held_out(training.fold))
        write_support(known, folder / "support.npz")
        write_embedded({name: made_up(240, 100 + number) for name in ("clear", "dim")}, path)
        epochs = np.random.default_rng(number).normal(size=(3, 30, training.embedding_dim)).astype(np.float32)
        np.savez(folder / "evolution.npz", embeddings=epochs, is_single=np.arange(30) % 2 == 0)
    monkeypatch.setattr(shown, "open_dataset", lambda folder: FakeDataset(240))
    shown.write_shown(files, config, {})
    return files, config


def test_drawing_twice_gives_equal_bytes(run: tuple[RunFiles, RunConfig], drawn: list[Figure]) -> None:
    files, config = run
    draw.draw_figures(files, config)
    names = figure_names(config)
    assert sorted(path.name for path in files.figure("").iterdir()) == sorted(names)
    first = {name: files.figure(name).read_bytes() for name in names}
    draw.draw_figures(files, config)
    assert [name for name in names if files.figure(name).read_bytes() != first[name]] == []


def test_scores_are_of_structures_that_were_held_out(run: tuple[RunFiles, RunConfig]) -> None:
    """Rows point at the test patterns of the structures in families, each once."""
    files, config = run
    for learner in ("polar", "pixels"):
        said = shown.scored(files, config, learner, "dim")
        assert set(said.structure) == {"ball", "ring", "rod"}
        assert said.row.min() >= 120  # validation comes before
        assert ((said.scores > 0) == said.is_single).mean() > 0.9


def test_the_gallery_shows_the_surest_mistakes(run: tuple[RunFiles, RunConfig]) -> None:
    files, config = run
    said = shown.scored(files, config, "polar", "dim")
    patterns = shown.shown(FakeDataset(240), said)  # type: ignore[arg-type]
    right = patterns.is_right
    assert right.sum() == 12
    assert patterns.right == pytest.approx(((said.scores > 0) == said.is_single).mean())
    np.testing.assert_array_equal((patterns.p_single > 0.5) == (patterns.hit_multiplicity == 1), right)
    sureness = list(abs(patterns.p_single[~right] - 0.5))
    assert sureness == sorted(sureness, reverse=True)
    first = patterns.patterns[~right][0, 0, 0] - 5
    assert said.structure[list(said.row).index(int(first))] == patterns.structure[~right][0]


def test_figures_are_drawn_from_the_tables_alone(run: tuple[RunFiles, RunConfig]) -> None:
    """The same bytes where embeddings, networks and datasets are gone."""
    files, config = run
    draw.draw_figures(files, config)
    first = {name: files.figure(name).read_bytes() for name in figure_names(config)}
    for folder in files.folder.iterdir():
        if folder.name != "tables":
            shutil.rmtree(folder)
    draw.draw_figures(files, config)
    assert [name for name in first if files.figure(name).read_bytes() != first[name]] == []


@pytest.fixture
def coloured(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure in colour, while it is drawn."""
    seen: list[Figure] = []
    original = embedding.colour_drawing

    @contextmanager
    def drawing(path: Path, inches: tuple[float, float]) -> Iterator[Figure]:
        with original(path, inches) as figure:
            seen.append(figure)
            yield figure

    monkeypatch.setattr(embedding, "colour_drawing", drawing)
    return seen


def test_evolution_draws_every_pattern_in_its_colour(coloured: list[Figure], tmp_path: Path) -> None:
    places, is_single = np.arange(8.0).reshape(4, 2), np.array([True, False, True, True])
    embedding.evolution(tmp_path / "e.png", {"epoch 1": places, "epoch 9": -places}, is_single, ("x", "y"))
    assert [axes.get_title(loc="left") for axes in coloured[0].axes] == ["epoch 1", "epoch 9"]
    dots = coloured[0].axes[0].collections[0]
    found = {tuple(place): to_hex(color) for place, color in zip(dots.get_offsets(), dots.get_facecolor(), strict=True)}
    assert found == {(0, 1): BLUE, (2, 3): ORANGE, (4, 5): BLUE, (6, 7): BLUE}


def test_the_map_has_a_colour_a_family_and_a_marker_a_structure(coloured: list[Figure], tmp_path: Path) -> None:
    structure = np.array(["ball", "ring", "rod", "cage"])
    families = {"round": ["ball", "ring"], "long": ["rod"]}
    embedding.embedding_map(tmp_path / "m.png", np.eye(4)[:, :2], np.array([1, 2, 1, 3]), structure, families)
    legend = [text.get_text() for text in coloured[0].legends[0].get_texts()]
    assert legend == ["round", "ball", "ring", "long", "rod", "all others"]
    styles = embedding._family_styles(families)
    assert styles["ball"]["color"] == styles["ring"]["color"] != styles["rod"]["color"]


def test_no_two_structures_of_the_map_look_alike() -> None:
    """Those of no family have nothing in common: a colour each; a marker each for all, as long as there are."""
    families = {"spikes": ["open", "closed"], outputs.NO_FAMILY: ["globule", "ring", "shell"]}
    styles = embedding._family_styles(families)
    assert len({style["marker"] for style in styles.values()}) == 5
    assert len({style["color"] for style in styles.values()}) == 4
    assert styles["open"]["color"] == styles["closed"]["color"]


def test_a_single_epoch_is_not_counted(coloured: list[Figure], run: tuple[RunFiles, RunConfig]) -> None:
    files, config = run
    folder = twin_folder(files, first_training(config, "polar"))
    for epochs, titles in ((1, ["after training"]), (3, ["epoch 1 of 3", "epoch 2 of 3", "epoch 3 of 3"])):
        embeddings = np.random.default_rng(0).normal(size=(epochs, 30, 8)).astype(np.float32)
        np.savez(folder / "evolution.npz", embeddings=embeddings, is_single=np.arange(30) % 2 == 0)
        files.figure("").mkdir(exist_ok=True)
        shown.write_shown(files, config, {})
        draw.drawings(files, config)["twin_evolution_polar.png"](files.figure("twin_evolution_polar.png"))
        assert [axes.get_title(loc="left") for axes in coloured[-1].axes] == titles
