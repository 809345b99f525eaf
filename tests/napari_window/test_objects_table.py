"""The Objects table in a real napari window: measure, jump, pick, filter, delete, save, export."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox
from scipy import ndimage

from napari_nnunet_em._napari.files.writer import write_labels
from napari_nnunet_em._napari.layers import features
from napari_nnunet_em._napari.table import object_list, row_exports
from napari_nnunet_em._napari.table import query as table_query
from napari_nnunet_em._napari.table import work as table_work
from napari_nnunet_em._napari.table.hiding import HidingView
from napari_nnunet_em._napari.table.tables import LayerTable
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec, open_volume
from napari_nnunet_em.measurement import (
    LabelMeasurer,
    MeasureTask,
    ObjectTable,
    Placement,
    measure_labels,
    store_table,
)
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.progress import finish

pytestmark = pytest.mark.gui

MINUTE = 60_000
SIZE_NM = (56.0, 8.0, 8.0)
PLACE = {"scale": SIZE_NM, "units": ("nanometer",) * 3}
ORIGIN = np.array([3, 10, 1000])
"""First voxel, (z, y, x), of the region that is stored."""

PLUGIN = "napari-nnunet-em"


@pytest.fixture(scope="module")
def sbem(shared_dir) -> np.ndarray:
    """True mitochondria of the SBEM volume, numbered, (z, y, x) int32."""
    truth = tifffile.imread(shared_dir / "data" / "sbem_mito" / "val_z050-059_mito.tif")
    return np.asarray(ndimage.label(truth)[0], dtype=np.int32)


@pytest.fixture(scope="module")
def made() -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).random((6, 150, 600)), (1, 4, 4))
    return np.asarray(ndimage.label(noise > np.quantile(noise, 0.8))[0], dtype=np.uint32)


@pytest.fixture
def labels(made) -> np.ndarray:
    """Many objects, (z, y, x) uint32; an array of the test's own."""
    return made.copy()


@pytest.fixture
def store(tmp_path: Path, labels) -> Path:
    """A result of a region, with two pyramid levels and a table; (3, 10, 1000) is its first voxel."""
    spec = SinkSpec(
        shape=labels.shape,
        dtype=labels.dtype,
        voxel_size_nm=SIZE_NM,
        origin_nm=tuple(ORIGIN * SIZE_NM),
        chunk_shape=(4, 64, 64),
        block_shape=(4, 64, 128),
        kind=Kind.LABELS,
    )
    store, box = tmp_path / "brain.zarr", Box.whole(labels.shape)
    image = SinkSpec(**{**spec.__dict__, "dtype": np.dtype(np.uint8), "kind": Kind.IMAGE})
    MultiscaleSink.create(store, "", image).write(box, (labels > 0).astype(np.uint8))
    MultiscaleSink.create(store, "labels/mito", spec).write(box, labels)
    measurer = LabelMeasurer(MeasureTask(labels.shape, Placement(SIZE_NM, tuple(ORIGIN.tolist()))))
    measurer.add(box, labels)
    store_table(store, "mito", measurer.finish())
    return store


@pytest.fixture
def opened(make_napari_viewer_proxy) -> tuple[Any, Any]:
    """A window with the widget, as the menu opens it."""
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Objects table")
    return viewer, widget


def rest(widget, qtbot) -> None:
    qtbot.waitUntil(lambda: not widget.progress.busy and not widget.objects.busy, timeout=MINUTE)


def press(button, qtbot) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def ids_shown(widget) -> list[int]:
    model = widget.objects.model
    return model.ids_at(np.arange(model.rowCount())).tolist()


def click_row(widget, label: int, qtbot, modifier=Qt.KeyboardModifier.NoModifier) -> None:
    table = widget.objects.table
    index = table.model().index(ids_shown(widget).index(label), 0)
    table.scrollTo(index)
    qtbot.mouseClick(
        table.viewport(), Qt.MouseButton.LeftButton, modifier, pos=table.visualRect(index).center()
    )


