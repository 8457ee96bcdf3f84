"""The page about a finished run: complete, self-contained, and safe against what others wrote into its records."""

import html
import re

import numpy as np
import pandas as pd
import pytest
import yaml

from evaluate.run.config import RunConfig
from evaluate.run.files import RunFiles
from evaluate.run.outputs import figure_names
from frames.files import sha256
from frames.store.dataset import open_dataset
from report.classification.page import build_report
from report.classification.summary import collect
from report.describe import published
from report.formatting import number
from report.page import as_yaml
from support.made.html_page import Page, table_rows

Run = tuple[RunFiles, RunConfig]


@pytest.fixture(scope="module")
def source(finished_run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    files, config = finished_run
    output = tmp_path_factory.mktemp("report") / "report.html"
    with pytest.MonkeyPatch.context() as patch:  # as if the poster had been of so few
        patch.setattr(published, "CLASSES", 2 * 2)
        build_report(files.folder, config, output)
    return output.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_every_element_is_closed(page: Page) -> None:
    assert page.open == []


def test_nothing_is_loaded_from_elsewhere(page: Page, source: str) -> None:
    links = [
        value or ""
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "action", "poster", "background")
    ]
    assert len(links) > 10
    assert {link for link in links if not link.startswith(("data:", "#"))} == {"cost.html"}  # made after this page
    assert "url(" not in source
    assert "@import" not in source
    assert not {"script", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.elements}


def test_titles_are_shown_as_text(page: Page, source: str) -> None:
    assert "<script" not in source
    assert page.text.count('<script>alert("$x_1^2$")</script> & co') >= 3  # title, heading, structure


def test_links_within_the_page_lead_somewhere(page: Page) -> None:
    targets = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = {str(a["href"])[1:] for tag, a in page.elements if tag == "a" and a["href"] != "cost.html"}
    assert links
    assert links <= targets


def test_every_image_is_described(page: Page, finished_run: Run) -> None:
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(images) == len(figure_names(finished_run[1])) == 26
    assert all(len(str(attributes["alt"])) > 20 for attributes in images)


def test_every_header_cell_says_what_it_heads(page: Page) -> None:
    headers = [attributes for tag, attributes in page.elements if tag == "th"]
    assert headers
    assert all(attributes.get("scope") in ("row", "col") for attributes in headers)


def test_main_table_has_mean_and_deviation_of_every_model(source: str, finished_run: Run) -> None:
    """Counted here from cnn.csv and per_class.csv."""
    files, _ = finished_run
    cnn, classes = (pd.read_csv(files.table(name)) for name in ("cnn", "per_class"))
    lone = classes[classes["hit_multiplicity"] == 1].groupby(["dataset", "model", "seed"])["structure_recall"].mean()
    for condition, models in cnn.groupby("dataset"):
        rows = table_rows(source, f"Accuracies on {condition}")
        for model, seeds in models.groupby("model"):
            cells = next(row for row in rows if row[0].startswith(model.replace("total_", "total ")))
            for cell, question in enumerate(("test", "hit_multiplicity", "structure", "hit_multiplicity_1"), start=1):
                values = 100 * seeds[f"{question}_accuracy"]
                expected = f"{values.mean():.1f}" + (f" ± {values.std():.1f}" if len(values) > 1 else "")
                assert cells[cell].startswith(expected), (condition, model, question)
            if model != "majority":
                assert cells[5].startswith(f"{100 * lone[condition, model].mean():.1f}")


