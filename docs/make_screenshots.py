"""Draws every screenshot of the documentation in a real napari window, on real data.

Run it with a screen, or without one::

    xvfb-run -a -s "-screen 0 1600x1000x24" .venv/bin/python docs/make_screenshots.py

The volume is the SBEM validation volume beside the repository (``../shared``, or ``$NNUNET_EM_SHARED``).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tifffile
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGES = REPOSITORY / "docs" / "images"
SHARED = Path(os.environ.get("NNUNET_EM_SHARED") or REPOSITORY.parent / "shared")
VOLUME = SHARED / "data" / "sbem_mito" / "val_z050-059_raw.tif"
VOXEL_SIZE_NM = (56.0, 8.0, 8.0)
CROP_START = (64, 0)
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


def open_window(side: int, model: str):
    """A window with a crop of the volume and the Segment widget; returns viewer and widget."""
    import napari  # noqa: PLC0415 - reads NAPARI_CONFIG when it is imported

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1600, 1000)
    y, x = CROP_START if side <= 512 else (0, 0)
    crop = tifffile.imread(VOLUME)[:, y : y + side, x : x + side]
    viewer.add_image(
        crop,
        name="SBEM",
        contrast_limits=(0, 255),
        scale=VOXEL_SIZE_NM,
        units=("nanometer",) * 3,
        axis_labels="zyx",
    )
    _, widget = viewer.window.add_plugin_dock_widget("napari-nnunet-em", "Segment")
    widget.models.choose(model)
    wait_until(lambda: widget.models.chosen.bundle is not None, 120)
    viewer.canvas.overlays["scale_bar"].visible = True
    settle()
    viewer.reset_view(margin=0.02)
    return viewer, widget


def draw_segment(side: int, model: str) -> None:
    """The Segment widget before, during and after a run."""
    viewer, widget = open_window(side, model)
    with tempfile.TemporaryDirectory() as folder:
        widget.form.output["path"].value = str(Path(folder) / "sbem_mitochondria.zarr")
        # Small blocks, so that a picture can be taken while some are still missing.
        widget.form.execution["max_ram_gb"].value = 1.3
        shoot(viewer, "segment-ready.png")
        blocks = []
        widget.start()
        widget._run.progressed.connect(lambda event: blocks.append(event.box))
        wait_until(lambda: sum(box is not None for box in blocks) >= 3)
        settle()
        shoot(viewer, "segment-running.png")
        wait_until(widget.progress.start_button.isEnabled)
        shoot(viewer, "segment.png")
        viewer.close()


def draw_objects_table() -> None:
    """The Objects table with the true mitochondria, one of them chosen."""
    import napari  # noqa: PLC0415
    from scipy import ndimage  # noqa: PLC0415

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1600, 1000)
    place = {"scale": VOXEL_SIZE_NM, "units": ("nanometer",) * 3, "axis_labels": "zyx"}
    raw = tifffile.imread(VOLUME)
    truth = tifffile.imread(VOLUME.with_name(VOLUME.name.replace("_raw", "_mito")))
    viewer.add_image(raw, name="SBEM", contrast_limits=(0, 255), **place)
    viewer.add_labels(ndimage.label(truth)[0], name="mitochondria", opacity=0.6, **place)
    _, widget = viewer.window.add_plugin_dock_widget("napari-nnunet-em", "Objects table")
    viewer.canvas.overlays["scale_bar"].visible = True
    settle()
    viewer.reset_view(margin=0.02)
    widget.intensity.setCurrentText("SBEM")
    widget.measure()
    wait_until(lambda: not widget.progress.busy)
    widget.objects.filter.condition.setText("volume_um3 > 0.02 and elongation < 3")
    widget.objects.filter.apply()
    widget.objects.table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    widget.objects.table.selectRow(0)
    viewer.scene.camera.zoom *= 1.5
    shoot(viewer, "objects-table.png")
    viewer.close()


def shoot(viewer, name: str) -> None:
    """Save the whole window."""
    settle()
    viewer.window.screenshot(str(IMAGES / name), canvas_only=False, flash=False)


def main() -> None:
    """Draw everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=512, help="pixels along y and x of the crop")
    parser.add_argument("--model", default="mitochondria-3d")
    parser.add_argument("--only", choices=("objects-table", "segment"), help="draw these alone")
    options = parser.parse_args()
    if not VOLUME.is_file():
        raise SystemExit(f"The volume {VOLUME} is missing: set NNUNET_EM_SHARED to the folder that holds it.")
    IMAGES.mkdir(parents=True, exist_ok=True)
    # The user's own napari settings must not decide what the documentation looks like.
    settings = tempfile.TemporaryDirectory()
    os.environ["NAPARI_CONFIG"] = str(Path(settings.name) / "settings.yaml")
    with settings:
        if options.only in (None, "objects-table"):
            draw_objects_table()
        if options.only in (None, "segment"):
            draw_segment(options.side, options.model)


if __name__ == "__main__":
    main()
