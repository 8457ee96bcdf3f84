"""Placement models: contact, no overlap, no preferred direction, against slow twins and skopi's own aggregates."""

import numba
import numpy as np
import pytest
from scipy import stats
from scipy.sparse.csgraph import connected_components
from scipy.spatial import SphericalVoronoi, cKDTree
from scipy.spatial.distance import cdist, pdist

from frames.rng import normals, states, uniforms
from simulate.molecules import phantoms
from simulate.orientation import rotation_matrices
from simulate.plan import placement
from simulate.plan.config import PlacementConfig
from simulate.plan.placement import Body, body_of

SPHERES = ("ballistic", "random_contact")
CONTACTS = (*SPHERES, "surface_contact")


def ball(radius: float) -> Body:
    """An atom to either side of the origin: a body with this bounding sphere."""
    return body_of(np.array([[radius, 0, 0], [-radius, 0, 0]]))


def unit_quaternions(seeds: np.ndarray, multiplicity: int) -> np.ndarray:
    quaternions = normals(seeds, "orientation", 4 * multiplicity).reshape(-1, 4)
    return quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)


def place(
    model: str,
    n: int,
    multiplicity: int,
    bodies: list[Body],
    *,
    first_seed: int = 0,
    orientations: np.ndarray | None = None,
    species: np.ndarray | None = None,
    **config: float,
) -> np.ndarray:
    """(n, multiplicity, 3) positions; particle k is body k, in a circle."""
    seeds = np.arange(first_seed, first_seed + n, dtype=np.uint64)
    if species is None:
        species = np.tile(np.arange(multiplicity) % len(bodies), n)
    return placement.place(
        model,
        states(seeds, "placement"),
        multiplicity * np.arange(n + 1),
        species,
        unit_quaternions(seeds, multiplicity) if orientations is None else orientations,
        {str(number): body for number, body in enumerate(bodies)},
        PlacementConfig(**config),
    ).reshape(n, multiplicity, 3)


@pytest.fixture(scope="module")
def molecules() -> list[np.ndarray]:
    """Two molecules of very different shape."""
    return [phantoms.build("globule").positions, phantoms.build("wishbone").positions]


def lab_atoms(molecules: list[np.ndarray], orientations: np.ndarray, positions: np.ndarray) -> list[np.ndarray]:
    """Atoms of the particles of one row, in the lab."""
    matrices = rotation_matrices(orientations)
    return [
        molecules[k % len(molecules)] @ matrix.T + position
        for k, (matrix, position) in enumerate(zip(matrices, positions, strict=True))
    ]


# Spheres


@pytest.mark.parametrize("model", SPHERES)
@pytest.mark.parametrize("multiplicity", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("radii", [[85.0], [85.0, 30.0, 140.0]])
def test_every_sphere_touches_another_and_none_overlap(model: str, multiplicity: int, radii: list[float]) -> None:
    placed = place(model, 30, multiplicity, [ball(radius) for radius in radii])
    assert np.array_equal(placed[:, 0], np.zeros((30, 3)))
    if multiplicity > 1:
        sizes = np.resize(radii, multiplicity)
        for centres in placed:
            gaps = cdist(centres, centres) / (sizes[:, None] + sizes) + np.diag(np.full(multiplicity, np.inf))
            assert gaps.min(axis=1) == pytest.approx(np.ones(multiplicity), rel=1e-9)


@pytest.mark.parametrize("model", CONTACTS)
def test_pairs_have_no_preferred_direction(model: str) -> None:
    seconds = place(model, 3000, 2, [ball(0.5)])[:, 1]
    seconds /= np.linalg.norm(seconds, axis=1, keepdims=True)
    for axis in range(3):  # a uniform direction's components are uniform on [-1, 1]
        assert stats.kstest(seconds[:, axis], stats.uniform(-1, 2).cdf).pvalue > 1e-4


def opening_angle(centres: np.ndarray) -> float:
    """Angle at the middle particle of a chain of three, 60 to 180 degrees."""
    distances = pdist(centres)  # two are contacts, the third spans the opening
    return float(np.degrees(2 * np.arcsin(distances.max() / (2 * np.sort(distances)[0]))))


def test_ballistic_opens_as_wide_as_skopis(monkeypatch: pytest.MonkeyPatch) -> None:
    from skopi.aggregate import build_bpca

    monkeypatch.setattr(np, "float", float, raising=False)  # skopi 0.6.0 uses names that numpy dropped
    monkeypatch.setattr(np, "int", int, raising=False)
    np.random.seed(1)  # noqa: NPY002 - skopi draws from the global generator
    n = 1500
    theirs = [opening_angle(build_bpca(3, radius=1.0).pos[:3]) for _ in range(n)]
    ours = [opening_angle(centres) for centres in place("ballistic", n, 3, [ball(1.0)])]
    assert stats.ks_2samp(theirs, ours).pvalue > 1e-3


def test_random_contact_has_its_closed_form() -> None:
    """The third of three equal spheres touches either, evenly on the part of it that the other leaves free.

    The other shades the directions within 60° of it, so cos of the angle to it is uniform on [-1, 1/2].
    """
    placed = place("random_contact", 4000, 3, [ball(1.0)])
    to_first = np.linalg.norm(placed[:, 2], axis=1)
    at_first = np.isclose(to_first, 2.0, rtol=1e-9)
    middle = np.where(at_first[:, None], placed[:, 0], placed[:, 1])
    other = np.where(at_first[:, None], placed[:, 1], placed[:, 0])
    cosine = ((placed[:, 2] - middle) * (other - middle)).sum(axis=1) / 4
    assert stats.kstest(cosine, stats.uniform(-1, 1.5).cdf).pvalue > 1e-4
    assert at_first.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(4000))


