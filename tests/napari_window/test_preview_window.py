"""Preview of the view in a real window: quick, exact, and the newest wins."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt

from napari_nnunet_em import pipeline
from napari_nnunet_em._napari.layers.marks import PREVIEW_KEY
from napari_nnunet_em._napari.layers.voxels import level_zero
from napari_nnunet_em._napari.objects.preview_layers import HEIGHTS, OBJECTS
from napari_nnunet_em._napari.segment.predicted_layers import PredictedLayers, hide_previews
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.pipeline.preview import PreviewPart
from napari_nnunet_em.progress import ProgressEvent, Stage

from .conftest import PLACE, VOXEL_SIZE_NM

pytestmark = pytest.mark.gui

MINUTE = 60_000


def previews(viewer) -> list:
    return [layer for layer in viewer.layers if PREVIEW_KEY in layer.metadata]


def look_at(viewer, centre: tuple[float, float], width: float, step: int) -> None:
    """Centre and width in world coordinates."""
    viewer.dims.set_current_step(0, step)
    viewer.scene.camera.zoom = max(viewer.canvas.size) / width
    viewer.scene.camera.center = (0, *centre)


@pytest.mark.shared
def test_the_view_is_previewed_with_the_voxels_of_the_run(open_widget, shared_dir, qtbot, tmp_path) -> None:
    crop = tifffile.imread(shared_dir / "data" / "sbem_mito" / "val_z050-059_raw.tif")[:3, :400, :420]
    viewer, widget = open_widget()
    image = viewer.add_image(crop, name="SBEM", scale=(56, 8, 8), units=("nanometer",) * 3)
    look_at(viewer, (200 * 8, 210 * 8), 220 * 8, 1)
    qtbot.mouseClick(widget.progress.preview_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not widget.busy, timeout=2 * MINUTE)
    assert "Preview after" in widget.progress.status.text()
    assert not (tmp_path / "out.zarr").exists()
    (layer,) = previews(viewer)
    assert layer.name == "SBEM mitochondria preview"
    assert layer.metadata[PREVIEW_KEY]["provisional"] is False
    found = np.asarray(layer.data)
    assert found.shape[0] == 1
    assert found.max() > 0.5
    start = np.round(image.world_to_data(layer.data_to_world((0, 0, 0)))).astype(int)
    whole = pipeline.predict(open_volume(crop, voxel_size_nm=(56, 8, 8)), "mitochondria-2d")
    box = Box(tuple(start), tuple(start + found.shape))
    np.testing.assert_allclose(found, np.asarray(whole[(0, *box.slices)]), atol=1e-5)

    # A run takes its place, with the same voxels.
    widget.region.kind.setCurrentText("Current view")
    widget.start()
    qtbot.waitUntil(lambda: "SBEM mitochondria probability" in viewer.layers, timeout=2 * MINUTE)
    qtbot.waitUntil(lambda: not widget.busy, timeout=2 * MINUTE)
    assert [x.visible for x in previews(viewer)] == [False]
    stored = np.asarray(level_zero(viewer.layers["SBEM mitochondria probability"]))
    np.testing.assert_allclose(stored / 255, found, atol=0.5 / 255 + 1e-5)


class SlowPreviewer:
    """Predicts piece by piece until it is stopped, or at once."""

    def __init__(self) -> None:
        self.calls: list[Box] = []
        self.stopped = 0

    def preview(self, job, volume, box, cancel):
        self.calls.append(box)
        patient = len(self.calls) > 1
        yield PreviewPart(box, np.full((1, *box.shape), 0.5, np.float32), provisional=True, runner="fake")
        while not patient:
            yield ProgressEvent(Stage.PREDICT, 0, 1)
            if cancel.cancelled:
                self.stopped += 1
            cancel.raise_if_cancelled()


def test_the_newest_preview_wins_and_a_provisional_one_says_so(open_widget, em, qtbot, tmp_path) -> None:
    viewer, widget = open_widget()
    viewer.add_image(em, name="em", **PLACE)
    slow = SlowPreviewer()
    widget.previews._warm._make = lambda: slow
    look_at(viewer, (48 * 8, 56 * 8), 60 * 8, 3)
    widget.preview()
    qtbot.waitUntil(lambda: len(previews(viewer)) == 1, timeout=MINUTE)
    first = previews(viewer)[0]
    look_at(viewer, (30 * 8, 30 * 8), 40 * 8, 20)
    widget.preview()
    qtbot.waitUntil(lambda: not widget.busy, timeout=MINUTE)
    assert slow.stopped == 1
    assert [box.start[0] for box in slow.calls] == [3, 20]
    (layer,) = previews(viewer)
    assert layer is first  # napari adds and removes layers slowly
    assert layer.visible
    assert "provisional" in layer.name
    assert layer.metadata[PREVIEW_KEY] == {"provisional": True, "runner": "fake"}
    assert "estimated from samples" in widget.progress.status.text()
    np.testing.assert_allclose(layer.data_to_world((0, 0, 0))[0], 20 * VOXEL_SIZE_NM[0])
    assert [x.name for x in viewer.layers if widget.inputs.offers(x)] == ["em"]


def test_what_the_objects_dock_previews_is_no_preview_of_the_view(em) -> None:
    """Both docks note under one key that a layer is a preview; this one took over the other's labels."""
    viewer = ViewerModel()
    source = viewer.add_image(em, name="em", **PLACE)
    theirs = [
        viewer.add_labels(np.ones(em.shape, np.int32), metadata={PREVIEW_KEY: OBJECTS}),
        viewer.add_image(np.ones(em.shape, np.float32), metadata={PREVIEW_KEY: HEIGHTS}),
    ]
    volume = open_volume(em, voxel_size_nm=VOXEL_SIZE_NM)
    box = Box((2, 10, 20), (3, 30, 50))
    request: Any = SimpleNamespace(layer=source, volume=volume, class_names=("mitochondria",))
    layers = PredictedLayers(viewer, request, box)
    layers.show(PreviewPart(box, np.full((1, *box.shape), 0.5, np.float32), provisional=False, runner="fake"))
    assert "em mitochondria preview" in viewer.layers
    hide_previews(viewer)
    assert [layer.visible for layer in viewer.layers] == [True, True, True, False]
    for layer in theirs:
        assert layer in viewer.layers
        assert np.all(layer.data == 1)


