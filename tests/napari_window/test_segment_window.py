"""The Segment widget in a real napari window, with the real pipeline and the bundled 2D model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt

from napari_nnunet_em import pipeline
from napari_nnunet_em._napari.layers.marks import STORE_KEY
from napari_nnunet_em._napari.layers.voxels import level_zero
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.quantities import count
from napari_nnunet_em.testing.tiny_models import make_model_folder

from .conftest import PLACE, VOXEL_SIZE_NM, Stepwise

pytestmark = pytest.mark.gui

MINUTE = 60_000


def notes() -> list[str]:
    return [note.message for note in notification_manager.records]


@pytest.fixture(autouse=True)
def _no_old_notes():
    notification_manager.records.clear()


def test_segment_fills_in_stops_resumes_and_equals_a_headless_run(
    open_widget, em, qtbot, tmp_path: Path
) -> None:
    viewer, widget = open_widget()
    widget.jobs._engine = Stepwise(after=1).engine
    viewer.add_image(em, name="em", **PLACE)
    assert widget.progress.start_button.text() == "Segment mitochondria"
    assert widget.form.input["voxel_size_nm"].value == "40, 8, 8"
    viewer.dims.set_current_step(0, 3)

    qtbot.mouseClick(widget.progress.start_button, Qt.MouseButton.LeftButton)
    assert widget.busy
    # The first block is on the screen while the others are still to come.
    qtbot.waitUntil(lambda: "em mitochondria probability" in viewer.layers, timeout=2 * MINUTE)
    layer = viewer.layers["em mitochondria probability"]
    qtbot.waitUntil(lambda: np.asarray(level_zero(layer)[3]).any(), timeout=2 * MINUTE)
    qtbot.mouseClick(widget.progress.stop_button, Qt.MouseButton.LeftButton)
    assert not np.asarray(level_zero(layer)[-1]).any()
    qtbot.waitUntil(lambda: not widget.busy, timeout=2 * MINUTE)
    assert "Stopped" in widget.progress.status.text()
    assert "em mitochondria" not in viewer.layers

    first = next((tmp_path / "out.zarr" / "0" / "c").rglob("0"))
    written = first.stat().st_mtime_ns
    qtbot.mouseClick(widget.progress.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "em mitochondria" in viewer.layers, timeout=3 * MINUTE)
    qtbot.waitUntil(lambda: not widget.busy, timeout=MINUTE)
    assert first.stat().st_mtime_ns == written  # resumed, not repeated

    job = widget.form.job("em", {"path": "mitochondria-2d"}, None)
    job = job.model_copy(
        update={"output": job.output.model_copy(update={"path": str(tmp_path / "headless.zarr")})}
    )
    pipeline.run(job, volume=open_volume(em, voxel_size_nm=VOXEL_SIZE_NM))
    for name in ("0", "labels/mitochondria/0"):
        ours, theirs = (
            zarr.open_array(tmp_path / store / name, mode="r") for store in ("out.zarr", "headless.zarr")
        )
        np.testing.assert_array_equal(ours[...], theirs[...])

    labels = viewer.layers["em mitochondria"]
    table = pd.read_csv(tmp_path / "out.zarr" / "tables" / "mitochondria.csv")
    np.testing.assert_array_equal(np.unique(level_zero(labels)[...])[1:], table["id"])
    assert len(table) >= 1
    np.testing.assert_array_equal(labels.features["index"], table["id"])
    np.testing.assert_allclose(labels.features["volume_um3"], table["volume_um3"])
    voxel = np.argwhere(level_zero(labels)[...] == table["id"][0])[0]
    viewer.dims.set_current_step(0, voxel[0])
    assert "volume_um3: " in labels.get_status(labels.data_to_world(voxel), world=True)["coordinates"]
    for result in (labels, viewer.layers["em mitochondria probability"]):
        np.testing.assert_allclose(result.scale, VOXEL_SIZE_NM)
        np.testing.assert_allclose(result.extent.world, viewer.layers["em"].extent.world)
        assert {str(unit) for unit in result.units} == {"nanometer"}
    assert f"Found {count(len(table), 'object')} (mitochondria)" in widget.progress.status.text()
    assert [name for name in notes() if "rror" in name] == []


def test_the_current_view_gives_the_whole_runs_voxels_in_its_place(
    open_widget, em, qtbot, tmp_path: Path
) -> None:
    viewer, widget = open_widget()
    image = viewer.add_image(em[:4], name="em", translate=(1, 2, 3))  # no units: results stay in pixels
    widget.form.input["voxel_size_nm"].value = "40, 8, 8"
    widget.region.kind.setCurrentText("Current view")
    viewer.dims.set_current_step(0, 2)
    viewer.scene.camera.zoom = viewer.canvas.size[0] / 48
    viewer.scene.camera.center = (0, 50.0, 60.0)
    widget.start()
    qtbot.waitUntil(lambda: "em mitochondria probability" in viewer.layers, timeout=2 * MINUTE)
    qtbot.waitUntil(lambda: not widget.busy, timeout=2 * MINUTE)
    layer = viewer.layers["em mitochondria probability"]
    shape = level_zero(layer).shape
    assert shape[0] == 1
    assert 48 <= shape[1] <= 50
    start = np.round(image.world_to_data(layer.data_to_world((0, 0, 0)))).astype(int)
    assert start[0] == 2
    whole = pipeline.predict(open_volume(em[:4], voxel_size_nm=VOXEL_SIZE_NM), "mitochondria-2d")
    y, x = start[1:]
    expected = np.asarray(whole[0, 2, y : y + shape[1], x : x + shape[2]])
    np.testing.assert_allclose(np.asarray(level_zero(layer)[0]) / 255, expected, atol=0.5 / 255 + 1e-4)


def channels(em: np.ndarray) -> tuple[np.ndarray, dict]:
    return np.stack([em[:2]] * 2), {"scale": (1, 40, 8, 8), "units": ("pixel", *PLACE["units"])}


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda em: None, "no image layer"),
        (lambda em: (em[:2], {}), "voxel size is missing"),
        (lambda em: (em[:2], PLACE | {"units": "pixel"}), "voxel size is missing"),
        (lambda em: (np.dstack([em[0]] * 3), {"rgb": True, "scale": (8, 8), "units": "nm"}), "holds colours"),
        (channels, "2 entries along its first axis"),
        (lambda em: (np.full((2, 64, 64), np.nan), PLACE), r"NaN|not a number|finite"),
    ],
)
def test_bad_input_is_said_in_a_sentence(open_widget, em, qtbot, tmp_path, make, sentence) -> None:
    viewer, widget = open_widget()
    if (layer := make(em)) is not None:
        viewer.add_image(layer[0], **layer[1])
    widget.start()
    qtbot.waitUntil(lambda: bool(notes()) and not widget.busy, timeout=2 * MINUTE)
    assert re.search(sentence, notes()[-1])
    assert "Traceback" not in notes()[-1]
    assert not (tmp_path / "out.zarr").exists()
    assert [layer for layer in viewer.layers if STORE_KEY in layer.metadata] == []


def test_an_output_of_another_job_is_refused_and_may_be_overwritten(open_widget, em, qtbot, tmp_path) -> None:
    viewer, widget = open_widget()
    viewer.add_image(em[:2], name="em", **PLACE)
    widget.start()
    qtbot.waitUntil(lambda: "em mitochondria" in viewer.layers, timeout=2 * MINUTE)
    widget.form.prediction["overlap"].value = 0.25
    widget.start()
    qtbot.waitUntil(lambda: bool(notes()), timeout=MINUTE)
    assert "another job" in notes()[-1]
    assert "em mitochondria" in viewer.layers
    widget.form.output["overwrite"].value = True
    widget.start()
    qtbot.waitUntil(lambda: "Found" in widget.progress.status.text(), timeout=2 * MINUTE)
    assert len(notes()) == 1


def test_another_threshold_keeps_the_probabilities(open_widget, em, qtbot, tmp_path) -> None:
    viewer, widget = open_widget()
    viewer.add_image(em[:2], name="em", **PLACE)
    widget.start()
    qtbot.waitUntil(lambda: "Found" in widget.progress.status.text(), timeout=2 * MINUTE)
    chunk = next((tmp_path / "out.zarr" / "0" / "c").rglob("0"))
    written = chunk.stat().st_mtime_ns
    before = np.count_nonzero(level_zero(viewer.layers["em mitochondria"])[...])
    widget.form.instances["threshold"].value = 0.9
    widget.start()
    qtbot.waitUntil(lambda: not widget.busy, timeout=2 * MINUTE)
    assert np.count_nonzero(level_zero(viewer.layers["em mitochondria"])[...]) < before
    assert chunk.stat().st_mtime_ns == written
    assert [layer.name for layer in viewer.layers] == ["em", "em mitochondria probability", "em mitochondria"]


def test_a_2d_image_gives_2d_layers(open_widget, em, qtbot) -> None:
    viewer, widget = open_widget()
    viewer.add_image(em[5], name="slice", scale=(8, 8), units=("nm", "nm"))
    widget.start()
    qtbot.waitUntil(lambda: "slice mitochondria" in viewer.layers, timeout=2 * MINUTE)
    assert viewer.layers["slice mitochondria"].ndim == 2
    assert level_zero(viewer.layers["slice mitochondria probability"]).shape == em[5].shape


def test_several_classes_give_a_layer_each(open_widget, em, qtbot, tmp_path) -> None:
    folder = make_model_folder(
        tmp_path / "models", dim=2, labels={"background": 0, "mitochondria": 1, "vesicles": 2}
    )
    viewer, widget = open_widget(str(folder))
    viewer.add_image(em[:2], name="em", **PLACE)
    names = widget.models.chosen.class_names
    assert widget.progress.start_button.text() == f"Segment {len(names)} classes"
    widget.start()
    qtbot.waitUntil(lambda: "Found" in widget.progress.status.text(), timeout=2 * MINUTE)
    probabilities = [viewer.layers[f"em {name} probability"] for name in names]
    assert len(probabilities) > 1
    for channel, layer in enumerate(probabilities):
        stored = zarr.open_array(tmp_path / "out.zarr" / "0", mode="r")
        np.testing.assert_array_equal(level_zero(layer)[:, :, :], stored[channel])
    assert all(f"em {name}" in viewer.layers for name in names)


def test_closing_the_window_mid_run_stops_the_job_and_keeps_its_blocks(
    make_napari_viewer, em, qtbot, tmp_path
) -> None:
    viewer = make_napari_viewer(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-nnunet-em", "Segment")
    widget.models.choose("mitochondria-2d")
    qtbot.waitUntil(lambda: widget.models.chosen.bundle is not None, timeout=MINUTE)
    widget.form.output["path"].value = str(tmp_path / "out.zarr")
    viewer.add_image(em, name="em", **PLACE)
    widget.start()
    qtbot.waitUntil(lambda: "em mitochondria probability" in viewer.layers, timeout=2 * MINUTE)
    layer = viewer.layers["em mitochondria probability"]
    looked_at = viewer.dims.current_step[0]  # where the job begins
    qtbot.waitUntil(lambda: np.asarray(level_zero(layer)[looked_at]).any(), timeout=2 * MINUTE)
    worker = widget.jobs.run._worker
    viewer.close()
    assert worker._over.is_set()
    qtbot.waitUntil(lambda: not worker.is_running, timeout=MINUTE)
    journal = (tmp_path / "out.zarr" / ".nnunet-em" / "journal.jsonl").read_text().splitlines()
    assert 1 <= len(journal) < 3


def test_two_windows_work_on_their_own(open_widget, em, qtbot, tmp_path) -> None:
    (first, one), (second, two) = open_widget(output="one.zarr"), open_widget(output="two.zarr")
    first.add_image(em[:2], name="first", **PLACE)
    second.add_image(em[2:4], name="second", **PLACE)
    one.start()
    two.start()
    qtbot.waitUntil(lambda: "first mitochondria" in first.layers, timeout=2 * MINUTE)
    qtbot.waitUntil(lambda: "second mitochondria" in second.layers, timeout=2 * MINUTE)
    assert [layer.name for layer in first.layers if "second" in layer.name] == []
    stored = [zarr.open_array(tmp_path / f"{name}.zarr" / "0", mode="r")[...] for name in ("one", "two")]
    assert not np.array_equal(*stored)
