"""The network made ready while the volume is being read for its statistics."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from napari_nnunet_em.engine.runner import TileRunner
from napari_nnunet_em.pipeline.opening import OpenJob
from napari_nnunet_em.pipeline.running import RunnerFactory


class EarlyRunner:
    """Makes and warms up what runs the network, in a thread of its own from `start` on.

    Parameters
    ----------
    opened : OpenJob
        The job.
    make_runner : callable
        Makes it.
    """

    def __init__(self, opened: OpenJob, make_runner: RunnerFactory) -> None:
        self._opened = opened
        self._make = make_runner
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="nnunet-em-runner")
        self._future: Future[TileRunner] | None = None

    def __enter__(self) -> EarlyRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def start(self) -> None:
        """Begin; does nothing the second time."""
        if self._future is None:
            self._future = self._pool.submit(self._ready)

    def get(self) -> TileRunner:
        """The runner; raises what making it has raised."""
        self.start()
        assert self._future is not None
        return self._future.result()

    def _ready(self) -> TileRunner:
        runner = self._make(self._opened)
        runner.warm_up()
        return runner
