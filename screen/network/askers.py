"""How many may ask a network at once, and that it is asked the next question the moment that it has answered one.

Threads of Python that take turns by a lock lose time at each: the one that was answered has to have Python's lock back,
and then the next one has to, while others count and write; of late10, which takes 4 ms for 32 frames, that was a fifth.
Here the thread that asks finds the next question in a queue, and has Python's lock at that moment.
"""

import queue
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screen.network.network import Predict

Images = NDArray[np.float32]


class _Question:
    """Images that wait to be predicted, or what came of it."""

    __slots__ = ("answer", "answered", "error", "images", "predict")

    def __init__(self, predict: Predict, images: Images):
        self.predict, self.images = predict, images
        self.answer: Any = None
        self.error: BaseException | None = None
        self.answered = threading.Lock()
        self.answered.acquire()

    def ask(self) -> None:
        try:
            self.answer = self.predict(self.images)
        except BaseException as error:
            self.error = error
        self.answered.release()


class Askers:
    """At most `n` ask at once; of those that wait, who came first is first."""

    def __init__(self, n: int):
        """ValueError for less than one."""
        if n < 1:
            raise ValueError(f"{n} threads that ask the network; expected one or more")
        self._may = threading.Semaphore(n)
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name="ask", daemon=True) for _ in range(n)]
        for thread in self._threads:
            thread.start()

    def __call__(self, predict: Predict, images: Images) -> NDArray[np.float64]:
        """What `predict` makes of images (n, ny, nx), or raises."""
        if self._may.acquire(blocking=False):  # here and at once: to hand it to another thread takes longer
            try:
                return predict(images)
            finally:
                self._may.release()
        question = _Question(predict, images)
        self._questions.put(question)
        question.answered.acquire()
        if question.error is not None:
            raise question.error
        return question.answer

    def _run(self) -> None:
        while (question := self._questions.get()) is not None:
            with self._may:
                while question is not None:
                    question.ask()
                    try:
                        question = self._questions.get_nowait()
                    except queue.Empty:
                        break
                else:
                    return

    def close(self) -> None:
        """End once all that wait were answered."""
        for _ in self._threads:
            self._questions.put(None)
