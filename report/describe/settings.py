"""Settings of datasets and recipes as a reader wants them, and what differs between two."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from markupsafe import Markup

from frames.geometry import wavelength
from frames.readout.config import ReadoutConfig
from report.formatting import enumerated, exact_percent, number
from simulate.experiment.config import DatasetConfig
from simulate.plan.config import PlanConfig
from train.config.recipe import Recipe
from train.config.training import ModelConfig

Parts = Iterator[str | Markup]


@dataclass(frozen=True)
class Setting:
    """Something of a dataset's config that a reader should know."""

    name: str
    keys: tuple[str, ...]
    """of the config, as it is nested, that it speaks of"""
    parts: Callable[[DatasetConfig, PlanConfig], Parts]


def _recorded(d: DatasetConfig, _: PlanConfig) -> Parts:
    yield "expected photons, noise-free" if d.record == "expected" else "photon counts"


def _energy(d: DatasetConfig, _: PlanConfig) -> Parts:
    yield Markup("{:,g} eV, {} Å").format(d.beam.photon_energy_eV, number(wavelength(d.beam.photon_energy_eV)))
    if d.beam.energy_jitter:
        yield f"σ = {100 * d.beam.energy_jitter:g} % from shot to shot"


def _focus(d: DatasetConfig, _: PlanConfig) -> Parts:
    beam = d.beam
    if beam.focus_profile == "uniform":
        yield f"{beam.focus_radius_um:g} µm in radius, evenly filled"
    else:
        yield f"{beam.focus_radius_um:g} µm in radius, Gaussian (1/e²)"
        yield f"hits within {beam.injection_radius_um or beam.focus_radius_um:g} µm of its axis"


def _jitter(d: DatasetConfig, _: PlanConfig) -> Parts:
    jitter = d.beam.fluence_jitter
    match jitter.model:
        case "none":
            yield "constant"
        case "normal":
            yield f"× N(1, {jitter.sigma:g}), {jitter.floor:g} where not positive"
        case "loguniform":
            yield Markup("× 10<sup>u</sup>, u even between −{:g} and 0").format(jitter.decades)
        case _:
            yield f"× {jitter.model}, mean 1, σ = {jitter.sigma:g}"


def _centre(d: DatasetConfig, _: PlanConfig) -> Parts:
    x, y = d.beam.centre_offset_um
    yield f"({x:g}, {y:g}) µm from the middle of the image".replace("-", "−") if x or y else "the middle of the image"
    if d.beam.centre_jitter_um:
        yield f"σ = {d.beam.centre_jitter_um:g} µm along x and y"


def _background(d: DatasetConfig, _: PlanConfig) -> Parts:
    background, terms = d.background, []
    if background.flat_photons:
        terms.append(f"{background.flat_photons:g}")
    if background.radial_photons:
        terms.append(f"{background.radial_photons:g} exp(−r / {background.radial_radius_pixels:g} pixels)")
    yield f"{' + '.join(terms)}, with the pulse" if terms else "none"


def _detector(d: DatasetConfig, _: PlanConfig) -> Parts:
    detector = d.detector
    n = detector.n_pixels
    yield f"{n} × {n} pixels of {detector.image_pixel_size_um:g} µm at {detector.distance_mm:g} mm"
    if detector.model != "square":
        yield f"{detector.model}, nominal panels and gaps"
    if detector.binning > 1:
        yield f"{detector.binning} × {detector.binning} native pixels in one"


def _unusable(d: DatasetConfig, _: PlanConfig) -> Parts:
    detector = d.detector
    if detector.beamstop_radius_pixels:
        yield f"beamstop of {detector.beamstop_radius_pixels:g} pixels in radius"
    if detector.missing != "none":
        yield f"{detector.missing.replace('_', ' ')} of the detector missing"
    if detector.mask_file:
        yield "with a mask from a file"
    if not (detector.beamstop_radius_pixels or detector.missing != "none" or detector.mask_file):
        yield "none but in gaps" if detector.model != "square" else "none"