def test_models_differ() -> None:
    spans = {name: np.mean([pdist(row).max() for row in place(name, 400, 4, [ball(1.0)])]) for name in placement.MODELS}
    assert len(set(np.round(list(spans.values()), 2))) == len(spans)


# Surfaces


def slow_surface_contact(seed: int, atoms: list[np.ndarray], contact: float) -> tuple[np.ndarray, int]:
    """The model by all pairs of atoms, turned already: positions (m, 3), and the number of flights that missed."""
    numbers = iter(uniforms(np.array([seed], np.uint64), "placement", 4000)[0])
    radii = [np.linalg.norm(particle, axis=1).max() for particle in atoms]
    positions, missed = np.zeros((1, 3)), 0
    while len(positions) < len(atoms):
        m = len(positions)
        middle = positions.mean(axis=0)
        disc = (np.linalg.norm(positions - middle, axis=1) + radii[:m]).max() + radii[m] + contact
        z, turn = 2 * next(numbers) - 1, 2 * np.pi * next(numbers)
        towards = np.array([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z])
        across, angle = disc * np.sqrt(next(numbers)), 2 * np.pi * next(numbers)
        # The frame of Duff et al.: the turn that takes ±z to the flight by the shortest way.
        sign = np.copysign(1.0, z)
        x, y = towards[:2]
        a = -1 / (sign + z)
        frame = np.array(
            [[1 + sign * x * x * a, sign * x * y * a, -sign * x], [x * y * a, sign + y * y * a, -y], towards]
        )
        assert frame @ frame.T == pytest.approx(np.eye(3), abs=1e-12)
        line = middle + across * (np.cos(angle) * frame[0] + np.sin(angle) * frame[1])
        aggregate = np.concatenate([a + p for a, p in zip(atoms, positions, strict=False)])
        mine, theirs = atoms[m] @ frame.T, (aggregate - line) @ frame.T
        left2 = contact**2 - cdist(theirs[:, :2], mine[:, :2], "sqeuclidean")
        heights = np.where(left2 > 0, theirs[:, 2:] - mine[:, 2] + np.sqrt(np.maximum(left2, 0)), -np.inf)
        if np.isfinite(heights.max()):
            positions = np.vstack([positions, line + heights.max() * towards])
        else:
            missed += 1
    return positions, missed


def test_surface_contact_is_the_first_of_all_pairs_of_atoms(molecules: list[np.ndarray]) -> None:
    """Blocks and cells pass over pairs that cannot be first; lengths of 10³ Å round at 1e-13 of that."""
    sparse = [molecule[::4] for molecule in molecules]  # for the slow twin's sake
    placed = place("surface_contact", 8, 3, [body_of(molecule) for molecule in sparse])
    quaternions = unit_quaternions(np.arange(8, dtype=np.uint64), 3).reshape(8, 3, 4)
    total_missed = 0
    for row in range(8):
        expected, missed = slow_surface_contact(row, lab_atoms(sparse, quaternions[row], np.zeros((3, 3))), 4.0)
        assert placed[row] == pytest.approx(expected, abs=1e-9)
        total_missed += missed
    assert total_missed > 0


