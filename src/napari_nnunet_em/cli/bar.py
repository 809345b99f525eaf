"""The progress bars of a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Column, Table
from rich.text import Text

from napari_nnunet_em.cli.display import STOPPING
from napari_nnunet_em.progress import STAGE_WORDS, ProgressEvent, Stage
from napari_nnunet_em.quantities import duration, rate


class _TimeColumn(ProgressColumn):
    """Time left while a stage runs, counted down between events; time taken once it is done."""

    def __init__(self) -> None:
        super().__init__(Column(min_width=16, justify="right", no_wrap=True))

    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(duration(task.finished_time or 0.0), style="green")
        eta = task.fields["eta"]
        if eta is None:
            return Text(duration(round(task.elapsed or 0.0)))
        since = time.monotonic() - task.fields["eta_at"]
        return Text(f"{duration(round(max(eta - since, 0.0)))} left", style="cyan")


class _Narrow:
    """Leaves room behind a table: the terminal echoes ^C there, which would wrap on a full line."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self._table, options.update_width(options.max_width - 3))


class _NotedProgress(Progress):
    """Bars with one line below them."""

    note = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield _Narrow(self.make_tasks_table(self.tasks))
        if self.note:
            yield Text(self.note, style="yellow")


class BarDisplay:
    """One bar for each stage, with log lines above; redrawn by a thread of rich.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to draw; standard error without it.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._progress = _NotedProgress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}", table_column=Column(min_width=10, no_wrap=True)),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            TextColumn("{task.fields[count]}", table_column=Column(justify="right", no_wrap=True)),
            TextColumn("{task.fields[rate]}", table_column=Column(justify="right", no_wrap=True)),
            _TimeColumn(),
            console=self._console,
            expand=True,
        )
        self._stage: Stage | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        self._begin(Stage.OPEN)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.note = ""
        self._progress.stop()
        self._console.print()

    def say(self, text: str) -> None:
        """Write a line above the bars."""
        self._console.print(Text(text))

    def show(self, event: ProgressEvent) -> None:
        """Move the bar of the event's stage, and write its message above."""
        if event.message:
            self.say(event.message)
        if event.stage != self._stage:
            self._finish()
            self._begin(event.stage)
        if self._task is not None and event.total:
            # A stage may have several passes; the bar of the second begins anew.
            self._task_shown().finished_time = None
            self._progress.update(
                self._task,
                completed=event.done,
                total=event.total,
                count=f"{event.done}/{event.total}",
                rate=rate(event.voxels_per_second) if event.voxels_per_second else "",
                eta=event.eta_seconds,
                eta_at=time.monotonic(),
            )

    def stopping(self) -> None:
        """Add a line below the bars; rich's own thread draws it, so no buffer is touched here."""
        self._progress.note = STOPPING

    def _begin(self, stage: Stage) -> None:
        self._stage = stage
        self._task = None
        if stage is not Stage.FINISHED:
            self._task = self._progress.add_task(
                STAGE_WORDS[stage], total=None, count="", rate="", eta=None, eta_at=0.0
            )

    def _task_shown(self) -> Task:
        return next(task for task in self._progress.tasks if task.id == self._task)

    def _finish(self) -> None:
        if self._task is not None:
            total = self._task_shown().total or 1.0
            self._progress.update(self._task, total=total, completed=total, eta=None)
