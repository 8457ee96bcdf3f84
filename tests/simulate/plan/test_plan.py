"""The plan: stratified, reproducible row by row, readable by others."""

import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from scipy import stats

from frames import files
from frames.labels import SPLITS
from frames.rng import mix, uniforms
from simulate.orientation import rotation_matrices
from simulate.plan import plan
from simulate.plan.config import PlanConfig, SplitConfig
from simulate.plan.placement import Body, body_of
from simulate.plan.plan import Plan


def body(radius: float) -> Body:
    return body_of(np.array([[radius, 0, 0], [-radius, 0, 0]]))


BODIES = {"small": body(40.0), "large": body(90.0)}


@pytest.fixture(scope="module")
def config() -> PlanConfig:
    return PlanConfig(seed=5, hit_multiplicities=(0, 1, 3), patterns_per_class=20)


@pytest.fixture(scope="module")
def drawn(config: PlanConfig) -> Plan:
    return plan.draw(config, "ballistic", BODIES)


def by_seed(some: Plan) -> dict[int, Plan]:
    """Every row alone, by its seed."""
    return {int(seed): some.rows(slice(row, row + 1)) for row, seed in enumerate(some.table["seed"])}


def same_row(a: Plan, b: Plan, *columns: str) -> bool:
    arrays = ("species", "orientations", "positions")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays) and all(
        a.table[name].item() == b.table[name].item() for name in columns
    )


LABELS = ("structure", "hit_multiplicity", "split")


def test_every_class_is_split_alike(drawn: Plan) -> None:
    sizes = drawn.table.groupby(["structure", "hit_multiplicity", "split"]).size().unstack()
    assert (sizes[["train", "validation", "test"]] == [14, 2, 4]).all(axis=None)
    assert set(sizes.index) == {("", 0), ("small", 1), ("small", 3), ("large", 1), ("large", 3)}


def test_a_split_that_is_rounded_to_nothing_is_refused() -> None:
    """Ten patterns: 7.5 are 8, so that none is left of the one for validation."""
    split = SplitConfig(train=0.75, validation=0.1, test=0.15)
    with pytest.raises(ValidationError, match="patterns_per_class 10 leaves no validation pattern"):
        PlanConfig(patterns_per_class=10, split=split)


def test_splits_are_blocks_shuffled_inside(drawn: Plan) -> None:
    splits = drawn.table["split"]
    assert list(dict.fromkeys(splits)) == ["train", "validation", "test"]
    assert (splits != splits.shift()).sum() == 3
    train = drawn.table[splits == "train"]
    assert (train["structure"] != train["structure"].shift()).sum() > 10
    assert list(drawn.table["pattern"]) == list(range(100))


def test_rows_come_in_the_order_of_one_permutation_split_by_split() -> None:
    """A slow twin: classes one after the other, in each the splits; the same bytes on every machine."""
    config = PlanConfig(seed=5, hit_multiplicities=(0, 1), patterns_per_class=200)
    drawn = plan.draw(config, "ballistic", BODIES, first_number=3)
    classes = [("small", 1), ("large", 1), ("", 0)]  # shots at nothing last
    rows = [
        (name, multiplicity, split, int(seed))
        for name, multiplicity in classes
        for split, seed in zip(
            [split for split in SPLITS for _ in range(config.split_sizes[split])],
            plan.row_seeds(5, name, multiplicity, np.arange(3, 203)),
            strict=True,
        )
    ]
    shuffled = [rows[row] for row in np.random.default_rng(5).permutation(len(rows))]
    columns = [drawn.table[name] for name in (*LABELS, "seed")]
    assert [*zip(*columns, strict=True)] == [row for split in SPLITS for row in shuffled if row[2] == split]
    assert drawn.table["hit_multiplicity"].dtype == np.int16
    assert plan.draw(config, "ballistic", BODIES).table["seed"].isin(plan.row_seeds(5, "", 0, np.arange(1))).any()


