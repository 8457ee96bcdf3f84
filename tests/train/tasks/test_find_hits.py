"""Trainings of networks that find hits: they learn, resume to the bit, and never see what they must not."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from support.made.hit_frames import candidates, vectors
from train.batches.hits import HitData
from train.config.hit_recipe import HitRecipe
from train.models.hit_finding.layers import DomainLogits
from train.tasks import find_hits
from train.tasks.domain_adversarial import DomainEpoch, adversarial_loss, fit_adversarial, has_settled, strength
from train.tasks.find_hits import TrainedHits, fit_hits, hit_probability, label_loss, load_hits, predict_logits
from train.tasks.self_training import fit_self_training, said, with_sure
from train.tasks.transfer import fit_transfer

CPU = torch.device("cpu")
RECIPE = HitRecipe(batch_size=10, epochs=5, learning_rate=1e-2)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> TrainedHits:
    return fit_hits("rows", vectors(60), vectors(30, 1), RECIPE, 0, CPU, tmp_path_factory.mktemp("source"), {})


def accuracy(trained: TrainedHits, data: HitData) -> float:
    p = hit_probability(predict_logits(trained.model, data.inputs, RECIPE, CPU)).numpy()
    return float(((p > 0.5) == (data.label > 0)).mean())


def weights(trained: TrainedHits) -> dict[str, torch.Tensor]:
    return trained.model.state_dict()


def same(one: TrainedHits, other: TrainedHits) -> bool:
    return all(torch.equal(value, weights(other)[name]) for name, value in weights(one).items())


def test_vectors_are_learned(source: TrainedHits) -> None:
    assert accuracy(source, vectors(60, 7)) > 0.75  # half are misses


def test_spots_are_counted(tmp_path: Path) -> None:
    by = replace(RECIPE, epochs=12)
    trained = fit_hits("spots", candidates(60), candidates(30, 1), by, 0, CPU, tmp_path, {})
    assert accuracy(trained, candidates(60, 7)) > 0.9
    assert load_hits(tmp_path / "model.pt", CPU).description == trained.description


def test_an_interrupted_training_ends_as_if_it_had_not_been(
    source: TrainedHits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, judge = iter(range(99)), find_hits.judged

    def failing(*args):  # type: ignore[no-untyped-def]
        if next(calls) == 2:
            raise KeyboardInterrupt
        return judge(*args)

    fit = ("rows", vectors(60), vectors(30, 1), RECIPE, 0, CPU, tmp_path, {})
    with monkeypatch.context() as patch:
        patch.setattr(find_hits, "judged", failing)
        with pytest.raises(KeyboardInterrupt):
            fit_hits(*fit)
    assert (tmp_path / "checkpoint.pt").exists()
    resumed = fit_hits(*fit)
    assert same(resumed, source)
    written = (tmp_path / "model.pt").stat().st_mtime_ns
    assert same(fit_hits(*fit), source)  # done: nothing is trained
    assert (tmp_path / "model.pt").stat().st_mtime_ns == written
    other = fit_hits("rows", vectors(60, 5), *fit[2:])
    assert not same(other, source)


def test_transfer_freezes_then_frees(source: TrainedHits, tmp_path: Path) -> None:
    recipe = replace(RECIPE, frozen_blocks=(3, 1), epochs=2, checkpoint="last")
    fit_transfer(source, vectors(40, 2, "b"), vectors(20, 3, "b"), recipe, 0, CPU, tmp_path, {})
    frozen, freed = (load_hits(tmp_path / name / "model.pt", CPU) for name in ("phase0-frozen3", "phase1-frozen1"))
    for name, value in weights(source).items():
        if name.startswith("base"):
            assert torch.equal(value, weights(frozen)[name])
        if name.startswith("base.0"):
            assert torch.equal(value, weights(freed)[name])
    assert not torch.equal(weights(source)["base.1.0.weight"], weights(freed)["base.1.0.weight"])
    assert not torch.equal(weights(source)["classifier.0.weight"], weights(frozen)["classifier.0.weight"])
    with pytest.raises(ValueError, match="at least one phase"):
        fit_transfer(source, vectors(), vectors(), RECIPE, 0, CPU, tmp_path, {})


def test_no_label_of_the_target_is_seen(tmp_path: Path) -> None:
    recipe = replace(RECIPE, checkpoint="last", epochs=2, rounds=1)
    target = vectors(40, 2, "b")
    lies = replace(target, label=2 - target.label)
    for fit in (fit_adversarial, fit_self_training):
        runs = [
            fit("rows", vectors(40), vectors(20, 1), data, recipe, 0, CPU, tmp_path / fit.__name__ / name, {})
            for name, data in (("true", target), ("lies", lies))
        ]
        assert same(*runs)


def test_no_frame_is_left_over_for_a_batch_of_its_own() -> None:
    source, target = candidates(12, 0), candidates(8, 1).unlabelled()
    logits = torch.tensor([[3.0 + number, 0.0, 0.0] for number in range(8)])  # miss, ever surer
    taken = [len(with_sure(source, target, logits, HitRecipe(batch_size=size, sure=0.5))) for size in (16, 19, 4)]
    assert taken == [20, 19, 20]
    assert 0 not in with_sure(source, target, logits, HitRecipe(batch_size=19, sure=0.5)).row[12:]


def test_adversarial_training_records_both_losses(tmp_path: Path) -> None:
    recipe = replace(RECIPE, checkpoint="last", epochs=3)
    fit_adversarial("rows", vectors(40), vectors(20, 1), vectors(40, 2, "b", 0.5), recipe, 0, CPU, tmp_path, {})
    rows = list(csv.DictReader((tmp_path / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["strength"]) == pytest.approx(strength(23 / 24))  # 8 batches an epoch: the last begins at 23
    assert all(0 <= float(row["domain_accuracy"]) <= 1 for row in rows)
    weak = replace(recipe, epochs=1, domain_weight=0.2)
    fit_adversarial("rows", vectors(40), vectors(20, 1), vectors(40, 2, "b"), weak, 0, CPU, tmp_path / "weak", {})
    (row,) = csv.DictReader((tmp_path / "weak" / "history.csv").open())
    assert float(row["strength"]) == pytest.approx(0.2 * strength(7 / 8))
    with pytest.raises(ValueError, match="domain_weight is 0, expected a number above 0"):
        replace(recipe, domain_weight=0)
    with pytest.raises(ValueError, match="expected 'last'"):
        fit_adversarial("rows", vectors(), vectors(), vectors(), RECIPE, 0, CPU, tmp_path, {})


def test_adversarial_training_begins_where_the_source_ended(source: TrainedHits, tmp_path: Path) -> None:
    """With steps too small to learn by, its network is the source's but for batch normalisation; else it is not."""
    recipe = replace(RECIPE, checkpoint="last", epochs=1, batch_size=20, learning_rate=1e-9)
    given = "rows", vectors(60), vectors(30, 1), vectors(60, 2, "b"), recipe, 0, CPU
    begun = fit_adversarial(*given, tmp_path / "begun", {}, start=source)
    random = fit_adversarial(*given, tmp_path / "random", {})
    as_begun, as_random = (dict(one.model.named_parameters()) for one in (begun, random))
    for name, value in source.model.named_parameters():
        torch.testing.assert_close(as_begun[name], value, rtol=0, atol=1e-6)
    assert not all(torch.allclose(as_random[name], value) for name, value in source.model.named_parameters())
    assert begun.description.learned_from != random.description.learned_from
    spots = fit_hits("spots", candidates(20), candidates(20, 1), RECIPE, 0, CPU, tmp_path / "spots", {})
    with pytest.raises(ValueError, match="weights of spots are to start a rows"):
        fit_adversarial(*given, tmp_path / "other", {}, start=spots)


