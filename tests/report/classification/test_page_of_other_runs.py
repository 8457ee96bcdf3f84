"""The page about runs that ask less or more than the usual one, and about runs of which something is missing."""

import re
from pathlib import Path

import numpy as np
import pytest

from evaluate.run.config import RunConfig, load_config
from evaluate.run.files import RunFiles
from evaluate.run.outputs import figure_names
from frames.files import write_json
from frames.store.dataset import open_dataset
from report.classification.page import build_report
from report.classification.summary import collect_simulated
from simulate.experiment.reach import reach_of
from support.made.html_page import Page, table_rows

Run = tuple[RunFiles, RunConfig]


def test_what_was_not_asked_for_is_not_there(finished_run: Run, tmp_path: Path) -> None:
    files, config = finished_run
    settings = config.model_dump(mode="json")
    del settings["evaluation"]
    settings["training"]["models"] = {"late10": settings["training"]["models"]["late10"]}
    build_report(files.folder, load_config(settings), tmp_path / "report.html")
    source = (tmp_path / "report.html").read_text()
    text = Page(source).text
    for absent in (
        "Few photons",
        "Other experiments",
        "What made the difference",
        "Bayes-optimal accuracy",
        "Azimuthal",
    ):
        assert absent not in text
    assert not re.search('id="(photons|transfers|variants)"', source)
    assert "How far to trust it" in text


def test_a_single_training_comes_with_its_interval(finished_run: Run, tmp_path: Path) -> None:
    files, config = finished_run
    settings = config.model_dump(mode="json")
    settings["training"]["models"]["late10"]["seeds"] = [3]
    build_report(files.folder, load_config(settings), tmp_path / "report.html")
    text = Page((tmp_path / "report.html").read_text()).text
    # Wilson's interval of 12 in 16: (0.75 + 0.12 ± 0.1986...) / 1.24, see test_metrics.py.
    assert "75.0\u202f% (95\xa0% interval 50.5\u202f% to 89.8\u202f%; one training, seed 3)" in text
    assert "(seed 5)" not in text


def test_whatever_a_dataset_adds_is_stated(finished_run: Run, tmp_path: Path) -> None:
    """The same files under a config that says otherwise: the page tells what the config says of each dataset."""
    files, config = finished_run
    settings = config.model_dump(mode="json")
    noisy = settings["simulation"]["datasets"]["noisy"]
    noisy["beam"] |= {
        "energy_jitter": 0.002,
        "focus_profile": "gaussian",
        "injection_radius_um": 2.0,
        "centre_jitter_um": 150,
        "fluence_jitter": {"model": "gamma", "sigma": 0.4},
    }
    noisy["background"] = {"flat_photons": 0.01, "radial_photons": 0.5, "radial_radius_pixels": 20}
    noisy["detector"] |= {"model": "pnccd", "binning": 8, "pixel_size_um": 75, "missing": "half"}
    noisy["readout"] |= {"gain_spread": 0.02, "saturation_photons": 1000, "adu_per_photon": 40}
    noisy["readout"] |= {"hot_fraction": 0.0005, "dead_fraction": 0.005}
    noisy["placement"] = "surface_contact"
    settings["simulation"]["structures"][0]["hydration_angstrom"] = 3.0
    del settings["evaluation"]  # no photon curve or limit of such datasets
    changed = load_config(settings)
    for name in ("structures", "datasets", "tables", "predictions", "models", "figures", "benchmarks"):
        (tmp_path / name).symlink_to(files.folder / name)
    for structure in ("ball", "9xyz"):
        for dataset in changed.simulation.datasets.values():  # the jitters reach farther
            volume = RunFiles(tmp_path).volume(structure, reach_of(dataset))
            write_json(volume, {"n_grid": 39, "measured_error": 4.9e-4})
    build_report(tmp_path, changed, tmp_path / "report.html")
    text = Page((tmp_path / "report.html").read_text()).text
    for fact in (
        *("σ = 0.2 % from shot to shot", "Gaussian (1/e²)", "hits within 2 µm of its axis", "σ = 150 µm along x and y"),
        *("× gamma, mean 1, σ = 0.4", "0.01 + 0.5 exp(−r / 20 pixels), with the pulse"),
        *("pnccd, nominal panels and gaps", "8 × 8 native pixels in one", "half of the detector missing"),
        *("gains: σ = 2 %", "saturates at 1,000 photons", "whole ADUs, 40 a photon"),
        *("0.05\u202f% of pixels hot, 10 photons too many", "0.5\u202f% of pixels dead, in no mask"),
        *(
            "touch as molecules, their atoms 4 Å apart",
            "A layer of water surrounds ball; other solvent is not included",
        ),
    ):
        assert fact in text
    assert "the same shot without noise and with it" not in text  # the placements differ


