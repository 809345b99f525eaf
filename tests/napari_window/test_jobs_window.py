"""A working day in a real window: queue, pause, come back, drop a model; on SBEM data where voxels count."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import zarr
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_nnunet_em import pipeline
from napari_nnunet_em._napari.segment.dock import SegmentWidget
from napari_nnunet_em._napari.segment.job_work import Engine
from napari_nnunet_em.config import Job
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.model import installed_models
from napari_nnunet_em.pipeline.unfinished import UnfinishedJob
from napari_nnunet_em.progress import ProgressEvent, Stage
from napari_nnunet_em.testing.tiny_models import make_model_folder

from .conftest import PLACE, Stepwise

pytestmark = pytest.mark.gui

MINUTE = 60_000


class Waits:
    """Jobs that end when they are told to."""

    def __init__(self) -> None:
        self.begun: list[Path] = []
        self.near: list = []
        self.go = threading.Event()

    def engine(self) -> Engine:
        return Engine(self._segment, lambda store: SimpleNamespace(objects=()))

    def _segment(self, job, *, volume, cancel, near):
        self.begun.append(job.store)
        self.near.append(near)
        while not self.go.wait(0.01):
            cancel.raise_if_cancelled()
            yield ProgressEvent(Stage.PREDICT, 1, 2)
        self.go.clear()
        yield ProgressEvent(Stage.FINISHED, 1, 1)


@pytest.fixture
def dock(make_napari_viewer, em, qtbot, tmp_path):
    viewer, waits = make_napari_viewer(show=True), Waits()
    widget = SegmentWidget(viewer, waits.engine())
    viewer.window.add_dock_widget(widget)
    viewer.layers.events.inserted.connect(widget.reset_choices)
    for name in ("one", "two", "three"):
        viewer.add_image(em, name=name, **PLACE)
    qtbot.waitUntil(lambda: widget.models.chosen.bundle is not None, timeout=MINUTE)
    return SimpleNamespace(viewer=viewer, widget=widget, waits=waits, folder=tmp_path)


def submit(dock, qtbot, name: str) -> None:
    dock.widget.layers.setCurrentText(name)
    dock.widget.form.output["path"].value = str(dock.folder / f"{name}.zarr")
    qtbot.mouseClick(dock.widget.progress.start_button, Qt.MouseButton.LeftButton)


def texts(widget) -> list[str]:
    rows = widget.progress.queue._rows
    return [rows.itemAt(i).widget().layout().itemAt(0).widget().text() for i in range(rows.count())]


def test_volumes_wait_for_one_another_and_can_be_taken_out(dock, qtbot) -> None:
    widget, waits = dock.widget, dock.waits
    dock.viewer.dims.set_current_step(0, 7)
    submit(dock, qtbot, "one")
    qtbot.waitUntil(lambda: len(waits.begun) == 1)
    assert widget.progress.start_button.text() == "Segment mitochondria next"
    submit(dock, qtbot, "two")
    submit(dock, qtbot, "three")
    submit(dock, qtbot, "three")  # refused: the output is taken
    assert texts(widget) == [f"Then: mitochondria in {name}, to {name}.zarr" for name in ("two", "three")]
    widget.progress.queue.removed.emit(widget.jobs.queue.waiting[0].number)
    assert texts(widget) == ["Then: mitochondria in three, to three.zarr"]
    waits.go.set()
    qtbot.waitUntil(lambda: len(waits.begun) == 2)
    assert widget.busy
    assert not widget.progress.queue.isVisibleTo(widget)
    qtbot.mouseClick(widget.progress.stop_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not widget.busy)
    assert [store.name for store in waits.begun] == ["one.zarr", "three.zarr"]
    assert widget.progress.start_button.text() == "Segment mitochondria"
    assert [near[0] for near in waits.near] == [7, 7]  # the slice one looks at


def test_a_continued_job_goes_on_where_one_looks(dock, qtbot) -> None:
    widget = dock.widget
    job = Job.model_validate(
        {
            "input": {"path": "layer", "voxel_size_nm": [20, 10, 10]},
            "model": {"path": "mitochondria-2d"},
            "output": {"path": str(dock.folder / "begun.zarr")},
        }
    )
    dock.viewer.dims.set_current_step(0, 5)
    widget.offer.offer(UnfinishedJob(job, ("mitochondria",), 0.5, "2026-11-20T12:00:00+00:00"))
    qtbot.mouseClick(widget.offer.accept_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(dock.waits.near) == 1)
    assert dock.waits.near[0][0] == 5
    dock.waits.go.set()
    qtbot.waitUntil(lambda: not widget.busy)


def test_pause_and_continue(dock, qtbot) -> None:
    widget = dock.widget
    submit(dock, qtbot, "one")
    qtbot.waitUntil(lambda: "Predicting" in widget.progress.status.text())
    events = []
    widget.jobs.progressed.connect(events.append)
    qtbot.mouseClick(widget.progress.pause_button, Qt.MouseButton.LeftButton)
    assert widget.progress.pause_button.text() == "Continue"
    qtbot.wait(100)
    seen = len(events)
    qtbot.wait(100)
    assert len(events) == seen
    assert "Paused" in widget.progress.status.text()
    qtbot.mouseClick(widget.progress.pause_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(events) > seen)
    assert widget.progress.pause_button.text() == "Pause"
    qtbot.mouseClick(widget.progress.pause_button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(widget.progress.stop_button, Qt.MouseButton.LeftButton)  # also while it stands still
    qtbot.waitUntil(lambda: not widget.busy)
    assert "Stopped" in widget.progress.status.text()
    assert not widget.progress.pause_button.isVisibleTo(widget)


@pytest.mark.slow
@pytest.mark.shared
def test_a_job_survives_napari_and_is_offered_again(
    make_napari_viewer, shared_dir, qtbot, tmp_path, monkeypatch
) -> None:
    crop = tifffile.imread(shared_dir / "data" / "sbem_mito" / "val_z050-059_raw.tif")[:4, 300:600, 500:800]
    path = tmp_path / "sbem.tif"
    tifffile.imwrite(path, crop, photometric="minisblack")

    def open_dock():
        viewer = make_napari_viewer(show=True)
        _, widget = viewer.window.add_plugin_dock_widget("napari-nnunet-em", "Segment")
        widget.models.choose("mitochondria-2d")
        qtbot.waitUntil(lambda: widget.models.chosen.bundle is not None, timeout=MINUTE)
        (layer,) = viewer.open(str(path), plugin="napari")
        return viewer, widget, layer

    viewer, widget, _ = open_dock()
    widget.jobs._engine = Stepwise(after=1).engine
    assert widget.offer.offered is None
    widget.form.input["voxel_size_nm"].value = "56, 8, 8"
    boxes = []
    widget.jobs.progressed.connect(lambda event: boxes.append(event.box))
    qtbot.mouseClick(widget.progress.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: any(box is not None for box in boxes), timeout=2 * MINUTE)
    run = widget.jobs.run
    qtbot.mouseClick(widget.progress.pause_button, Qt.MouseButton.LeftButton)
    viewer.close()  # as if the evening had come
    qtbot.waitUntil(lambda: not run._worker.is_running, timeout=MINUTE)
    store = tmp_path / "sbem_mitochondria-2d.zarr"
    assert not (store / ".nnunet-em" / "result.json").exists()
    first = next((store / "0" / "c").rglob("0"))
    written = first.stat().st_mtime_ns

    viewer, widget, layer = open_dock()
    qtbot.waitUntil(lambda: widget.offer.offered is not None, timeout=MINUTE)
    assert widget.offer.isVisibleTo(widget)
    assert store.name in widget.offer.text.text()
    qtbot.mouseClick(widget.offer.accept_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Found" in widget.progress.status.text(), timeout=3 * MINUTE)
    assert widget.offer.offered is None
    assert first.stat().st_mtime_ns == written
    assert f"{layer.name} mitochondria" in viewer.layers

    job = Job.model_validate(
        {
            "input": {"path": str(path), "voxel_size_nm": [56, 8, 8]},
            "model": {"path": "mitochondria-2d"},
            "output": {"path": str(tmp_path / "headless.zarr")},
        }
    )
    pipeline.run(job, volume=open_volume(crop, voxel_size_nm=(56, 8, 8)))
    for name in ("0", "labels/mitochondria/0"):
        ours, theirs = (
            zarr.open_array(place / name, mode="r") for place in (store, tmp_path / "headless.zarr")
        )
        np.testing.assert_array_equal(ours[...], theirs[...])
    assert sum(box.size for box in boxes if box is not None) < crop.size
    assert Box.whole(crop.shape).size == crop.size


def drop(widget, *paths: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    place, copy = QPointF(5, 5), Qt.DropAction.CopyAction
    widget.dropEvent(QDropEvent(place, copy, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier))


def test_a_model_is_installed_by_dropping_it(make_napari_viewer, qtbot, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NNUNET_EM_MODELS", str(tmp_path / "models"))
    folder = make_model_folder(
        tmp_path / "Dataset007_Vesicles", dim=2, labels={"background": 0, "vesicles": 1, "dense": 2}
    )
    viewer = make_napari_viewer(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-nnunet-em", "Segment")
    picker = widget.models
    assert picker.acceptDrops()
    drop(picker, folder)
    name = "Dataset007_Vesicles-2d"
    qtbot.waitUntil(lambda: picker.chosen.path == name and picker.chosen.bundle is not None, timeout=MINUTE)
    assert widget.progress.start_button.text() == "Segment 2 classes"
    assert "vesicles, dense" in picker.note.text()
    assert [model.summary.name for model in installed_models()] == [name]
    picker._fill_menu()
    enabled = {action.text(): action.isEnabled() for action in picker.menu.actions()}
    assert enabled["Remove this model …"]
    picker.remove(name)
    qtbot.waitUntil(lambda: picker.chosen.path == "mitochondria-3d", timeout=MINUTE)
    assert picker.models.findData(name) == -1
    picker._fill_menu()
    assert not {a.text(): a.isEnabled() for a in picker.menu.actions()}["Remove this model …"]

    from napari.utils.notifications import notification_manager

    (tmp_path / "picture.png").write_bytes(b"no model")
    drop(picker, tmp_path / "picture.png")
    qtbot.waitUntil(
        lambda: "picture.png cannot be installed" in notification_manager.records[-1].message, timeout=MINUTE
    )