def test_strength_is_the_papers() -> None:
    assert [strength(p) for p in (0, 0.5, 1)] == pytest.approx([0, math.tanh(2.5), math.tanh(5)])


def epochs(label: list[float], domain: list[float], strong: float = 1.0) -> list[DomainEpoch]:
    return [
        DomainEpoch(n, 1, one, 0.9, 1, 1, 0.9, 0.9, False, other, 0.5, strong)
        for n, (one, other) in enumerate(zip(label, domain, strict=True), 1)
    ]


def test_training_ends_at_a_plateau_of_the_label_and_an_oscillation_of_the_domain() -> None:
    up_and_down = [0.6, 0.7, 0.6, 0.7, 0.6, 0.7]
    assert has_settled(epochs([0.3] * 6, up_and_down), 6)
    assert not has_settled(epochs([0.9, 0.8, 0.6, 0.5, 0.4, 0.3], up_and_down), 6)
    assert not has_settled(epochs([0.3] * 6, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), 6)
    assert not has_settled(epochs([0.3] * 6, up_and_down, 0.5), 6)
    assert has_settled(epochs([0.3] * 6, up_and_down, 0.5), 6, weight=0.5)
    assert not has_settled(epochs([0.3] * 5, up_and_down[:5]), 6)


def test_a_label_loss_that_rises_or_was_lost_is_no_plateau() -> None:
    up_and_down = [0.6, 0.7, 0.6, 0.7, 0.6, 0.7]
    assert not has_settled(epochs([0.3, 0.4, 0.5, 0.6, 0.7, 0.8], up_and_down), 6)
    assert not has_settled(epochs([0.3] * 3 + [0.31] * 3, up_and_down), 6)  # by 3 %
    assert has_settled(epochs([0.3] * 3 + [0.305] * 3, up_and_down), 6)  # by 1.7 %
    lost = [0.1, 0.1, 0.1] + [0.3] * 6
    assert not has_settled(epochs(lost, [*up_and_down, 0.6, 0.7, 0.6]), 6)
    assert has_settled(epochs([0.1, 0.1, 0.1] + [0.12] * 6, [*up_and_down, 0.6, 0.7, 0.6]), 6)
    assert has_settled(epochs([0.9, 0.9, 0.9] + [0.3] * 6, [*up_and_down, 0.6, 0.7, 0.6]), 6)


def test_losses_are_their_formulas() -> None:
    logits, label = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 1.0]]), torch.tensor([0, 2, 1])
    expected = -(math.log(math.e / (math.e + 1)) * 2 + math.log(math.e**2 / (math.e**2 + 1))) / 3
    assert label_loss(logits, label).item() == pytest.approx(expected, rel=1e-5)
    three = torch.tensor([[math.log(0.2), math.log(0.3), math.log(0.5)]])
    assert hit_probability(three).item() == pytest.approx(0.8, rel=1e-5)
    assert said(three).tolist() == [2]
    domain = torch.tensor([0, 0, 1])
    both = adversarial_loss(DomainLogits(logits, torch.zeros(3, 2)), torch.tensor([0, 2, -1]), domain)
    of_source = label_loss(logits[:2], label[:2]).item()
    assert both.item() == pytest.approx(of_source + math.log(2), rel=1e-5)


def test_frames_without_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without a label"):
        fit_hits("rows", vectors().unlabelled(), vectors(), RECIPE, 0, CPU, tmp_path, {})
    (tmp_path / "model.pt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="damaged"):
        load_hits(tmp_path / "model.pt", CPU)
    np.testing.assert_equal(list(tmp_path.iterdir()), [tmp_path / "model.pt"])