def click_canvas(viewer, layer, voxel, qtbot, drag: int = 0) -> None:
    """Press and release the mouse over a voxel, (z, y, x), of the slice that is shown."""
    viewer.screenshot(flash=False)  # until it is drawn, the canvas finds places by its earlier size
    native = viewer.__wrapped__.window._qt_viewer.canvas.native
    world = np.asarray(layer.data_to_world(voxel))[list(viewer.dims.displayed)]
    camera, size = viewer.scene.camera, np.array(viewer.canvas.size)
    y, x = (world - np.array(camera.center[-2:])) * camera.zoom + size / 2
    place = QPoint(round(x), round(y))
    if not drag:
        qtbot.mouseClick(native, Qt.MouseButton.LeftButton, pos=place)
        return
    qtbot.mousePress(native, Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseMove(native, pos=place + QPoint(drag, 0))
    qtbot.mouseRelease(native, Qt.MouseButton.LeftButton, pos=place + QPoint(drag, 0))


def test_true_mitochondria_are_measured_and_found_by_a_click(opened, sbem, shared_dir, qtbot) -> None:
    viewer, widget = opened
    raw = tifffile.imread(shared_dir / "data" / "sbem_mito" / "val_z050-059_raw.tif")
    viewer.add_image(raw, name="raw", **PLACE)
    viewer.add_image(raw[:5], name="half", **PLACE)
    layer = viewer.add_labels(sbem, name="mito", **PLACE)
    assert "press Measure" in widget.progress.status.text()
    assert [widget.intensity.itemText(i) for i in range(widget.intensity.count())] == ["not measured", "raw"]
    widget.intensity.setCurrentText("raw")
    press(widget.progress.start_button, qtbot)
    assert not widget.buttons.export_button.isEnabled()
    rest(widget, qtbot)
    volume = open_volume(sbem, voxel_size_nm=SIZE_NM)
    expected = finish(measure_labels(volume, intensity=open_volume(raw, voxel_size_nm=SIZE_NM)))
    pd.testing.assert_frame_equal(widget.session.table.frame, expected.frame)
    assert widget.objects.counts.text() == "64 objects"
    assert layer.features["index"].tolist() == expected.frame["id"].tolist()
    assert "mean_intensity" in widget.objects.table.shown_columns()
    assert "mean_probability" not in widget.objects.table.shown_columns()

    # From the table to the canvas: the object's label is in the slice that is shown, and in the middle.
    for label in (13, 42):
        click_row(widget, label, qtbot)
        middle = np.argwhere(sbem == label).mean(axis=0)
        assert layer.selected_label == label
        assert viewer.dims.current_step[0] == round(middle[0])
        np.testing.assert_allclose(viewer.scene.camera.center[-2:], middle[1:] * SIZE_NM[1:])
        assert (sbem[viewer.dims.current_step[0]] == label).any()
    index = widget.objects.table.currentIndex()
    widget.objects.table.setCurrentIndex(index.siblingAtRow(index.row() + 1))  # as the arrow key does
    assert layer.selected_label == 43
    zoom = viewer.scene.camera.zoom
    widget.objects.table.doubleClicked.emit(widget.objects.table.currentIndex())
    extent = np.ptp(np.argwhere(sbem == 43), axis=0)[1:] + 1
    assert viewer.scene.camera.zoom != zoom
    assert viewer.scene.camera.zoom * max(extent) * 8 == pytest.approx(0.4 * min(viewer.canvas.size))


def test_true_mitochondria_are_picked_on_the_canvas(opened, sbem, qtbot) -> None:
    """Without moving what is looked at."""
    viewer, widget = opened
    layer = viewer.add_labels(sbem, name="mito", **PLACE)
    widget.measure()
    rest(widget, qtbot)
    viewer.dims.set_current_step(0, 4)
    widget.objects.table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    label = int(np.bincount(sbem[4].ravel())[1:].argmax()) + 1
    inside = ndimage.distance_transform_edt(sbem[4] == label)
    voxel = (4, *np.unravel_index(inside.argmax(), inside.shape))
    center = viewer.scene.camera.center
    click_canvas(viewer, layer, voxel, qtbot, drag=60)
    assert layer.selected_label == 1
    viewer.scene.camera.center = center
    click_canvas(viewer, layer, voxel, qtbot)
    assert layer.selected_label == label
    assert widget.objects.selected_ids().tolist() == [label]
    assert viewer.scene.camera.center == center
    # Any other way of choosing a label does the same, and what the filter hides is said.
    layer.selected_label = 7
    assert widget.objects.selected_ids().tolist() == [7]
    widget.objects.filter.set_size_range((1e3, 1e6))
    layer.selected_label = 8
    assert "Object 8 is hidden by the filter" in widget.progress.status.text()
    # While one paints, clicks are brush strokes.
    layer.mode = "paint"
    layer.selected_label = 3
    click_canvas(viewer, layer, voxel, qtbot)
    assert layer.selected_label == 3


def test_a_stored_result_opens_with_its_table_in_its_place(opened, store, labels, qtbot) -> None:
    viewer, widget = opened
    viewer.open(store, plugin=PLUGIN)
    rest(widget, qtbot)
    layer = viewer.layers["brain mito"]
    assert layer.multiscale
    assert not widget.progress.start_button.isVisible()
    assert len(ids_shown(widget)) == labels.max()
    for label in (5, 20):
        click_row(widget, label, qtbot)
        middle = np.argwhere(labels == label).mean(axis=0)
        place = (middle + ORIGIN) * SIZE_NM
        np.testing.assert_allclose(viewer.scene.camera.center[-2:], place[1:])
        assert viewer.dims.current_step[0] == round(middle[0])
    # A layer in other units makes the whole window use those.
    layer.units = ("nanometer",) * 3
    other = viewer.add_labels(labels, name="other", scale=(0.056, 0.008, 0.008), units=("um",) * 3)
    viewer.layers.selection.active = layer
    click_row(widget, 5, qtbot)
    seen = np.asarray(viewer.scene.camera.center[-2:])
    factor = 1000 if str(viewer.layers.extent.units[-1]) == "micrometer" else 1
    place = (np.argwhere(labels == 5).mean(axis=0) + ORIGIN) * SIZE_NM
    np.testing.assert_allclose(seen * factor, place[1:])
    widget.layers.setCurrentText("other")
    assert "press Measure" in widget.progress.status.text()
    assert other.selected_label == 1
    widget.layers.setCurrentText("brain mito")
    assert len(ids_shown(widget)) == labels.max()
    viewer.layers.clear()
    assert ids_shown(widget) == []


def test_deleted_objects_vanish_return_and_are_gone_for_good_when_saved(
    opened, store, labels, qtbot, monkeypatch
) -> None:
    viewer, widget = opened
    viewer.open(store, plugin=PLUGIN)
    rest(widget, qtbot)
    layer, buttons = viewer.layers["brain mito"], widget.buttons
    count = int(labels.max())
    assert not buttons.save_button.isEnabled()
    click_row(widget, 4, qtbot)
    click_row(widget, 9, qtbot, Qt.KeyboardModifier.ControlModifier)
    assert "2 selected" in widget.objects.counts.text()
    widget.window().activateWindow()
    widget.objects.table.setFocus()
    qtbot.waitUntil(widget.objects.table.hasFocus)
    qtbot.keyClick(widget.objects.table, Qt.Key.Key_Delete)
    assert not np.isin(np.asarray(layer.data[0]), [4, 9]).any()
    assert not np.isin(np.asarray(layer.data[1]), [4, 9]).any()
    assert not {4, 9} & set(ids_shown(widget))
    assert widget.objects.counts.text() == f"{count - 2:,} objects · 2 deleted, not saved"
    click_row(widget, 5, qtbot)
    buttons.delete.trigger()
    qtbot.keyClick(widget.objects.table, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert widget.session.deleted.tolist() == [4, 9]
    buttons.undo.trigger()
    assert np.array_equal(np.asarray(layer.data[0]), labels)
    assert ids_shown(widget) == list(range(1, count + 1))
    buttons.redo.trigger()
    assert np.array_equal(MultiscaleSink.open(store, "labels/mito").levels[0][:], labels)

    # A dock that is closed and opened again goes on.
    viewer.window.remove_dock_widget(widget)
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Objects table")
    rest(widget, qtbot)
    assert widget.session.deleted.tolist() == [4, 9]
    assert len(viewer.mouse_drag_callbacks) == 2  # napari's own, and one

    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.No)
    press(widget.buttons.save_button, qtbot)
    assert not widget.progress.busy
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    press(widget.buttons.save_button, qtbot)
    rest(widget, qtbot)
    assert widget.progress.status.text() == f"Saved. {count - 2:,} objects are left."
    assert not widget.buttons.undo.isEnabled()
    left = np.where(np.isin(labels, [4, 9]), 0, labels)
    assert np.array_equal(np.asarray(layer.data[0]), left)

    viewer.layers.clear()
    viewer.open(store, plugin=PLUGIN)
    rest(widget, qtbot)
    assert np.array_equal(np.asarray(viewer.layers["brain mito"].data[0]), left)
    assert ids_shown(widget) == np.unique(left)[1:].tolist()


def test_a_deletion_that_was_cut_short_is_seen_and_finished(opened, store, labels, qtbot) -> None:
    viewer, widget = opened
    JobFolder(store).save("deleting-mito", {"ids": [2, 6]})
    viewer.open(store, plugin=PLUGIN)
    rest(widget, qtbot)
    assert "press Save to finish" in widget.progress.status.text()
    assert not np.isin(np.asarray(viewer.layers["brain mito"].data[0]), [2, 6]).any()
    assert not {2, 6} & set(ids_shown(widget))
    assert not widget.buttons.undo.isEnabled()
    click_row(widget, 3, qtbot)
    widget.delete_selected()
    widget.save()
    rest(widget, qtbot)
    left = np.where(np.isin(labels, [2, 3, 6]), 0, labels)
    assert np.array_equal(MultiscaleSink.open(store, "labels/mito").levels[0][:], left)


def test_a_saving_that_was_stopped_goes_on(opened, store, labels, qtbot) -> None:
    viewer, widget = opened
    viewer.open(store, plugin=PLUGIN)
    rest(widget, qtbot)
    click_row(widget, 3, qtbot)
    widget.delete_selected()
    widget.save()
    widget.progress.stop()  # before the first block is written, and after it was decided
    rest(widget, qtbot)
    assert "press Save to finish" in widget.progress.status.text()
    assert not widget.buttons.undo.isEnabled()
    assert 3 not in ids_shown(widget)
    widget.save()
    rest(widget, qtbot)
    left = np.where(labels == 3, 0, labels)
    assert np.array_equal(MultiscaleSink.open(store, "labels/mito").levels[0][:], left)


def test_objects_of_an_array_in_memory_are_erased_and_come_back(opened, labels, qtbot, tmp_path) -> None:
    viewer, widget = opened
    data = labels.copy()
    layer = viewer.add_labels(data, name="mito", **PLACE)
    widget.measure()
    rest(widget, qtbot)
    click_row(widget, 4, qtbot)
    widget.delete_selected()
    assert layer.data is data
    assert np.array_equal(data, np.where(labels == 4, 0, labels))
    where = np.argwhere(labels == 4)[0]
    data[tuple(where)] = 99  # painted over meanwhile
    widget.buttons.undo.trigger()
    expected = labels.copy()
    expected[tuple(where)] = 99
    assert np.array_equal(data, expected)
    assert not widget.buttons.save_button.isEnabled()
    assert "File > Save Selected Layers" in widget.buttons.save_button.toolTip()


def test_a_lazy_layer_is_looked_at_through_a_view_and_saved_without_what_is_deleted(
    opened, labels, qtbot, tmp_path
) -> None:
    viewer, widget = opened
    file = np.lib.format.open_memmap(tmp_path / "labels.npy", "w+", labels.dtype, labels.shape)
    file[:] = labels
    layer = viewer.add_labels(file, name="mito", **PLACE)
    widget.measure()
    rest(widget, qtbot)
    click_row(widget, 4, qtbot)
    widget.delete_selected()
    left = np.where(labels == 4, 0, labels)
    assert isinstance(layer.data, HidingView)
    assert np.array_equal(np.asarray(layer.data), left)
    assert np.array_equal(np.load(tmp_path / "labels.npy"), labels)
    data, attributes, _ = layer.as_layer_data_tuple()
    write_labels(str(tmp_path / "saved.zarr"), data, {**attributes, "name": "mito"})
    assert np.array_equal(open_volume(tmp_path / "saved.zarr/labels/mito").array[:], left)
    widget.measure()  # with every object, so that what is deleted can come back
    rest(widget, qtbot)
    assert widget.session.deleted.tolist() == [4]
    widget.buttons.undo.trigger()
    assert np.array_equal(np.asarray(layer.data), labels)
    assert 4 in ids_shown(widget)


def test_filter_plot_and_table_stay_in_step(opened, labels, qtbot) -> None:
    viewer, widget = opened
    viewer.add_labels(labels, name="mito", **PLACE)
    widget.measure()
    rest(widget, qtbot)
    frame, bar, plot = widget.session.table.frame, widget.objects.filter, widget.objects.plot
    click_row(widget, 7, qtbot)
    qtbot.keyClicks(bar.condition, "voxels > 300 and not touches_border")
    qtbot.keyClick(bar.condition, Qt.Key.Key_Return)
    assert ids_shown(widget) == frame.query("voxels > 300 and not touches_border")["id"].tolist()
    assert widget.objects.counts.text().startswith(f"{len(ids_shown(widget)):,} of {len(frame):,} objects")
    shown = ids_shown(widget)
    bar.condition.setText("voxel > 300")
    qtbot.waitUntil(lambda: "did you mean voxels" in bar.problem.text(), timeout=5_000)
    assert ids_shown(widget) == shown
    press(bar.clear_button, qtbot)
    assert len(ids_shown(widget)) == len(frame)
    assert not bar.problem.text()
    bar.bounds["max_elongation"].setText("1,5")
    bar.apply()
    assert "Greatest elongation: '1,5' cannot be used" in bar.problem.text()
    bar.bounds["max_elongation"].setText("1.5")
    bar.border.setCurrentText("inside only")
    assert ids_shown(widget) == frame.query("elongation <= 1.5 and not touches_border")["id"].tolist()
    bar.clear()

    table = widget.objects.table
    table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert frame.set_index("id")["voxels"][ids_shown(widget)].is_monotonic_decreasing
    middle, right = plot.width() // 2, plot.width() - 1
    for kind, x in ((qtbot.mousePress, middle), (qtbot.mouseMove, right), (qtbot.mouseRelease, right)):
        extra = () if kind == qtbot.mouseMove else (Qt.MouseButton.LeftButton,)
        kind(plot, *extra, pos=QPoint(x, 20))
    low, high = bar.shown.min_size, bar.shown.max_size
    assert low < high == pytest.approx(frame["volume_um3"].max(), rel=0.02)
    assert low == pytest.approx(np.sqrt(frame["volume_um3"].min() * frame["volume_um3"].max()), rel=0.1)
    assert sorted(ids_shown(widget)) == frame.query(f"{low} <= volume_um3 <= {high}")["id"].tolist()
    assert plot.range == (low, high)
    plot.mouseDoubleClickEvent(None)
    assert bar.shown.min_size is None
    assert len(ids_shown(widget)) == len(frame)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_exported_rows_are_read_back_bit_for_bit(
    opened, labels, qtbot, tmp_path, monkeypatch, suffix
) -> None:
    viewer, widget = opened
    viewer.add_labels(labels, name="mito", **PLACE)
    widget.measure()
    rest(widget, qtbot)
    frame = widget.session.table.frame
    widget.objects.table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    widget.objects.filter.set_size_range((0.0, float(frame["volume_um3"].median())))
    click_row(widget, ids_shown(widget)[0], qtbot)
    deleted = ids_shown(widget)[0]
    widget.delete_selected()
    click_row(widget, ids_shown(widget)[2], qtbot)
    left = frame[frame["id"] != deleted]
    wanted = {
        "all": left,
        "shown": left[left["volume_um3"] <= widget.objects.filter.shown.max_size],
        "selected": left[left["id"] == ids_shown(widget)[2]],
    }
    for which, rows in wanted.items():
        path = tmp_path / f"{which}{suffix}"
        kind = "Parquet (*.parquet)" if suffix == ".parquet" else "CSV (*.csv)"
        given = str(path.with_suffix("")) if which == "all" else str(path)
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, g=given, k=kind: (g, k))
        widget.buttons.exports[which].trigger()
        rest(widget, qtbot)
        pd.testing.assert_frame_equal(ObjectTable.read(path).frame, rows.reset_index(drop=True))
        assert f"written to {path}" in widget.progress.status.text()
    widget.exports.write(tmp_path / "table.xls", "all")
    rest(widget, qtbot)
    assert ".csv or .parquet" in notification_manager.records[-1].message

    widget.exports.copy()
    text = QApplication.clipboard().text().splitlines()
    assert text[0].split("\t")[:3] == ["id", "voxels", "volume_um3"]
    assert len(text) == 2
    widget.objects.table.clearSelection()
    widget.exports.copy()
    assert len(QApplication.clipboard().text().splitlines()) == 1 + len(wanted["shown"])