def test_main_table_sets_baselines_and_limits_apart(source: str) -> None:
    rows = table_rows(source, "Accuracies on noisy")
    assert [row[0].split(" ")[0] for row in rows[1:]] == [
        *("late10", "late10_he", "together", "azimuthal", "total", "majority", "Bayes-optimal", "Bayes-optimal"),
    ]
    assert [row[0] for row in rows[1:5]] == [
        *("late10 collapsed: count, particle (seed 5)", "late10_he best", "together"),
        "azimuthal collapsed: count, particle",
    ]
    assert rows[1][1] == "50.0 ± 35.4 25.0 to 75.0, 2 seeds"
    # Wilson's interval of 16 in 16, see test_metrics.py: 1 / (1 + 1.96²/16).
    assert rows[2][1] == "100.0 95 %: 80.6 to 100.0"
    assert rows[7][-3:] == ["95.0 ± 5.0", "", ""]
    assert (rows[1][-1], rows[3][-1]) == ("164,967", "494,901")


def test_the_posters_figures_stand_beside_its_networks(source: str) -> None:
    """Table 1 beside the noise-free set, table 2 beside its noise; none beside another recipe."""
    for condition, figures in (("clean", "90.4 / 97.3 / 91.6"), ("noisy", "50.5 / 79.9 / 60.4")):
        shown = {row[0].split(" ")[0]: row[-2] for row in table_rows(source, f"Accuracies on {condition}")[1:]}
        assert shown["late10"] == figures
        assert set(shown.values()) == {figures, "–"} | ({""} if condition == "noisy" else set())  # "": of bayes_limits


def test_networks_below_a_baseline_are_named(page: Page) -> None:
    assert "No better than total intensity (100.0\u202f%): late10 (50.0\u202f%)." in page.text
    networks = "late10 (50.0\u202f%), late10_he (100.0\u202f%) and together (75.0\u202f%)"
    assert f"No better than total intensity (100.0\u202f%): {networks}." in page.text
    assert "No better than majority" not in page.text


def test_limit_is_compared_with_the_best_network(page: Page) -> None:
    assert (
        "With the fluence unknown, the structure of a single hit can be told in 92.0 ± 5.0\u202f% (8 patterns, "
        "100 orientations of each structure; 90.0\u202f% with 50), 8.0 points below what the best network, late10_he, "
        "reaches: 100.0\u202f%."
    ) in page.text


def test_photons_and_accuracy_are_brought_together(source: str, page: Page) -> None:
    assert (
        "At 1\u202f×\u202f10 11 photons per pulse (250 in a single hit), the joint accuracy of late10_he is"
        in page.text
    )
    rows = {row[0]: row[1:] for row in table_rows(source, "Accuracy by photons per pulse")}
    assert rows["late10_he"] == ["–", "100.0 100.0"]  # trained at 1e12 alone
    assert rows["late10_he, trained on noisy"] == ["100.0 100.0", "100.0 100.0"]
    assert rows["Bayes-optimal accuracy, fluence known"] == ["65.0 ± 5.0", "95.0 ± 5.0"]


def test_shifts_are_described_and_measured(source: str) -> None:
    rows = {row[0]: row[1:] for row in table_rows(source, "Shifts from noisy")}
    assert rows["dim"] == [
        *(
            "photons per pulse: 1\u202f×\u202f10 11 instead of 1\u202f×\u202f10 12",
            "100.0",
            "0.0",
            "25.0 (azimuthal)",
            "25.0",
        ),
    ]
    assert "recorded: expected photons, noise-free instead of photon counts; photons per pulse" in rows["clean"][0]


def test_variants_are_compared(source: str) -> None:
    """Two of one network: the mean of 75 and 25 % less 100 %; no standard error where one has a single seed."""
    rows = table_rows(source, "Variants of a model")
    assert rows[1:] == [["late10", "late10_he", "initialisation: torch instead of he", "−50.0", "2, 1"]]


def test_models_without_an_operating_point_say_so(source: str) -> None:
    """Eight validation patterns cannot vouch for a purity of 95 %."""
    rows = {row[0]: row[1:] for row in table_rows(source, "Calibration and selection on noisy")}
    assert rows["late10_he"][-2:] == ["no such threshold"] * 2
    table = pd.DataFrame(rows)
    assert list(table) == ["model", "late10", "late10_he", "together", "azimuthal", "total intensity"]


