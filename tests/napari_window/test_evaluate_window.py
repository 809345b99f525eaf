"""The Evaluate widget in a real napari window: scores, objects, jumps, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt

from napari_nnunet_em._napari.evaluate import comparison
from napari_nnunet_em._napari.layers.placement import offset_between
from napari_nnunet_em.evaluation import blockwise, evaluate_instances
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage
from napari_nnunet_em.testing.phantom import Phantom

from .conftest import PLACE, VOXEL_SIZE_NM

pytestmark = pytest.mark.gui

MINUTE = 60_000


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """True objects, (z, y, x)."""
    labels = Phantom(seed=3, voxel_size_nm=VOXEL_SIZE_NM).block(Box((0, 0, 0), (16, 192, 192)))[1]
    numbered = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
    return np.asarray(numbered, dtype=np.int32)


@pytest.fixture(scope="module")
def pred(truth: np.ndarray) -> np.ndarray:
    """The same moved by a pixel, without the largest object, and with one that is not there."""
    moved = np.roll(truth, 1, axis=2)
    sizes = np.bincount(truth.ravel())
    moved[moved == int(np.argmax(sizes[1:])) + 1] = 0
    moved[2:5, :6, :6] = truth.max() + 5
    return moved


@pytest.fixture
def opened(make_napari_viewer_proxy) -> tuple[Any, Any]:
    """A window with the widget, as the menu opens it."""
    viewer = make_napari_viewer_proxy(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-nnunet-em", "Evaluate")
    return viewer, widget


def press(widget, qtbot) -> None:
    qtbot.mouseClick(widget.progress.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(widget.progress.start_button.isEnabled, timeout=MINUTE)


def test_two_layers_are_scored_and_their_objects_found_by_a_click(opened, pred, truth, qtbot) -> None:
    viewer, widget = opened
    viewer.add_labels(truth, name="truth", **PLACE)
    viewer.add_labels(pred, name="found", **PLACE)
    viewer.add_image(pred, **PLACE)
    names = [widget.pred.itemText(i) for i in range(widget.pred.count())]
    assert names == ["truth", "found"]
    assert (widget.pred.currentText(), widget.truth.currentText()) == ("found", "truth")
    press(widget, qtbot)
    scores = evaluate_instances(pred, truth)
    assert widget.scores.shown["F1"] == f"{scores.f1:.3f}"
    assert widget.scores.shown["Panoptic quality"].startswith(f"{scores.panoptic_quality:.3f} (SQ")
    assert scores.false_negatives >= 1 <= scores.false_positives

    widget.objects.filter.setCurrentText("Missed (truth only)")
    table = widget.objects.table
    assert table.model().rowCount() == scores.false_negatives
    sizes = np.bincount(truth.ravel())
    largest = int(np.argmax(sizes[1:])) + 1
    ids = [table.model().frame["id"].iloc[i] for i in range(table.model().rowCount())]
    index = table.model().index(ids.index(largest), 0)
    table.scrollTo(index)
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(index).center())
    middle = np.argwhere(truth == largest).mean(axis=0)
    assert viewer.dims.current_step[0] == round(middle[0])
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], middle[1:] * VOXEL_SIZE_NM[1:])
    assert viewer.layers.selection.active.name == "truth"
    assert viewer.layers["truth"].selected_label == largest

    widget.objects.filter.setCurrentText("Extra (prediction only)")
    assert table.model().rowCount() == scores.false_positives
    assert {table.model().data(table.model().index(i, 0)) for i in range(scores.false_positives)} == {
        "prediction"
    }
    widget.objects.filter.setCurrentText("Matched")
    assert table.model().rowCount() == 2 * scores.true_positives
    table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    voxels = table.model().frame["voxels"].tolist()
    assert voxels == sorted(voxels, reverse=True)
    assert [table.model().headerData(i, Qt.Orientation.Horizontal) for i in range(5)] == [
        "Layer",
        "Id",
        "Voxels",
        "Partner",
        "IoU",
    ]
    viewer.layers.remove("truth")
    widget.objects.table.clicked.emit(table.model().index(0, 0))  # nowhere to go to, and no harm


def test_a_mask_and_a_part_in_its_place_are_understood(opened, pred, truth, qtbot) -> None:
    viewer, widget = opened
    part = (slice(2, 14), slice(10, 190), slice(20, 180))
    viewer.add_labels((truth > 0).astype(np.uint8), name="truth", translate=(400, 0, 0), **PLACE)
    # The same place in other units.
    micro = {"scale": (0.04, 0.008, 0.008), "translate": (0.4 + 2 * 0.04, 0.08, 0.16), "units": ("um",) * 3}
    viewer.add_labels(pred[part], name="found", **micro)
    assert offset_between(viewer.layers["found"], viewer.layers["truth"]) == (2, 10, 20)
    widget.form["min_voxels"].value = 30
    press(widget, qtbot)
    assert "The truth is a mask" in widget.notes.text()
    assert "2:14,10:190,20:180" in widget.notes.text()
    before = viewer.layers["truth"].selected_label
    row = widget.objects.table.model().frame.query("image == 'truth'").iloc[0]
    widget.objects.chosen.emit(row)
    assert viewer.dims.current_step[0] == round(row["centroid_z"])
    assert viewer.layers["truth"].selected_label == before  # a component has no number in the layer


def test_images_of_one_slice_are_compared(opened, pred, truth, qtbot) -> None:
    viewer, widget = opened
    viewer.add_labels([truth[5], truth[5, ::2, ::2]], name="truth", multiscale=True)
    viewer.add_labels(pred[5, 3:], name="found", translate=(3, 0))
    widget.form["relabel"].value = "never"
    press(widget, qtbot)
    assert widget.scores.shown["F1"] == f"{evaluate_instances(pred[5, 3:], truth[5, 3:]).f1:.3f}"
    row = widget.objects.table.model().frame.iloc[-1]
    widget.objects.chosen.emit(row)
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], [row["centroid_y"], row["centroid_x"]])


@pytest.mark.parametrize(
    ("layers", "sentence"),
    [
        ([], "Two labels layers are needed"),
        ([{}], "Two labels layers are needed"),
        ([{}, {"scale": (1, 2, 2)}], "do not lie upon each other"),
        ([{}, {"translate": (0, 0.5, 0)}], "do not lie upon each other"),
        ([{}, {"translate": (0, 0, 500)}], "no voxel in common"),
        ([{}, {"drop": 1}], "have 2 and 3 axes"),
        ([{"add": 1}, {"add": 1}], "has 4 axes"),
    ],
)
def test_what_cannot_be_compared_is_said(opened, truth, qtbot, layers, sentence) -> None:
    viewer, widget = opened
    notification_manager.records.clear()
    for number, how in enumerate(layers):
        kept = {name: value for name, value in how.items() if name not in ("drop", "add")}
        data = truth[0] if "drop" in how else truth[None] if "add" in how else truth
        viewer.add_labels(data, name=str(number), **kept)
    press(widget, qtbot)
    said = widget.progress.status.text()
    assert sentence in said
    assert "--" not in said  # options are the command line's
    assert sentence in notification_manager.records[-1].message


def test_stop_ends_a_comparison_without_scores(opened, pred, truth, qtbot, monkeypatch) -> None:
    viewer, widget = opened
    viewer.add_labels(truth)
    viewer.add_labels(pred)

    def endless(ours, theirs, settings, cancel):
        while True:
            yield ProgressEvent(Stage.COMPARE, 1, 2)
            cancel.raise_if_cancelled()

    monkeypatch.setattr(comparison, "compare", endless)
    qtbot.mouseClick(widget.progress.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "Comparing, 1 of 2 blocks" in widget.progress.status.text(), timeout=MINUTE)
    qtbot.mouseClick(widget.progress.stop_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(widget.progress.start_button.isEnabled, timeout=MINUTE)
    assert widget.progress.status.text() == "Stopped."
    assert not widget.scores.isVisible()


def test_an_unforeseen_failure_is_one_sentence(opened, pred, truth, qtbot, monkeypatch) -> None:
    viewer, widget = opened
    viewer.add_labels(truth)
    viewer.add_labels(pred)

    def broken(*_):
        raise ZeroDivisionError("no")
        yield

    monkeypatch.setattr(comparison, "compare", broken)
    press(widget, qtbot)
    assert "failed unexpectedly: ZeroDivisionError: no" in widget.progress.status.text()


def test_closing_the_dock_stops_the_comparison(opened, pred, truth, qtbot, monkeypatch) -> None:
    viewer, widget = opened
    viewer.add_labels(truth)
    viewer.add_labels(pred)
    monkeypatch.setattr(blockwise, "BLOCK_VOXELS", 50)
    qtbot.mouseClick(widget.progress.start_button, Qt.MouseButton.LeftButton)
    token = widget.progress._token
    viewer.window.remove_dock_widget(widget)
    assert isinstance(token, CancelToken)
    assert token.cancelled
    qtbot.waitUntil(lambda: not widget.progress.busy, timeout=MINUTE)


def test_the_command_is_in_the_measure_menu_and_the_palette() -> None:
    import napari_nnunet_em

    text = (Path(napari_nnunet_em.__file__).parent / "napari.yaml").read_text(encoding="utf-8")
    assert "napari/layers/measure:\n      - command: napari-nnunet-em.evaluate" in text
