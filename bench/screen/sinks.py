"""Frames per second that each sink of screening takes in trains of 32, and how late the live page tells how it stands.

The bridge is held against the reference server of karabo-bridge, both read by the reference client over loopback; the
competitor of the copied hits is h5py alone, appending the same frames to one file, which a kill would damage.
"""

import json
import math
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import h5py
import numpy as np
from karabo_bridge import Client, ServerInThread

from bench.setting import rate, report
from screen.page.page import PUSH, Page
from screen.sinks.bridge import SOURCE, Bridge, properties
from screen.sinks.hits import CopiedHits
from screen.sinks.metrics import Metrics
from screen.stream.frame import FrameId
from screen.stream.ledger import DECISIONS, Record
from screen.stream.status import Status

PULSES, TRAINS, SIDE = 32, 512, 128


def batches() -> list[tuple[list[Record], np.ndarray]]:
    """Trains of which a quarter is kept."""
    images = np.random.default_rng(0).poisson(0.1, (PULSES, SIDE, SIDE)).astype(np.float32)
    return [
        (
            [
                Record(FrameId("s", "r", t, p), "veto" if p % 4 else "keep", 0.5, "", 0, 0.1, None)
                for p in range(PULSES)
            ],
            images,
        )
        for t in range(TRAINS)
    ]


def ours(trains: list) -> None:
    """All trains through the bridge's sink to the reference client."""
    bridge = Bridge("tcp://127.0.0.1:*", "PUSH")
    with Client(bridge.endpoint, sock="PULL", timeout=10) as client:
        for records, images in trains:
            bridge.decided(records, images)
        for _ in trains:
            client.next()
        bridge.close()


def theirs(trains: list) -> None:
    """The same values by the reference server."""
    with (
        ServerInThread("tcp://127.0.0.1:*", "PUSH", maxlen=1000) as server,
        Client(server.endpoint, sock="PULL", timeout=10) as client,
    ):
        for records, _ in trains:
            server.feed({SOURCE: properties(records)}, {SOURCE: {"timestamp.tid": records[0].id.train}})
        for _ in trains:
            client.next()


def copied(trains: list) -> None:
    """Kept frames into files."""
    with tempfile.TemporaryDirectory() as folder:
        sink = CopiedHits(Path(folder), stored=False)
        for records, images in trains:
            sink.decided(records, images)
        sink.close()


def appended(trains: list) -> None:
    """Kept frames into one file, as it comes."""
    with tempfile.TemporaryDirectory() as folder, h5py.File(Path(folder) / "hits.h5", "w") as file:
        data = file.create_dataset(
            "data", (0, SIDE, SIDE), "f4", maxshape=(None, SIDE, SIDE), chunks=(1, SIDE, SIDE), compression=1
        )
        for records, images in trains:
            kept = images[[record.decision == "keep" for record in records]]
            data.resize(len(data) + len(kept), axis=0)
            data[-len(kept) :] = kept


def told(page: Page, pushes: int = 40) -> list[float]:
    """Delays [ms] with which a reader hears how it stands."""
    delays: list[float] = []
    with urllib.request.urlopen(f"{page.url}events", timeout=10) as stream:
        while len(delays) < pushes:
            name, _, data = stream.readline().decode().partition(": ")
            if name == "data" and "hit_rate" in (said := json.loads(data)):
                delays.append(1e3 * (time.time() - said["time"]))
    return delays


def status() -> Status:
    """As of this moment."""
    counts = dict.fromkeys(DECISIONS, 1)
    return Status(time.time(), True, "s", 0.5, counts, 1, 0.5, 0.5, (0,) * 20, 1.0, 0, 1.0, 1.0, math.nan, 0)


if __name__ == "__main__":
    trains = batches()
    n = PULSES * TRAINS
    report(
        "screen_bridge", rate(lambda: ours(trains), n), rate(lambda: theirs(trains), n), "frames/s", in_a_train=PULSES
    )
    few = trains[:64]
    hits, by_h5py = (rate(lambda w=work: w(few), PULSES * len(few)) for work in (copied, appended))
    report("screen_hits", hits, by_h5py, "frames/s", kept=0.25)
    metrics, page = Metrics(0), Page(0)
    page.watch(status)
    shown = rate(lambda: [page.decided(*train) for train in trains], n)
    counted = rate(lambda: [metrics.decided(*train) for train in trains], n)
    stop = threading.Event()

    def feed() -> None:
        """Frames at about 3,500/s while a browser looks on."""
        while not stop.is_set():
            page.decided(*trains[0])
            time.sleep(PULSES / 3520)

    threading.Thread(target=feed, daemon=True).start()
    delays = np.array(told(page))
    stop.set()
    # A change waits for the next push.
    period = 1e3 * PUSH
    more = {"p99_ms": float(np.percentile(delays, 99)), "worst_ms": float(delays.max()), "period_ms": period}
    allowed = 250.0
    report(
        "screen_page",
        float(1e3 / (period + np.percentile(delays, 99))),
        1e3 / allowed,
        "1/s",
        sink_frames_per_s=shown,
        **more,
    )
    report("screen_metrics", counted, 3520.0, "frames/s", competitor_is="the fastest detector meant")
    page.close()
    metrics.close()