def test_what_has_a_single_answer_is_no_question(finished_run: Run, tmp_path: Path) -> None:
    """Of one structure, which it is; no figure, column or tile of that."""
    files, config = finished_run
    settings = config.model_dump(mode="json")
    settings["simulation"]["structures"] = settings["simulation"]["structures"][:1]
    del settings["evaluation"]
    build_report(files.folder, load_config(settings), tmp_path / "report.html")
    source = (tmp_path / "report.html").read_text()
    assert "Confusion matrix of structures" not in source
    assert "Confusion matrix of all classes" not in source
    assert "Confusion matrix of numbers of particles" in source
    assert table_rows(source, "Accuracies on clean")[0] == [
        *("model", "joint accuracy", "number of particles", "single or multiple", "parameters"),
    ]
    assert table_rows(source, "Results by class, clean")[0] == ["structure", "1 particle", "2 particles"]
    assert table_rows(source, "Calibration and selection on clean")[0][1:3] == [
        *("calibration error: number", "one particle or not"),
    ]
    names = re.findall(r'<div class="tile"><b>[^<]*</b>([^<]*)<', source)
    assert set(names) == {"joint accuracy", "number of particles", "single or multiple hit"}
    widths = {len(row) for row in table_rows(source, "Accuracies on noisy")}
    assert len(widths) == 1


NUMBER = {"reliability_hit_multiplicity", "confusion_hit_multiplicity"}
WHICH = {"reliability_structure", "confusion_structure"}
SELECTION = "selection_hit_multiplicity"


def test_figures_of_one_class_are_not_drawn(finished_run: Run) -> None:
    settings = finished_run[1].model_dump(mode="json")
    del settings["evaluation"]
    plan = settings["simulation"]["plan"]
    for structures, multiplicities, kinds in (
        (2, [1, 2], {*NUMBER, *WHICH, SELECTION, "confusion_both"}),
        (1, [1, 2], {*NUMBER, SELECTION}),
        (2, [1], WHICH),
        (2, [0, 1], {*NUMBER, *WHICH, SELECTION}),
        (2, [2, 3], {*NUMBER, *WHICH, "confusion_both"}),
        (1, [1], set()),
    ):
        some = finished_run[1].model_dump(mode="json")["simulation"]["structures"][:structures]
        changed = settings | {
            "simulation": settings["simulation"]
            | {"structures": some, "plan": plan | {"hit_multiplicities": multiplicities}}
        }
        names = figure_names(load_config(changed))
        found = {name.removesuffix("_clean.svg") for name in names if name.endswith("_clean.svg")}
        assert found - {"training", "photons"} == kinds, (structures, multiplicities)


def test_photons_of_a_dataset_are_quantiles_of_its_patterns(finished_run: Run) -> None:
    files, config = finished_run
    images = open_dataset(files.dataset("noisy")).read_raw(slice(None)).astype(float)
    facts = collect_simulated(files, config).datasets[1]
    assert facts.photons == pytest.approx(np.quantile(images.sum(axis=(1, 2)), (0.05, 0.5, 0.95)))


def test_a_missing_figure_is_named(finished_run: Run, tmp_path: Path) -> None:
    files, config = finished_run
    for name in ("structures", "volumes", "datasets", "tables", "predictions", "models"):
        (tmp_path / name).symlink_to(files.folder / name)
    with pytest.raises(FileNotFoundError, match=r"classes\.png"):
        build_report(tmp_path, config, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
