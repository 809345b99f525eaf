"""Reading one step ahead of the network, and writing one step behind it, each in a thread of its own.

Threads, not processes: NumPy, zarr's codecs and PyTorch release Python's lock, and nothing has to be copied.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


def ahead(jobs: Iterable[Callable[[], T]]) -> Generator[T]:
    """Results of jobs, in order; while one is being used, the next is already under way.

    Parameters
    ----------
    jobs : iterable of callable
        Run one at a time, all in one other thread; what one raises is raised here, in its turn.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="nnunet-em-ahead") as pool:
        waiting: deque[Future[T]] = deque()  # nothing here holds a result that was handed over
        for job in jobs:
            waiting.append(pool.submit(job))
            if len(waiting) > 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class Behind(Generic[T]):
    """A thread that works through what it is handed, in order; the next job waits for all but the last.

    At most one job is running and one waiting, so that what they hold in memory is bounded. Leaving the
    context waits for both: what was handed over is finished, unless something was raised.

    Attributes
    ----------
    waited_seconds : float
        How long `submit` had to wait.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="nnunet-em-behind")
        self._jobs: deque[Future[T]] = deque()
        self._room = threading.Semaphore(2)
        self.waited_seconds = 0.0

    def __enter__(self) -> Behind[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=False)

    def submit(self, job: Callable[[], T]) -> list[T]:
        """Hand over a job; returns the results that are there and were not returned yet.

        Raises
        ------
        Exception
            What an earlier job raised; the jobs after it were not run.
        """
        started = time.perf_counter()
        self._room.acquire()
        self.waited_seconds += time.perf_counter() - started
        done = self._collect(lambda future: future.done())
        self._jobs.append(self._pool.submit(self._run, job, self._jobs[-1] if self._jobs else None))
        return done

    def finish(self) -> list[T]:
        """Wait for all jobs; the results that were not returned yet. Raises as `submit`."""
        return self._collect(lambda _: True)

    def _collect(self, ready: Callable[[Future[T]], bool]) -> list[T]:
        results = []
        while self._jobs and ready(self._jobs[0]):
            results.append(self._jobs.popleft().result())
        return results

    def _run(self, job: Callable[[], T], before: Future[T] | None) -> T:
        try:
            if before is not None:
                before.result()  # done, in this very thread: only tells whether it failed
            return job()
        finally:
            self._room.release()