def test_ensembles_say_who_answers_in_them(page: Page) -> None:
    assert "together predicts by the mean probabilities of late10 and late10_he, from all seeds." in page.text


def test_summary_gives_mean_seeds_range_and_both_baselines(page: Page, finished_run: Run) -> None:
    files, config = finished_run
    facts = collect(files, config.study)
    assert facts.learned.results[0].best.mean["test_accuracy"] == 0.5  # of 75 % and 25 %
    assert (
        "late10 reaches a joint accuracy of 50.0\u202f% "
        "(mean of 2 trainings, seeds 3, 5; from 25.0\u202f% to 75.0\u202f%) on 16 held-out patterns. "
        "Baselines: total intensity 100.0\u202f%, "
        "always naming the most frequent class 25.0\u202f%. The network does no better than the baseline total "
        "intensity. 1 of 2 trainings collapsed"
    ) in page.text


def test_what_was_guessed_of_a_structure_stands_in_its_row(source: str) -> None:
    phantom, deposited = table_rows(source, "Table of structures")[1:]
    assert html.unescape(deposited[1]).endswith(
        "Read with guesses: elements of 1,200 atoms taken from their names; 1 of 20 models in the file; left out as no "
        "atoms: 2 DUM, 1 <i>; no occupancies given: all 4,266 atoms taken as there; 3 atoms where another one lies."
    )
    assert "guesses" not in phantom[1]


def test_phantoms_and_stand_ins_are_marked(page: Page) -> None:
    assert "ball of this run is a phantom" in page.text
    assert "9xyz of this run is a stand-in" in page.text
    assert "stand-in for 1abc" in page.text


def test_experiment_is_stated(page: Page) -> None:
    for fact in (
        *(
            "4,600 eV, 2.70 Å",
            "0.5 µm in radius",
            "128 × 128 pixels of 600 µm at 323 mm",
            "2.30 nm at the edge, 1.63 nm",
        ),
        *("beamstop of 3 pixels", "× N(1, 0.9), 0.1 where not positive", "Poisson, then Gaussian, σ = 0.3 photons"),
        *("PDB entry 9xyz, assembly 1", "4,266", "ballistic aggregation"),
        *("evenly filled", "the middle of the image", "every photon counts once", "Solvent is not included"),
    ):
        assert fact in page.text


def test_every_dataset_has_its_card(source: str, finished_run: Run) -> None:
    """A section of its own, linked from the nav and the table; its numbers are counted here from the patterns."""
    files, config = finished_run
    for name, dataset in config.simulation.datasets.items():
        assert f'href="#dataset-{name}"' in source
        section = source[source.index(f'<section id="dataset-{name}">') :]
        section = section[: section.index("</section>")]
        text, folder = Page(section).text, files.dataset(name)
        for fact in (
            f"{16384 - int(open_dataset(folder).mask.sum()):,} of 16,384 pixels are live.",
            *(f"{folder}/patterns.zarr", f"{folder}/dataset.json", sha256(files.card(name)), "in 5 shards"),
            f"singlehit verify {folder}",
            f"singlehit export {folder} --format cxi -o {name}.cxi",
            *(f"numpy {np.__version__}", f"photons_per_pulse: {dataset.photons_per_pulse:.1e}", "14 + 2 + 4"),
        ):
            assert fact in text, fact
        assert text.count("14 + 2 + 4") == 4  # two structures, one or two particles
        assert "background" not in text.split("All that was set")[0]
        opened = open_dataset(folder)
        ball_alone = (opened.structure == opened.structures.index("ball")) & (opened.hit_multiplicity == 1)
        photons = opened.read_raw(slice(None))[ball_alone].sum(axis=(1, 2), dtype=float)
        low, median, high = (number(value) for value in np.quantile(photons, (0.05, 0.5, 0.95)))
        assert f"{median} ({low} to {high})" in section
        assert yaml.safe_load(
            html.unescape(re.search(r"<pre>(.*?)</pre>", section, re.DOTALL)[1])
        ) == dataset.model_dump(mode="json")


