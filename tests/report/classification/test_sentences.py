"""Sentences say what the numbers say."""

import pytest

from report.classification import sentences
from report.classification.photon_curve import Line, PhotonCurve
from report.classification.results import BayesLimit
from support.scores import result, scored, transfer

LIMIT = BayesLimit("known", 0.9, 0.02, 264, 2500, (1250, 0.89))


def test_networks_are_held_against_every_baseline() -> None:
    networks = [scored("a", 0.5), scored("b", 0.3), scored("c", 0.9)]
    baselines = [scored("total_intensity", 0.3), scored("azimuthal", 0.6), scored("majority", 0.02)]
    assert list(sentences.behind(result(networks, baselines))) == [
        "No better than azimuthal (60.0\u202f%): a (50.0\u202f%) and b (30.0\u202f%).",
        "No better than total intensity (30.0\u202f%): b (30.0\u202f%).",
    ]
    assert list(sentences.behind(result(networks[2:], baselines))) == []


@pytest.mark.parametrize(("lone", "gap"), [(0.8, "10.0 points above"), (0.95, "5.0 points below")])
def test_limit_is_above_or_below_the_best_of_single_hits(lone: float, gap: str) -> None:
    networks = [scored("a", 0.9, lone=0.1), scored("b", 0.2, lone=lone)]
    (said,) = sentences.bayes_limits(result(networks, [scored("majority", 0.1)], bayes_limits=[LIMIT]))
    assert "90.0 ± 2.0\u202f% (264 patterns, 2,500 orientations of each structure; 89.0\u202f% with 1,250)" in said
    assert f"{gap} what the best network, b, reaches" in said


def curve(network: list[float], baseline: list[float], once: list[float] | None = None) -> PhotonCurve:
    """From bright to dim: a network trained at each level, perhaps one trained once, a baseline."""
    levels = [f"ph{14 - number}" for number in range(len(network))]

    def line(name: str, values: list[float], trained_on: str | None = None) -> Line:
        points = {level: scored(name, value, lone=value) for level, value in zip(levels, values, strict=True)}
        return Line(name, trained_on, points)

    return PhotonCurve(
        photons_per_pulse={level: float(f"1e{level[2:]}") for level in reversed(levels)},
        photons_per_single_hit={level: float(f"1e{level[2:]}") / 4e9 for level in levels},
        networks=[line("net", network), *([line("net", once, "all")] if once else [])],
        baselines=[line("azimuthal", baseline), line("majority", [0.02] * len(levels))],
        bayes_limits={levels[1]: [LIMIT, BayesLimit("unknown", 0.85, 0.02, 264, 2500, None)]},
    )


def test_sparse_photons_are_handled_down_to_where_baselines_are_beaten() -> None:
    """95 % intervals of 10,000 patterns are at most a point to either side: 0.25 and 0.24 are not told apart."""
    first, *others = sentences.sparse_photons(curve([0.9, 0.6, 0.25, 0.02], [0.7, 0.5, 0.24, 0.02]))
    assert first.striptags() == (
        "By more than chance would have it, the best network is better than azimuthal down to "
        "1 × 1013 photons per pulse (2,500 in a single hit) and than majority down to "
        "1 × 1012 photons per pulse (250 in a single hit)."
    )
    said = [sentence.striptags() for sentence in others]
    assert len(said) == 3  # the brightest, the last that is half right, the dimmest
    assert said[0].endswith("the joint accuracy of net is 90.0 %, of the best baseline (azimuthal) 70.0 %.")
    assert "it names in 60.0 %, of 85.0 % that can be told at all" in said[1]  # of an unknown fluence
    assert said[2].startswith("At 1 × 1011 photons per pulse (25 in a single hit), the joint accuracy of net")


def test_what_is_beaten_nowhere_is_said() -> None:
    first = next(sentences.sparse_photons(curve([0.5, 0.2], [0.6, 0.1])))
    assert "Not even at 1 × 1014 photons per pulse (25,000 in a single hit) is it better than azimuthal." in (
        first.striptags()
    )


def test_training_once_for_all_is_compared() -> None:
    *_, last = sentences.sparse_photons(curve([0.9, 0.6], [0.1, 0.1], once=[0.8, 0.62]))
    assert last == "net, trained once on all, is −10.0 to +2.0 points off net trained at each level anew."


def test_losses_are_told_from_the_largest_on() -> None:
    home = result([scored("a", 0.5), scored("best", 0.8)], [scored("majority", 0.1)])
    asked = [
        transfer("near", [scored("a", 0.5), scored("best", 0.7)]),
        transfer("masked", [scored("a", 0.5), scored("best", 0.1)]),
    ]
    assert list(sentences.losses(asked, home)) == [
        "best, the best on noisy (80.0\u202f%), is right in 10.0\u202f% on masked (−70.0) "
        "and 70.0\u202f% on near (−10.0).",
        "On masked it is no better than always giving the most frequent answer.",
    ]