@pytest.mark.parametrize("contact", [2.5, 4.0])
def test_atoms_touch_at_the_contact_distance_and_all_hang_together(molecules: list[np.ndarray], contact: float) -> None:
    n, m = 30, 4
    placed = place("surface_contact", n, m, [body_of(a) for a in molecules], contact_distance_angstrom=contact)
    quaternions = unit_quaternions(np.arange(n, dtype=np.uint64), m).reshape(n, m, 4)
    for row in range(n):
        trees = [cKDTree(atoms) for atoms in lab_atoms(molecules, quaternions[row], placed[row])]
        nearest = np.full((m, m), np.inf)
        for a in range(m):
            for b in range(a):
                nearest[a, b] = trees[b].query(trees[a].data)[0].min()
        assert nearest[1:].min(axis=1) == pytest.approx(np.full(m - 1, contact), abs=1e-9)  # and none is nearer
        assert connected_components(nearest < contact + 1e-9, directed=False)[0] == 1


def test_spheres_of_atoms_touch_as_spheres() -> None:
    """Atoms cover the sphere with holes of radius δ, so an atom lies within δ of the line of centres on either.

    These two are no nearer than the contact distance c: (gap + δ²/R)² + (2δ)² >= c²; and gap <= c, as of any spheres.
    """
    n, radius, contact = 16_000, 50.0, 10.0
    z = (2 * np.arange(n) + 1) / n - 1
    angle = np.pi * (1 + 5**0.5) * np.arange(n)
    points = np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=1)
    holes, _ = cKDTree(points).query(SphericalVoronoi(points).vertices)
    hole = radius * holes.max()
    placed = place("surface_contact", 200, 2, [body_of(radius * points)], contact_distance_angstrom=contact)
    gaps = np.linalg.norm(placed[:, 1], axis=1) - 2 * radius
    assert gaps.max() <= contact + 1e-9
    assert gaps.min() >= np.sqrt(contact**2 - 4 * hole**2) - hole**2 / radius
    assert np.sqrt(contact**2 - 4 * hole**2) - hole**2 / radius > 0.95 * contact


def test_rods_lie_closer_than_their_spheres() -> None:
    rod = np.stack([np.zeros(301), np.zeros(301), np.arange(-150.0, 151.0)], axis=1)
    distance = np.linalg.norm(place("surface_contact", 300, 2, [body_of(rod)])[:, 1], axis=1)
    assert distance.max() <= 300 + 4 + 1e-9
    assert np.median(distance) < 150  # the middles of crossing sticks lie less than half a length apart on average


