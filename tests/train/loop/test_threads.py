"""How many threads a training takes: from rates alone, by a clock that the test keeps, and without a trace."""

import logging
from dataclasses import replace

import pytest
import torch

import train.loop.training_loop
from frames.files import read_json
from train.config.recipe import Recipe, TwinRecipe
from train.inference.predict import predict
from train.loop.threads import AGAIN_S, TRIAL_S, WINDOW_S, Threads, candidates, choose, side_by_side
from train.tasks.classify import fit
from train.tasks.embed import fit_twin

CPU = torch.device("cpu")


def test_numbers_to_try_double_up_to_the_most():
    assert [candidates(most) for most in (1, 2, 3, 8, 12)] == [[1], [1, 2], [1, 2, 3], [1, 2, 4, 8], [1, 2, 4, 8, 12]]


@pytest.mark.parametrize(
    ("rates", "now", "chosen"),
    [
        ({1: 300, 2: 500}, 1, 2),  # quiet
        ({1: 300, 2: 60}, 2, 1),  # another process has a core
        ({1: 300, 2: 330}, 1, 1),  # a second core for a tenth more is not taken,
        ({1: 300, 2: 330}, 2, 2),  # nor given back
        ({1: 300, 2: 310}, 2, 1),
        ({1: 100, 2: 180, 4: 200, 8: 90}, 1, 2),
        ({1: 100, 2: 180, 4: 200, 8: 90}, 4, 4),
        ({1: 100, 2: 110, 4: 400}, 1, 4),
        ({1: 300}, 1, 1),
    ],
)
def test_the_choice_follows_from_rates_and_what_is_taken_now(rates, now, chosen):
    assert choose(rates, now) == chosen
    assert choose(dict(reversed(rates.items())), now) == chosen


class Machine:
    """On which a step of 10 images takes a time that hangs on the number of threads, and a clock that tells it."""

    def __init__(self, **images_per_s):
        self.now, self.number, self.trials = 100.0, 0, 0
        self.rates = {}
        self.becomes(**images_per_s)

    def becomes(self, one, two):
        self.rates = {1: one, 2: two}

    def set_number(self, number):
        self.number = number

    def clock(self):
        return self.now

    def step(self):
        self.now += 10 / self.rates[self.number]

    def trial(self):
        self.trials += 1
        self.step()

    def train(self, threads, seconds):
        """Steps for so long; the numbers of threads that they took."""
        end, taken = self.now + seconds, []
        while self.now < end:
            threads.before_step(10, self.trial)
            taken.append(self.number)
            self.step()
        return taken


def started(machine, most=2, measured=True):
    threads = Threads(most, measured, machine.set_number, machine.clock)
    threads.start_epoch()
    return threads


def test_a_training_takes_what_is_faster_now():
    """Alone, beside another process, alone again; and the log says what was measured."""
    machine = Machine(one=300, two=500)
    threads = started(machine)
    assert set(machine.train(threads, 20)) == {2}
    machine.becomes(one=300, two=50)
    noticed = machine.train(threads, 2 * WINDOW_S + 2)
    assert noticed[0] == 2
    assert noticed[-1] == 1
    assert set(machine.train(threads, 20)) == {1}
    machine.becomes(one=300, two=500)  # which one thread does not notice
    again = machine.train(threads, 2 * AGAIN_S)
    assert again[0] == 1
    assert again[-1] == 2
    assert threads.used == {1, 2}


def test_what_was_measured_is_logged_when_it_is_new(caplog):
    caplog.set_level(logging.INFO)
    machine = Machine(one=300, two=500)
    threads = started(machine)
    machine.train(threads, 3 * AGAIN_S)
    assert [record.getMessage() for record in caplog.records] == [
        "threads: 2 of 2, as it is fastest now (images/s: 300 with 1, 500 with 2)"
    ]
    assert machine.trials > 40  # more than once, all the same


def test_measuring_takes_little_of_the_time_however_slow_a_step_is():
    """2 % after the first, though two threads take 10 s for what one does in a tenth."""
    machine = Machine(one=100, two=1)
    threads = started(machine)
    machine.train(threads, 1)
    before, begun = machine.trials, machine.now
    machine.train(threads, 10_000)
    # Of each measurement: a step to warm up and 0.4 s of 0.1 s steps with one thread, a step of 10 s with two.
    n = (machine.trials - before) / (1 + round(TRIAL_S / 0.1) + 1)
    assert n > 5
    assert n * (0.1 + TRIAL_S + 10) / (machine.now - begun) < 0.03


def test_nor_does_it_where_the_rate_changes_all_the_time():
    """A tenth at most, though every window is at another rate."""
    machine = Machine(one=100, two=5)
    threads = started(machine)
    machine.train(threads, 1)
    trained, begun = 0.0, machine.now
    for _ in range(100):
        machine.becomes(one=300 - machine.rates[1], two=5)
        trained += sum(10 / machine.rates[n] for n in machine.train(threads, WINDOW_S + 1))
    assert trained / (machine.now - begun) > 0.85


def test_time_between_epochs_is_no_change_of_rate():
    machine = Machine(one=300, two=500)
    threads = started(machine)
    machine.train(threads, 2 * WINDOW_S)
    trials = machine.trials
    for _ in range(3):
        threads.end_epoch()
        machine.now += 10  # validation
        threads.start_epoch()
        machine.train(threads, 5)
    assert machine.trials == trials


