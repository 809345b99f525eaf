"""Single actions in napari's own command palette."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import npe2
import numpy as np
import pytest
import yaml
from napari.utils.notifications import notification_manager

import napari_nnunet_em
from napari_nnunet_em._napari import commands
from napari_nnunet_em._napari.export.dock import ExportWidget
from napari_nnunet_em._napari.layers.marks import PREVIEW_KEY
from napari_nnunet_em._napari.objects.dock import ObjectsWidget
from napari_nnunet_em._napari.segment.dock import SegmentWidget
from napari_nnunet_em._napari.table.dock import ObjectsTableWidget

from .conftest import PLACE

MANIFEST = Path(napari_nnunet_em.__file__).parent / "napari.yaml"
PLUGIN = "napari-nnunet-em"
MINUTE = 60_000


def actions() -> dict[str, str]:
    """Title of each command that is a single action, by its id."""
    document = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
    found = document["contributions"]["commands"]
    return {c["id"]: c["title"] for c in found if c["python_name"].startswith(f"{commands.__name__}:")}


def test_the_manifest_is_valid_and_names_docks_as_the_commands_do() -> None:
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.display_name == commands.PLUGIN_TITLE
    titles = {widget.command: widget.display_name for widget in manifest.contributions.widgets}
    assert {"Segment", "Objects", "Export labels"} <= set(titles.values())
    assert len(actions()) == 9


@pytest.fixture
def viewer(make_napari_viewer):
    notification_manager.records.clear()
    npe2.PluginManager.instance().discover()
    return make_napari_viewer(show=True)


def press(viewer, command: str) -> list[str]:
    """Open the palette, type the title, press Enter; the notifications that follow."""
    before = len(notification_manager.records)
    title = f"{actions()[f'{PLUGIN}.{command}']} (nnU-Net EM)"
    palette = viewer.window._qt_window._command_palette
    viewer.window._toggle_command_palette()
    palette._line.setText(title)
    hit = palette._list.command_at(0)
    assert hit.title == title
    palette._list.execute(0)
    palette.hide()
    return [record.message for record in notification_manager.records[before:]]


def docks(viewer, kind: type[Any]) -> list[Any]:
    return [widget for widget in viewer.window.dock_widgets.values() if isinstance(widget, kind)]


@pytest.mark.gui
def test_what_cannot_be_done_is_said_and_opens_nothing_needless(viewer, em, qtbot) -> None:
    for command, reason in {
        "pause": "'Segment' is not open",
        "stop": "'Segment' is not open",
        "delete_objects": "'Objects table' is not open",
        "undo_deletion": "'Objects table' is not open",
        "export_layer": "No layer is selected",
    }.items():
        (said,) = press(viewer, command)
        assert reason in said
    assert len(viewer.window.dock_widgets) == 0
    labels = viewer.add_labels((em[:2] > 150).astype(np.uint8), name="found", **PLACE)
    viewer.layers.selection.active = labels
    (said,) = press(viewer, "segment_layer")
    assert "'found' is not an image that can be segmented" in said
    (said,) = press(viewer, "make_objects")
    assert "'found' is not a probability" in said
    assert "No segmentation is running" in press(viewer, "pause")[0]
    assert "No segmentation or preview" in press(viewer, "stop")[0]
    assert press(viewer, "export_layer") == []
    (export,) = docks(viewer, ExportWidget)
    assert export.source.currentText() == "found"
    assert [len(docks(viewer, kind)) for kind in (SegmentWidget, ObjectsWidget)] == [1, 1]


@pytest.mark.gui
def test_preview_and_segment_work_from_the_palette_in_one_dock(viewer, em, qtbot, tmp_path) -> None:
    other = viewer.add_image(em[4:6], name="other", **PLACE)
    image = viewer.add_image(em[:2], name="em", **PLACE)
    assert press(viewer, "preview_view") == []  # before the model has been read
    (dock,) = docks(viewer, SegmentWidget)
    assert dock.inputs.layer is image
    dock.form.output["path"].value = str(tmp_path / "out.zarr")
    qtbot.waitUntil(lambda: any(PREVIEW_KEY in x.metadata for x in viewer.layers), timeout=2 * MINUTE)
    qtbot.waitUntil(lambda: not dock.busy, timeout=2 * MINUTE)
    dock.models.choose("mitochondria-2d")
    viewer.layers.selection.active = other
    dock.parent().hide()
    assert press(viewer, "segment_layer") == []
    assert dock.parent().isVisible()
    assert dock.inputs.layer is other
    qtbot.waitUntil(lambda: dock.jobs.busy, timeout=MINUTE)
    assert press(viewer, "pause") == []
    assert dock.jobs.run._token.paused
    assert press(viewer, "pause") == []
    assert not dock.jobs.run._token.paused
    assert press(viewer, "stop") == []
    qtbot.waitUntil(lambda: not dock.busy, timeout=2 * MINUTE)
    assert docks(viewer, SegmentWidget) == [dock]


@pytest.mark.gui
def test_objects_are_deleted_and_brought_back_from_the_palette(viewer, em, qtbot) -> None:
    viewer.add_labels(np.eye(8, dtype=np.uint8) * np.arange(1, 9, dtype=np.uint8), name="found", **_FLAT)
    _, table = viewer.window.add_plugin_dock_widget(PLUGIN, "Objects table")
    assert isinstance(table, ObjectsTableWidget)
    assert "No object is selected" in press(viewer, "delete_objects")[0]
    assert "Nothing was deleted" in press(viewer, "undo_deletion")[0]
    table.measure()
    qtbot.waitUntil(lambda: table.session is not None and not table.progress.busy, timeout=MINUTE)
    qtbot.waitUntil(lambda: table.objects.answer is not None, timeout=MINUTE)
    table.objects.table.select_rows(np.array([2]))
    assert press(viewer, "delete_objects") == []
    assert list(table.session.deleted) == [3]
    qtbot.waitUntil(table.buttons.undo.isEnabled, timeout=MINUTE)
    assert press(viewer, "undo_deletion") == []
    assert list(table.session.deleted) == []


_FLAT = {"scale": (8, 8), "units": ("nanometer",) * 2}