def test_surfaces_touch_as_the_particles_are_turned(config: PlanConfig) -> None:
    """Two dumbbells: how far apart they are hangs on how they lie."""
    made = plan.draw(config, "surface_contact", BODIES)
    atoms = {name: np.array([[r, 0, 0], [-r, 0, 0]]) for name, r in (("small", 40.0), ("large", 90.0))}
    for row in np.flatnonzero(made.table["hit_multiplicity"] == 3)[:20]:
        one = made.rows(slice(row, row + 1))
        points = atoms[one.table["structure"].item()]
        turned = rotation_matrices(one.orientations)
        placed = [points @ turn.T + position for turn, position in zip(turned, one.positions, strict=True)]
        for k, here in enumerate(placed):
            others = np.concatenate([there for j, there in enumerate(placed) if j != k])
            nearest = np.linalg.norm(here[:, None] - others, axis=-1).min()
            assert nearest == pytest.approx(config.placement.contact_distance_angstrom, rel=1e-6)


def test_mixed_species_are_those_of_the_largest_number() -> None:
    """A slow twin, particle by particle, in whole numbers of 64 bits without a sign."""
    config = PlanConfig(seed=5, hit_multiplicities=(3,), patterns_per_class=20, mixed_fraction=0.5)
    made, names = plan.draw(config, "ballistic", BODIES), list(BODIES)
    keys = [mix(np.array([zlib.crc32(name.encode())], np.uint64))[0] for name in names]
    for row, (name, seed) in enumerate(zip(made.table["structure"], made.table["seed"], strict=True)):
        expected = [names.index(name)] * 3
        if uniforms(np.array([seed], np.uint64), "species", 1)[0, 0] < 0.5:
            drawn = [uniforms(np.array([np.uint64(seed) ^ key]), "species", 2)[0] for key in keys]
            expected[1:] = [max(range(len(names)), key=lambda k: drawn[k][place]) for place in range(2)]
        assert made.rows(slice(row, row + 1)).species.tolist() == expected


def test_columns_of_the_file_are_of_these_types(drawn: Plan, tmp_path: Path) -> None:
    """What other programs read."""
    plan.write(drawn, tmp_path / "plan.parquet")
    types = {field.name: str(field.type) for field in pq.read_schema(tmp_path / "plan.parquet")}
    assert "int16" in types["species"]
    assert "double" in types["orientations"]
    assert "double" in types["positions"]
    assert types["hit_multiplicity"] == "int16"
    assert types["seed"] == "uint64"
    assert list(types) == ["pattern", *LABELS, "seed", "species", "orientations", "positions"]


def test_rows_fit_their_multiplicity(drawn: Plan) -> None:
    assert np.array_equal(np.diff(drawn.start), drawn.table["hit_multiplicity"])
    assert len(drawn.species) == len(drawn.orientations) == len(drawn.positions) == drawn.start[-1] == 160
    for row, structure in enumerate(drawn.table["structure"]):
        particles = slice(drawn.start[row], drawn.start[row + 1])
        positions = drawn.positions[particles]
        assert set(drawn.species[particles]) <= {list(BODIES).index(structure) if structure else None}
        if len(positions) > 1:
            nearest = np.linalg.norm(positions[1:] - positions[0], axis=1).min()
            assert nearest == pytest.approx(2 * BODIES[structure].radius, rel=1e-9)


def test_rows_and_take_agree_with_the_whole(drawn: Plan) -> None:
    indices = np.array([70, 3, 3, 99])
    taken = drawn.take(indices)
    assert list(taken.table["pattern"]) == [70, 3, 3, 99]
    assert list(taken.table.index) == [0, 1, 2, 3]
    for row, index in enumerate(indices):
        ours, theirs = slice(taken.start[row], taken.start[row + 1]), slice(drawn.start[index], drawn.start[index + 1])
        assert np.array_equal(taken.positions[ours], drawn.positions[theirs])
        assert np.array_equal(taken.orientations[ours], drawn.orientations[theirs])
        assert np.array_equal(taken.species[ours], drawn.species[theirs])
    part = drawn.rows(slice(10, 30))
    assert len(part) == 20
    assert part.start[0] == 0
    assert np.array_equal(part.positions, drawn.positions[drawn.start[10] : drawn.start[30]])
    assert len(drawn.rows(slice(0, 0)).positions) == 0