def test_an_image_of_one_slice_without_a_voxel_size(opened, labels, qtbot) -> None:
    viewer, widget = opened
    layer = viewer.add_labels(labels[3], name="slice", translate=(30, 40))
    widget.measure()
    rest(widget, qtbot)
    assert widget.objects.filter.unit.text() == "voxels"
    assert "volume_um3" not in widget.objects.table.shown_columns()
    label = ids_shown(widget)[10]
    click_row(widget, label, qtbot)
    y, x = (np.flatnonzero((labels[3] == label).any(axis=axis)) for axis in (1, 0))
    middle = ((y[0] + y[-1]) / 2 + 30, (x[0] + x[-1]) / 2 + 40)
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], middle)
    widget.delete_selected()
    assert not (layer.data == label).any()


def test_outlines_and_the_selected_object_alone(opened, qtbot) -> None:
    viewer, widget = opened
    squares = np.zeros((1, 60, 90), np.uint32)
    squares[:, 10:40, 10:40], squares[:, 10:40, 50:80] = 1, 2
    first, second = (viewer.add_labels(squares, name=name, **PLACE) for name in ("a", "b"))
    outlines, only = widget.look.outlines, widget.look.only_selected
    widget.layers.setCurrentText("a")
    widget.measure()
    rest(widget, qtbot)

    outlines.click()
    assert first.contour > 0
    click_row(widget, 2, qtbot)
    only.click()
    assert (first.selected_label, first.show_selected_label) == (2, True)
    first.contour, first.show_selected_label = 0, False  # in napari's own controls
    assert not outlines.isChecked()
    assert not only.isChecked()
    second.contour = 3
    widget.layers.setCurrentText("b")
    assert outlines.isChecked()
    first.contour = 0
    assert outlines.isChecked()
    assert second.contour == 3  # only looked at
    viewer.layers.clear()
    assert not widget.look.isEnabled()