def test_a_config_is_written_as_one_would_write_it() -> None:
    values = {"a": 1e12, "b": {"c": 2e-5, "d": 0.5, "e": 0.0, "f": 123456.0, "g": None, "h": 12345678.25, "i": -3e14}}
    text = as_yaml(values)
    assert yaml.safe_load(text) == values
    assert text.splitlines()[0] == "a: 1.0e+12"
    assert "c: 2.0e-05, d: 0.5, e: 0.0, f: 123456.0, g: null, h: 1.234567825e+07, i: -3.0e+14" in text


def test_mistakes_are_named(page: Page) -> None:
    assert "ball is taken for 9xyz in 50.0\u202f%; 2 particles for 1 in 50.0\u202f% of such patterns." in page.text


def test_everything_taken_for_something_else_is_in_a_table(source: str) -> None:
    """Of noise-free late10 from seed 3: four times two balls, called one 9xyz; of eight balls, and of eight pairs."""
    heads = ["what it was", "taken for", "patterns", "of such"]
    for of, rows in (
        ("structures", [["ball", "9xyz", "4", "50.0\u202f%"]]),
        ("numbers of particles", [["2", "1", "4", "50.0\u202f%"]]),
        ("classes", [["2 × ball", "1 × 9xyz", "4", "100.0\u202f%"]]),
    ):
        assert table_rows(source, f"What is taken for what, {of}, clean") == [heads, *rows]
        assert table_rows(source, f"What is taken for what, {of}, noisy") == [heads, ["–", "–", "0", "–"]]


def test_the_poster_is_cited_before_its_figures(source: str, page: Page) -> None:
    assert f"“The poster”, here and below: {published.POSTER}." in page.text
    assert "Eric Florin and Chun Hong Yoon" in published.POSTER
    assert source.index('<p id="poster">') < source.index("the poster’s recipe") < source.index("its table 1")


def test_recipes_stand_in_a_table_beside_the_posters(source: str) -> None:
    rows = {row[0]: row[1:] for row in table_rows(source, "Networks and recipes")}
    assert rows["setting"] == ["late10", "late10_he", "azimuthal", "the poster’s recipe"]
    assert rows["initialisation"] == ["torch", "he", "torch", "torch"]
    assert rows["seeds"] == ["3, 5", "3", "3", ""]
    assert set(rows) == {"setting", "network", "initialisation", "trained on", "seeds", "time of all trainings"}
    assert "<strong>he</strong>" in source
    assert "<strong>torch</strong>" not in source
    assert "learning rate 0.001" in source  # the same in all


def test_contents_stay_beside_the_page_and_all_but_the_first_dataset_are_folded(source: str, page: Page) -> None:
    body = source[source.index("<body") :]
    assert body.index("<nav") < body.index("<header>")  # not in a part that scrolls away with its end
    nav = body[: body.index("</nav>")]
    sections = re.findall(r'<section id="(\w+)">\n(?:{[^}]*}\n)?<h2>', source)
    assert set(re.findall(r'href="#(\w+)"', nav)) == {"top", *sections}
    folds = re.findall(r'<section id="dataset-(\w+)">\n<details( open)?>', source)
    assert folds == [("clean", " open"), ("noisy", ""), ("dim", "")]


def test_provenance_is_stated(page: Page, finished_run: Run) -> None:
    files, _ = finished_run
    for fact in (
        "2026-01-02 03:04 UTC",
        "unknown: the code is no git checkout",
        "A chip, 2 cores",
        "c0ffee00",
        "9.8.7",
        "cpu, 2 threads; NVIDIA X",
        "ab" * 32,
        sha256(files.card("clean")),
        '"patterns_per_class": 20',
    ):
        assert fact in page.text
    assert "jobs took, in all 2\u202fmin" in page.text
    assert "{'" not in page.text  # no Python in it
    assert "volume 2 2\u202fmin 64\u202fs" in page.text  # two jobs, 125 s in all