@pytest.mark.parametrize("mixed_fraction", [0.0, 0.6])
def test_patterns_stay_when_the_plan_grows(config: PlanConfig, mixed_fraction: float) -> None:
    """More multiplicities, more patterns, another order: the patterns that were there are the same ones."""
    config = config.model_copy(update={"mixed_fraction": mixed_fraction})
    before = plan.draw(config, "ballistic", BODIES)
    more = config.model_copy(update={"hit_multiplicities": (3, 2, 1, 0)})
    grown = by_seed(plan.draw(more, "ballistic", BODIES))
    assert all(same_row(row, grown[seed], *LABELS) for seed, row in by_seed(before).items())
    longer = by_seed(plan.draw(config.model_copy(update={"patterns_per_class": 30}), "ballistic", BODIES))
    assert all(same_row(row, longer[seed], *LABELS[:2]) for seed, row in by_seed(before).items())
    turned = by_seed(plan.draw(config, "ballistic", dict(reversed(BODIES.items()))))
    assert all(np.array_equal(row.species, 1 - turned[seed].species) for seed, row in by_seed(before).items())
    assert all(np.array_equal(row.positions, turned[seed].positions) for seed, row in by_seed(before).items())


def test_patterns_stay_when_structures_are_added(config: PlanConfig, drawn: Plan) -> None:
    grown = by_seed(plan.draw(config, "ballistic", {**BODIES, "another": body(60.0)}))
    assert all(same_row(row, grown[seed], *LABELS) for seed, row in by_seed(drawn).items())


def test_placements_differ_in_positions_alone(config: PlanConfig, drawn: Plan) -> None:
    other = plan.draw(config, "dispersed", BODIES)
    assert other.table.equals(drawn.table)
    assert np.array_equal(other.orientations, drawn.orientations)
    assert not np.isin(other.positions, drawn.positions).any()


SHARES = {1: 0.5, 3: 0.25}


def test_a_selection_keeps_exact_shares_of_every_class_and_split(drawn: Plan) -> None:
    chosen = plan.select(drawn, SHARES)
    sizes = chosen.table.groupby(["structure", "hit_multiplicity"])["split"].value_counts().unstack()
    # Of 14, 2 and 4: a half is 7, 1 and 2; a quarter 3.5 and 0.5, to even, 4 and 0, and 1.
    expected = {0: [14, 2, 4], 1: [7, 1, 2], 3: [4, 0, 1]}
    for (_, multiplicity), row in sizes.fillna(0).iterrows():
        assert row[["train", "validation", "test"]].tolist() == expected[multiplicity]
    rows = chosen.table["pattern"]
    assert rows.is_monotonic_increasing  # so the splits are blocks still
    whole = by_seed(drawn)
    assert all(same_row(row, whole[seed], "pattern", *LABELS) for seed, row in by_seed(chosen).items())
    assert plan.select(drawn, {}) is drawn


def test_a_selection_hangs_on_its_own_class_alone(config: PlanConfig, drawn: Plan) -> None:
    seeds = set(plan.select(drawn, SHARES).table["seed"])
    more = config.model_copy(update={"hit_multiplicities": (3, 2, 1, 0)})
    grown = plan.select(plan.draw(more, "dispersed", {"another": body(60.0), **BODIES}), {2: 0.5, **SHARES})
    assert seeds == set(grown.table["seed"][np.isin(grown.table["seed"], drawn.table["seed"])])
    assert set(plan.select(drawn, {**SHARES, 3: 0.1}).table["seed"]) < seeds