@pytest.mark.parametrize(("most", "measured"), [(1, True), (2, False)])
def test_nothing_is_measured_where_there_is_no_choice(most, measured):
    machine = Machine(one=300, two=50)
    machine.set_number(most)
    threads = started(machine, most, measured)
    assert set(machine.train(threads, 100)) == {most}
    assert machine.trials == 0


def test_never_more_threads_than_are_given():
    """Whatever the rates promise."""
    set_to = []
    machine = Machine(one=1, two=2)
    machine.rates = {n: float(n * n) for n in range(1, 100)}
    machine.set_number = lambda n: (set_to.append(n), setattr(machine, "number", n))
    threads = started(machine, most=6)
    machine.train(threads, 500)
    threads.end_epoch()
    assert max(set_to) == 6
    assert threads.number == 6


@pytest.fixture
def unmoved(monkeypatch):
    """Trainings believe that they have two threads and measure at every step, but torch keeps to its one."""
    set_to = []

    class Measuring(Threads):
        def __init__(self, most, measured):
            assert most == 1  # tests/support/toy.py
            super().__init__(2, measured, set_to.append)

        def _is_due(self):
            return True

    monkeypatch.setattr(train.loop.training_loop, "Threads", Measuring)
    monkeypatch.setattr("train.loop.threads.TRIAL_S", 0.0)
    return set_to


def weights_of(folder):
    return torch.load(folder / "model.pt", weights_only=True)["weights"]


@pytest.mark.parametrize(
    ("network", "changed"),
    [("late10", {}), ("polar", {"detector_dropout": 0.5}), ("folded", {"optimiser": "muon"})],
    ids=["dropout", "batch normalisation, missing parts", "muon"],
)
def test_weights_are_those_of_a_training_that_measures_nothing(toy, tmp_path, unmoved, network, changed):
    recipe = replace(Recipe(epochs=1, batch_size=16), **changed)
    measuring = fit(network, toy, recipe, 0, CPU, tmp_path / "measuring")
    assert {1, 2} <= set(unmoved)
    unmoved.clear()
    plain = fit(network, toy, recipe, 0, CPU, tmp_path / "plain", measure_threads=False)
    assert not unmoved
    assert measuring[0].train_loss == plain[0].train_loss
    theirs = weights_of(tmp_path / "plain")
    assert all(torch.equal(weights, theirs[name]) for name, weights in weights_of(tmp_path / "measuring").items())


def test_so_are_those_of_a_twin_network(toy, tmp_path, unmoved):
    """Whose loss draws triplets by chance and has weights of its own."""
    recipe = TwinRecipe(epochs=1, batch_size=16, mining="random", distance="squared_l2", proxy_weight=0.5)
    fit_twin("late3", toy, recipe, 0, CPU, tmp_path / "measuring")
    assert {1, 2} <= set(unmoved)
    fit_twin("late3", toy, recipe, 0, CPU, tmp_path / "plain", measure_threads=False)
    theirs = weights_of(tmp_path / "plain")
    assert all(torch.equal(weights, theirs[name]) for name, weights in weights_of(tmp_path / "measuring").items())


def test_the_record_says_what_steps_were_taken_with(toy, tmp_path, monkeypatch):
    """Those before an interruption too."""

    class Interrupted(Exception):
        pass

    def interrupted(*arguments):
        raise Interrupted

    monkeypatch.setattr(train.loop.training_loop, "save_model", interrupted)
    torch.set_num_threads(2)
    try:
        with pytest.raises(Interrupted):
            fit("late3", toy, Recipe(epochs=1, batch_size=16), 0, CPU, tmp_path, measure_threads=False)
    finally:
        torch.set_num_threads(1)
    monkeypatch.undo()
    fit("late3", toy, Recipe(epochs=1, batch_size=16), 0, CPU, tmp_path)
    assert read_json(tmp_path / "training.json")["threads"] == [2]


def test_answers_side_by_side_are_those_of_one_thread(toy, tmp_path):
    """To the bit and in order, by more threads than there are batches, too; torch's number is as it was before."""
    from train.loop.checkpoint import load_model

    fit("polar", toy, Recipe(epochs=1, batch_size=16), 0, CPU, tmp_path)
    trained = load_model(tmp_path / "model.pt", CPU)
    expected = predict(trained, toy, slice(0, 160), batch_size=13)
    try:
        for n in (2, 3, 40):
            torch.set_num_threads(n)
            for answered, right in zip(predict(trained, toy, slice(0, 160), batch_size=13), expected, strict=True):
                assert (answered == right).all()
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(1)


def test_each_answers_with_a_single_thread_and_an_error_comes_through():
    def answer(item):
        if item == 5:
            raise ValueError("five")
        return item, torch.get_num_threads(), torch.is_inference_mode_enabled()

    torch.set_num_threads(3)
    try:
        assert list(side_by_side(answer, range(5), CPU)) == [(item, 1, True) for item in range(5)]
        with pytest.raises(ValueError, match="five"):
            list(side_by_side(answer, range(9), CPU))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)
