"""Opening, saving, sample data and models through a real window."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_nnunet_em._napari.layers.voxels import level_zero
from napari_nnunet_em._napari.segment.dock import SegmentWidget
from napari_nnunet_em._napari.segment.model_card import CardDialog
from napari_nnunet_em._napari.segment.words import waiting_text
from napari_nnunet_em._napari.threads.activity import ActivityBar
from napari_nnunet_em.config import Planes
from napari_nnunet_em.progress import ProgressEvent, Stage
from napari_nnunet_em.testing.tiny_models import make_model_folder

from .conftest import PLACE

pytestmark = pytest.mark.gui
MINUTE = 60_000
PLUGIN = "napari-nnunet-em"


def test_labels_saved_from_the_window_open_again_as_they_were(make_napari_viewer, em, tmp_path: Path) -> None:
    viewer = make_napari_viewer(show=True)
    labels = (em // 64).astype(np.int32)
    layer = viewer.add_labels(labels, name="cells", translate=(80, 16, 8), **PLACE)
    saved = layer.save(str(tmp_path / "cells.zarr"), plugin=PLUGIN)
    assert saved == [str(tmp_path / "cells.zarr")]
    (opened,) = viewer.open(tmp_path / "cells.zarr", plugin=PLUGIN)
    np.testing.assert_array_equal(level_zero(opened)[...], labels)
    np.testing.assert_allclose(opened.extent.world, layer.extent.world)
    assert opened.units == layer.units


def test_hdf5_opens_and_its_voxel_size_fills_the_form(make_napari_viewer_proxy, em, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "em.h5", "w") as file:
        file["raw"] = em
        file["raw"].attrs["resolution"] = (40, 8, 8)
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    viewer.open(str(tmp_path / "em.h5"), plugin=PLUGIN)
    assert widget.form.input["voxel_size_nm"].value == "40, 8, 8"
    assert "layer scale and units" in widget.size_note.text()
    assert Path(widget.form.output["path"].value) == tmp_path / "em_mitochondria-3d.zarr"


def test_tiff_is_left_to_napari_but_its_voxel_size_is_found(
    make_napari_viewer_proxy, em, tmp_path: Path
) -> None:
    path = tmp_path / "em.tif"
    tifffile.imwrite(
        path, em, imagej=True, resolution=(125, 125), metadata={"spacing": 0.04, "unit": "um", "axes": "ZYX"}
    )
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    (layer,) = viewer.open(str(path))
    assert layer.source.reader_plugin != PLUGIN
    assert widget.form.input["voxel_size_nm"].value == "40, 8, 8"
    assert "TIFF" in widget.size_note.text() or "ImageJ" in widget.size_note.text()


def test_the_phantom_is_in_the_sample_menu(make_napari_viewer) -> None:
    viewer = make_napari_viewer(show=True)
    image, truth = viewer.open_sample(PLUGIN, "phantom")
    assert image.data.shape == truth.data.shape
    np.testing.assert_allclose(image.scale, (40, 8, 8))


def test_layers_come_and_go_in_the_form(make_napari_viewer_proxy, em) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    assert widget.layer is None
    viewer.add_image(em, name="one", **PLACE)
    viewer.add_labels(em.astype(int), name="labels")
    viewer.add_image(em, name="two")
    assert [widget.layers.itemText(i) for i in range(widget.layers.count())] == ["one", "two"]
    assert widget.layer.name == "one"
    viewer.layers["one"].name = "renamed"
    assert widget.layers.currentText() == "renamed"
    widget.layers.setCurrentText("two")
    assert widget.form.input["voxel_size_nm"].value is None
    assert "states no voxel size" in widget.size_note.text()
    widget.form.input["voxel_size_nm"].value = "40, 8, 8"
    assert widget.size_note.text().startswith("as entered here")
    viewer.layers.remove("two")
    assert widget.layer.name == "renamed"


def test_the_output_follows_layer_and_model_until_the_user_names_it(make_napari_viewer_proxy, em) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    viewer.add_image(em, name="one", **PLACE)
    path = widget.form.output["path"]
    assert path.value.endswith("one_mitochondria-3d.zarr")
    widget.models.choose("mitochondria-2d")
    assert path.value.endswith("one_mitochondria-2d.zarr")
    mine = str(Path.home() / "mine.zarr")
    path.value = mine
    widget.models.choose("mitochondria-3d")
    assert path.value == mine


def test_a_model_folder_is_chosen_in_a_dialog(make_napari_viewer_proxy, qtbot, monkeypatch, tmp_path) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    picker = widget.models
    qtbot.waitUntil(lambda: picker.chosen.bundle is not None, timeout=MINUTE)
    for dim in (2, 3):
        make_model_folder(tmp_path / "Dataset007_Vesicles", dim=dim, labels={"background": 0, "vesicles": 1})
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    picker.models.activated.emit(picker.models.findText("Choose a model folder …"))
    assert picker.models.currentText() == "Mitochondria, 3D"  # cancelled
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    picker.models.activated.emit(picker.models.findText("Choose a model folder …"))
    qtbot.waitUntil(lambda: picker.chosen.bundle is not None, timeout=MINUTE)
    assert widget.progress.start_button.text() == "Segment vesicles"
    assert picker.configurations.isVisibleTo(picker)
    # Only a 2D model can look along all axes.
    planes = widget.form.prediction["planes"]
    assert planes.widget.choices == tuple(Planes)
    planes.value = Planes.ORTHOGONAL
    picker.configurations.setCurrentIndex(1)
    picker.configurations.activated.emit(1)
    qtbot.waitUntil(lambda: picker.chosen.bundle is not None, timeout=MINUTE)
    assert picker.chosen.bundle.configuration == "3d_fullres"
    # The flips on offer follow the model: this one was trained with flips along its first two axes.
    assert widget.form.prediction["tta"].widget.choices == ("none", "z", "y", "all")
    assert planes.value is Planes.SLICES


def test_a_broken_model_is_explained_and_cannot_be_run(
    make_napari_viewer_proxy, em, qtbot, monkeypatch, tmp_path
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    viewer.add_image(em, **PLACE)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"no zip")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(broken), ""))
    widget.models.models.activated.emit(widget.models.models.findText("Choose a zip or checkpoint …"))
    widget.start()  # what is asked for waits until the model has been read
    qtbot.waitUntil(lambda: "broken.zip" in widget.models.note.text(), timeout=MINUTE)
    assert "is no model" in notification_manager.records[-1].message
    assert "is no model" in widget.progress.status.text()
    assert not widget.waits


def test_what_is_asked_for_while_the_model_is_read_begins_by_itself(
    make_napari_viewer_proxy, em, qtbot, monkeypatch
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    viewer.add_image(em, **PLACE)
    picker, progress = widget.models, widget.progress
    asked: list[str] = []
    monkeypatch.setattr(widget.jobs, "submit", lambda request: asked.append(request.job.model.path))
    monkeypatch.setattr(widget.previews, "show", lambda request: asked.append("preview"))

    def press(button) -> None:
        # Begins to read in a timer, so no thread can have answered before the press.
        picker.choose("mitochondria-2d")
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        assert widget.waits

    press(progress.start_button)
    assert progress.status.text() == waiting_text("segmentation begins")
    qtbot.mouseClick(progress.stop_button, Qt.MouseButton.LeftButton)
    assert not widget.waits
    assert progress.status.text() == ""
    qtbot.waitUntil(lambda: picker.chosen.bundle is not None, timeout=MINUTE)
    assert asked == []  # it was taken back

    press(progress.start_button)
    qtbot.waitUntil(lambda: asked == ["mitochondria-2d"], timeout=MINUTE)
    assert not widget.waits
    assert progress.stop_button.isHidden()
    press(progress.start_button)
    press(progress.preview_button)  # the last counts
    qtbot.waitUntil(lambda: asked[1:] == ["preview"], timeout=MINUTE)

    viewer.layers.clear()
    picker.choose("mitochondria-2d")
    widget.start()
    assert not widget.waits
    assert "no image layer" in progress.status.text()


def test_the_card_of_a_model_can_be_read(make_napari_viewer_proxy, qtbot) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    qtbot.waitUntil(lambda: "Research use only" in widget.models.note.text(), timeout=MINUTE)
    widget.models.note.linkActivated.emit("card")
    dialog = widget.models.findChild(CardDialog)
    assert "Training data" in dialog.text.toPlainText()
    dialog.close()


def test_trusting_a_model_opens_it_again(make_napari_viewer_proxy, qtbot) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    widget.form.model["trust"].value = True
    qtbot.waitUntil(lambda: widget.models.chosen.bundle is not None, timeout=MINUTE)
    assert widget.models.chosen.bundle.trusted


def test_the_form_fits_a_laptop(make_napari_viewer_proxy, qtbot) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    window = dock.window()
    window.resize(1366, 768)
    qtbot.wait(100)
    button = widget.progress.start_button
    assert window.rect().contains(button.mapTo(window, button.rect().bottomRight()))
    assert window.height() <= 768


def test_the_activity_dock_shows_the_job_and_can_cancel_it(make_napari_viewer, qtbot) -> None:
    make_napari_viewer(show=True)
    stopped: list[bool] = []
    bar = ActivityBar("mitochondria in em", lambda: stopped.append(True))
    bar.show(ProgressEvent(Stage.STATISTICS, 3, 4), "")
    assert (bar.n, bar.total) == (3, 4)
    bar.show(ProgressEvent(Stage.PREDICT, 1, 10), "Predicting")
    assert (bar.n, bar.total) == (1, 10)
    bar.cancel()
    assert stopped == [True]
    bar.close()


def test_closing_the_dock_stops_the_job(make_napari_viewer, em, qtbot, tmp_path: Path) -> None:
    viewer = make_napari_viewer(show=True)
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Segment")
    widget.models.choose("mitochondria-2d")
    qtbot.waitUntil(lambda: widget.models.chosen.bundle is not None, timeout=MINUTE)
    widget.form.output["path"].value = str(tmp_path / "out.zarr")
    viewer.add_image(em, name="em", **PLACE)
    qtbot.mouseClick(widget.progress.start_button, Qt.MouseButton.LeftButton)
    run = widget.jobs.run
    dock.destroyOnClose()
    assert run._token.cancelled
    viewer.scene.camera.zoom *= 2  # nobody listens any more
    viewer.dims.set_current_step(0, 1)
    qtbot.waitUntil(lambda: not run._worker.is_running, timeout=2 * MINUTE)
    assert "em mitochondria" not in viewer.layers


def test_the_widget_needs_no_plugin_machinery(make_napari_viewer, em) -> None:
    viewer = make_napari_viewer(show=True)
    widget = SegmentWidget(viewer)
    viewer.window.add_dock_widget(widget)
    viewer.add_image(em, name="em")
    assert widget.layer.name == "em"