def test_some_structures_are_a_plan_of_their_own(config: PlanConfig, drawn: Plan) -> None:
    """Row by row that of a plan drawn for them alone, species counted among them; rows keep their order."""
    names = list(BODIES)
    some, alone = (
        plan.only(drawn, ["large"], names),
        by_seed(plan.draw(config, "ballistic", {"large": BODIES["large"]})),
    )
    assert len(some) == len(alone)
    assert all(same_row(row, alone[seed], *LABELS) for seed, row in by_seed(some).items())
    assert some.table["pattern"].is_monotonic_increasing
    assert some.species.dtype == drawn.species.dtype
    assert plan.only(drawn, names, names) is drawn


def test_mixed_shots_have_any_structure_after_the_first() -> None:
    n, bodies = 2000, {**BODIES, "another": body(60.0)}
    config = PlanConfig(hit_multiplicities=(1, 4), patterns_per_class=n, mixed_fraction=0.3)
    drawn = plan.draw(config, "random_contact", bodies)
    names = np.array(list(bodies))
    occupied = drawn.take(np.flatnonzero(drawn.table["hit_multiplicity"] > 0))
    assert np.array_equal(names[occupied.species[occupied.start[:-1]]], occupied.table["structure"])
    species = drawn.take(np.flatnonzero(drawn.table["hit_multiplicity"] == 4)).species.reshape(-1, 4)
    differs = species[:, 1:] != species[:, :1]
    # A row is mixed with probability 0.3; each of its three further particles is of one of three structures.
    share = 0.3 * (1 - (1 / 3) ** 3)
    assert differs.any(axis=1).mean() == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / (3 * n)))
    mixed = species[differs.any(axis=1), 1:]
    others = mixed[mixed != species[differs.any(axis=1), :1]]
    counts = np.bincount(others, minlength=3)
    assert stats.chisquare(counts).pvalue > 1e-4

    fewer = plan.draw(config, "random_contact", BODIES)
    shared = drawn.take(np.flatnonzero(np.isin(drawn.table["seed"], fewer.table["seed"])))
    before, after = (part.take(np.argsort(part.table["seed"].to_numpy())).species for part in (fewer, shared))
    assert np.array_equal(before[after != 2], after[after != 2])  # all but what the third structure has won
    assert (after == 2).any()


def test_mixed_neighbours_touch() -> None:
    config = PlanConfig(hit_multiplicities=(2,), patterns_per_class=50, mixed_fraction=1.0)
    drawn = plan.draw(config, "ballistic", BODIES)
    radii = np.array([b.radius for b in BODIES.values()])[drawn.species].reshape(-1, 2)
    distances = np.linalg.norm(drawn.positions.reshape(-1, 2, 3)[:, 1], axis=1)
    assert distances == pytest.approx(radii.sum(axis=1), rel=1e-9)
    assert len(set(radii.sum(axis=1))) == 3


def test_seeds_are_unique_and_depend_on_the_plans(config: PlanConfig, drawn: Plan) -> None:
    assert drawn.table["seed"].is_unique
    assert drawn.table["seed"].dtype == np.uint64
    other = plan.draw(config.model_copy(update={"seed": 6}), "ballistic", BODIES)
    assert not set(other.table["seed"]) & set(drawn.table["seed"])


def test_row_seeds_are_a_chain_of_mixes() -> None:
    """The same in Python's integers; all parts of a row's name count, 0 too."""

    def slow(*values: int) -> int:
        seed = 0
        for value in values:
            seed = int(mix(np.array([((seed + 0x9E3779B97F4A7C15) % 2**64) ^ value], np.uint64))[0])
        return seed

    assert list(plan.row_seeds(7, "abc", 2, np.arange(3))) == [slow(7, 0x352441C2, 2, number) for number in range(3)]
    seeds = [plan.row_seeds(p, s, m, np.arange(50)) for p in (0, 1) for s in ("", "a", "b") for m in (0, 1, 2)]
    assert len(np.unique(seeds)) == 2 * 3 * 3 * 50


