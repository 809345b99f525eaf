"""The dock Export labels in a real napari window: layers, files, choices, refusals, Stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QLineEdit, QListView

from napari_nnunet_em._napari.export import exporting
from napari_nnunet_em._napari.export.dock import FROM_FILE
from napari_nnunet_em._napari.export.words import size_note
from napari_nnunet_em._napari.files import dataset_dialog
from napari_nnunet_em._napari.files.dataset_dialog import DatasetDialog, ask_for_datasets
from napari_nnunet_em._napari.layers.placement import offset_between
from napari_nnunet_em._napari.layers.regions import RegionKind
from napari_nnunet_em._napari.layers.voxels import KnownSize, level_zero
from napari_nnunet_em._napari.segment.live import LiveLayers
from napari_nnunet_em._napari.threads.outcome import FoundObjects
from napari_nnunet_em.export import ExportSettings, Format, export_labels
from napari_nnunet_em.export.formats import FORMATS
from napari_nnunet_em.io import Kind, Lattice, MultiscaleSink, SinkSpec, list_choices, open_volume
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage, finish

from .conftest import PLACE, VOXEL_SIZE_NM

pytestmark = pytest.mark.gui

MINUTE = 60_000


def cells(dtype: Any = np.uint32) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 9, (4, 40, 50)).astype(dtype)


@pytest.fixture
def opened(make_napari_viewer_proxy) -> tuple[Any, Any]:
    """A window with the widget, as the menu opens it."""
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-nnunet-em", "Export labels")
    return viewer, widget


def draw_rectangle(viewer, start, stop, **place) -> None:
    """A rectangle whose corners are these voxels, on the grid of the layer."""
    (z, y0, x0), (_, y1, x1) = start, stop
    corners = np.array([(z, y0, x0), (z, y0, x1), (z, y1, x1), (z, y1, x0)], float)
    viewer.add_shapes([corners], shape_type="rectangle", name="rectangle", **PLACE, **place)


def choose_rectangle(widget, first: int) -> None:
    widget.region.kind.setCurrentText(RegionKind.RECTANGLE.value)
    widget.region.first.setValue(first)


def press(widget, qtbot) -> None:
    qtbot.mouseClick(widget.progress.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(widget.progress.start_button.isEnabled, timeout=MINUTE)


def test_a_layer_is_exported_where_it_lies(opened, qtbot, tmp_path: Path) -> None:
    viewer, widget = opened
    viewer.add_image(cells(np.uint8), name="raw", **PLACE)
    viewer.add_labels(cells(), name="cells", translate=(400, 80, 160), **PLACE)
    assert widget.source.currentText() == "cells"
    shown = [widget.source.itemText(i) for i in range(widget.source.count())]
    assert shown == ["cells", "raw", FROM_FILE]
    assert not widget.path.widget.native.isVisible()
    widget.destination.value = str(tmp_path / "out.zarr")
    widget.form["format"].value = "nrrd"
    assert widget.destination.value == str(tmp_path / "out.nrrd")
    assert "3D Slicer" in widget.note.text()
    assert not widget.form["region"].widget.native.isVisible()
    draw_rectangle(viewer, (0, 0, 5), (0, 39, 49), translate=(400, 80, 160))
    choose_rectangle(widget, 1)
    press(widget, qtbot)
    assert widget.progress.status.text() == f"Saved in {tmp_path / 'out.nrrd'}"
    written = open_volume(tmp_path / "out.nrrd")
    np.testing.assert_array_equal(written.array[...], cells()[1:, :, 5:])
    assert written.voxel_size_nm == VOXEL_SIZE_NM
    assert written.origin_nm == (440, 80, 200)

    widget.source.setCurrentText("raw")
    widget.source.activated.emit(1)
    viewer.add_labels(cells(), name="more", **PLACE)
    assert widget.source.currentText() == "raw"  # chosen by hand
    widget.form["format"].value = "ome-zarr"
    widget.region.kind.setCurrentText(RegionKind.WHOLE.value)
    press(widget, qtbot)
    np.testing.assert_array_equal(open_volume(tmp_path / "out.zarr").array[...], cells(np.uint8))


@pytest.mark.parametrize("suffix", [".zarr", ".h5", ".nrrd", ".nii.gz", ".nii"])
@pytest.mark.parametrize("kind", [RegionKind.VIEW, RegionKind.RECTANGLE])
def test_a_region_reopens_in_place(opened, qtbot, tmp_path: Path, suffix: str, kind: RegionKind) -> None:
    viewer, widget = opened
    layer = viewer.add_labels(cells(), name="cells", translate=(400, 80, 160), **PLACE)
    draw_rectangle(viewer, (2, 3, 7), (2, 30, 41), translate=(400, 80, 160))
    viewer.dims.set_current_step(0, 2)
    viewer.scene.camera.zoom *= 3
    if kind is RegionKind.VIEW:
        widget.region.kind.setCurrentText(kind.value)
        widget.region.around.setValue(1)
    else:
        choose_rectangle(widget, 1)
    region = widget.region.choice.box(viewer, layer)
    assert 0 < region.size < layer.data.size
    widget.destination.value = str(tmp_path / f"part{suffix}")
    press(widget, qtbot)
    assert "Saved in" in widget.progress.status.text()
    (again,) = viewer.open(tmp_path / f"part{suffix}", plugin="napari-nnunet-em")
    np.testing.assert_array_equal(np.asarray(level_zero(again)[...]), cells()[region.slices])
    inside = offset_between(again, layer)
    assert inside == region.start


def test_the_region_of_a_file_is_typed(opened, qtbot, tmp_path: Path) -> None:
    _, widget = opened
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["raw"] = cells(np.uint8)
    widget.source.setCurrentText(FROM_FILE)
    assert not widget.region.isVisible()
    widget.path.value = str(tmp_path / "one.h5")
    widget.form["region"].value = "1:4,0:40,5:50"
    widget.destination.value = str(tmp_path / "part")  # completed by the format that is chosen
    widget.form["format"].value = "nrrd"
    assert widget.destination.value == str(tmp_path / "part.nrrd")
    press(widget, qtbot)
    np.testing.assert_array_equal(open_volume(tmp_path / "part.nrrd").array[...], cells(np.uint8)[1:, :, 5:])


def test_ending_and_format_follow_each_other(opened, tmp_path: Path) -> None:
    _, widget = opened
    for name, kind in (("a.h5", Format.HDF5), ("a.zarr", Format.OME_ZARR), ("a.tiff", Format.TIFF)):
        widget.destination.value = str(tmp_path / name)
        assert (widget.form["format"].value, widget.destination.value) == (kind, str(tmp_path / name))
    for kind in (Format.NIFTI, Format.OME_ZARR):
        widget.form["format"].value = kind
        assert widget.destination.value.endswith(FORMATS[kind].suffixes[0])
    (tmp_path / "a.zarr").mkdir()
    widget.destination.value = str(tmp_path / "a")
    assert "exists already" in widget.note.text()  # a.zarr is meant


def test_the_button_takes_a_folder_that_does_not_exist(opened, qtbot, tmp_path: Path, monkeypatch) -> None:
    _, widget = opened
    (tmp_path / "old.zarr" / "labels").mkdir(parents=True)
    widget.destination.value = str(tmp_path / "old.zarr")
    typed: list[str] = []

    def type_name(dialog: QFileDialog, text: str) -> None:
        """Qt forgets the row of the old name while one types, if the screen has given the line the focus."""
        dialog.findChild(QLineEdit, "fileNameEdit").setText(text)
        dialog.findChild(QListView, "listView").clearSelection()

    def answer(dialog: QFileDialog) -> int:
        """What a person does in the dialog: type a name, and press Save."""
        dialog.open()
        QApplication.processEvents()  # Qt lists the folder first
        assert Path(dialog.directory().absolutePath()) == tmp_path
        line = dialog.findChild(QLineEdit, "fileNameEdit")
        assert Path(line.text()).name == "old.zarr"  # not gone into
        if typed[-1].startswith("*"):
            chosen = next(f for f in dialog.nameFilters() if typed[-1] in f)
            dialog.selectNameFilter(chosen)
            dialog.filterSelected.emit(chosen)
        else:
            type_name(dialog, typed[-1])
        dialog.accept()
        return dialog.result()

    monkeypatch.setattr(QFileDialog, "exec", answer)
    for text, path in (("new", "new.zarr"), ("*.nrrd", "old.nrrd"), ("a.ome.tif", "a.ome.tif")):
        widget.destination.value = str(tmp_path / "old.zarr")
        typed.append(text)
        qtbot.mouseClick(widget.destination.widget.choose_btn.native, Qt.MouseButton.LeftButton)
        assert widget.destination.value == str(tmp_path / path)
    monkeypatch.setattr(QFileDialog, "exec", lambda _: QFileDialog.DialogCode.Rejected)
    qtbot.mouseClick(widget.destination.widget.choose_btn.native, Qt.MouseButton.LeftButton)
    assert widget.destination.value == str(tmp_path / "a.ome.tif")


def test_a_volume_in_a_file_is_chosen_and_exported(opened, qtbot, tmp_path: Path) -> None:
    _, widget = opened
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["raw"], file["labels/neurons"] = cells(np.uint8), cells()
    widget.source.setCurrentText(FROM_FILE)
    assert widget.path.widget.native.isVisible()
    widget.path.value = str(tmp_path / "two.h5")
    assert widget.inside.isVisible()
    assert widget.inside.currentText().startswith("/labels/neurons")
    widget.destination.value = str(tmp_path / "out.ome.tif")
    press(widget, qtbot)
    np.testing.assert_array_equal(open_volume(tmp_path / "out.ome.tif").array[...], cells())

    source = open_volume(cells(), voxel_size_nm=VOXEL_SIZE_NM)
    finish(export_labels(source, tmp_path / "in.zarr", ExportSettings(name="mito")))
    widget.path.value = str(tmp_path / "in.zarr")
    assert [widget.inside.itemText(i).split()[0] for i in range(2)] == ["the", "labels/mito"]
    for row, name, values in ((1, "mito.nii", cells()), (0, "image.nii", cells() != 0)):
        widget.inside.setCurrentIndex(row)
        widget.destination.value = str(tmp_path / name)
        press(widget, qtbot)
        np.testing.assert_array_equal(open_volume(tmp_path / name).array[...], values)


def test_where_the_size_comes_from_is_said() -> None:
    known, unknown = KnownSize((40.0, 8.0, 8.0), "layer scale and units"), KnownSize(None, "unknown")
    for typed in ("40, 8, 8", None):
        assert size_note(known, typed, Format.OME_ZARR) == "from layer scale and units"
    assert size_note(known, "50, 8, 8", Format.NRRD) == "as entered here"
    assert "OME-Zarr stores one. Enter it" in size_note(unknown, None, Format.OME_ZARR)
    assert "the file will state none" in size_note(unknown, None, Format.TIFF)


def test_labels_painted_without_units_are_exported_with_the_size_that_is_typed(
    opened, qtbot, tmp_path: Path
) -> None:
    viewer, widget = opened
    painted = viewer.add_labels(cells(), name="painted", scale=(1, 2, 2), translate=(3, 4, 6))
    size = widget.size
    assert size.field.widget.native.isVisible()
    assert size.field.value is None
    widget.destination.value = str(tmp_path / "out.nrrd")
    assert "will state none" in size.note.text()
    widget.destination.value = str(tmp_path / "out.zarr")
    assert "Enter it" in size.note.text()
    size.field.value = "8, 8"
    press(widget, qtbot)
    assert "too few entries for a volume of 4 slices" in widget.progress.status.text()
    size.field.value = "40, 8, eight"
    press(widget, qtbot)
    assert "Voxel size: " in widget.progress.status.text()
    size.field.value = "40, 8, 8"
    assert size.note.text() == "as entered here"
    press(widget, qtbot)
    written = open_volume(tmp_path / "out.zarr" / "labels" / "painted")
    assert written.voxel_size_nm == (40, 8, 8)
    assert written.origin_nm == (120, 16, 24)  # as many voxels as it lies from the others
    np.testing.assert_array_equal(written.array[...], cells())

    # What the layer is given meanwhile counts, and is shown.
    painted.scale, painted.units = (50, 10, 10), "nm"
    widget.destination.value = str(tmp_path / "again.zarr")
    press(widget, qtbot)
    assert size.field.value == "50, 10, 10"
    assert open_volume(tmp_path / "again.zarr" / "labels" / "painted").voxel_size_nm == (50, 10, 10)

    plane = viewer.add_labels(cells()[0], name="plane")
    widget.source.choose(plane, "labels")
    size.field.value = "8, 4"
    widget.destination.value = str(tmp_path / "plane.zarr")
    press(widget, qtbot)
    assert size.field.value == "8, 8, 4"
    assert open_volume(tmp_path / "plane.zarr" / "labels" / "plane").voxel_size_nm == (8, 8, 4)


def test_the_size_of_a_file_is_its_own_unless_one_is_typed(opened, qtbot, tmp_path: Path) -> None:
    _, widget = opened
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["labels"] = cells()
    widget.source.setCurrentText(FROM_FILE)
    widget.path.value = str(tmp_path / "one.h5")
    assert widget.size.note.isHidden()
    for typed, name in (("40, 8, 8", "first"), (None, "second")):
        widget.size.field.value = typed
        widget.destination.value = str(tmp_path / f"{name}.zarr")
        press(widget, qtbot)
        assert open_volume(tmp_path / f"{name}.zarr" / "labels" / "labels").voxel_size_nm == (40, 8, 8)
        widget.path.value = str(tmp_path / "first.zarr" / "labels" / "labels")


def test_what_cannot_be_exported_is_said(opened, qtbot, tmp_path: Path) -> None:
    viewer, widget = opened
    notification_manager.records.clear()

    def refused(sentence: str) -> None:
        press(widget, qtbot)
        assert sentence in widget.progress.status.text()
        assert sentence in notification_manager.records[-1].message

    refused("There is no source")
    viewer.add_labels(cells()[None], name="series")
    widget.source.setCurrentText("series")
    refused("has 4 axes")
    viewer.add_image(np.zeros((40, 50, 3), np.uint8), name="colours", rgb=True)
    widget.source.setCurrentText("colours")
    refused("holds colours")
    viewer.layers.clear()
    viewer.add_labels(cells(), name="cells")
    refused("There is no destination")
    widget.destination.value = str(tmp_path / "out.png")
    assert "stands for no format" in widget.note.text()
    refused("stands for no format")
    widget.destination.value = str(tmp_path / "out.zarr")
    refused("states no voxel size")
    (tmp_path / "there.nrrd").touch()
    widget.destination.value = str(tmp_path / "there.nrrd")
    refused("exists already")
    widget.form["overwrite"].value = True
    press(widget, qtbot)
    assert open_volume(tmp_path / "there.nrrd").shape == (4, 40, 50)
    (tmp_path / "job.zarr" / ".nnunet-em").mkdir(parents=True)
    (tmp_path / "job.zarr" / ".nnunet-em" / "job.json").write_text("{}")
    widget.destination.value = str(tmp_path / "job.zarr")
    assert "output of a job" in widget.note.text()  # also where overwriting is ticked
    widget.source.setCurrentText(FROM_FILE)
    widget.path.value = str(tmp_path / "missing.tif")
    refused("missing.tif does not exist")
    (tmp_path / "bad.zarr").mkdir()
    (tmp_path / "bad.zarr" / "zarr.json").write_text("{")
    widget.path.value = str(tmp_path / "bad.zarr")
    assert "cannot be opened as Zarr" in widget.progress.status.text()


@pytest.mark.parametrize("slices", [1, 4])
def test_a_result_has_the_voxel_size_that_was_typed_where_its_image_has_none(
    qapp, tmp_path: Path, slices: int
) -> None:
    """A TIFF in pixels is what most begin with; its result was exported without size and place."""
    store, shape = tmp_path / "out.zarr", (slices, 32, 32)
    common: dict[str, Any] = {
        "shape": shape,
        "voxel_size_nm": (56.0, 8.0, 8.0),
        "origin_nm": (0.0, 800.0, 808.0),
        "chunk_shape": shape,
        "block_shape": shape,
    }
    MultiscaleSink.create(store, "", SinkSpec(dtype=np.dtype(np.uint8), kind=Kind.IMAGE, **common))
    MultiscaleSink.create(
        store, "labels/mito", SinkSpec(dtype=np.dtype(np.uint32), kind=Kind.LABELS, **common)
    )
    viewer = ViewerModel()
    source = viewer.add_image(np.zeros((4, 200, 200)[-3 if slices > 1 else -2 :]), name="plain")
    live = LiveLayers(viewer, source, store, ("mito",), Lattice().begun_at((0, 100, 101)))
    live.show_probability()
    live.show_objects([FoundObjects("mito", store / "labels" / "mito", pd.DataFrame({"id": [1]}))])
    assert len(viewer.layers) == 3
    for layer in viewer.layers[1:]:
        volume = exporting.layer_volume(layer)
        assert volume.voxel_size_nm == (56.0, 8.0, 8.0)
        assert volume.origin_nm == (0.0, 800.0, 808.0)
    painted = exporting.layer_volume(viewer.add_labels(np.ones((2, 8, 9), np.int32), name="painted"))
    assert painted.voxel_size_nm is None
    assert painted.origin == "The layer 'painted'"  # so that messages name it


def test_what_a_file_does_not_keep_of_a_layer_is_said() -> None:
    plain = Labels(cells(), **PLACE, translate=(1, 2, 3))
    assert exporting.left_out(plain) == ""
    looks: list[dict[str, Any]] = [
        {"rotate": 30},
        {"shear": [0.1]},
        {"affine": np.diag([2.0, 1, 1])},
        {"scale": (-8, 8)},
    ]
    for look in looks:
        assert "does not keep" in exporting.left_out(Labels(cells()[0], **look))


def test_a_transform_that_only_moves_a_layer_is_kept_as_its_place() -> None:
    moved = np.eye(4)
    moved[:3, 3] = (80, -16, 24)
    layer = Labels(cells(), **PLACE, translate=(400, 80, 160), affine=moved)
    assert exporting.left_out(layer) == ""
    assert exporting.layer_volume(layer).origin_nm == tuple(layer.data_to_world((0, 0, 0))) == (480, 64, 184)
    # Without units it is counted in voxels.
    plain = Labels(cells(), scale=(1, 2, 2), translate=(3, 4, 6), affine=moved)
    assert exporting.layer_volume(plain, VOXEL_SIZE_NM).origin_nm == (3320, -48, 120)
    # Where the transform does more than that, its parts cannot be told apart.
    moved[0, 0] = 2
    scaled = Labels(cells(), **PLACE, translate=(400, 80, 160), affine=moved)
    assert "does not keep" in exporting.left_out(scaled)
    assert exporting.layer_volume(scaled).origin_nm == (400, 80, 160)


@pytest.mark.parametrize("how", ["button", "dock"])
def test_stop_leaves_nothing(opened, qtbot, tmp_path: Path, monkeypatch, how: str) -> None:
    viewer, widget = opened
    viewer.add_labels(cells())

    def endless(source, destination, settings, cancel):
        while True:
            yield ProgressEvent(Stage.EXPORT, 1, 2)
            cancel.raise_if_cancelled()

    monkeypatch.setattr(exporting, "export_labels", endless)
    widget.destination.value = str(tmp_path / "out.nii")
    qtbot.mouseClick(widget.progress.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Exporting, 1 of 2 blocks" in widget.progress.status.text(), timeout=MINUTE)
    if how == "button":
        qtbot.mouseClick(widget.progress.stop_button, Qt.MouseButton.LeftButton)
    else:
        token = widget.progress._token
        viewer.window.remove_dock_widget(widget)
        assert isinstance(token, CancelToken)
        assert token.cancelled
    qtbot.waitUntil(lambda: not widget.progress.busy, timeout=MINUTE)
    assert list(tmp_path.iterdir()) == []


def test_an_unforeseen_failure_is_one_sentence(opened, qtbot, tmp_path: Path, monkeypatch) -> None:
    viewer, widget = opened
    viewer.add_labels(cells())

    def broken(*_):
        raise ZeroDivisionError("no")
        yield

    monkeypatch.setattr(exporting, "export_labels", broken)
    widget.destination.value = str(tmp_path / "out.nii")
    press(widget, qtbot)
    assert "failed unexpectedly: ZeroDivisionError: no" in widget.progress.status.text()


def test_the_dialog_of_datasets(opened, tmp_path: Path, monkeypatch, qtbot) -> None:
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["raw"], file["labels"] = cells(np.uint8), cells()
    choices = list_choices(tmp_path / "two.h5")
    seen = []

    def answer(dialog: DatasetDialog) -> int:
        seen.append([dialog.list.item(i).text() for i in range(dialog.list.count())])
        assert dialog.chosen == choices[:1]
        dialog.list.selectAll()
        return DatasetDialog.DialogCode.Accepted

    monkeypatch.setattr(dataset_dialog.DatasetDialog, "exec", answer)
    assert ask_for_datasets(tmp_path / "two.h5", choices) == choices
    assert seen == [["/labels    4x40x50 uint32", "/raw    4x40x50 uint8"]]
    monkeypatch.setattr(dataset_dialog.DatasetDialog, "exec", lambda _: DatasetDialog.DialogCode.Rejected)
    assert ask_for_datasets(tmp_path / "two.h5", choices) == ()
