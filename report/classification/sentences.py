"""What the numbers of a run say, in sentences made from them."""

import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from frames.targets import Target, named
from report.classification.mistakes import SMALLEST_MISTAKE
from report.classification.photon_curve import Line, PhotonCurve
from report.classification.results import BayesLimit, Result, Transfer
from report.classification.scores import LONE, TEST, ModelScores
from report.describe.questions import words
from report.formatting import THIN, enumerated, exact_percent, number, percent, points, spoken

NUMBERS = {1: "one question", 2: "two questions", 3: "three questions", 4: "four questions"}
"""In words."""


def asked(targets: Sequence[Target]) -> str:
    """What networks answer, the last question first."""
    *others, last = [words(target).question for target in reversed(targets)]
    listed = f"{', '.join(others)}, and {last}" if others else last
    return f"{NUMBERS.get(len(targets), f'{len(targets)} questions')}: {listed}?"


def behind(result: Result) -> Iterator[str]:
    """Which networks are no better than a baseline, baseline by baseline, the strongest first."""
    for baseline in sorted(result.baselines, key=lambda scores: -scores.mean[TEST]):
        found = [
            f"{network.name} ({percent(network.mean[TEST])})"
            for network in result.networks
            if network.mean[TEST] <= baseline.mean[TEST]
        ]
        if found:
            yield f"No better than {spoken(baseline.name)} ({percent(baseline.mean[TEST])}): {enumerated(found)}."


def mistakes(result: Result) -> str:
    """Which classes the best network takes for which, question by question, the last one first."""
    classes, said = result.classes, []
    if collapsed := result.of(classes.model).by_seed[0].collapsed:
        heads = " and the ".join(words(named(result.targets, name)).head for name in collapsed)
        return f"this training collapsed: of every pattern, the {heads} head says the same."
    for target in reversed(result.targets):
        for one in classes.mistakes[target.name].frequent:
            unit = words(target).unit
            if unit is not None:
                taken = f"{one.label} {unit[one.label != '1']} for {one.predicted}"
            else:
                taken = (
                    f"{words(target).name + ' ' if target.is_number else ''}{one.label} is taken for {one.predicted}"
                )
            said.append(f"{taken} in {percent(one.share)}")
    if said:
        return f"{'; '.join(said)} of such patterns."
    names = [f"no {words(target).name}" for target in reversed(result.targets)]
    every = names[0] if len(names) == 1 else f"{', '.join(names[:-1])}, and {names[-1]},"
    return f"{every} is taken for any other one in {exact_percent(SMALLEST_MISTAKE)} of its patterns or more."


def bayes_limits(result: Result) -> Iterator[str]:
    """How often the structure of a single hit can be told at all, and how near the networks come."""
    if not result.bayes_limits:
        return
    best = max(result.networks, key=lambda network: network.mean[LONE])
    reached = best.mean[LONE]
    for limit in result.bayes_limits:
        finer = f"{limit.n_patterns} patterns, {limit.orientations:,} orientations of each structure"
        if limit.coarser:
            finer += f"; {percent(limit.coarser[1])} with {limit.coarser[0]:,}"
        gap = f"{100 * abs(limit.accuracy - reached):.1f} points {'above' if limit.accuracy >= reached else 'below'}"
        yield (
            f"With the fluence {limit.fluence}, the structure of a single hit can be told in "
            f"{100 * limit.accuracy:.1f} ± {100 * limit.standard_error:.1f}{THIN}% ({finer}), {gap} "
            f"what the best network, {best.name}, reaches: {percent(reached)}."
        )


