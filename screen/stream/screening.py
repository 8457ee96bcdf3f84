"""Screening: source -> fold -> network -> policy -> ledger -> sinks.

A reader takes trains from the source into a bounded queue. A feeder hands them to workers, threads that fold and ask
the network outside of Python's lock, as soon as one is free: a frame that comes alone is answered alone and at once,
and while all are busy those that wait are answered together. The thread of `run` takes the answers in the order in
which the frames came, decides, and writes the ledger; only then do the source and the sinks hear of it.
"""

import logging
import math
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screen.network.asked import Asking, Predictions
from screen.network.askers import Askers
from screen.stream.arrivals import Arrivals, Train
from screen.stream.counting import Counting
from screen.stream.deliveries import Deliveries
from screen.stream.frame import Frame
from screen.stream.ledger import Decision, Ledger, Record
from screen.stream.policy import Policy
from screen.stream.seen import Seen
from screen.stream.sinks import Sink
from screen.stream.sources import Source
from screen.stream.status import Status

__all__ = ["Screening", "Status"]

BATCH = 32
"""Frames that are predicted at once, at most"""
QUEUE_BYTES = 4 * 2**30
"""Of frames that wait, at most"""
MISFITS = 8
"""Frames in a row, from the first one on, whose size is wrong: then it is the setting that is"""
FORGOTTEN, MORE = 0.98, 1.25
"""Of the time that predictions took, what is remembered from one to the next, and allowed for after one was late"""
MOST = 0.75
"""Of the deadline, that is allowed for at most: about what has just come the network is always asked"""
RETRY = 0.5
"""[s] after which a ledger that could not be written is tried again"""

LATE = "predictions come late; the frames are kept"

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Job:
    """Frames handed to a worker, or none where there was nothing to ask."""

    frames: Sequence[Frame]
    arrived: Sequence[float]
    asked: list[int]
    """of the frames, those that the worker predicts"""
    problems: dict[int, tuple[Decision, str]]
    """of the others, what is known already"""
    predictions: "Future[Predictions] | None"
    handed_over: float = 0.0
    """of `time.monotonic`"""


