"""The page about twin networks: what its tables say, warnings first, self-contained."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evaluate.run.files import RunFiles
from evaluate.twin.outputs import figure_names
from frames.files import write_json
from report.describe.published import POSTER
from report.twin.page import beaten, build_page, headline, spread
from support.made.html_page import Page, table_rows
from support.made.twin_run import row, structures_table, twin_config, twin_table, write_run

HOSTILE = "<script>alert(1)</script> & co"


def built(folder: Path, table: pd.DataFrame, **changes: Any) -> str:
    """The page of a made-up run with this table; `changes` as of `twin_config`."""
    config = twin_config(folder, **changes)
    files = RunFiles(config.folder)
    write_run(files, table)
    record = {"source": "phantom", "file": None, "sha256": None, "assembly": None, "is_phantom": True}
    structures = [
        {**record, "id": name, "title": HOSTILE if name == "ball" else name.title(), "stand_in_for": stand_in}
        for name, stand_in in (("ball", None), ("ring", "1abc"), ("rod", None), ("cage", None))
    ]
    provenance = {
        "table": "twin.csv",
        "columns": {},
        "config": {},
        "structures": structures,
        "source_digest": "c0ffee00",
        "config_digest": "beef",
        "versions": {"numpy": "9.8.7"},
        "device": ["cpu, threads: 2"],
        "training_seconds": {"clear/polar/none/d8-m0.5/seed0": 61.0},
        "wall_time_s": 125.0,
    }
    write_json(files.table("twin").with_suffix(".json"), provenance)
    files.figure("").mkdir(exist_ok=True)
    for name in figure_names(config):
        files.figure(name).write_bytes(b"image")
    build_page(files, config, files.twin_report)
    return files.twin_report.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return built(tmp_path_factory.mktemp("twins"), twin_table())


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_every_element_is_closed_and_nothing_is_loaded_from_elsewhere(page: Page, source: str) -> None:
    assert page.open == []
    links = [str(value) for _, a in page.elements for name, value in a.items() if name in ("src", "href")]
    assert len(links) > 10
    assert {link for link in links if not link.startswith(("data:", "#"))} == {"cost.html"}  # made after this page
    assert "url(" not in source
    assert "<script" not in source
    assert HOSTILE in page.text


def test_links_lead_somewhere_and_images_are_described(page: Page) -> None:
    ids = {a["id"] for _, a in page.elements if "id" in a}
    assert {str(a["href"])[1:] for tag, a in page.elements if tag == "a" and a["href"] != "cost.html"} <= ids
    images = [a for tag, a in page.elements if tag == "img"]
    assert len(images) == len(figure_names(twin_config()))
    assert all(len(str(a["alt"])) > 20 for a in images)


def test_every_table_has_a_caption_and_headers_with_a_scope(page: Page, source: str) -> None:
    assert source.count("<table") == source.count("<caption>") == 5
    headers = [a for tag, a in page.elements if tag == "th"]
    assert headers
    assert all(a.get("scope") in ("row", "col") for a in headers)


def test_the_headline_is_of_the_table(page: Page) -> None:
    """90 and 94 % of two seeds; the structures are those of `structures_table`."""
    assert (
        "polar tells single from multiple hits in 92.0\u202f±\u202f2.8\u202f% of 60 test patterns of 3 structures"
        in (page.text)
    )
    for fact in (
        "(dataset dim, trained on clear; mean ± standard deviation over 2 seeds)",
        "Always predicting the more frequent class is right in 50.0\u202f%",
        "the best baseline, total intensity, in 60.0\u202f%.",
        "With 2 labelled single hits and 2 multiple ones of each structure: 95.0\u202f%.",
        "Worst, without labels, is rod: 85.0\u202f%.",
        "93.38\u202f% (no noise), 86.94\u202f%",
        "with 20 labels in 86.0 ± 18.5\u202f%",
    ):
        assert fact in page.text, fact


def test_the_warning_appears_first_where_a_control_wins(tmp_path: Path) -> None:
    text = Page(built(tmp_path, twin_table(control=0.99))).text
    warning = (
        "Without a label, on dim the best control, total intensity (99.0\u202f%), is better than polar (92.0\u202f%)."
    )
    assert warning in text
    assert text.index(warning) < text.index("polar tells single from multiple hits")


def test_conditions_beside_the_main_one_are_named_after_it() -> None:
    lost = row(encoder="pixels", accuracy=0.9, dataset="clear")
    table = twin_table(control=0.99)
    table = pd.concat([table[(table["encoder"] != "pixels") | (table["dataset"] != "clear")], pd.DataFrame([lost])])
    assert [str(sentence) for sentence in beaten(table, twin_config())] == [
        "Without a label, on dim the best control, total intensity (99.0\u202f%), is better than polar (92.0\u202f%).",
        "Without a label, a control is better than polar on clear.",
    ]


def test_it_is_told_where_always_the_same_answer_is_as_good() -> None:
    table = twin_table(control=0.4)
    table.loc[table["protocol"] == "unseen", "majority_accuracy"] = 0.95
    told = [str(sentence) for sentence in beaten(table, twin_config())]
    assert len(told) == 1
    assert told[0].startswith("Without a label, polar is no better than always giving the more frequent answer on ")
    assert "dim (92.0\u202f% to 95.0\u202f%)" in told[0]


def test_there_is_no_warning_where_no_control_wins(page: Page) -> None:
    assert "is better than" not in page.text
    assert "no better" not in page.text
    assert list(beaten(twin_table(control=0.92), twin_config())) == []  # as good is not better


def test_controls_are_compared_where_the_same_was_held_out() -> None:
    """A control that had seen the families proves nothing about a network that had not; nor does another classifier."""
    lucky = row(encoder="pixels", fold="none", accuracy=0.99)
    other = row(encoder="pixels", classifier="neighbours", accuracy=0.99)
    assert list(beaten(twin_table(lucky, other), twin_config())) == []


def test_the_table_of_unseen_structures_has_every_condition(source: str) -> None:
    rows = table_rows(source, "Accuracy on unseen structures")
    assert rows == [
        ["network or baseline", "clear", "dim"],
        ["polar", "80.0", "92.0\u202f±\u202f2.8"],
        ["total intensity", "50.0", "60.0"],
        ["pixels", "50.0", "55.0"],
        ["always the most frequent answer", "50.0", "50.0"],
    ]
    assert "<strong>92.0" in source


def test_few_labels_have_the_deviation_over_structures(source: str) -> None:
    rows = {cells[0]: cells[1:] for cells in table_rows(source, "Few labels: what was learned, adapted")}
    assert rows["network or baseline"] == ["1 + 1", "2 + 2"]
    assert rows["polar"] == ["94.0\u202f±\u202f10.0", "95.0\u202f±\u202f10.0"]


def test_the_posters_measure_stands_beside_held_out_accuracy(source: str) -> None:
    rows = {cells[0]: cells[1:] for cells in table_rows(source, "The poster’s measure and others")}
    assert rows["polar"] == ["99.0", "–", "97.0", "–", "–"]
    assert list(rows)[:-1] == ["network or baseline", "small", "polar", "total intensity", "pixels"]  # no grid
    assert rows["always the most frequent answer"] == ["50.0", "–", "50.0", "–", "–"]


def test_structures_are_listed_by_family_with_badges(source: str) -> None:
    rows = table_rows(source, "Structures by family")[1:]
    assert [(cells[0], cells[1]) for cells in rows] == [
        *(("ball", "round"), ("ring", "round"), ("rod", "long"), ("cage", "no family")),
    ]
    assert rows[1][2] == "Ring phantom stand-in for 1abc"


def test_provenance_is_stated(page: Page) -> None:
    for fact in ("c0ffee00", "beef", "9.8.7", "cpu, threads: 2", "2\u202fmin", "1, 61\u202fs"):
        assert fact in page.text, fact
    assert "{'" not in page.text


def test_collapsed_trainings_are_counted_once() -> None:
    table = twin_table(row(seed=2, accuracy=0.5, collapsed=1), row(seed=2, dataset="clear", collapsed=1))
    found = headline(table, structures_table(), twin_config())
    assert found is not None
    assert (found.told.collapsed, found.told.n) == (1, 3)


def test_a_collapsed_training_is_told_beside_what_it_answered(tmp_path: Path) -> None:
    """Not beside what others of the same network answered, which may be the best of all."""
    table = twin_table()
    table.loc[(table["encoder"] == "polar") & (table["fold"] == "all") & (table["seed"] == 1), "collapsed"] = 1
    source = built(tmp_path, table)
    unseen = {cells[0]: cells[1:] for cells in table_rows(source, "Accuracy on unseen structures")}
    assert unseen["polar"] == ["80.0", "92.0\u202f±\u202f2.8 collapsed: 1 of 2 seeds"]
    rows = {cells[0]: cells[1:] for cells in table_rows(source, "The poster’s measure and others")}
    assert rows["polar"] == ["99.0", "–", "97.0", "–", "–"]


def test_a_run_without_families_says_which_key_to_add(tmp_path: Path, page: Page) -> None:
    config = twin_config(tmp_path, grid=None, polar=None)
    assert config.twins is not None
    bare = config.model_copy(update={"twins": config.twins.model_copy(update={"families": {}})})
    built(tmp_path, twin_table(), grid=None, polar=None)
    build_page(RunFiles(config.folder), bare, tmp_path / "page.html")
    assert (
        "To hold some out, name them together in the config: twins.families"
        in Page((tmp_path / "page.html").read_text()).text
    )
    assert "twins.families" not in page.text


def test_the_poster_is_cited_where_its_measure_is(page: Page) -> None:
    assert f"The poster ({POSTER}) counts triplets" in page.text


def test_a_section_that_would_be_empty_is_not_there(source: str, tmp_path: Path) -> None:
    assert 'href="#embeddings"' in source
    assert '<section id="embeddings">' in source
    assert "embeddings" not in built(tmp_path, twin_table(), small=None, polar=None)


def test_building_twice_gives_equal_bytes(source: str, tmp_path: Path) -> None:
    assert built(tmp_path, twin_table()) == source


def test_a_missing_figure_is_named(tmp_path: Path) -> None:
    built(tmp_path, twin_table())
    config = twin_config(tmp_path)
    files = RunFiles(config.folder)
    files.figure("twin_roc.svg").unlink()
    with pytest.raises(FileNotFoundError, match=r"twin_roc\.svg"):
        build_page(files, config, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_single_seed_has_no_deviation() -> None:
    assert spread(0.5, float("nan")) == "50.0"
    assert spread(float("nan"), float("nan")) == "–"
