"""Digests change with the code that matters and with nothing else."""

import shutil
from pathlib import Path

import pytest

from frames import provenance
from train.models import registry


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the packages, free to be edited; the folder of one."""
    for package in provenance.PACKAGES:
        shutil.copytree(provenance.ROOT / package, tmp_path / package)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    return tmp_path / "simulate"


def digest(module: str) -> str:
    provenance._closure.cache_clear()
    provenance._parsed.cache_clear()
    return provenance.source_digest(module)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_code_of_an_imported_module_counts(project: Path) -> None:
    before = {module: digest(module) for module in ("simulate.render.images", "simulate.plan.plan")}
    edit(project / "diffraction" / "patterns_numba.py", "farthest < math.pi", "farthest < 3.0")
    assert (
        digest("simulate.render.images") != before["simulate.render.images"]
    )  # through patterns, imported inside a function
    assert digest("simulate.plan.plan") == before["simulate.plan.plan"]  # does not render


def test_a_stage_is_what_its_rule_is_made_again_for(project: Path) -> None:
    """That of the labels does not render, though they tell of the pulses."""
    names = [f"simulate.stages.{file.stem}" for file in (project / "stages").glob("[!_]*.py")]
    before = {name: digest(name) for name in names}
    edit(project / "stages" / "dataset_layout.py", "where=particles > 0", "where=particles > 1")
    edit(project / "diffraction" / "patterns_numba.py", "farthest < math.pi", "farthest < 3.0")
    changed = {name.split(".")[-1] for name in names if digest(name) != before[name]}
    assert changed == {"dataset_layout", "dataset_shards", "volume"}


def test_comments_docstrings_and_layout_do_not_count(project: Path) -> None:
    before = digest("simulate.plan.plan")
    edit(project / "plan" / "plan.py", '"""Neighbouring rows, in their order."""', '"""Another text."""')
    edit(project / "plan" / "plan.py", "import zlib", "# why\nimport zlib\n")
    assert digest("simulate.plan.plan") == before


def test_a_network_is_trained_again_for_its_own_code_and_for_no_other_networks(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digests() -> dict[str, str]:
        provenance._closure.cache_clear()
        provenance._parsed.cache_clear()
        return {name: registry.training_digest(name, "train.tasks.classify") for name in registry.MODELS}

    before = digests()
    models = project.parent / "train" / "models"
    edit(models / "registry.py", '"vgg16": "published.vgg"', '"vgg11": "published.vgg", "vgg16": "published.vgg"')
    assert digests() == before
    edit(models / "published" / "late.py", "nn.Dropout", "nn.AlphaDropout")
    assert {name for name, digest in digests().items() if digest != before[name]} == {
        *("late3", "late5", "late10", "late18"),
        *("early", "vgg16"),  # which have its dropout
    }
    edit(project.parent / "train" / "loop" / "training_loop.py", "loss.backward()", "(loss + 1).backward()")
    assert not set(digests().values()) & set(before.values())


def test_unknown_module_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="nothing_like_it"):
        provenance.source_digest("simulate.nothing_like_it")


def test_settings_digest_ignores_the_order_of_keys() -> None:
    assert provenance.json_digest({"a": 1, "b": [2]}) == provenance.json_digest({"b": [2], "a": 1})
    assert provenance.json_digest({"a": 1}) != provenance.json_digest({"a": 2})


def test_versions_name_what_numbers_depend_on() -> None:
    assert {"python", "numpy", "skopi", "torch"} <= set(provenance.versions())
