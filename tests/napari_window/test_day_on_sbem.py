"""A microscopist's way through all docks in one window, on real data, and the same work without a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from qtpy.QtCore import Qt

from napari_nnunet_em import pipeline
from napari_nnunet_em._napari.layers.marks import PREVIEW_KEY
from napari_nnunet_em._napari.layers.voxels import level_zero
from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.pipeline.apply import apply_objects

from .conftest import Stepwise

pytestmark = [
    pytest.mark.gui,
    pytest.mark.slow,
    # napari silences this one with `warnings.catch_warnings`, which another thread can undo.
    pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB:UserWarning"),
]

MINUTE = 60_000
SIZE_NM = (56.0, 8.0, 8.0)
PROBABILITY, LABELS = "SBEM mitochondria probability", "SBEM mitochondria"
SPLIT = {"min_voxels": 200, "split": "distance"}


def press(button, qtbot) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def dock(viewer, name):
    return viewer.window.add_plugin_dock_widget("napari-nnunet-em", name)[1]


def segment_with_a_stop(viewer, widget, qtbot) -> None:
    """Stop after the first block is on the screen, and go on."""
    widget.jobs._engine = Stepwise(after=1).engine
    press(widget.progress.start_button, qtbot)
    qtbot.waitUntil(lambda: PROBABILITY in viewer.layers, timeout=2 * MINUTE)
    qtbot.waitUntil(lambda: np.asarray(level_zero(viewer.layers[PROBABILITY])).any(), timeout=2 * MINUTE)
    assert widget.busy
    press(widget.progress.stop_button, qtbot)
    qtbot.waitUntil(lambda: not widget.busy, timeout=2 * MINUTE)
    assert LABELS not in viewer.layers
    press(widget.progress.start_button, qtbot)
    qtbot.waitUntil(lambda: LABELS in viewer.layers, timeout=3 * MINUTE)
    qtbot.waitUntil(lambda: not widget.busy, timeout=MINUTE)


def tune_and_apply(viewer, qtbot) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the preview, and of the whole volume; all of it is in view."""
    viewer.reset_view()
    widget = dock(viewer, "Objects")
    assert widget.layers.currentText() == PROBABILITY
    for field, value in SPLIT.items():
        widget.form[field].value = value
    widget.sliders["threshold"].slider.setValue(55)
    qtbot.waitUntil(lambda: not widget.runner.busy, timeout=MINUTE)
    (preview,) = [x for x in viewer.layers if x.metadata.get(PREVIEW_KEY) == "objects"]
    tuned = np.asarray(preview.data).copy()
    press(widget.progress.start_button, qtbot)
    qtbot.waitUntil(widget.progress.start_button.isEnabled, timeout=2 * MINUTE)
    assert "Found" in widget.progress.status.text()
    return tuned, np.asarray(level_zero(viewer.layers[LABELS]))


def find_the_last_object(viewer, applied: np.ndarray, qtbot) -> None:
    """From a row of the table to the canvas."""
    widget = dock(viewer, "Objects table")
    widget.layers.setCurrentText(LABELS)
    model = widget.objects.table.model()
    count = len(np.unique(applied)) - 1
    qtbot.waitUntil(lambda: model.rowCount() == count, timeout=MINUTE)
    widget.objects.table.selectRow(count - 1)
    (chosen,) = model.ids_at(np.array([count - 1]))
    assert viewer.layers[LABELS].selected_label == chosen
    assert (applied[viewer.dims.current_step[0]] == chosen).any()


def export(viewer, path: Path, qtbot) -> None:
    widget = dock(viewer, "Export labels")
    widget.source.setCurrentText(LABELS)
    widget.destination.value = str(path)
    press(widget.progress.start_button, qtbot)
    qtbot.waitUntil(lambda: not widget.progress.busy, timeout=MINUTE)


def test_from_the_image_to_labels_in_another_program(open_widget, shared_dir, qtbot, tmp_path: Path) -> None:
    crop = tifffile.imread(shared_dir / "data" / "sbem_mito" / "val_z050-059_raw.tif")[:6, 64:384, :320]
    viewer, widget = open_widget()
    image = viewer.add_image(crop, name="SBEM", scale=SIZE_NM, units=("nanometer",) * 3)
    widget.form.execution["max_ram_gb"].value = 1.0  # several blocks
    viewer.dims.set_current_step(0, 3)
    segment_with_a_stop(viewer, widget, qtbot)
    tuned, applied = tune_and_apply(viewer, qtbot)
    pairs = np.unique(np.stack([tuned, applied]).reshape(2, -1), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1] > 5
    find_the_last_object(viewer, applied, qtbot)
    export(viewer, tmp_path / "labels.ome.tif", qtbot)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.ome.tif"), applied)
    assert open_volume(tmp_path / "labels.ome.tif").voxel_size_nm == SIZE_NM
    np.testing.assert_allclose(viewer.layers[LABELS].extent.world, image.extent.world)

    # The same without a window and without a stop.
    tifffile.imwrite(tmp_path / "crop.tif", crop)
    job = widget.form.job(str(tmp_path / "crop.tif"), {"path": "mitochondria-2d"}, None)
    headless = tmp_path / "headless.zarr"
    job = job.model_copy(update={"output": job.output.model_copy(update={"path": str(headless)})})
    pipeline.run(job)
    for _ in apply_objects(headless, InstanceSettings(threshold=0.55, **SPLIT)):
        pass
    for part in ("0", "labels/mitochondria/0"):
        ours, theirs = (zarr.open_array(tmp_path / x / part, mode="r")[...] for x in ("out.zarr", headless))
        np.testing.assert_array_equal(ours, theirs)
    tables = [pd.read_csv(tmp_path / x / "tables" / "mitochondria.csv") for x in ("out.zarr", headless)]
    pd.testing.assert_frame_equal(*tables)
