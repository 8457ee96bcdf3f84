"""Polarisation and solid angle: the pattern of one atom, freed of its form factor."""

from functools import partial

import numpy as np
from matplotlib.figure import Figure

from frames.geometry import CLASSICAL_ELECTRON_RADIUS_M, Geometry
from report.plot.style import BLUE, GREEN, ORANGE
from simulate.diffraction.volume import stack
from simulate.skopi.detector import detector_arrays, make_beam, make_detector
from validate.check import Finding, Measure
from validate.fixtures import IDENTITY, Array, Render, atom_limit, atom_volume, factor, single_hits

ELEMENT = "C"


def check(near: Geometry, default: Geometry, render: Render) -> Finding:
    """One atom at the origin, on a detector so near that the corrections are large, and on the default one."""
    measures, cuts = [], {}
    for name, geometry in (("near detector", near), ("default detector", default)):
        volume = atom_volume(ELEMENT, geometry.q_max)
        image = render(stack([volume]), geometry, single_hits(IDENTITY[None], geometry))[0]
        thomson_um2 = (CLASSICAL_ELECTRON_RADIUS_M * 1e6) ** 2
        seen = image / (thomson_um2 * factor(ELEMENT, geometry.q) ** 2)
        x, y, angle, polarisation = closed_forms(geometry)
        beam = make_beam(geometry.photon_energy_eV, 1.0, 1.0)
        theirs = detector_arrays(make_detector(geometry.shape[1], geometry.pixel_size_um, geometry.distance_mm, beam))
        limit = atom_limit(ELEMENT, np.linalg.norm(geometry.q, axis=-1))
        corner = float(angle.max() / (angle * polarisation).min())
        measures += [
            Measure(
                f"{name}: rendered against Ω · (1 − n_x²), largest relative difference "
                f"(corrections reach {100 * (1 - 1 / corner):.0f} %)",
                float(np.abs(seen / (angle * polarisation) - 1).max()),
                limit,
                "the spline over the form factor's curvature, the refinement's 10⁻⁵ and float32",
            ),
            Measure(
                f"{name}: against skopi's arrays, largest relative difference",
                float(np.abs(seen / (theirs["solid_angle"] * theirs["polarisation"]) - 1).max()),
                limit,
                "the same",
            ),
            Measure(
                f"{name}: Σ Ω over all pixels against the closed form of a square, relative difference",
                float(abs(angle.sum() / _square(geometry) - 1)),
                float((1e-3 * geometry.pixel_size_um / geometry.distance_mm) ** 2),
                "the midpoint rule errs by less than the pixel's edge over the distance, squared",
            ),
        ]
        if geometry is near:
            middle, n = geometry.shape[0] // 2, np.arange(geometry.shape[0] // 2, geometry.shape[0])
            on_axis = (1e-3 * geometry.pixel_size_um / geometry.distance_mm) ** 2
            for cut, pixels in (
                ("along the polarisation", (middle, n)),
                ("across it", (n, middle)),
                ("diagonal", (n, n)),
            ):
                theta = np.degrees(np.arctan(np.hypot(x, y)))[pixels]
                cuts[cut] = (
                    theta,
                    seen[pixels] / on_axis,
                    (angle * polarisation)[pixels] / on_axis,
                    angle[pixels] / on_axis,
                )
    return Finding(
        key="corrections",
        title="Polarisation and solid angle",
        text=(
            "A single atom at the origin scatters f² everywhere, so its pattern over r_e² f² is the pixels' solid "
            "angle times the polarisation factor and nothing else. Dots: rendered, on a detector brought so near that "
            "the corrections are large. Lines: p² cos³θ · (1 − n_x²), with p the pixel's edge over the distance. "
            "Dotted: the solid angle alone."
        ),
        oracle="closed forms of a plane detector, and skopi's own arrays",
        settings=(
            f"one carbon atom; {near.shape[0]} x {near.shape[1]} pixels of {near.pixel_size_um:g} µm at "
            f"{near.distance_mm:g} mm (figure) and {default.shape[0]} x {default.shape[1]} of "
            f"{default.pixel_size_um:g} µm at {default.distance_mm:g} mm; beam polarised along x"
        ),
        measures=tuple(measures),
        draw=partial(_draw, cuts=cuts),
        inches=(6.4, 3.7),
    )


def closed_forms(geometry: Geometry) -> tuple[Array, Array, Array, Array]:
    """x/z, y/z, solid angle p² n_z³ [sr] and polarisation 1 − n_x² of the pixels, from the drawing board alone."""
    pixel = 1e-3 * geometry.pixel_size_um / geometry.distance_mm
    axis = (np.arange(geometry.shape[0]) - (geometry.shape[0] - 1) / 2) * pixel
    x, y = np.meshgrid(axis, axis)
    nz = 1 / np.sqrt(1 + x**2 + y**2)
    return x, y, pixel**2 * nz**3, 1 - (x * nz) ** 2


def _square(geometry: Geometry) -> float:
    """Solid angle of a square of half edge a at distance z, 4 arctan(a² / z√(z² + 2a²))."""
    a, z = 0.5e-3 * geometry.pixel_size_um * geometry.shape[0], geometry.distance_mm
    return 4 * np.arctan(a**2 / (z * np.sqrt(z**2 + 2 * a**2)))


def _draw(figure: Figure, cuts: dict) -> None:
    axes = figure.add_subplot()
    for color, (name, (theta, seen, formula, solid)) in zip((BLUE, ORANGE, GREEN), cuts.items(), strict=True):
        axes.plot(theta, formula, color=color, linewidth=1)
        every = max(1, len(theta) // 24)
        axes.plot(theta[::every], seen[::every], "o", color=color, markersize=3.5, label=name)
        if name == "diagonal":
            axes.plot(theta, solid, color="k", linewidth=0.9, linestyle=":", label="solid angle alone, cos³θ")
    axes.set_xlabel("scattering angle θ (degrees)")
    axes.set_ylabel("photons over those on the axis, per f²")
    axes.set_ylim(0, 1.03)
    axes.legend(fontsize=8)
    figure.tight_layout()