def test_two_windows_keep_to_themselves(make_napari_viewer, labels, qtbot) -> None:
    # Not shown: vispy may update a texture of one canvas while the context of the other is current.
    viewers = [make_napari_viewer(show=False) for _ in range(2)]
    widgets = [viewer.window.add_plugin_dock_widget(PLUGIN, "Objects table")[1] for viewer in viewers]
    for viewer, widget in zip(viewers, widgets, strict=True):
        viewer.add_labels(labels.copy(), name="mito", **PLACE)
        widget.measure()
    for widget in widgets:
        rest(widget, qtbot)
    click_row(widgets[0], 4, qtbot)
    widgets[0].delete_selected()
    widgets[0].objects.filter.set_size_range((1e-3, 1))
    assert widgets[1].session.deleted.tolist() == []
    assert len(ids_shown(widgets[1])) == labels.max()
    assert viewers[1].layers[0].selected_label == 1
    assert (viewers[1].layers[0].data == 4).any()


def test_long_tables_are_sorted_and_filtered_in_a_thread_and_drawn_in_part(
    opened, labels, qtbot, monkeypatch
) -> None:
    viewer, widget = opened
    viewer.add_labels(labels, name="mito", **PLACE)
    widget.measure()
    rest(widget, qtbot)
    few = widget.session.table.frame
    frame = pd.concat([few] * (30_000 // len(few) + 1), ignore_index=True)
    frame["id"] = np.arange(1, len(frame) + 1)
    threads: list[int] = []
    original = table_query.find_rows

    def seen(*args):
        threads.append(threading.get_ident())
        return original(*args)

    monkeypatch.setattr(table_query, "find_rows", seen)
    table = LayerTable.of(ObjectTable(frame), Placement(SIZE_NM))
    widget._open(viewer.layers[0], table)
    widget.objects.show_session(widget.session)
    rest(widget, qtbot)
    cells: list[int] = []
    data = widget.objects.model.data
    monkeypatch.setattr(type(widget.objects.model), "data", lambda self, *a: cells.append(1) or data(*a))
    for order in (Qt.SortOrder.DescendingOrder, Qt.SortOrder.AscendingOrder):
        widget.objects.table.sortByColumn(2, order)
    widget.objects.filter.set_size_range((0.0, float(frame["volume_um3"].median())))
    rest(widget, qtbot)
    expected = frame[frame["volume_um3"] <= widget.objects.filter.shown.max_size]
    expected = expected.sort_values("volume_um3", kind="stable")["id"].tolist()
    assert ids_shown(widget) == expected
    assert set(threads).isdisjoint({threading.get_ident()})
    widget.objects.table.selectAll()
    assert len(widget.objects.selected_ids()) == len(expected)
    widget.objects.table.verticalScrollBar().setValue(9_000)
    QApplication.processEvents()
    on_screen = (widget.objects.table.height() // 15 + 2) * len(widget.objects.table.shown_columns())
    assert 0 < len(cells) < 12 * 5 * on_screen  # draws since then, roles of a cell


class Watched(np.ndarray):
    """An array that notes how many of its elements each thread works with."""

    touched: ClassVar[Counter[int]] = Counter()

    @classmethod
    def note(cls, *values: object) -> None:
        cls.touched[threading.get_ident()] += max(np.size(value) for value in values)

    def __getitem__(self, key):
        found = np.asarray(self)[key]
        self.note(found)
        return found

    def __array_ufunc__(self, function, method, *inputs, **keywords):
        plain = [np.asarray(value) for value in inputs]
        self.note(*plain)
        return getattr(function, method)(*plain, **keywords)

    def __array_function__(self, function, _types, args, keywords):
        plain = [np.asarray(value) if isinstance(value, Watched) else value for value in args]
        self.note(*(value for value in plain if isinstance(value, np.ndarray)))
        return function(*plain, **keywords)


def test_deleting_works_on_the_main_thread_with_what_is_deleted_alone(
    opened, labels, qtbot, monkeypatch
) -> None:
    viewer, widget = opened
    layer = viewer.add_labels(labels, name="mito", **PLACE)
    few = finish(measure_labels(open_volume(labels, voxel_size_nm=SIZE_NM))).frame
    frame = pd.concat([few] * (50_000 // len(few) + 1), ignore_index=True)
    frame["id"] = np.arange(1, len(frame) + 1)
    table = LayerTable.of(ObjectTable(frame), Placement(SIZE_NM))
    columns = {name: column.view(Watched) for name, column in table.columns.items()}
    find_answer = table_query.find_answer

    def watched(query):
        answer = find_answer(query)
        return dataclasses.replace(answer, rows=answer.rows.view(Watched), lines=answer.lines.view(Watched))

    monkeypatch.setattr(object_list, "find_answer", watched)
    widget._open(layer, dataclasses.replace(table, columns=columns))
    widget.objects.show_session(widget.session)
    rest(widget, qtbot)
    widget._on_picked(40_000)

    def nobody(self) -> str:
        raise AssertionError("the table was written out")

    monkeypatch.setattr(pd.DataFrame, "__repr__", nobody)
    main = threading.get_ident()
    for act, left in ((widget.delete_selected, 1), (widget.buttons.undo.trigger, 0)):
        Watched.touched.clear()
        act()
        rest(widget, qtbot)
        assert widget.objects.answer.total == len(frame) - left
        assert 0 < Watched.touched[main] < 3_000  # cells on screen
        elsewhere = Watched.touched.total() - Watched.touched[main]
        assert elsewhere > len(frame)


def test_what_cannot_be_done_is_said(opened, labels, qtbot, monkeypatch) -> None:
    viewer, widget = opened
    widget.measure()
    assert "no labels layer" in notification_manager.records[-1].message
    viewer.add_labels(labels[None], name="4d")
    widget.measure()
    assert "has 4 axes" in notification_manager.records[-1].message
    viewer.layers.clear()
    viewer.add_labels(labels, name="mito")

    def broken(*_args, **_keywords):
        raise ZeroDivisionError("no")
        yield

    monkeypatch.setattr(table_work, "measure_labels", broken)
    widget.measure()
    rest(widget, qtbot)
    assert "failed unexpectedly: ZeroDivisionError: no" in widget.progress.status.text()
    widget.delete_selected()
    widget.exports.copy()
    widget.exports.write(Path("x.csv"), "all")
    widget.save()
    assert not widget.progress.busy
    monkeypatch.undo()
    widget.measure()
    rest(widget, qtbot)
    monkeypatch.setattr(row_exports, "_MOST_COPIED", 3)
    widget.exports.copy()
    assert "too many for the clipboard, which takes 3" in notification_manager.records[-1].message


def test_a_table_that_cannot_be_read_is_said_once(opened, store, qtbot) -> None:
    viewer, widget = opened
    (store / "tables" / "mito" / "table.parquet").write_bytes(b"torn")
    notification_manager.records.clear()
    viewer.open(store, plugin=PLUGIN)
    rest(widget, qtbot)
    assert "is not an object table" in widget.progress.status.text()
    assert len(notification_manager.records) == 1
    assert ids_shown(widget) == []


def test_of_very_many_objects_no_older_features_stay(opened, labels, qtbot, monkeypatch) -> None:
    viewer, widget = opened
    older = pd.DataFrame({"index": [1, 2], "volume_um3": [1.0, 2.0]})
    layer = viewer.add_labels(labels, features=older, **PLACE)
    monkeypatch.setattr(features, "_MOST_FEATURES", 1)
    widget.measure()
    rest(widget, qtbot)
    assert len(widget.session.table.frame) > 1
    assert len(layer.features) == 0


def test_the_commands_are_in_the_measure_menu() -> None:
    import napari_nnunet_em

    text = (Path(napari_nnunet_em.__file__).parent / "napari.yaml").read_text(encoding="utf-8")
    assert "- command: napari-nnunet-em.objects_table" in text.split("napari/layers/measure:")[1]
