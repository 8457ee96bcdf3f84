"""The live page: what it tells, in time, in Chromium; and that who does not read it slows nothing."""

import json
import socket
import threading
import time
import urllib.request

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from frames.files import read_table
from screen.network.asked import Asking
from screen.page.page import Page
from screen.page.pictures import Pictures
from screen.stream.frame import FrameId
from screen.stream.ledger import DECISIONS, Ledger, Record
from screen.stream.policy import RANDOM, Policy
from screen.stream.screening import Screening
from screen.stream.status import Status
from support.programs.browser import Browser, chromium
from support.streaming import Made, frame, network


def status(**changed):
    said = {
        "time": time.time(), "running": True, "source": "<b>SPB</b>/DET", "threshold": 0.5,
        "counts": dict.fromkeys(DECISIONS, 0) | {"keep": 1200, "veto": 3, "missing": 1}, "window": 10,
        "hit_rate": 0.6, "share_kept": 0.7, "histogram": (0, 3, *(0,) * 17, 9), "frames_per_s": 120.0, "queue": 4,
        "delay_p50_ms": 1.25, "delay_p99_ms": float("nan"), "outside": float("nan"), "repeated": 1, "dropped": {},
        "alarms": ("12:00:00 the source is silent",),
    }  # fmt: skip
    return Status(**said | changed)


def batch(n=12, side=32):
    records = [Record(FrameId("SPB", "r", 7, k), ("keep", "veto")[k % 2], k / n, "", 0.0, 0.1, None) for k in range(n)]
    return records, np.random.default_rng(0).poisson(1, (n, side, side)).astype(np.float32)


@pytest.fixture
def page():
    page = Page(0)
    page.watch(status)
    page.decided(*batch())
    yield page
    page.close()


def test_sums_are_of_hits_and_of_vetoes_not_of_what_was_kept_at_random():
    records, images = batch()
    records[0].reason = RANDOM
    images[2] = np.nan
    pictures = Pictures()
    pictures.add(records, images)
    shown = pictures.rendered()
    assert (shown["keep"]["n"], shown["veto"]["n"]) == (4, 6)
    np.testing.assert_allclose(pictures._sum["keep"], images[[4, 6, 8, 10]].sum(0))
    assert [one["id"] for one in shown["keep"]["last"]] == [f"SPB:r:7:{k}" for k in (10, 8, 6, 4)]


def test_it_is_told_within_a_quarter_of_a_second(page):
    delays = []
    with urllib.request.urlopen(f"{page.url}events", timeout=5) as stream:
        while len(delays) < 8:
            name, _, data = stream.readline().decode().partition(": ")
            if name == "data" and "hit_rate" in (told := json.loads(data)):
                delays.append(time.time() - told["time"])
    assert told["counts"]["keep"] == 1200
    assert told["delay_p99_ms"] is None
    assert max(delays) < 0.25
    # A change is told with the next push.


def test_browsers_that_never_read_slow_nothing(page):
    """Eight connect and read nothing while pictures are pushed: batches are taken at once, a reader is told."""
    dead = []
    for _ in range(8):
        one = socket.create_connection(("127.0.0.1", page.port))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        one.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        dead.append(one)
    took = []
    records, images = batch(32, 128)
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        start = time.perf_counter()
        page.decided(records, images)
        took.append(time.perf_counter() - start)
        time.sleep(0.01)
    assert np.median(took) < 0.02
    with urllib.request.urlopen(f"{page.url}status", timeout=2) as answer:
        assert json.load(answer)["queue"] == 4
    for one in dead:
        one.close()


def test_it_ends_while_browsers_look_on():
    page = Page(0)
    page.watch(status)
    with urllib.request.urlopen(f"{page.url}events", timeout=5) as stream:
        stream.readline()
        start = time.monotonic()
        page.close()
        assert time.monotonic() - start < 5
    assert not [thread for thread in threading.enumerate() if thread is page._thread]


def test_nothing_is_fetched_from_elsewhere(page):
    for name in ("", "page.css", "page.js"):
        with urllib.request.urlopen(page.url + name, timeout=5) as answer:
            assert "http" not in answer.read().decode()
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_chromium_shows_it_all_and_nothing_runs_off(page, tmp_path, width, dark):
    if chromium() is None:
        pytest.skip("no Chromium; install Debian's package chromium")
    browser = Browser(page.url, tmp_path / "profile", width, dark=dark)
    try:
        browser.until("document.querySelectorAll('.last img').length == 12")
        browser.until("[...document.images].every(image => image.naturalWidth > 0)")
        assert browser.value("innerWidth") == width
        text = browser.value("document.body.innerText")
        for said in ("60 %", "<b>SPB</b>/DET", "the source is silent", "1.3 ms", *DECISIONS):
            assert said in text, said
        assert browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        brightness = browser.value("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)")
        assert (max(brightness) < 40) == dark
        assert 0 <= float(browser.value("document.body.dataset.delay")) < 0.25
        page.watch(lambda: status(queue=4321))
        browser.until("document.getElementById('queue').textContent.includes('321')", timeout=2)
    finally:
        browser.close()


def test_dead_browsers_cost_a_screening_no_frame_and_no_time(tmp_path):
    """Sixteen that ask for the events and never read, through a whole screening: all is decided as without them.

    At a rate that the network answers; a frame waits no longer than without, but for what they take of the machine.
    """

    def screened(folder, n_dead):
        page = Page(0)
        trains = [
            [frame(n, np.full((64, 64), n % 4 / 4, np.float32), pulse) for pulse in range(16)] for n in range(100)
        ]
        screening = Screening(
            Made(trains, pause=0.02), Asking(network(shape=(64, 64))), Policy(0.5, kept_share=0), Ledger(folder), [page]
        )
        page.watch(screening.status)
        dead = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(n_dead)]
        for one in dead:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            one.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        start = time.monotonic()
        status = screening.run()
        taken = time.monotonic() - start
        for one in dead:
            one.close()
        table = read_table(folder / "decisions.parquet").to_pandas()
        assert status.counts["keep"] == status.counts["veto"] == 800
        return taken, float((table["decided"] - table["arrived"]).median())

    alone, with_dead = screened(tmp_path / "alone", 0), screened(tmp_path / "dead", 16)
    assert with_dead[1] < alone[1] + 0.02
    # The end waits for the last push, and for the server to give up on who does not take it.
    assert with_dead[0] < 2 * alone[0] + 6