def test_flights_are_an_even_rain() -> None:
    """A convex surface in an even rain from all around is hit evenly, area by area.

    What a single atom meets of a straight rod of atoms is a capsule of the contact distance; by Archimedes its area per
    length is the same on the side and on the ends, so that contacts lie evenly along the rod. Atoms 0.5 Å apart
    shift them by 0.25 Å at most, of 108 Å.
    """
    half, contact, n = 50.0, 4.0, 3000
    rod = np.zeros((201, 3))
    rod[:, 2] = np.linspace(-half, half, 201)
    straight = np.tile([1.0, 0, 0, 0], (2 * n, 1))
    placed = place("surface_contact", n, 2, [body_of(rod), body_of(np.zeros((1, 3)))], orientations=straight)
    heights = placed[:, 1, 2]
    assert stats.kstest(heights, stats.uniform(-half - contact, 2 * (half + contact)).cdf).pvalue > 1e-4
    turn = np.arctan2(placed[:, 1, 1], placed[:, 1, 0])
    assert stats.kstest(turn, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-4


# Dispersed


def test_dispersed_fills_a_cylinder_evenly() -> None:
    placed = place("dispersed", 3000, 2, [ball(1.0)], dispersion_radius_um=0.5)
    assert np.abs(placed[:, 0]).min() > 0  # nobody is at the origin
    for particle in range(2):
        x, y, z = placed[:, particle].T / 5000.0
        assert stats.kstest(x**2 + y**2, stats.uniform(0, 1).cdf).pvalue > 1e-4
        assert stats.kstest(np.arctan2(y, x), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-4
        assert stats.kstest(z, stats.uniform(-1, 2).cdf).pvalue > 1e-4


def test_dispersed_spheres_do_not_overlap() -> None:
    placed = place("dispersed", 200, 4, [ball(30.0), ball(60.0)], dispersion_radius_um=0.015)
    least = np.array([90, 60, 90, 90, 120, 90])  # pairs 01 02 03 12 13 23
    assert all((pdist(row) >= least * (1 - 1e-9)).all() for row in placed)


def test_no_room_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"3 of 3 rows found no place .* dispersion_radius_um"):
        place("dispersed", 3, 2, [ball(500.0)], dispersion_radius_um=0.01)


# All


@pytest.mark.parametrize("model", placement.MODELS)
def test_a_row_does_not_depend_on_its_company(model: str, molecules: list[np.ndarray]) -> None:
    bodies = [body_of(molecule) for molecule in molecules]
    together = place(model, 150, 3, bodies)
    assert np.array_equal(place(model, 3, 3, bodies, first_seed=77), together[77:80])
    threads = numba.get_num_threads()
    try:
        for n_threads in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(n_threads)
            assert np.array_equal(place(model, 150, 3, bodies), together)
    finally:
        numba.set_num_threads(threads)
    assert len(np.unique(together[:, 1], axis=0)) == 150


@pytest.mark.parametrize("model", placement.MODELS)
def test_rows_may_have_any_number_of_particles(model: str) -> None:
    bodies = {"a": ball(40.0)}
    row_states = states(np.arange(4, dtype=np.uint64), "placement")
    identity = np.tile([1.0, 0, 0, 0], (5, 1))
    arguments = (model, row_states, np.array([0, 2, 2, 5, 5]), np.zeros(5, np.int64), identity, bodies)
    placed = placement.place(*arguments, PlacementConfig())
    assert placed.shape == (5, 3)
    assert pdist(placed[2:]).min() > 0
    nobody = placement.place(
        model, row_states, np.zeros(5, np.int64), np.zeros(0, np.int64), identity[:0], bodies, PlacementConfig()
    )
    assert nobody.shape == (0, 3)


def test_body_holds_every_atom(molecules: list[np.ndarray]) -> None:
    body = body_of(molecules[1])
    assert np.array_equal(np.unique(body.atoms, axis=0), np.unique(molecules[1], axis=0))
    assert body.radius == np.linalg.norm(molecules[1], axis=1).max()
    for number, (centre, reach) in enumerate(zip(body.centres, body.reaches, strict=True)):
        distance = np.linalg.norm(body.atoms[body.blocks[number] : body.blocks[number + 1]] - centre, axis=1)
        assert distance.max() == pytest.approx(reach, abs=1e-9)
        assert distance[0] == pytest.approx(distance.min(), abs=1e-9)
    assert body.blocks[-1] == len(molecules[1])


def test_refused() -> None:
    for positions in (np.zeros((0, 3)), np.zeros((4, 2)), np.full((2, 3), np.nan)):
        with pytest.raises(ValueError, match="positions"):
            body_of(positions)
    with pytest.raises(KeyError, match="stacked"):
        place("stacked", 1, 2, [ball(1.0)])


@pytest.mark.parametrize("model", placement.MODELS)
def test_single_atoms_lie_beside_each_other(model: str) -> None:
    body, rows = body_of(np.zeros((1, 3))), 40
    streams = np.arange(1, rows + 1).astype(np.uint64)
    turns = np.tile([1.0, 0, 0, 0], (4 * rows, 1))
    start, species = 4 * np.arange(rows + 1), np.zeros(4 * rows, np.int64)
    positions = placement.place(model, streams, start, species, turns, {"atom": body}, PlacementConfig())
    assert np.isfinite(positions).all()
    for row in positions.reshape(rows, 4, 3):
        assert pdist(row).min() >= 2 * body.radius * (1 - 1e-9)


def test_either_contact_is_one_model_or_the_other_row_by_row(molecules):
    bodies = [body_of(molecule) for molecule in molecules]
    n, m = 400, 3
    either, ballistic, surface = (
        place(model, n, m, bodies) for model in ("either_contact", "ballistic", "surface_contact")
    )
    of_spheres, of_surfaces = (np.all(either == other, axis=(1, 2)) for other in (ballistic, surface))
    assert (of_spheres ^ of_surfaces).all()
    assert abs(of_spheres.mean() - 0.5) < 4 * 0.5 / np.sqrt(n)
    np.testing.assert_array_equal(place("either_contact", 100, m, bodies, first_seed=300), either[300:])
