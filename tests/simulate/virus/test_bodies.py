"""One volume serves all sizes, and planned shots stay what they are."""

import numpy as np
import pyarrow as pa
import pytest

from frames.files import write_table
from simulate.diffraction.patterns import field_at
from simulate.virus.bodies import layered, parts_of, shells, unit_volume
from simulate.virus.config import AnnotatorConfig, VirusConfig, VirusSimulationConfig
from simulate.virus.dataset import made_from
from simulate.virus.plan import annotated, plan

LAYERS = shells(VirusConfig())


def test_a_slice_of_the_one_volume_is_the_virus_of_any_size() -> None:
    volume = unit_volume(LAYERS, 12.0)
    rng = np.random.default_rng(0)
    for radius in (275.0, 350.0, 420.0):
        q = rng.uniform(-1, 1, (500, 3)) * 12 / 420 / np.sqrt(3)
        outer, middle, core = ([(part * radius, density)] for part, density in LAYERS)
        made = sum(layered(q, [(part, density)]) for [(part, density)] in (outer, middle, core))
        scaled = radius**3 * field_at(volume, q * radius).real
        assert np.linalg.norm(scaled - made) < 1e-3 * np.linalg.norm(made)


def test_particles_of_an_aggregate_touch_and_do_not_overlap() -> None:
    for seed in range(40):
        places = np.stack([part.place for part in parts_of("aggregate", 70.0, seed)])
        apart = np.linalg.norm(places[:, None] - places, axis=-1)[np.triu_indices(len(places), 1)]
        assert apart.min() >= 1.9 * 350 * (1 - 1e-6)
        assert len(places) >= 2


def test_a_shot_stays_when_others_are_added() -> None:
    few = plan(VirusSimulationConfig(shots={"train": 20, "validation": 5, "test": 5}), 1e-6)
    more = plan(VirusSimulationConfig(shots={"train": 40, "validation": 5, "test": 5}), 1e-6)
    same = few.drop(columns="frame").query("split == 'train'")
    assert same.equals(more.drop(columns="frame").iloc[:20])
    assert more["seed"].is_unique


def test_the_annotator_errs_as_often_as_the_config_says() -> None:
    seeds = np.arange(20_000, dtype=np.uint64)
    config = AnnotatorConfig(recall=0.8, half_photons=1e5, takes={"broken": 0.3})
    half = annotated(np.repeat("single", len(seeds)), np.full(len(seeds), 1e5), seeds, config)
    assert half.mean() == pytest.approx(0.4, abs=0.02)
    taken = annotated(np.repeat("broken", len(seeds)), np.full(len(seeds), 1e5), seeds, config)
    assert taken.mean() == pytest.approx(0.3, abs=0.02)


def test_kinds_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="no kind is called 'virion'"):
        VirusSimulationConfig(shots={"train": 1, "validation": 1, "test": 1}, kinds={"virion": 1.0})


def test_what_a_person_says_makes_no_frame_anew(tmp_path) -> None:
    shots = {"train": 20, "validation": 5, "test": 5}
    made = {}
    for name, changes in (("a", {}), ("b", {"annotator": {"recall": 0.1}}), ("c", {"seed": 1})):
        config = VirusSimulationConfig.model_validate({"shots": shots, **changes})
        write_table(tmp_path / name, pa.Table.from_pandas(plan(config, 1e-6), preserve_index=False))
        made[name] = made_from(tmp_path / name, config)
    assert made["a"] == made["b"] != made["c"]
