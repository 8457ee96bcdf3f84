"""Keeping count of the last frames, for whoever looks."""

import math
import threading
import time
from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screen.stream.ledger import Record
from screen.stream.status import N_BINS

WINDOW = 2000
"""Frames that shares, histogram and delays are of"""
RATE_OVER = 5.0
"""[s] that a rate is taken over"""
MOST_ALARMS = 20


class Last:
    """The last values of a few columns."""

    def __init__(self, n_columns: int, n: int = WINDOW):
        self._values = np.full((n, n_columns), np.nan)
        self._n = 0

    def add(self, rows: NDArray[np.float64]) -> None:
        """(k, n_columns)."""
        rows = rows[-len(self._values) :]
        at = (self._n + np.arange(len(rows))) % len(self._values)
        self._values[at] = rows
        self._n += len(rows)

    def values(self) -> NDArray[np.float64]:
        """(at most n, n_columns), in no order."""
        return self._values[: self._n].copy()


class Counting:
    """What was decided of late; one thread adds, any may look."""

    def __init__(self, threshold: float):
        self._threshold, self._lock = threshold, threading.Lock()
        self._last = Last(4)  # probability, kept, delay [s], in domain
        self._decided: deque[tuple[float, int]] = deque()
        self._alarms: deque[str] = deque(maxlen=MOST_ALARMS)
        self.repeated = 0

    def add(self, records: Sequence[Record]) -> None:
        """Records that are in the ledger."""
        answered = [
            (r.p_single, r.decision == "keep", r.decided - r.arrived, math.nan if r.in_domain is None else r.in_domain)
            for r in records
            if not math.isnan(r.p_single)
        ]
        now = time.monotonic()
        with self._lock:
            if answered:
                self._last.add(np.array(answered, float))
            self._decided.append((now, len(records)))
            self._forget(now)

    def alarm(self, text: str) -> bool:
        """Something an operator has to know; whether it is new: it is said once while it is the last one said."""
        with self._lock:
            is_new = not self._alarms or not self._alarms[-1].endswith(f" {text}")
            if is_new:
                self._alarms.append(f"{time.strftime('%H:%M:%S')} {text}")
            return is_new

    def again(self, n: int) -> None:
        """Frames that came again."""
        with self._lock:
            self.repeated += n

    def _forget(self, now: float) -> None:
        while self._decided and self._decided[0][0] < now - RATE_OVER:
            self._decided.popleft()

    def summary(self) -> dict[str, object]:
        """The fields of a `Status` that are of the last frames."""
        with self._lock:
            rows, alarms, repeated, now = self._last.values(), tuple(self._alarms), self.repeated, time.monotonic()
            self._forget(now)
            n_decided = sum(n for _, n in self._decided)
            since = now - self._decided[0][0] if self._decided else RATE_OVER
        p, kept, delay, inside = rows.T
        asked = inside[~np.isnan(inside)]
        histogram, _ = np.histogram(np.clip(p, 0, 1), bins=N_BINS, range=(0, 1))
        p50, p99 = np.percentile(delay * 1e3, (50, 99)) if len(rows) else (math.nan, math.nan)
        return {
            "window": len(rows),
            "hit_rate": float((p >= self._threshold).mean()) if len(rows) else math.nan,
            "share_kept": float(kept.mean()) if len(rows) else math.nan,
            "histogram": tuple(int(n) for n in histogram),
            "frames_per_s": n_decided / max(since, 0.1),
            "delay_p50_ms": float(p50),
            "delay_p99_ms": float(p99),
            "outside": float(1 - asked.mean()) if len(asked) else math.nan,
            "repeated": repeated,
            "alarms": alarms,
        }
