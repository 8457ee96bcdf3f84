"""What the docs name is there: files, modules and commands."""

import ast
import csv
import importlib.util
import re
import statistics
import subprocess
from pathlib import Path

import pytest
from snakemake.common.configfile import load_configfile
from snakemake_interface_common.exceptions import WorkflowError

from evaluate.run.config_files import read_config
from frames.provenance import PACKAGES
from singlehit.command import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    page
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("config/**/*.md")])
    # The one is made by `make validation`, with the paths of its own commit; the other tells of what was.
    if page not in (ROOT / "docs" / "validation.md", ROOT / "CHANGELOG.md")
]
FOLDERS = {*PACKAGES, "workflow", "tests", "bench", "config", "docs", "profiles", ".ci"}
SUFFIXES = (".py", ".smk", ".yaml", ".j2", ".toml", ".md")


def names(text: str) -> list[str]:
    """What stands between backticks, and the words of indented and fenced lines."""
    quoted = re.findall(r"`([^`\n]+(?:\n[^`\n]+)?)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    shown = re.findall(r"^ {4}(.*)$", text, re.MULTILINE)
    return [word.strip(",;:()") for line in (*quoted, *shown) for word in line.split()]


def is_path(name: str) -> bool:
    """Of this repository; not what a run or a user makes."""
    whole = re.fullmatch(r"[\w./*-]+", name) is not None
    return whole and "/" in name and name.split("/")[0] in FOLDERS and (name[-1] == "/" or "." in Path(name).name)


def missing(text: str) -> list[str]:
    """Paths and modules of this repository that are not there."""
    absent = [name for name in names(text) if is_path(name) and not list(ROOT.glob(name.rstrip("/")))]
    for name in re.findall(rf"\b(?:{'|'.join(PACKAGES)})(?:\.[a-z_]\w*)+", " ".join(names(text))):
        if name.endswith((".csv", ".html", ".json", ".svg", ".npz", ".py", ".smk", ".yaml")):
            continue
        folder = ROOT.joinpath(*name.split("."))
        if not any(f.with_suffix(".py").exists() or f.is_dir() for f in (folder, folder.parent) if f != ROOT):
            absent.append(name)
    return absent


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_and_modules_are_there(page: Path) -> None:
    assert not missing(page.read_text(encoding="utf-8"))


def test_what_is_not_there_is_found() -> None:
    text = "`simulate/volume.py`, `simulate/config.py` and `train.nowhere.at` of `config/demo.yaml`, `results/a.csv`"
    assert missing(text) == ["simulate/volume.py", "train.nowhere.at"]
    assert missing("    snakemake --configfile config/none.yaml") == ["config/none.yaml"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_every_config_has_a_row_in_their_page() -> None:
    page = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    configs = {str(path.relative_to(ROOT)) for path in [ROOT / "config.yaml", *(ROOT / "config").rglob("*.yaml")]}
    assert set(re.findall(r"^\| `([\w./-]+)` \|", page, re.MULTILINE)) == configs


def test_commands_are_called_by_their_new_names() -> None:
    """In docs, pages, help and messages alike."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    texts = [
        path
        for path in map(ROOT.joinpath, tracked or [])
        if path.suffix in {".py", ".md", ".j2", ".smk", ""} and path.is_file() and "tests" not in path.parts
    ]
    if not texts:
        pytest.skip("not a clone")
    modules = {command.module for command in COMMANDS.values()}
    old = re.compile(rf"python -m ({'|'.join(map(re.escape, modules))})\b")
    assert not [str(path) for path in texts if old.search(path.read_text(encoding="utf-8"))]
    called = {
        word
        for path in texts
        for word in re.findall(r"(?:`|>|^ {4})singlehit ([a-z]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert called <= set(COMMANDS)
    assert {"verify", "select"} <= called


def measured(dataset: str, model: str) -> list[list[float]]:
    """Of each metric of the README's table, in per cent, the values of all seeds that learned anything (or of all)."""
    runs = [ROOT / "docs" / "results" / f"standins-5000-{run}" for run in ("folded", "seed-1", "noise-free", "poster")]
    known = {}
    for run in runs:
        with (run / "cnn.csv").open(newline="") as file:
            _, *rows = csv.reader(file)
        for _, of, name, seed, _, _, *values in rows:
            if of == dataset and model == {"ours": "folded"}.get(name, name):
                known[seed] = [100 * float(value) for value in values[:4]]
    learned = [values for values in known.values() if values[0] > 3]
    return [list(column) for column in zip(*(learned or known.values()), strict=True)]


def test_the_readme_has_the_numbers_of_the_tables() -> None:
    """Joint, count, structure, and single or multiple at the scale of the paper: mean and deviation over seeds."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    start = page.index("| network | noise-free: joint |")
    lines = page[start : page.index("\n\n", start)].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    told = {re.sub(r"[*`]|\(.*?\)", "", row[0]).strip(): [cell.strip("* ") for cell in row[1:6]] for row in rows}
    assert len(told) == 8
    for network, (noise_free, *noisy) in told.items():
        model = network.replace(" ", "_")
        if noise_free:
            assert noise_free == f"{measured('noise_free', model)[0][0]:.{2 if model == 'folded' else 1}f}"
        for cell, values in zip(noisy, measured("noisy", model), strict=True):
            deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
            assert cell == f"{statistics.mean(values):.1f}{deviation}", network


BENCHMARKS = sorted((ROOT / "bench").rglob("*.py"))


def test_what_benchmarks_import_of_ours_is_there() -> None:
    ours = {path.name for path in ROOT.iterdir() if path.is_dir()}
    missing = []
    for file in BENCHMARKS:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                at = ROOT.joinpath(*name.split("."))
                if name.split(".")[0] in ours and not (at.is_dir() or at.with_suffix(".py").exists()):
                    missing.append(f"{file.relative_to(ROOT)}: {name}")
                elif name.split(".")[0] not in ours and importlib.util.find_spec(name.split(".")[0]) is None:
                    if not any(name == other.stem for other in BENCHMARKS):
                        continue  # a package of others, which a benchmark may name and an installation lack
                    missing.append(f"{file.relative_to(ROOT)}: {name}, which is in a folder of bench/")
    assert missing == []


def test_benchmarks_that_are_told_of_are_there() -> None:
    """In README, docs and the benchmarks themselves."""
    told: dict[str, Path] = {}
    for file in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *BENCHMARKS):
        text = file.read_text()
        told |= dict.fromkeys(re.findall(r"python -m (bench(?:\.\w+)+)", text), file)
        told |= dict.fromkeys(re.findall(r"make bench\s+BENCH=(\w+)", text), file)
        assert "python bench/" not in text, file
    assert {"bench.simulate.scale", "render_1"} <= set(told)
    names = {file.stem for file in BENCHMARKS}
    for name, file in told.items():
        is_there = ROOT.joinpath(*name.split(".")).with_suffix(".py").exists() if "." in name else name in names
        assert is_there, f"{file.relative_to(ROOT)} tells of {name}"
    assert len(names) == len(BENCHMARKS), "two benchmarks of one name: `make bench BENCH=` would run both"


TWIN_COLUMNS = (("unseen", "centroid", 0), ("unlabelled", "mixture", 0), ("few_shot", "adapted", 20))
"""Protocol, classifier and labels of each class that the columns of the tables about twin networks show."""
TWIN_NAMES = ("dataset", "encoder", "protocol", "classifier", "labels")
TWIN_ROWS = {
    "twin network on `polar` (ours)": "polar",
    "**ph13** ours (`polar`)": "polar",
    "late10, our recipe": "late10",
    "azimuthal network, our recipe": "azimuthal",
    "spectral clustering (baseline)": "spectral_clustering",
    "baseline: spectral clustering": "spectral_clustering",
    "total intensity (baseline)": "total_intensity",
    "baseline: total intensity": "total_intensity",
}


def of_twins(dataset: str, encoder: str) -> list[tuple[float, float, float]]:
    """Of each column, accuracy and its deviation over structures, means over seeds, and the majority; in per cent."""
    with (ROOT / "docs" / "results" / "twin" / "twin.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["trained_on"] == "mixed" and row["fold"] == "all"]
    columns = []
    for protocol, classifier, labels in TWIN_COLUMNS:
        if (encoder, protocol) == ("spectral_clustering", "unseen"):
            classifier = "clusters"
        asked = (dataset, encoder, protocol, classifier, str(labels))
        here = [row for row in rows if tuple(row[name] for name in TWIN_NAMES) == asked]
        assert len(here) == (1 if encoder in ("spectral_clustering", "total_intensity") else 3)
        assert {(row["n_test"], row["n_structures"]) for row in here} == {("2424", "24")}
        accuracy, deviation, majority = (
            100 * statistics.mean(float(row[name]) for row in here)
            for name in ("accuracy", "deviation", "majority_accuracy")
        )
        columns.append((accuracy, deviation, majority))
    return columns


@pytest.mark.parametrize(
    ("page", "first", "n_rows"),
    [("README.md", "| | pattern by pattern", 3), ("docs/results/twins.md", "| per cent right, mean", 5)],
)
def test_tables_about_twin_networks_are_those_of_the_results(page: str, first: str, n_rows: int) -> None:
    """Accuracy and deviation over structures at 10^13 photons, to the last digit that is printed."""
    text = (ROOT / page).read_text(encoding="utf-8")
    start = text.index(first)
    lines = text[start : text.index("\n\n", start)].splitlines()[2:]
    rows = {cells[0].strip(): cells[1:] for cells in (line.strip("|").split("|") for line in lines)}
    told = {TWIN_ROWS[name]: cells for name, cells in rows.items() if name in TWIN_ROWS}
    assert len(told) == n_rows
    for encoder, cells in told.items():
        for cell, (accuracy, deviation, majority) in zip(cells, of_twins("ph13", encoder), strict=True):
            mean, spread = re.findall(r"[\d.]+", cell.split("(")[0])
            assert float(mean) == pytest.approx(accuracy, abs=0.0501), (encoder, cell)
            assert float(spread) == pytest.approx(deviation, abs=0.0501), (encoder, cell)
            if "majority" in rows:
                assert {float(share) for share in rows["majority"]} == {round(majority, 1)}


def test_what_the_readme_says_of_twins_under_jitter_is_so() -> None:
    """At a steady fluence a baseline is best in each column; with jitter ours is where unlabelled patterns are used."""
    encoders = ("polar", "spectral_clustering", "total_intensity")
    steady, jittered = (
        {encoder: [column[0] for column in of_twins(dataset, encoder)] for encoder in encoders}
        for dataset in ("ph13", "jittered")
    )
    assert all(max(encoders, key=lambda name, n=n: steady[name][n]) != "polar" for n in range(3))
    assert max(encoders, key=lambda name: jittered[name][1]) == "polar"


@pytest.mark.parametrize("text", ["run: x\n\ttitle: y\n", "run: x\ntitle\nsimulation: {}\n", "run: [x\ntitle: y\n"])
def test_what_snakemake_says_of_a_config_that_is_no_yaml_is_as_the_docs_have_it(tmp_path: Path, text: str) -> None:
    """It reads the file before the Snakefile, and names neither line nor column; the command that they name does."""
    page = " ".join((ROOT / "docs" / "guide" / "your-run.md").read_text().split())
    (told,) = re.findall(r'before anything of ours, and says no more than "([^"]+)"', page)
    (file := tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(WorkflowError, match=f"^{told}"):
        load_configfile(str(file))
    assert "`singlehit estimate mine.yaml` names line and column" in page
    with pytest.raises(ValueError, match=rf"^{re.escape(str(file))}, line \d, column \d: "):
        read_config(file)
