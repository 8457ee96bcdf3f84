"""Metrics for Prometheus: http://host:port/metrics."""

from collections.abc import Callable, Iterator, Sequence
from threading import Thread
from wsgiref.simple_server import WSGIServer

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from screen.stream.ledger import Record
from screen.stream.status import Status

DELAYS = 0.001, 0.002, 0.003, 0.005, 0.0083, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0
"""Upper ends of the histogram of delays [s]; 8.3 ms are a period of 120 Hz"""

GAUGES = {
    "hit_rate": "share of the last frames whose probability is at least the threshold",
    "share_kept": "share of the last frames that were kept",
    "frames_per_s": "frames decided per second, of late",
    "queue": "trains that wait to be answered",
    "threshold": "probability from which on a frame is kept",
    "outside": "share of the last frames that are unlike what the network was trained on",
}


class Metrics:
    """A sink that is scraped. Counts are the ledger's own: none is missing where this sink was too slow."""

    def __init__(self, port: int, address: str = "127.0.0.1"):
        """Serve; port 0 takes a free one. OSError where the port is taken."""
        self.registry = CollectorRegistry()
        self._status: Callable[[], Status] | None = None
        self._delay = Histogram(
            "singlehit_delay_seconds", "from arrival to decision", buckets=DELAYS, registry=self.registry
        )
        self.registry.register(self)
        self._server: WSGIServer
        self._thread: Thread
        self._server, self._thread = start_http_server(port, address, self.registry)
        self.port: int = self._server.server_port

    def watch(self, status: Callable[[], Status]) -> None:
        """From now on tell how this stands."""
        self._status = status

    def decided(self, records: Sequence[Record], images: NDArray | None) -> None:
        """Count delays."""
        for record in records:
            self._delay.observe(max(0.0, record.decided - record.arrived))

    def collect(self) -> Iterator[Metric]:
        """What is read off when it is scraped."""
        if self._status is None:
            return
        status = self._status()
        frames = CounterMetricFamily("singlehit_frames", "frames by what became of them", labels=["decision"])
        for decision, n in status.counts.items():
            frames.add_metric([decision], n)
        yield frames
        dropped = CounterMetricFamily("singlehit_dropped_batches", "batches lost to a sink", labels=["sink"])
        for sink, n in status.dropped.items():
            dropped.add_metric([sink], n)
        yield dropped
        yield CounterMetricFamily("singlehit_repeated", "frames that came again", value=status.repeated)
        for name, says in GAUGES.items():
            if np.isfinite(value := getattr(status, name)):
                yield GaugeMetricFamily(f"singlehit_{name}", says, value=value)
        yield GaugeMetricFamily("singlehit_alarms", "alarms that stand", value=len(status.alarms))
        yield GaugeMetricFamily("singlehit_running", "1 while it screens", value=int(status.running))

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
