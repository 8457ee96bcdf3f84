"""Molecules made up by chance that look like several: dumbbells, stacked rings, bullets, cores with arms.

What a network without them takes for two particles is one protein of two lobes, or of two rings: of 24 deposited
structures the dumbbells and the chaperonins were wrong most. `random_phantoms` rarely makes these, since their domains
are strewn by chance. `assembled-<n>` is the n-th of an endless row, the same wherever it is asked for.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from simulate.molecules.phantom import DALTON_PER_CUBIC_ANGSTROM, Domain, Phantom
from simulate.molecules.random_phantoms import MASSES_KDA, direction, strewn_domains

Array = NDArray[np.float64]
Built = tuple[str, tuple[Domain, ...]]
"""Point group, and the domains of an asymmetric unit."""

RING_ORDERS = 5, 10
"""Subunits of a ring, the last not among them."""

TOUCHING = 0.85
"""Distance of domains that touch, over the sum of their radii, as in `random_phantoms`."""


def random_assembly(number: int) -> Phantom:
    """The n-th random assembly; its stated mass is that of all domains by themselves."""
    generator = np.random.default_rng([number, *b"assembled"])
    kind = list(KINDS)[generator.choice(len(KINDS), p=SHARES)]
    mass_kDa = math.exp(generator.uniform(*np.log(MASSES_KDA)))
    symmetry, domains = KINDS[kind](1e3 * mass_kDa / DALTON_PER_CUBIC_ANGSTROM, generator)
    text = f"Random assembly {number}: {kind}, {len(domains)} domains, {symmetry}"
    return Phantom(text, round(mass_kDa), symmetry, domains)


def dumbbell(volume: float, generator: np.random.Generator) -> Built:
    """Two lobes of a few domains on either side of a neck, alike by a two-fold axis or of unlike size.

    Parameters
    ----------
    volume : of all domains by themselves [Å³].
    """
    neck_share = generator.uniform(0.03, 0.2)
    is_dimer = generator.random() < 0.6
    sizes = [0.5] if is_dimer else (lambda share: [share, 1 - share])(generator.uniform(0.3, 0.5))
    lobes, innermost = [], []
    for side, share in zip((1.0, -1.0), sizes, strict=False):
        lobe = _lobe(share * (1 - neck_share) * volume, generator)
        edge = min(domain.centre[0] * side - _radius(domain) for domain in lobe)
        gap = generator.uniform(-0.1, 0.5) * (3 / (4 * math.pi) * share * volume) ** (1 / 3)
        moved = [_moved(domain, side * (gap - edge)) for domain in lobe]
        lobes += moved
        innermost.append(min(moved, key=lambda domain: abs(domain.centre[0])).centre)
    if is_dimer:
        x, y, z = innermost[0]
        innermost.append((-x, -y, z))
    return ("C2" if is_dimer else "C1"), (*lobes, _between(innermost[0], innermost[1], neck_share * volume))


def stack(volume: float, generator: np.random.Generator) -> Built:
    """Rings upon rings, and the same upside down: D5 to D9, as of chaperonins and proteasomes."""
    order, layers = int(generator.integers(*RING_ORDERS)), int(generator.integers(1, 4))
    domains = _rings(volume / (2 * order), order, layers, generator)
    lowest = min(domain.centre[2] - _radius(domain) for domain in domains)
    sunk = 0.15 * _radius(domains[0])  # so that the halves touch
    return f"D{order}", tuple(_raised(domain, -lowest - sunk) for domain in domains)


def bullet(volume: float, generator: np.random.Generator) -> Built:
    """Two stacks of rings of unlike width, one upside down upon the other, with a smaller cap or without: C5 to C9."""
    order = int(generator.integers(*RING_ORDERS))
    shares = generator.dirichlet((8.0, 8.0, 2.0)) if generator.random() < 0.6 else (*generator.dirichlet((8.0, 8.0)), 0)
    below, above, cap = (share * volume / order for share in shares)
    half = int(generator.integers(1, 4))
    low = [_upside_down(domain) for domain in _rings(below, order, half, generator)]
    high = list(_rings(above, order, half, generator))
    domains = [*low, *_upon(low, high)]
    if cap:
        domains += _upon(domains, list(_rings(cap, order, 1, generator, width=0.7)))
    return f"C{order}", tuple(domains)


def armed(volume: float, generator: np.random.Generator) -> Built:
    """A core on an axis with arms of one to three domains each: C1 to C4, as of spikes and antibodies."""
    order = int(generator.integers(1, 5))
    core = generator.uniform(0.25, 0.7) * volume
    radius = (3 / (4 * math.pi) * core) ** (1 / 3)
    stretch = math.exp(generator.uniform(math.log(0.7), math.log(2.5)))
    domains = [Domain((0, 0, 0), radius * stretch ** (-1 / 3), radius * stretch ** (2 / 3))]
    unit = (volume - core) / order
    for _ in range(int(generator.integers(1, 3))):
        axis = direction(generator)
        at, before = np.zeros(3), domains[0].across
        for share in generator.dirichlet(np.full(generator.integers(1, 4), 5.0)):
            ratio = math.exp(generator.uniform(0.0, math.log(2.5)))
            size = (3 / (4 * math.pi) * unit * share / 2) ** (1 / 3)
            across, along = size * ratio ** (-1 / 3), size * ratio ** (2 / 3)
            at = at + axis * (TOUCHING * (before + along))
            domains.append(Domain(_point(at), across, along, _point(axis)))
            axis = axis + 0.5 * direction(generator)
            axis, before = axis / np.linalg.norm(axis), along
    return f"C{order}", (*domains,)


KINDS: dict[str, Callable[[float, np.random.Generator], Built]] = {
    "dumbbell": dumbbell,
    "stack": stack,
    "bullet": bullet,
    "armed": armed,
}
SHARES = 0.35, 0.2, 0.2, 0.25
"""Of the kinds, in their order."""


def _lobe(volume: float, generator: np.random.Generator) -> tuple[Domain, ...]:
    """A few domains that touch, without symmetry."""
    mass_kDa = volume * DALTON_PER_CUBIC_ANGSTROM / 1e3
    while (domains := strewn_domains(mass_kDa, np.eye(3)[None], generator)) is None:
        pass
    return domains


def _rings(
    unit: float, order: int, layers: int, generator: np.random.Generator, width: float = 1.0
) -> tuple[Domain, ...]:
    """One subunit's domains, a layer each, of rings whose neighbours touch; the lowest at z = 0.

    unit : volume of a subunit [Å³].
    """
    domains: list[Domain] = []
    angle = 0.0
    for share in generator.dirichlet(np.full(layers, 6.0)):
        size = (3 / (4 * math.pi) * unit * share) ** (1 / 3)
        ring = width * generator.uniform(0.75, 1.0) * size / math.sin(math.pi / order)
        angle += generator.uniform(-0.5, 0.5) * math.pi / order
        z = 0.0
        if domains:
            (x, y, below), apart = domains[-1].centre, TOUCHING * (_radius(domains[-1]) + size)
            # The ring may not be so much wider that its domains miss those below.
            radius_below = math.hypot(x, y)
            ring = float(np.clip(ring, radius_below - 0.7 * apart, radius_below + 0.7 * apart))
            aside = math.hypot(ring * math.cos(angle) - x, ring * math.sin(angle) - y)
            z = below + math.sqrt(max(apart**2 - aside**2, (0.6 * apart) ** 2))
        domains.append(Domain((ring * math.cos(angle), ring * math.sin(angle), z), size, size))
    return tuple(domains)


def _upon(below: list[Domain], above: list[Domain]) -> list[Domain]:
    """Rings so high that their lowest domain touches the highest one below, both as balls about the axis."""
    top, foot = max(below, key=lambda domain: domain.centre[2]), min(above, key=lambda domain: domain.centre[2])
    apart = TOUCHING * (_radius(top) + _radius(foot))
    aside = math.hypot(*top.centre[:2]) - math.hypot(*foot.centre[:2])
    height = math.sqrt(max(apart**2 - aside**2, (0.5 * apart) ** 2))
    return [_raised(domain, top.centre[2] + height - foot.centre[2]) for domain in above]


def _between(one: tuple[float, ...], other: tuple[float, ...], volume: float) -> Domain:
    """A spheroid that reaches from one point to the other, no thinner than a helix."""
    ends = np.array(one), np.array(other)
    along = max(float(np.linalg.norm(ends[1] - ends[0])) / 2, 5.0)
    across = max(math.sqrt(3 / (4 * math.pi) * volume / along), 6.0)
    return Domain(_point((ends[0] + ends[1]) / 2), across, along, _point(ends[1] - ends[0] + 1e-9))


def _radius(domain: Domain) -> float:
    """Of the ball of the same volume."""
    return (domain.across**2 * domain.along) ** (1 / 3)


def _moved(domain: Domain, x: float) -> Domain:
    return domain._replace(centre=_point(np.array(domain.centre) + np.array([x, 0, 0])))


def _raised(domain: Domain, z: float) -> Domain:
    return domain._replace(centre=_point(np.array(domain.centre) + np.array([0, 0, z])))


def _upside_down(domain: Domain) -> Domain:
    x, y, z = domain.centre
    return domain._replace(centre=(x, y, -z))


def _point(values: Array) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