def test_an_emptied_output_is_named_again_and_colours_are_refused(open_widget, em, qtbot) -> None:
    viewer, widget = open_widget()
    viewer.add_image(em, name="em", **PLACE)
    widget.form.output["path"].widget.line_edit.value = ""
    # An empty path is the folder in which napari was started.
    assert widget.inputs.request().job.store.name == "em_mitochondria-2d.zarr"
    viewer.add_image(np.zeros((30, 40, 3), np.uint8), name="colours", rgb=True)
    widget.layers.setCurrentText("colours")
    widget.form.input["voxel_size_nm"].value = "8, 8"
    assert widget.region.note.text() == "1 × 30 × 40 voxels"
    widget.start()
    assert "holds colours" in widget.progress.status.text()
    widget.layers.setCurrentText("em")
    assert not widget.progress.status.text()  # what was refused is not asked for any more


def test_stop_ends_a_preview_and_a_fault_is_said_in_a_sentence(open_widget, em, qtbot) -> None:
    notification_manager.records.clear()
    viewer, widget = open_widget()
    viewer.add_image(em, name="em", **PLACE)
    slow = SlowPreviewer()
    widget.previews._warm._make = lambda: slow
    widget.preview()
    qtbot.waitUntil(lambda: len(previews(viewer)) == 1, timeout=MINUTE)
    assert not widget.progress.pause_button.isVisibleTo(widget.progress)
    qtbot.mouseClick(widget.progress.stop_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not widget.busy, timeout=MINUTE)
    assert widget.progress.status.text() == ""

    def broken(*_):
        raise RuntimeError("boo")

    widget.previews._warm._previewer = SimpleNamespace(preview=broken)
    widget.preview()
    qtbot.waitUntil(lambda: not widget.busy, timeout=MINUTE)
    assert "boo" in notification_manager.records[-1].message
    viewer.dims.ndisplay = 3
    widget.preview()
    assert "three-dimensional" in notification_manager.records[-1].message
    assert not widget.busy


def test_several_classes_and_slices(open_widget, em, qtbot, tmp_path: Path) -> None:
    viewer, widget = open_widget()
    viewer.add_image(em, name="em", **PLACE)
    widget.region.kind.setCurrentText("Current view")
    widget.region.around.setValue(2)
    viewer.dims.set_current_step(0, 1)
    widget.preview()
    qtbot.waitUntil(lambda: not widget.busy, timeout=2 * MINUTE)
    (layer,) = previews(viewer)
    assert layer.data.shape[0] == 4  # slices 0 to 3: none lies before the first
    assert (np.asarray(layer.data).reshape(4, -1).max(axis=1) > 0).all()
