"""How a job in a thread ends, whatever happens in it."""

from __future__ import annotations

import gc
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from napari.qt.threading import FunctionWorker, create_worker
from qtpy.QtCore import QObject

from napari_nnunet_em._napari.segment.job_work import Engine, make_worker, run_job
from napari_nnunet_em._napari.threads.outcome import Ending, Outcome, RunOutcome
from napari_nnunet_em._napari.threads.worker import TokenWorker, start_once_drawn
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage

JOB: Any = SimpleNamespace(store=Path("out.zarr"))


def drain(
    engine: Engine, token: CancelToken | None = None
) -> tuple[list[ProgressEvent], RunOutcome, threading.Event]:
    over = threading.Event()
    steps = run_job(engine, JOB, None, None, token or CancelToken(), over)
    events = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            return events, end.value, over


def engine(*events: ProgressEvent, error: Exception | None = None, tables: tuple[Any, ...] = ()) -> Engine:
    def segment(job, *, volume, cancel, near):
        for event in events:
            cancel.raise_if_cancelled()
            yield event
        if error is not None:
            raise error

    return Engine(segment, lambda store: SimpleNamespace(objects=tables))


def test_a_finished_job_hands_over_its_object_tables(tmp_path: Path) -> None:
    table = tmp_path / "cells.csv"
    table.write_text("id,voxels\n3,70\n", encoding="utf-8")
    found = SimpleNamespace(name="cells", labels=tmp_path / "labels" / "cells", table=table)
    done = ProgressEvent(Stage.FINISHED, 1, 1)
    events, outcome, over = drain(engine(ProgressEvent(Stage.OPEN), done, tables=(found,)))
    assert events[-1] is done
    assert outcome.ending is Ending.FINISHED
    assert outcome.value[0].table.to_dict("list") == {"id": [3], "voxels": [70]}
    assert over.is_set()


def test_a_refused_job_says_its_sentence() -> None:
    _, outcome, over = drain(engine(error=InputError("The volume is empty.")))
    assert outcome == Outcome(Ending.FAILED, "The volume is empty.")
    assert over.is_set()


def test_a_fault_in_the_program_still_ends_in_one_sentence() -> None:
    _, outcome, over = drain(engine(error=KeyError("boo")))
    assert outcome.ending is Ending.FAILED
    assert outcome.message == "The job failed unexpectedly: KeyError: 'boo'"
    assert over.is_set()


def test_a_stopped_job_is_not_an_error() -> None:
    token = CancelToken()
    token.cancel()
    _, outcome, over = drain(engine(ProgressEvent(Stage.OPEN)), token)
    assert outcome.ending is Ending.STOPPED
    assert over.is_set()


def test_what_is_refused_is_told_without_options_of_the_command_line() -> None:
    refusal = InputError("The job is refused: choose another output, or overwrite it (--overwrite).")
    outcome = drain(engine(error=refusal))[1]
    assert outcome.message == "The job is refused: choose another output, or overwrite it."


def test_a_job_that_ends_early_without_a_word_counts_as_stopped() -> None:
    assert drain(engine(ProgressEvent(Stage.PREDICT, 1, 2)))[1].ending is Ending.STOPPED


@pytest.mark.gui
def test_quitting_waits_for_the_block_in_hand_and_lets_the_job_clean_up(qtbot) -> None:
    started, cleaned = threading.Event(), threading.Event()

    def segment(job, *, volume, cancel, near):
        try:
            while True:
                yield ProgressEvent(Stage.PREDICT, 0, 9)
                started.set()
                cancel.raise_if_cancelled()
        finally:
            cleaned.set()

    worker = make_worker("test", Engine(segment, lambda store: None), JOB, None, CancelToken())
    assert isinstance(worker, TokenWorker)
    outcomes: list[Outcome] = []
    worker.returned.connect(outcomes.append)
    worker.start()
    qtbot.waitUntil(started.is_set, timeout=60_000)  # libraries are loaded first
    worker.quit()
    assert cleaned.is_set()
    qtbot.waitUntil(lambda: bool(outcomes))
    assert outcomes[0].ending is Ending.STOPPED


@pytest.mark.gui
def test_a_worker_is_made_later_unless_its_owner_goes(qtbot, make_napari_viewer) -> None:
    """napari asks about pending work before it closes a window, also about work that will never begin."""
    tasks = make_napari_viewer().window._task_status_manager
    made: list[str] = []
    done: list[str] = []

    def make(name: str) -> FunctionWorker:
        made.append(name)
        return create_worker(lambda: done.append(name), _start_thread=False)

    staying, going = QObject(), QObject()
    for name, owner in (("staying", staying), ("going", going)):
        start_once_drawn(partial(make, name), owner)
    assert not made
    assert not tasks.is_busy()
    going.deleteLater()
    gc.collect()
    qtbot.waitUntil(lambda: bool(done))
    assert made == done == ["staying"]
    qtbot.waitUntil(lambda: not tasks.is_busy())
