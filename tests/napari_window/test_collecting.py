"""The garbage collector leaves alone what stays, and still frees the voxels of layers that go."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QObject

from napari_nnunet_em._napari.threads.collecting import OldObjects, collecting_later


class Cycle:
    """Only the garbage collector frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def viewer(qapp):
    yield ViewerModel()
    gc.unfreeze()


def layer_that_refers_to_itself(viewer, name):
    layer = viewer.add_image(np.zeros((4, 4)), name=name)
    layer.metadata["cycle"] = Cycle()
    return weakref.ref(layer.metadata["cycle"])


def test_nothing_is_collected_meanwhile() -> None:
    assert gc.isenabled()
    with collecting_later():
        assert not gc.isenabled()
        with collecting_later():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_is_there_is_not_looked_at_until_its_layer_goes(viewer, qtbot) -> None:
    owner = QObject()
    old = OldObjects(viewer, owner)
    kept, before = layer_that_refers_to_itself(viewer, "kept"), layer_that_refers_to_itself(viewer, "old")
    old.set_aside()
    assert gc.get_freeze_count() > 1000
    later = layer_that_refers_to_itself(viewer, "later")

    viewer.layers.selection.active = viewer.layers["kept"]  # napari holds on to the layer selected last
    viewer.layers.remove("later")  # was not set aside: the collector sees it anyway
    gc.collect()
    assert later() is None
    assert gc.get_freeze_count() > 1000

    viewer.layers.remove("old")
    gc.collect()
    assert before() is not None
    qtbot.waitUntil(lambda: before() is None, timeout=10_000)
    assert kept() is not None
    assert gc.get_freeze_count() > 1000


def test_a_layer_that_another_window_has_set_aside_is_freed_too(viewer, qtbot) -> None:
    other, owners = ViewerModel(), (QObject(), QObject())
    here, there = (OldObjects(each, owner) for each, owner in zip((viewer, other), owners, strict=True))
    here.set_aside()
    layer_that_refers_to_itself(viewer, "kept")
    later = layer_that_refers_to_itself(viewer, "later")
    there.set_aside()
    viewer.layers.selection.active = viewer.layers["kept"]
    viewer.layers.remove("later")
    gc.collect()
    assert later() is not None
    qtbot.waitUntil(lambda: later() is None, timeout=10_000)
    assert gc.get_freeze_count() > 1000


def test_threads_go_on_while_layers_are_removed(viewer, qtbot) -> None:
    """A list of all objects holds those that are not finished, and Python then cannot finish them."""
    owner, stop, failures = QObject(), threading.Event(), []
    old = OldObjects(viewer, owner)
    old.set_aside()
    many = [[] for _ in range(300_000)]  # walking through them takes longer than a thread waits for its turn

    def slow(count):
        for number in range(count):
            time.sleep(0)
            yield number

    def build() -> None:
        while not stop.is_set():
            try:
                tuple(slow(200))
            except SystemError as error:
                failures.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    try:
        for _ in range(20):
            viewer.layers.remove(viewer.add_image(np.zeros((4, 4))))
    finally:
        stop.set()
        thread.join()
    assert failures == []
    assert len(many) == 300_000


def test_nothing_stays_aside_without_its_owner(viewer, qtbot) -> None:
    owner = QObject()
    old = OldObjects(viewer, owner)
    old.set_aside()
    assert gc.get_freeze_count() > 0
    owner.deleteLater()
    qtbot.waitUntil(lambda: gc.get_freeze_count() == 0, timeout=10_000)


def test_a_closed_dock_leaves_the_viewer_alone(viewer, qapp) -> None:
    owner = QObject()
    old = OldObjects(viewer, owner)
    layer_that_refers_to_itself(viewer, "one")
    old.set_aside()
    old.forget_viewer()
    assert gc.get_freeze_count() == 0
    viewer.layers.remove("one")
    assert not old._timer.isActive()
    old.set_aside()  # as a thread that ends afterwards asks for
    assert gc.get_freeze_count() == 0
