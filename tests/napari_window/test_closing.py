"""What napari says before it closes a window in which a job runs."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_nnunet_em._napari.segment.job_work import Engine, make_worker
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage

pytestmark = pytest.mark.gui


def test_napari_names_the_running_job_in_words(make_napari_viewer, qtbot) -> None:
    viewer = make_napari_viewer(show=True)
    token, started = CancelToken(), threading.Event()

    def segment(job, *, volume, cancel, near):
        while True:
            yield ProgressEvent(Stage.PREDICT, 0, 1)
            started.set()
            cancel.raise_if_cancelled()

    engine = Engine(segment, lambda store: None)
    job = SimpleNamespace(store=Path("out.zarr"))
    worker = make_worker("segmentation of cells in em", engine, job, None, token)
    worker.start()
    qtbot.waitUntil(started.is_set, timeout=60_000)  # libraries are loaded first
    tasks = viewer.window._task_status_manager
    qtbot.waitUntil(lambda: any("segmentation of cells in em" in text for text in tasks.get_status()))
    viewer.close()
    assert token.cancelled
    qtbot.waitUntil(lambda: not worker.is_running)
