"""What the window tests share: a small phantom on disk-free layers, and waiting for the widget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QThreadPool

from napari_nnunet_em import pipeline
from napari_nnunet_em._napari.segment.job_work import Engine
from napari_nnunet_em._napari.threads.graphics import load_triton_beside_opengl
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.progress import CancelToken, ProgressEvent
from napari_nnunet_em.testing.phantom import Phantom

VOXEL_SIZE_NM = (40.0, 8.0, 8.0)
PLACE = {"scale": VOXEL_SIZE_NM, "units": ("nanometer",) * 3}


class Stepwise:
    """The pipeline, where a job stands still after a block until somebody lets it go on.

    A test that looks at a job between two blocks would otherwise race with its thread. On a busy machine that
    may have finished before the window has drawn the first of them.
    """

    def __init__(self, after: int = 1) -> None:
        self.after = after
        self.blocks = 0

    @property
    def engine(self) -> Engine:
        return Engine(self._segment, pipeline.load_result)

    def _segment(self, job: Any, *, cancel: CancelToken, **options: Any) -> Iterator[ProgressEvent]:
        for event in pipeline.segment(job, cancel=cancel, **options):
            self.blocks += event.box is not None
            if event.box is not None and self.blocks == self.after:
                cancel.pause()
            yield event


@pytest.fixture(autouse=True, scope="session")
def _torch_may_come_after_windows() -> None:
    """Tests of other rooms follow in this process, and import torch as one does who has no window."""
    load_triton_beside_opengl()


@pytest.fixture(autouse=True)
def _threads_end_with_their_test() -> Iterator[None]:
    """As napari does when it quits: what a thread imports or reads does not go on into the next test."""
    yield
    assert QThreadPool.globalInstance().waitForDone(60_000)


@pytest.fixture(scope="session")
def em() -> np.ndarray:
    """Phantom, (z, y, x) uint8, three blocks deep."""
    return Phantom(seed=3, voxel_size_nm=VOXEL_SIZE_NM).block(Box((0, 0, 0), (33, 96, 112)))[0]


@pytest.fixture
def open_widget(make_napari_viewer_proxy, qtbot, tmp_path: Path) -> Callable[..., Any]:
    """Open the Segment widget as the Plugins menu does, in a window on the screen."""

    def build(model: str = "mitochondria-2d", output: str = "out.zarr") -> tuple[Any, Any]:
        viewer = make_napari_viewer_proxy(show=True)
        _, widget = viewer.window.add_plugin_dock_widget("napari-nnunet-em", "Segment")
        widget.models.choose(model)
        qtbot.waitUntil(lambda: widget.models.chosen.bundle is not None, timeout=60_000)
        widget.form.output["path"].value = str(tmp_path / output)
        return viewer, widget

    return build
