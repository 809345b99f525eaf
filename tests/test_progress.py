"""Stopping and pausing as values that threads share."""

from __future__ import annotations

import threading
import time

import pytest

from napari_nnunet_em.errors import Cancelled
from napari_nnunet_em.pipeline.clock import Clock
from napari_nnunet_em.progress import STAGE_WORDS, CancelToken, Stage, finish


def work(token: CancelToken, reached: threading.Event, outcome: list[str]) -> threading.Thread:
    def run() -> None:
        reached.set()
        try:
            token.raise_if_cancelled()
            outcome.append("went on")
        except Cancelled:
            outcome.append("stopped")

    thread = threading.Thread(target=run)
    thread.start()
    reached.wait()
    return thread


@pytest.mark.parametrize(("end", "expected"), [("resume", "went on"), ("cancel", "stopped")])
def test_a_paused_job_stands_still_until_it_is_resumed_or_stopped(end: str, expected: str) -> None:
    token, outcome = CancelToken(), []
    token.pause()
    assert token.paused
    thread = work(token, threading.Event(), outcome)
    thread.join(0.05)
    assert thread.is_alive()
    assert outcome == []
    getattr(token, end)()
    thread.join(10)
    assert outcome == [expected]
    assert not token.paused
    assert token.paused_seconds > 0


def test_a_stopped_job_cannot_be_paused() -> None:
    token = CancelToken()
    token.cancel()
    token.pause()
    assert not token.paused
    with pytest.raises(Cancelled):
        token.raise_if_cancelled()


def test_pauses_count_for_neither_speed_nor_time_left(monkeypatch) -> None:
    now, paused = [100.0], [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    clock = Clock(voxels=1000, total=10, paused_seconds=lambda: paused[0])
    now[0] += 5
    clock.add(5)
    now[0] += 60
    paused[0] += 60
    assert clock.seconds == 5
    assert clock.eta_seconds == 5
    assert clock.voxels_per_second == 100
    clock.restart()
    assert clock.seconds == 0


def test_work_is_run_to_its_end_and_each_step_is_handed_on() -> None:
    def work():
        yield from "ab"
        return 7

    seen: list[str] = []
    assert finish(work(), seen.append) == finish(work()) == 7
    assert seen == ["a", "b"]


def test_every_stage_has_words_of_its_own() -> None:
    assert set(STAGE_WORDS) == set(Stage)
    assert len(set(STAGE_WORDS.values())) == len(Stage)