def test_orientations_are_uniform() -> None:
    """The turned z axis is uniform on the sphere, and the angle of the rotation has its density (1 − cos ω)/π."""
    config = PlanConfig(hit_multiplicities=(2,), patterns_per_class=3000)
    drawn = plan.draw(config, "random_contact", {"one": body(1.0)})
    quaternions = drawn.orientations
    assert np.linalg.norm(quaternions, axis=1) == pytest.approx(np.ones(6000), abs=1e-12)
    assert (quaternions[:, 0] >= 0).all()
    for axis in rotation_matrices(quaternions)[:, :, 2].T:
        assert stats.kstest(axis, stats.uniform(-1, 2).cdf).pvalue > 1e-4
    angles = 2 * np.arccos(np.clip(quaternions[:, 0], 0, 1))
    assert stats.kstest(angles, lambda w: (w - np.sin(w)) / np.pi).pvalue > 1e-4
    first, second = quaternions.reshape(-1, 2, 4).swapaxes(0, 1)
    overlap = np.abs((first * second).sum(axis=1))  # of two independent ones it is that of any with the identity
    assert stats.kstest(2 * np.arccos(np.clip(overlap, 0, 1)), lambda w: (w - np.sin(w)) / np.pi).pvalue > 1e-4


def test_no_orientation_is_shared(drawn: Plan) -> None:
    assert len(np.unique(drawn.orientations, axis=0)) == len(drawn.orientations)


@pytest.mark.parametrize("multiplicities", [(0, 1, 3), (0,), (2,)])
def test_file_round_trip(config: PlanConfig, tmp_path: Path, multiplicities: tuple[int, ...]) -> None:
    config = config.model_copy(update={"hit_multiplicities": multiplicities})
    before = plan.draw(config, "random_contact", BODIES)
    plan.write(before, tmp_path / "plan.parquet")
    after = plan.read(tmp_path / "plan.parquet")
    pd.testing.assert_frame_equal(after.table, before.table)
    for name in ("start", "species", "orientations", "positions"):
        ours, theirs = getattr(before, name), getattr(after, name)
        assert np.array_equal(ours, theirs), name
        assert ours.dtype == theirs.dtype, name
        assert ours.shape == theirs.shape, name
    opened = pd.read_parquet(tmp_path / "plan.parquet")  # as anybody would
    assert list(opened.columns) == [
        *("pattern", "structure", "hit_multiplicity", "split", "seed"),
        *("species", "orientations", "positions"),
    ]
    assert [len(row) for row in opened["orientations"]] == list(opened["hit_multiplicity"])


@pytest.mark.parametrize("rows", [slice(0, 30), slice(5, 17), slice(14, 28), slice(98, 100)])
def test_some_rows_are_read_without_the_others(drawn: Plan, tmp_path: Path, monkeypatch, rows: slice) -> None:
    """Parts of 14 rows: what begins or ends in one, spans several, or is the last and short."""
    monkeypatch.setattr(files, "READ_TOGETHER", 14)
    plan.write(drawn, tmp_path / "plan.parquet")
    some, expected = plan.read(tmp_path / "plan.parquet", rows), drawn.rows(rows)
    pd.testing.assert_frame_equal(some.table, expected.table)
    for name in ("start", "species", "orientations", "positions"):
        assert np.array_equal(getattr(some, name), getattr(expected, name)), name
    damaged = bytearray((tmp_path / "plan.parquet").read_bytes())
    damaged[20:40] = bytes(20)  # in the first part
    (tmp_path / "plan.parquet").write_bytes(damaged)
    if rows.start < 14:
        with pytest.raises(ValueError, match="is damaged"):
            plan.read(tmp_path / "plan.parquet", rows)
    else:
        assert len(plan.read(tmp_path / "plan.parquet", rows)) == len(expected)


def test_rows_that_are_not_there_are_an_error(drawn: Plan, tmp_path: Path) -> None:
    plan.write(drawn, tmp_path / "plan.parquet")
    with pytest.raises(ValueError, match="20 rows from row 80 on, expected 50"):
        plan.read(tmp_path / "plan.parquet", slice(80, 130))
