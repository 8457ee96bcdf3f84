"""Who asks the network when: at once where nobody does, else in the order of coming, and never more than agreed."""

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from screen.network.askers import Askers


@pytest.fixture
def one():
    askers = Askers(1)
    yield askers
    askers.close()


class Held:
    """A network that answers about each image when it is let, and writes down which thread asked, in order."""

    def __init__(self):
        self.asked, self.by, self.go = [], [], threading.Semaphore(0)

    def __call__(self, images):
        self.asked.append(float(images[0]))
        self.by.append(threading.current_thread())
        assert self.go.acquire(timeout=20)
        return images * 2


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(1e-3)


def test_where_nobody_asks_it_is_asked_at_once_by_the_one_who_wants_to_know(one):
    network = Held()
    network.go.release(2)
    assert one(network, np.ones(3)).tolist() == [2, 2, 2]
    assert one(network, np.zeros(1)).tolist() == [0]
    assert network.by == [threading.current_thread()] * 2


class Counted(queue.SimpleQueue):
    """That knows how many were ever put into it."""

    n_put = 0

    def put(self, item):
        super().put(item)
        self.n_put += 1


def test_those_who_wait_are_answered_in_the_order_of_coming_each_with_its_own_answer(monkeypatch):
    network, counted = Held(), Counted()
    with monkeypatch.context() as patched:
        patched.setattr(queue, "SimpleQueue", lambda: counted)
        one = Askers(1)
    with ThreadPoolExecutor(8) as pool:
        found = []
        for number in range(8):
            found.append(pool.submit(one, network, np.full(2, float(number))))
            until(lambda n=number: len(network.asked) == 1 and counted.n_put == n)
        network.go.release(8)
        assert [future.result(20).tolist() for future in found] == [[2 * n, 2 * n] for n in range(8)]
    assert network.asked == list(range(8))
    assert threading.current_thread() not in network.by
    assert len(set(network.by[1:])) == 1, "one thread asks on, question after question"
    one.close()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_more_ask_at_once_than_may_and_so_many_do(n):
    askers, now, most, lock = Askers(n), 0, 0, threading.Lock()

    def predict(images):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(5e-3)
        with lock:
            now -= 1
        return images

    with ThreadPoolExecutor(6) as pool:
        assert [float(x[0]) for x in pool.map(lambda k: askers(predict, np.full(1, k)), range(30))] == list(range(30))
    askers.close()
    assert most == n


def test_a_network_that_fails_fails_whom_it_was_asked_by_and_answers_the_next(one):
    def predict(images):
        time.sleep(5e-3)
        if images[0] % 2:
            raise RuntimeError(f"broken at {images[0]:g}")
        return images

    def said(number):
        try:
            return float(one(predict, np.full(1, float(number)))[0])
        except RuntimeError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(said, range(12)))
    assert found == [f"broken at {n}" if n % 2 else n for n in range(12)]


def test_its_threads_end(one):
    before = threading.active_count()
    askers = Askers(3)
    assert threading.active_count() == before + 3
    askers.close()
    until(lambda: threading.active_count() == before)


def test_at_least_one_has_to_ask():
    with pytest.raises(ValueError, match="0 threads that ask the network"):
        Askers(0)
