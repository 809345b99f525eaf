"""Keeps Python's garbage collector from stopping the window.

Now and then Python walks through every object of the process to find those that only refer to each other, and
nothing else runs meanwhile. With napari, torch, nnU-Net and OpenVINO loaded there are half a million objects
and that takes 0.3 to 0.5 s. Nearly all of them belong to modules, which stay for ever: set aside
(`gc.freeze`), they need not be looked at.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.QtCore import QCoreApplication, QObject, QTimer

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_TIMES = "napari_nnunet_em_times_set_aside"
"""Property of the application, for all windows have one garbage collector."""

_REMOVAL_MILLISECONDS = 500


@contextlib.contextmanager
def collecting_later() -> Iterator[None]:
    """Collect nothing meanwhile: for imports, which make many objects and hardly any garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class OldObjects(QObject):  # type: ignore[misc]
    """Objects that the garbage collector need not look at, as long as their layers are there.

    Main thread only. What is set aside is still freed when nothing refers to it any more, but layers refer to
    themselves: when a layer goes that was there, all is looked at once, so that its voxels are freed.

    Parameters
    ----------
    viewer : napari viewer
        Whose layers may be set aside.
    parent : QObject
        Whoever owns this; when it goes, nothing is set aside any more.
    """

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._forgotten = False
        self._added: WeakKeyDictionary[Layer, int] = WeakKeyDictionary()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REMOVAL_MILLISECONDS)  # layers are often removed several at a time
        self._timer.timeout.connect(self._look_at_all)
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        # Not a method of this object: by then the object is gone.
        parent.destroyed.connect(gc.unfreeze)

    def set_aside(self) -> None:
        """Set aside all objects that there are, but for a viewer that was forgotten."""
        if self._forgotten:  # a thread may end after its dock was closed
            return
        gc.freeze()
        QCoreApplication.instance().setProperty(_TIMES, _times_set_aside() + 1)

    def forget_viewer(self) -> None:
        """Set nothing aside any more, and leave the viewer alone."""
        self._forgotten = True
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._timer.stop()
        gc.unfreeze()

    def _on_inserted(self, event: Any) -> None:
        self._added[event.value] = _times_set_aside()

    def _on_removed(self, event: Any) -> None:
        # Not asked of `gc.get_objects`: while somebody holds its list, `tuple` fails in other threads.
        aside = self._added.get(event.value, -1) < _times_set_aside()
        if aside and gc.get_freeze_count() > 0:
            self._timer.start()

    def _look_at_all(self) -> None:
        gc.unfreeze()
        gc.collect()
        self.set_aside()


def _times_set_aside() -> int:
    """How often any window has set objects aside."""
    return int(QCoreApplication.instance().property(_TIMES) or 0)
