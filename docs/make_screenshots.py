"""Draws every screenshot of the documentation in a real napari window, on real data.

Run it with a screen, or without one::

    xvfb-run -a -s "-screen 0 1600x1000x24" .venv/bin/python docs/make_screenshots.py

The volume is the SBEM validation volume beside the repository (``../shared``, or ``$NNUNET_EM_SHARED``).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from scipy import ndimage

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGES = REPOSITORY / "docs" / "images"
SHARED = Path(os.environ.get("NNUNET_EM_SHARED") or REPOSITORY.parent / "shared")
VOLUME = SHARED / "data" / "sbem_mito" / "val_z050-059_raw.tif"
TRUTH = VOLUME.with_name(VOLUME.name.replace("_raw", "_mito"))
VOXEL_SIZE_NM = (56.0, 8.0, 8.0)
LOOKED_AT = (320, 256)
"""Middle of the pictures, in pixels along y and x."""
PATIENCE_SECONDS = 1800.0


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Let the window live until `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s in vain")
        QApplication.processEvents()
        time.sleep(0.01)


def settle(seconds: float = 1.0) -> None:
    """Let the window finish what it is drawing."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end)


def open_window():
    """A window with the volume and a scale bar."""
    import napari  # noqa: PLC0415 - reads NAPARI_CONFIG when it is imported

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1600, 1000)
    viewer.add_image(
        tifffile.imread(VOLUME),
        name="SBEM",
        contrast_limits=(0, 255),
        scale=VOXEL_SIZE_NM,
        units=("nanometer",) * 3,
        axis_labels="zyx",
    )
    viewer.canvas.overlays["scale_bar"].visible = True
    return viewer


def look(viewer) -> None:
    """Show half of the width of the volume."""
    viewer.reset_view(margin=0.02)
    viewer.scene.camera.zoom *= 2
    viewer.scene.camera.center = (0, *(n * 8.0 for n in LOOKED_AT))


@contextlib.contextmanager
def docked(viewer, name: str) -> Iterator[Any]:
    """A widget of this package, in a dock as wide as it likes to be; closed at the end."""
    dock, widget = viewer.window.add_plugin_dock_widget("napari-nnunet-em", name)
    settle()
    look(viewer)
    yield widget
    viewer.window.remove_dock_widget(dock)


def draw_segment(viewer, model: str, store: Path) -> None:
    """The Segment dock before, during and after a run, and a preview."""
    with docked(viewer, "Segment") as widget:
        widget.models.choose(model)
        wait_until(lambda: widget.models.chosen.bundle is not None, 120)
        widget.form.output["path"].value = str(store)
        # Small blocks, so that a picture can be taken while some are still missing.
        widget.form.execution["max_ram_gb"].value = 1.9
        shoot(viewer, "segment-ready.png", seconds=6.0)
        widget.preview()
        wait_until(lambda: not widget.busy)
        shoot(viewer, "segment-preview.png")
        blocks = []
        widget.jobs.progressed.connect(lambda event: blocks.append(event.box))
        widget.start()
        wait_until(lambda: sum(box is not None for box in blocks) >= 7)
        shoot(viewer, "segment-running.png")
        wait_until(lambda: not widget.busy)
        shoot(viewer, "segment.png")


def draw_objects(viewer) -> None:
    """The Objects dock with a live preview of split objects, and why they are split."""
    for layer in viewer.layers:
        layer.visible = layer.name == "SBEM" or "probability" in layer.name
    with docked(viewer, "Objects") as widget:
        widget.form["min_volume_um3"].value = 0.002
        widget.form["split"].value = "distance"
        widget.why["seeds"].setChecked(True)
        wait_until(lambda: not widget.runner.busy)
        shoot(viewer, "objects.png")
        widget.live.setChecked(False)


def draw_objects_table(viewer) -> None:
    """The Objects table, filtered, with one object chosen."""
    for layer in viewer.layers:
        layer.visible = layer.name in ("SBEM", "SBEM mitochondria")
    with docked(viewer, "Objects table") as widget:
        widget.layers.setCurrentText("SBEM mitochondria")
        widget.intensity.setCurrentText("SBEM")
        if widget.objects.table.model().rowCount() == 0:
            widget.measure()
        wait_until(lambda: not widget.progress.busy)
        widget.objects.filter.condition.setText("volume_um3 > 0.005 and elongation < 3")
        widget.objects.filter.apply()
        widget.objects.table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
        widget.objects.table.selectRow(0)
        shoot(viewer, "objects-table.png")


def draw_evaluate(viewer) -> None:
    """The Evaluate dock: the objects found beside those of a person."""
    truth, _ = ndimage.label(tifffile.imread(TRUTH))
    place = {name: getattr(viewer.layers["SBEM"], name) for name in ("scale", "units", "axis_labels")}
    viewer.add_labels(truth, name="by hand", opacity=0.6, visible=False, **place)
    with docked(viewer, "Evaluate") as widget:
        widget.pred.setCurrentText("SBEM mitochondria")
        widget.truth.setCurrentText("by hand")
        widget.start()
        wait_until(lambda: not widget.progress.busy)
        shoot(viewer, "evaluate.png")
    viewer.layers.remove("by hand")
    viewer.layers.selection.active = viewer.layers["SBEM mitochondria"]


def draw_export(viewer, folder: Path) -> None:
    """The Export dock after an export."""
    with docked(viewer, "Export labels") as widget:
        widget.source.setCurrentText("SBEM mitochondria")
        widget.destination.value = str(folder / "mitochondria.ome.tif")
        widget.start()
        wait_until(lambda: not widget.progress.busy)
        shoot(viewer, "export.png")


def shoot(viewer, name: str, seconds: float = 1.0) -> None:
    """Save the whole window, after it has drawn for some seconds."""
    settle(seconds)
    viewer.window.screenshot(str(IMAGES / name), canvas_only=False, flash=False)


def main() -> None:
    """Draw everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mitochondria-3d")
    options = parser.parse_args()
    if not VOLUME.is_file():
        raise SystemExit(f"The volume {VOLUME} is missing: set NNUNET_EM_SHARED to the folder that holds it.")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The user's own settings, presets and folders must not decide what the documentation looks like.
        os.environ["NAPARI_CONFIG"] = str(folder / "settings.yaml")
        os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_DATA_HOME"] = name
        draw(options.model, folder)


def draw(model: str, folder: Path) -> None:
    """Everything, in one window, in the order of work."""
    viewer = open_window()
    draw_segment(viewer, model, folder / "sbem_mitochondria.zarr")
    draw_objects(viewer)
    draw_objects_table(viewer)
    draw_evaluate(viewer)
    draw_export(viewer, folder)
    viewer.close()


if __name__ == "__main__":
    main()
