"""What the Objects table decides, on napari's models and plain values, without a window."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image, Labels
from qtpy.QtCore import Qt

from napari_nnunet_em._napari.layers.features import LABELS_KEY
from napari_nnunet_em._napari.table.canvas_objects import CanvasClicks, label_at, zoom_to_box
from napari_nnunet_em._napari.table.cells import (
    TABLE_ORDER,
    cell_text,
    column_head,
    column_tip,
    counts_text,
    rows_text,
    shown_at_first,
)
from napari_nnunet_em._napari.table.hiding import ArrayHiding, HidingView, ViewHiding, hidden_ids, hiding_of
from napari_nnunet_em._napari.table.model import ObjectTableModel
from napari_nnunet_em._napari.table.query import Query, find_answer
from napari_nnunet_em._napari.table.tables import LayerTable, stored_labels
from napari_nnunet_em._napari.table.work import fits, layer_voxels
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.measurement import COLUMNS, Placement, measure_labels
from napari_nnunet_em.measurement.selection import ObjectFilter, Sorting
from napari_nnunet_em.progress import finish

NM = ("nanometer",) * 3


def some_labels(dtype=np.uint16, shape=(4, 20, 24)) -> np.ndarray:
    """Overlapping boxes, numbered with gaps, (z, y, x)."""
    rng = np.random.default_rng(1)
    labels = np.zeros(shape, dtype)
    for number in range(1, 30, 2):
        corner = [int(rng.integers(0, n)) for n in shape]
        labels[tuple(slice(c, c + int(rng.integers(1, 8))) for c in corner)] = number
    return labels


@pytest.fixture(scope="module")
def table() -> LayerTable:
    return LayerTable.of(
        finish(measure_labels(open_volume(some_labels(), voxel_size_nm=(40, 8, 8)))), Placement((40, 8, 8))
    )


def test_columns_begin_with_what_one_looks_at_first(table) -> None:
    names = [column.name for column in TABLE_ORDER]
    assert sorted(names) == sorted(column.name for column in COLUMNS)
    assert names[:4] == ["id", "voxels", "volume_um3", "centroid_z_nm"]
    assert names.index("bbox_x_max") < names.index("elongation") < names.index("mean_probability") < 14
    heads = {column.name: column_head(column) for column in COLUMNS}
    assert heads["volume_um3"] == "volume\n(µm³)"
    assert heads["surface_um2"] == "surface\n(µm²)"
    assert heads["centroid_z_nm"] == "centroid z\n(nm)"
    assert (heads["voxels"], heads["id"], heads["elongation"]) == ("voxels", "id", "elongation")
    assert len(set(heads.values())) == len(COLUMNS)
    assert column_tip(TABLE_ORDER[2]).endswith("In conditions: volume_um3")
    shown = shown_at_first(table.columns)
    assert {"id", "elongation", "bbox_z_min"} <= shown
    assert not {"mean_probability", "mean_intensity", "max_intensity"} & shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.int64(1234567), "1,234,567"),
        (0.000123456, "0.0001235"),
        (np.float64(0.12344), "0.1234"),
        (999.96, "1000"),
        (12345.6, "12,346"),
        (np.float64(np.nan), ""),
        (np.bool_(True), "yes"),
        (False, "no"),
        (0.0, "0"),
    ],
)
def test_cells_are_short(value, text) -> None:
    assert cell_text(value) == text


def test_counts_and_rows_in_words(table) -> None:
    assert counts_text(1, 1, 0, 0) == "1 object"
    assert counts_text(1234, 12, 1, 0) == "12 of 1,234 objects"
    assert counts_text(5, 5, 2, 3) == "5 objects · 2 selected · 3 deleted, not saved"
    text = rows_text(table.frame[["id", "voxels"]].head(2))
    assert text.splitlines()[0] == "id\tvoxels"
    assert len(text.splitlines()) == 3


layouts = st.sampled_from(["array", "readonly", "zarr", "pyramid", "flat"])


@given(layout=layouts, steps=st.lists(st.sets(st.integers(0, 31), max_size=6), min_size=1, max_size=5))
def test_what_is_hidden_reads_as_0_and_returns(layout, steps) -> None:
    labels = some_labels()
    labels = labels[2] if layout == "flat" else labels
    frame = finish(measure_labels(open_volume(labels))).frame
    data = labels.copy()
    if layout == "readonly":
        data.flags.writeable = False
    if layout == "zarr":
        data = zarr.array(labels, chunks=(2, 8, 8))
    levels = [data, data[:, ::2, ::2]] if layout == "pyramid" else None
    layer = Labels(levels or data, multiscale=levels is not None)
    hiding = hiding_of(layer, frame)
    assert isinstance(hiding, ArrayHiding if layout in ("array", "flat") else ViewHiding)
    for ids in steps:
        hiding.hide(np.array(sorted(ids), np.int64))
        left = np.where(np.isin(labels, list(ids)), 0, labels)
        shown = layer.data if levels is None else layer.data[0]
        assert shown.dtype == labels.dtype
        assert np.array_equal(np.asarray(shown), left)
        assert np.array_equal(shown[..., 3:9, 5], left[..., 3:9, 5])
        if levels is not None:
            assert np.array_equal(np.asarray(layer.data[1]), left[:, ::2, ::2])
        if layout not in ("array", "flat"):
            assert np.array_equal(np.asarray(data), labels)
    ever = layout not in ("array", "flat") and any(steps)
    assert isinstance(layer.data if levels is None else layer.data[0], HidingView) == ever
    assert hidden_ids(layer).tolist() == (sorted(steps[-1]) if ever else [])
    whole = layer_voxels(layer).array
    assert np.array_equal(np.asarray(whole), labels if ever else np.asarray(left))


def test_arrays_with_very_many_objects_are_looked_at_through_a_view(table, monkeypatch) -> None:
    from napari_nnunet_em._napari.table import hiding

    monkeypatch.setattr(hiding, "_MOST_ERASED", len(table.frame) - 1)
    assert isinstance(hiding_of(Labels(some_labels()), table.frame), ViewHiding)


def test_a_view_offers_what_readers_ask_for() -> None:
    layer = Labels(zarr.array(some_labels(), chunks=(2, 8, 8)))
    ViewHiding(layer).hide(np.array([3]))
    view = layer.data
    assert (view.shape, view.ndim, view.size, len(view), view.chunks) == ((4, 20, 24), 3, 1920, 4, (2, 8, 8))
    volume = open_volume(view, axes="zyx")
    assert not (volume.read(Box.whole(volume.shape)) == 3).any()


def test_places_are_those_of_the_layer(table) -> None:
    labels = some_labels()
    row = int(np.flatnonzero(table.columns["id"] == 7)[0])
    where = np.argwhere(labels == 7)
    assert table.box(row) == Box(tuple(where.min(0)), tuple(where.max(0) + 1))
    np.testing.assert_allclose(table.centre(row), where.mean(0))
    pixels = LayerTable.of(finish(measure_labels(open_volume(labels))), Placement(None))
    np.testing.assert_allclose(pixels.centre(row), (where.min(0) + where.max(0)) / 2)
    assert (table.size_unit, pixels.size_unit) == ("µm³", "voxels")


def test_answers_count_what_is_left_and_what_is_shown(table) -> None:
    deleted = np.array([3, 5], np.int64)
    answer = find_answer(
        Query(table, ObjectFilter(condition="voxels > 20"), Sorting("voxels", False), deleted)
    )
    expected = table.frame[~table.frame["id"].isin(deleted)]
    assert answer.total == len(expected) == sum(answer.all_sizes)
    kept = expected.query("voxels > 20").sort_values("voxels", ascending=False, kind="stable")
    assert table.frame["id"].iloc[answer.rows].tolist() == kept["id"].tolist()
    assert sum(answer.shown_sizes) == len(kept)
    nothing = LayerTable.of(
        finish(measure_labels(open_volume(np.zeros((2, 3, 4), np.uint8)))), Placement(None)
    )
    empty = find_answer(Query(nothing, ObjectFilter(), Sorting(), deleted))
    assert (empty.total, len(empty.rows), len(empty.all_sizes)) == (0, 0, 0)


def test_only_labels_with_a_table_beside_them_are_stored(tmp_path) -> None:
    group = tmp_path / "out.zarr" / "labels" / "mito"
    layer = Labels(some_labels(), metadata={LABELS_KEY: str(group)})
    assert stored_labels(layer) is None
    (tmp_path / "out.zarr" / "tables").mkdir(parents=True)
    (tmp_path / "out.zarr" / "tables" / "mito.csv").touch()
    stored = stored_labels(layer)
    assert (stored.store, stored.name) == (tmp_path / "out.zarr", "mito")
    assert stored_labels(Labels(some_labels())) is None


def test_intensities_come_from_images_of_the_same_voxels() -> None:
    labels = Labels(some_labels())
    assert fits(Image(np.zeros((4, 20, 24))), labels)
    assert not fits(Image(np.zeros((4, 20, 25))), labels)
    assert not fits(Image(np.zeros((1, 4, 20, 24))), labels)
    assert not fits(
        Image(np.zeros((4, 20, 24, 3), np.uint8), rgb=True), Labels(some_labels(shape=(4, 20, 24)))
    )


def test_the_model_tells_lines_rows_and_ids_from_one_another(table) -> None:
    model = ObjectTableModel(lambda label: f"colour of {label}")
    assert (model.rowCount(), len(model.ids_at(np.array([], int)))) == (0, 0)
    rows = np.array([5, 2, 9])
    lines = np.full(len(table.columns["id"]), -1)
    lines[rows] = np.arange(3)
    model.show(table.columns, rows, lines)
    ids = table.columns["id"]
    assert model.ids_at(np.array([2, 0])).tolist() == [ids[9], ids[5]]
    assert model.lines_of(np.array([9, 5, 3])).tolist() == [0, 2]
    assert model.data(model.index(1, 0)) == str(ids[2])
    assert model.data(model.index(1, 0), Qt.ItemDataRole.DecorationRole) == f"colour of {ids[2]}"
    assert model.data(model.index(1, 1), Qt.ItemDataRole.DecorationRole) is None
    assert model.headerData(0, Qt.Orientation.Vertical) is None
    assert model.rowCount(model.index(0, 0)) == model.columnCount(model.index(0, 0)) == 0
    asked = []
    model.sorting_asked.connect(asked.append)
    model.sort(2, Qt.SortOrder.DescendingOrder)
    assert asked == [Sorting("volume_um3", False)]


@pytest.mark.parametrize("units", [NM, ("um",) * 3])
def test_labels_are_found_under_the_mouse_in_any_unit(units) -> None:
    labels = some_labels()
    factor = 1 if units == NM else 0.001
    viewer = ViewerModel()
    viewer.add_image(np.zeros((4, 20, 24)), scale=(40, 8, 8), units=NM)
    layer = viewer.add_labels(labels, scale=np.array((40, 8, 8)) * factor, units=units)
    viewer.dims.set_current_step(0, 2)
    own = 1 if str(viewer.layers.extent.units[0]) == "nanometer" else 0.001
    for voxel in np.argwhere(labels[2] > 0)[::17]:
        position = (np.array([2, *voxel]) * (40, 8, 8)) * own
        event = SimpleNamespace(position=position, view_direction=None, dims_displayed=(1, 2))
        assert label_at(viewer, layer, event) == labels[2][tuple(voxel)]
    layer.visible = False
    assert label_at(viewer, layer, event) == 0


def test_zooming_fits_a_box_into_the_canvas() -> None:
    viewer = ViewerModel()
    layer = viewer.add_labels(some_labels(), scale=(40, 8, 8), units=NM)
    zoom_to_box(viewer, layer, Box((1, 4, 6), (3, 9, 16)))
    assert viewer.scene.camera.zoom * 10 * 8 == pytest.approx(0.4 * min(viewer.canvas.size))
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (6 * 8, 10.5 * 8))
    viewer.dims.ndisplay = 3
    zoom_to_box(viewer, layer, Box((0, 4, 6), (4, 5, 7)))
    assert viewer.scene.camera.zoom * 4 * 40 == pytest.approx(0.4 * min(viewer.canvas.size))


@pytest.mark.parametrize(
    ("change", "moves", "told"),
    [
        ({}, 0, True),
        ({}, 2, True),
        ({}, 30, False),
        ({"button": 2}, 0, False),
        ({"modifiers": ("Shift",)}, 0, False),
        ({"mode": "paint"}, 0, False),
        ({"mode": "pick"}, 0, True),
    ],
)
def test_only_clicks_that_look_are_told(change, moves, told) -> None:
    viewer, clicked = ViewerModel(), []
    layer = viewer.add_labels(some_labels())
    layer.mode = change.pop("mode", "pan_zoom")
    clicks = CanvasClicks(viewer, clicked.append)
    clicks.attach()
    clicks.attach()
    event = SimpleNamespace(
        **{"pos": (10, 10), "button": 1, "modifiers": (), "type": "mouse_press", **change}
    )
    press = clicks._on_press(viewer, event)
    next(press)
    if moves:
        event.type, event.pos = "mouse_move", (10 + moves, 10)
        next(press)
    event.type = "mouse_release"
    with pytest.raises(StopIteration):
        next(press)
    assert clicked == ([event] if told else [])
    clicks.detach()
    clicks.detach()
    assert len(viewer.mouse_drag_callbacks) == 1