class Screening:
    """One screening of a source. `run()` returns when the source ends, or after `stop()` from any thread."""

    def __init__(
        self,
        source: Source,
        asking: Asking,
        policy: Policy,
        ledger: Ledger,
        sinks: Sequence[Sink] = (),
        *,
        workers: int = 1,
        queue_trains: int = 256,
    ):
        """The ledger is closed by `run`, and the source and the sinks are."""
        self.source, self.asking, self.policy, self.ledger = source, asking, policy, ledger
        self._counting = Counting(policy.threshold)
        when_full = "block" if source.lossless else policy.when_full
        self._arrivals = Arrivals(queue_trains, when_full, QUEUE_BYTES)
        self._deliveries = Deliveries(sinks, self._counting.alarm)
        # One more than may ask the network at once: it folds what is next meanwhile, so that the network is never idle.
        self._pool = ThreadPoolExecutor(workers + 1, thread_name_prefix="predict")
        self._free, self._askers = threading.Semaphore(workers + 1), Askers(workers)
        self._jobs: queue.Queue[Job | None] = queue.Queue()
        self._stopped, self._ended = threading.Event(), False
        self._failure: BaseException | None = None
        self._misfits: int | None = 0
        self._drains = bool(getattr(source, "drains", False))
        self._took = 0.0  # from hand-over to answer, of late [s]
        if hasattr(source, "decided"):
            source.decided = ledger.seen
        if hasattr(source, "alarm"):
            source.alarm = self.alarm

    def alarm(self, text: str) -> None:
        """Tell the operator."""
        if self._counting.alarm(text):
            logger.warning("%s", text)

    def run(self) -> Status:
        """Screen to the end; how it stands then, with decisions.parquet written.

        What the source raised, once all that came before is decided; ValueError where frames are of another size than
        the network's, or than the table's. OSError where the ledger could not be written up to the end.
        """
        self.asking.warm_up()
        threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("reader", self._read), ("feeder", self._feed))
        ]
        for thread in threads:
            thread.start()
        try:
            while (job := self._jobs.get()) is not None:
                self._decide(job)
        finally:
            self.stop()
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._askers.close()
            self._ended = True  # which the last that sinks are told says
            self._deliveries.close()
            self.ledger.close()
        if self._failure is not None:
            raise self._failure
        return self.status()

    def stop(self) -> None:
        """Decide what has arrived, take no more, and end."""
        self._stopped.set()
        if not self._drains:
            self._arrivals.end()
        try:
            self.source.close()
        except Exception as error:  # of a socket or file that is going anyway
            logger.debug("the source failed at its end", exc_info=error)

    def status(self) -> Status:
        """How it stands, from any thread."""
        return Status(
            time=time.time(),
            running=not self._ended,
            source=self.source.name,
            threshold=self.policy.threshold,
            counts={str(decision): n for decision, n in self.ledger.counts().items()},
            queue=len(self._arrivals),
            dropped=self._deliveries.dropped(),
            **self._counting.summary(),  # type: ignore[arg-type]
        )

    def _read(self) -> None:
        came = Seen()  # a train may come again before it is decided
        try:
            for train in self.source:
                if self._stopped.is_set() and not self._drains:
                    break
                if not train:
                    continue
                fresh = [frame for frame in train if not self.ledger.seen(frame.id) and came.add(frame.id)]
                if n := len(train) - len(fresh):
                    self._counting.again(n)
                if fresh:
                    self._arrivals.put(fresh)
        except Exception as error:
            if not self._stopped.is_set():
                self.alarm(f"{self.source.name} ended: {type(error).__name__}: {error}")
                self._failure = self._failure or error
        finally:
            self._arrivals.end()

    def _feed(self) -> None:
        try:
            while True:
                is_free = self._free.acquire(timeout=self.policy.deadline)
                trains = self._arrivals.get(BATCH)
                if not trains:
                    break
                for n, job in enumerate(self._made(trains, late=not is_free)):
                    if n and is_free:
                        self._free.acquire()
                    self._start(job, is_free)
                    self._jobs.put(job)
        except BaseException as error:
            self._failure = self._failure or error
            self.stop()
        finally:
            self._arrivals.end()  # nobody takes any more, so that nobody waits for a place
            self._jobs.put(None)

    def _made(self, trains: Sequence[Train], *, late: bool) -> list[Job]:
        """Jobs of at most `BATCH` frames to ask about.

        Nothing is asked where all workers hang, or of a frame whose answer would be late: where frames come faster than
        answers all would else wait for as long as the deadline, and be answered just after it.
        """
        frames = [frame for train in trains for frame in train.frames]
        arrived = [train.arrived for train in trains for _ in train.frames]
        skipped = [train.skipped for train in trains for _ in train.frames]
        waited = math.inf if self.policy.deadline is None else self.policy.deadline - self._took
        too_late = time.time() - waited  # what arrived before
        jobs = []
        for start in range(0, len(frames), BATCH):
            part = slice(start, start + BATCH)
            job = Job(frames[part], arrived[part], [], {}, None)
            for at, (frame, is_skipped) in enumerate(zip(job.frames, skipped[part], strict=True)):
                if (problem := self._problem(frame, is_skipped)) is not None:
                    job.problems[at] = problem
                elif late or job.arrived[at] < too_late:
                    job.problems[at] = "keep", self._late
                else:
                    job.asked.append(at)
            if not job.asked:
                self._took *= FORGOTTEN  # or, once nothing is asked any more, nothing ever would be
            jobs.append(job)
        return jobs

    def _problem(self, frame: Frame, is_skipped: bool) -> tuple[Decision, str] | None:
        """Why a frame is not predicted."""
        if frame.problem is not None:
            return _of_problem(frame.problem)
        if is_skipped:
            return "skipped", "frames came faster than answers"
        if frame.image is None:
            return "unreadable", "the source gave no image"
        problem = self.asking.fits(frame.image)
        if self._misfits is not None:
            self._misfits = (
                self._misfits + 1 if problem and frame.image.size else None if not problem else self._misfits
            )
            if self._misfits == MISFITS:
                shape = " x ".join(map(str, frame.image.shape))
                expected = " x ".join(map(str, self.asking.shape))
                what = "the network was trained on" if self.asking.table is None else "the table of pixels is of"
                self._failure = ValueError(
                    f"frames of {self.source.name} are of {shape} pixels, and {what} {expected}; give the table that "
                    "folds these to the network's size, --table pixels.npz (`singlehit tabulate` makes one)"
                )
                self.stop()
        return None if problem is None else _of_problem(problem)

    @property
    def _late(self) -> str:
        return f"late: no answer in {self.policy.deadline:g} s"

    def _start(self, job: Job, is_free: bool) -> None:
        """Hand it to a worker; gives the place back at once where there is nothing to ask."""
        if not job.asked:
            if is_free:
                self._free.release()
            return
        images = [job.frames[at].image for at in job.asked]
        look = [self.policy.looks(job.frames[at].id) for at in job.asked]
        job.handed_over = time.monotonic()
        job.predictions = self._pool.submit(self.asking.predict, images, look, self._askers)  # type: ignore[arg-type]
        job.predictions.add_done_callback(lambda _: self._free.release())

    def _decide(self, job: Job) -> None:
        predictions, trouble = self._predicted(job)
        n, now = len(job.frames), time.time()
        records: list[Record] = []
        place = {at: k for k, at in enumerate(job.asked)}
        for at, (frame, arrived) in enumerate(zip(job.frames, job.arrived, strict=True)):
            p, inside = math.nan, None
            if at in job.problems:
                decision, reason = job.problems[at]
            elif predictions is None:
                decision, reason = "keep", trouble
            elif (problem := predictions.problems[place[at]]) is not None:
                decision, reason = _of_problem(problem)
            else:
                p, inside = float(predictions.p[place[at]]), predictions.in_domain[place[at]]
                decision, reason = self.policy.decide(frame.id, p)
            records.append(Record(frame.id, decision, p, reason, arrived, now, inside))
        self._write(records)
        self.source.commit([frame.id for frame in job.frames])
        self._counting.add(records)
        images = None if predictions is None else _placed(predictions.images, job.asked, n)
        self._deliveries.put(records, images, [frame.image for frame in job.frames])

    def _predicted(self, job: Job) -> tuple[Predictions | None, str]:
        """A worker's predictions; or why there are none."""
        if job.predictions is None:
            if any(decision == "keep" for decision, _ in job.problems.values()):  # unseen, as it was late
                self.alarm(LATE)
            return None, ""
        deadline = self.policy.deadline
        try:
            left = None if deadline is None else max(0.0, min(job.arrived) + deadline - time.time())
            predictions = job.predictions.result(left)
            self._allow_for(max(FORGOTTEN * self._took, time.monotonic() - job.handed_over))
            return predictions, ""
        except NotInTime:
            job.predictions.cancel()
            self._allow_for(max(MORE * self._took, time.monotonic() - job.handed_over))
            self.alarm(LATE)
            return None, self._late
        except Exception as error:  # of the network, say: fail open
            self.alarm(f"the network fails ({type(error).__name__}: {error}); the frames are kept")
            return None, f"no answer: {type(error).__name__}"

    def _allow_for(self, took: float) -> None:
        self._took = took if self.policy.deadline is None else min(took, MOST * self.policy.deadline)

    def _write(self, records: list[Record]) -> None:
        """Into the ledger; while that cannot be written, on a full disk, screening waits."""
        while True:
            try:
                self.ledger.append(records)
                return
            except OSError as error:
                if self._stopped.is_set():
                    raise
                self.alarm(f"the ledger cannot be written ({error}); screening waits")
                self._stopped.wait(RETRY)


def _of_problem(problem: str) -> tuple[Decision, str]:
    """Decision and reason of what a source, or a check, says of a frame."""
    said, _, why = problem.partition(":")
    decision: Decision = "missing" if said.strip() == "missing" else "unreadable"
    return decision, why.strip() or problem


def _placed(images: NDArray[np.float32] | None, asked: list[int], n: int) -> NDArray[np.float32] | None:
    """(n, ny, nx) of the images (k, ny, nx) of those predicted; NaN elsewhere."""
    if images is None or len(asked) == n:
        return images
    placed = np.full((n, *images.shape[1:]), np.nan, np.float32)
    placed[asked] = images
    return placed