def _noise(d: DatasetConfig, _: PlanConfig) -> Parts:
    gaussian = d.readout.read_noise_photons
    if d.record == "expected":
        yield "none"
    else:
        yield f"Poisson, then Gaussian, σ = {gaussian:g} photons per pixel" if gaussian else "Poisson"


def _readout(d: DatasetConfig, _: PlanConfig) -> Parts:
    readout = d.readout
    if readout.gain_spread:
        yield f"gains: σ = {100 * readout.gain_spread:g} %"
    if readout.saturation_photons:
        yield f"saturates at {readout.saturation_photons:,} photons"
    if readout.adu_per_photon:
        yield f"whole ADUs, {readout.adu_per_photon:g} a photon"
    if readout.hot_fraction:
        yield f"{exact_percent(readout.hot_fraction)} of pixels hot, {readout.hot_photons:g} photons too many"
    if readout.dead_fraction:
        yield f"{exact_percent(readout.dead_fraction)} of pixels dead, in no mask"
    plain = ReadoutConfig(read_noise_photons=readout.read_noise_photons, seed=readout.seed)
    if readout == plain:
        yield "every photon counts once" if d.record == "photons" else "none"


def _photons(d: DatasetConfig, _: PlanConfig) -> Parts:
    yield number(d.photons_per_pulse)


def _placement(d: DatasetConfig, plan: PlanConfig) -> Parts:
    lengths = plan.placement
    if max(plan.hit_multiplicities) < 2:
        return
    yield {
        "ballistic": "touch as bounding spheres, ballistic aggregation",
        "random_contact": "touch as bounding spheres, random contact",
        "surface_contact": f"touch as molecules, their atoms {lengths.contact_distance_angstrom:g} Å apart",
        "either_contact": "touch as bounding spheres, or as molecules, half of them each",
        "dispersed": f"lie apart, within {lengths.dispersion_radius_um:g} µm of the beam’s axis and of the middle",
    }[d.placement]


def _shares(d: DatasetConfig, _: PlanConfig) -> Parts:
    by_share: dict[float, list[str]] = {}
    for multiplicity, share in sorted(d.select.shares.items()):
        by_share.setdefault(share, []).append(str(multiplicity))
    by_share.pop(1.0, None)
    for share, multiplicities in by_share.items():
        yield f"{100 * share:g} % of those of {enumerated(multiplicities)} particles"
    if not by_share:
        yield "all"


def _views(d: DatasetConfig, _: PlanConfig) -> Parts:
    views = d.select.views
    cone = f"{views.cone_deg:g}° of a particle’s z axis"
    yield {"all": "from all sides", "outside": f"only farther than {cone}", "inside": f"only within {cone}"}[views.side]


def _engine(d: DatasetConfig, _: PlanConfig) -> Parts:
    yield "skopi" if d.engine == "skopi" else "slices of F(q)"


SETTINGS = (
    Setting("recorded", ("record",), _recorded),
    Setting("photon energy", ("beam.photon_energy_eV", "beam.energy_jitter"), _energy),
    Setting("photons per pulse", ("photons_per_pulse",), _photons),
    Setting("focus", ("beam.focus_radius_um", "beam.focus_profile", "beam.injection_radius_um"), _focus),
    Setting("photons from shot to shot", ("beam.fluence_jitter",), _jitter),
    Setting("place of the beam on the detector", ("beam.centre_jitter_um", "beam.centre_offset_um"), _centre),
    Setting("particles of a multiple hit", ("placement",), _placement),
    Setting("patterns of the plan", ("select.shares",), _shares),
    Setting("particles are seen", ("select.views",), _views),
    Setting("background (photons per pixel)", ("background",), _background),
    Setting(
        "detector",
        tuple(f"detector.{key}" for key in ("model", "n_pixels", "binning", "pixel_size_um", "distance_mm")),
        _detector,
    ),
    Setting(
        "unusable pixels", ("detector.beamstop_radius_pixels", "detector.missing", "detector.mask_file"), _unusable
    ),
    Setting("noise", ("readout.read_noise_photons",), _noise),
    Setting("readout", ("readout",), _readout),
    Setting("rendered by", ("engine",), _engine),
)
"""In the order of the report's table."""