def sparse_photons(curve: PhotonCurve) -> Iterator[Markup]:
    """Whether networks can handle few photons.

    First down to where the best one beats each baseline; then what it reaches, and what is possible, at the brightest
    level, at the last where it is right in half, and at the dimmest; then what it costs to train once for all levels.
    """
    best = {level: _best(curve.networks, level, TEST) for level in reversed(curve.photons_per_pulse)}
    reached = {level: network.mean[TEST] for level, network in best.items() if network}
    if not (levels := list(reached)):
        return
    lowest = {line.model: _lowest(curve, line, levels) for line in curve.baselines}
    beaten: dict[str, list[str]] = {}
    for baseline, level in lowest.items():
        beaten.setdefault(level, []).append(spoken(baseline))
    parts = [
        Markup("than {} down to {}").format(enumerated(beaten[level]), _named(curve, level))
        for level in levels
        if level in beaten
    ]
    sentences = []
    if parts:
        text = Markup("By more than chance would have it, the best network is better {}.")
        sentences.append(text.format(enumerated(parts)))
    if "" in beaten:
        text = Markup("Not even at {} is it better than {}.")
        sentences.append(text.format(_named(curve, levels[0]), enumerated(beaten[""])))
    yield Markup(" ").join(sentences)
    halves = [level for level in levels if reached[level] >= 0.5]
    for level in dict.fromkeys([levels[0], *halves[-1:], levels[-1]]):
        yield _at(curve, level)
    for line in curve.networks:
        anew = next((other for other in curve.networks if other.model == line.model and not other.trained_on), None)
        if line.trained_on and anew and line.trained_on not in curve.photons_per_pulse:
            shared = [level for level in levels if level in line.points and level in anew.points]
            gains = [line.points[level].mean[TEST] - anew.points[level].mean[TEST] for level in shared]
            if gains:
                yield Markup("{}, trained once on {}, is {} to {} points off {} trained at each level anew.").format(
                    line.model, line.trained_on, points(min(gains)), points(max(gains)), line.model
                )


def losses(transfers: Sequence[Transfer], home: Result) -> Iterator[str]:
    """What the best network of one dataset loses on others, and where it is no better than the majority."""
    best = home.best
    there = {t.dataset: t.of(best.name).mean[TEST] for t in transfers}
    order = sorted(there, key=lambda condition: there[condition])
    own = best.mean[TEST]
    text = f"{best.name}, the best on {home.dataset} ({percent(own)}), is right in "
    yield text + enumerated([f"{percent(there[c])} on {c} ({points(there[c] - own)})" for c in order]) + "."
    lost = [t.dataset for t in transfers if there[t.dataset] <= t.majority]
    if lost:
        yield f"On {enumerated(lost)} it is no better than always giving the most frequent answer."


def _best(lines: Sequence[Line], level: str, question: str) -> ModelScores | None:
    here = [line.points[level] for line in lines if level in line.points]
    known = [scores for scores in here if not math.isnan(scores.mean.get(question, math.nan))]
    return max(known, key=lambda scores: scores.mean[question], default=None)


def _lowest(curve: PhotonCurve, baseline: Line, levels: Sequence[str]) -> str:
    """The last of these levels before the 95 % intervals of the best network and the baseline meet; "" if at once."""
    found = ""
    for level in levels:
        network = _best(curve.networks, level, TEST)
        if network is None or level not in baseline.points:
            continue
        other = baseline.points[level]
        if network.mean[TEST] - other.mean[TEST] <= _half(network) + _half(other):
            break
        found = level
    return found


def _half(scores: ModelScores) -> float:
    """Half the width of the 95 % interval of a single training."""
    low, high = scores.by_seed[0].interval
    return (high - low) / 2


def _named(curve: PhotonCurve, level: str) -> Markup:
    text = Markup("{} photons per pulse").format(number(curve.photons_per_pulse[level]))
    if level not in curve.photons_per_single_hit:
        return text
    return text + Markup(" ({} in {})").format(number(curve.photons_per_single_hit[level], 2), curve.in_one)


def _at(curve: PhotonCurve, level: str) -> Markup:
    network, baseline = _best(curve.networks, level, TEST), _best(curve.baselines, level, TEST)
    assert network is not None  # levels are those that have one
    text = Markup("At {}, the joint accuracy of {} is {}").format(
        _named(curve, level), network.name, percent(network.mean[TEST])
    )
    if baseline is not None:
        text += Markup(", of the best baseline ({}) {}").format(spoken(baseline.name), percent(baseline.mean[TEST]))
    lone, limit = _best(curve.networks, level, LONE), _strictest(curve.bayes_limits.get(level, []))
    if lone is not None and limit is not None:
        text += Markup("; the structure of a single hit {} in {}, of {} that can be told at all").format(
            "it names" if lone.name == network.name else f"{lone.name} names",
            percent(lone.mean[LONE]),
            percent(limit.accuracy),
        )
    return text + Markup(".")


def _strictest(bayes_limits: Sequence[BayesLimit]) -> BayesLimit | None:
    """Of an unknown fluence, as networks have it, where that was asked for."""
    return next(
        (limit for limit in bayes_limits if limit.fluence == "unknown"), bayes_limits[0] if bayes_limits else None
    )
