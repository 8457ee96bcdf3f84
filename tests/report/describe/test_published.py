"""The poster's figures, and which of its tables a dataset is like."""

from typing import Any

import pytest

from report.describe.published import CLASSES, TABLE_1, TABLE_2, published_for
from simulate.config import SimulationConfig
from simulate.experiment.config import DatasetConfig
from simulate.experiment.presets import presets
from train.models.registry import MODELS


def test_rows_are_networks_of_the_registry() -> None:
    for table in (TABLE_1, TABLE_2):
        assert set(table.rows) <= set(MODELS)
        assert list(table.rows) == ["late3", "late5", "late10", "late18", "early", "resnet18", "vgg16"]


def test_collapsed_rows_are_those_at_the_majority_of_the_posters_set() -> None:
    """57 % single hits of eleven structures: a count head that always says 1 has 57 %, a particle head 9 %."""
    for table in (TABLE_1, TABLE_2):
        for row in table.rows.values():
            assert ("count" in row.collapsed) == (abs(row.count_accuracy - 0.57) < 0.01)
            assert ("particle" in row.collapsed) == (abs(row.particle_accuracy - 1 / 11) < 0.01)
    assert TABLE_2.rows["late18"].collapsed == ("count", "particle")


def test_both_right_is_no_more_than_each() -> None:
    for table in (TABLE_1, TABLE_2):
        for row in table.rows.values():
            assert row.test_accuracy <= min(row.count_accuracy, row.particle_accuracy)
            assert row.test_accuracy >= row.count_accuracy + row.particle_accuracy - 1 - 0.002  # to the digits printed


POSTER = presets()["poster"]


@pytest.mark.parametrize(
    ("values", "number"),
    [
        (presets()["clean"], 1),
        (presets()["clean"] | {"photons_per_pulse": 1e13}, 1),
        (POSTER, 2),
        (POSTER | {"select": {"shares": {2: 0.25}}}, 2),
        (POSTER | {"photons_per_pulse": 1e11}, None),
        (POSTER | {"readout": {"read_noise_photons": 0.15}}, None),
        (POSTER | {"beam": {"fluence_jitter": {"model": "none"}}}, None),
        (POSTER | {"background": {"flat_photons": 0.02}}, None),
        (POSTER | {"beam": POSTER["beam"] | {"focus_radius_um": 0.1}}, None),
        (POSTER | {"beam": POSTER["beam"] | {"centre_jitter_um": 900}}, None),
        (POSTER | {"placement": "random_contact"}, None),
        (POSTER | {"select": {"views": {"side": "outside"}}}, None),
        (presets()["clean"] | {"detector": {"missing": "half"}}, None),
    ],
)
def test_a_dataset_is_compared_where_it_is_recorded_alike(values: dict[str, Any], number: int | None) -> None:
    dataset = DatasetConfig.model_validate(values)
    table = published_for(dataset, 11 * 4)
    assert (table and table.number) == number
    assert published_for(dataset, 6 * 4) is None


def test_presets_of_a_run_are_recognised() -> None:
    structures = [{"id": "ball", "source": "phantom", "phantom": "globule"}]
    datasets = {"any_name": {"base": "clean"}, "another": {"base": "poster"}}
    simulation = SimulationConfig.model_validate({"structures": structures, "datasets": datasets})
    assert [published_for(dataset, CLASSES) for dataset in simulation.datasets.values()] == [TABLE_1, TABLE_2]