def settings(dataset: DatasetConfig, plan: PlanConfig) -> dict[str, list[str | Markup]]:
    """What a reader should know of a dataset: name of the setting -> its parts, none where it does not apply."""
    return {setting.name: list(setting.parts(dataset, plan)) for setting in SETTINGS}


def shift(dataset: DatasetConfig, against: DatasetConfig, plan: PlanConfig) -> list[str | Markup]:
    """In what a dataset differs from another, setting by setting; what no setting speaks of, key by key."""
    ours, theirs = settings(dataset, plan), settings(against, plan)
    told = [setting for setting in SETTINGS if ours[setting.name] != theirs[setting.name]]
    phrases: list[str | Markup] = [
        Markup("{}: {} instead of {}").format(s.name, _joined(ours[s.name]), _joined(theirs[s.name])) for s in told
    ]
    left, right = (_flat(d.model_dump(mode="json")) for d in (dataset, against))
    spoken_of = tuple(key for setting in told for key in setting.keys)
    for key in dict.fromkeys([*left, *right]):
        if left.get(key) != right.get(key) and not key.startswith(spoken_of):
            phrases.append(f"{key}: {_plain(left.get(key))} instead of {_plain(right.get(key))}")
    return phrases


def model_differences(model: ModelConfig, against: ModelConfig) -> list[str]:
    """In what a model differs from another: its network, and its recipe key by key."""
    network = [] if model.network == against.network else [f"network: {model.network} instead of {against.network}"]
    return network + recipe_differences(model.recipe, against.recipe)


OF_TEACHERS = ("teacher_weight", "label_weight", "starts_as_teacher", "teacher_temperature")
"""Settings that mean nothing to a network without a teacher"""


@dataclass(frozen=True)
class Row:
    """A setting of several recipes."""

    values: list[str]
    """of each"""
    reference: str
    """in the one that they are held against"""


@dataclass(frozen=True)
class Compared:
    """Recipes beside another."""

    different: dict[str, Row]
    """settings in which one of them differs from it"""
    same: dict[str, str]
    """all others"""


def compared(all_of: Sequence[Recipe], against: Recipe) -> Compared:
    """Recipes as a table, setting by setting, beside another."""
    flat, theirs = [_flat(asdict(recipe)) for recipe in all_of], _flat(asdict(against))
    keys = dict.fromkeys(key for values in (theirs, *flat) for key in values)
    rows = {
        _named(key): Row([_plain(values.get(key)) for values in flat], _plain(theirs.get(key)))
        for key in keys
        if key not in OF_TEACHERS or any(recipe.teacher for recipe in (*all_of, against))
    }
    different = {key: row for key, row in rows.items() if set(row.values) != {row.reference}}
    return Compared(different, {key: row.reference for key, row in rows.items() if key not in different})


def recipe_differences(recipe: Recipe, against: Recipe) -> list[str]:
    """In what a recipe differs from another, key by key."""
    ours, theirs = _flat(asdict(recipe)), _flat(asdict(against))
    return [
        f"{_named(key)}: {_plain(ours.get(key))} instead of {_plain(theirs.get(key))}"
        for key in dict.fromkeys([*ours, *theirs])
        if ours.get(key) != theirs.get(key)
    ]


def _named(key: str) -> str:
    """A setting in words."""
    words = re.sub(r"^target_weights\.", "weight of ", key).replace("_", " ")
    return re.sub(r" gb$", " (GB)", words)


def _joined(parts: list[str | Markup]) -> Markup:
    return Markup(", ").join(parts)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, its keys joined by points."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        result |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return result


def _plain(value: Any) -> str:
    match value:
        case None | "":
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case _:
            return str(value)
