"""Order, stopping, errors, memory and scratch."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest

from napari_nnunet_em.components import ComponentFinder, Layout, find_components
from napari_nnunet_em.components.faces import FaceStore
from napari_nnunet_em.components.fragments import GrowingTable
from napari_nnunet_em.components.front import Front
from napari_nnunet_em.errors import Cancelled, InputError, OutputError, SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.progress import CancelToken


def empty(box: Box):
    return np.zeros(box.shape, dtype=bool)


def test_each_finished_block_is_told_in_raster_order():
    seen = []
    find_components(empty, (4, 4, 4), (2, 3, 4), 6, on_block=seen.append)
    assert [block.write for block in seen] == [block.write for block in Layout((4, 4, 4), (2, 3, 4)).blocks()]


def test_stopping_takes_effect_before_the_next_block():
    cancel, seen = CancelToken(), []

    def on_block(block):
        seen.append(block)
        if len(seen) == 2:
            cancel.cancel()

    with pytest.raises(Cancelled):
        find_components(empty, (8, 4, 4), (1, 4, 4), 6, on_block=on_block, cancel=cancel)
    assert len(seen) == 2


@pytest.mark.parametrize("connectivity", [0, 4, 8, 27])
def test_unknown_connectivity_is_refused(connectivity):
    with pytest.raises(SettingsError, match=f"{connectivity} is not known"):
        find_components(empty, (4, 4, 4), (2, 2, 2), connectivity)


def test_empty_blocks_are_refused():
    with pytest.raises(SettingsError, match="at least one voxel"):
        find_components(empty, (4, 4, 4), (2, 0, 2), 6)


def test_blocks_out_of_order_or_of_the_wrong_shape_are_refused():
    layout = Layout((4, 4, 4), (2, 4, 4))
    first, second = layout.blocks()
    with ComponentFinder(layout) as finder:
        with pytest.raises(InputError, match="raster order"):
            finder.add(second, empty(second.write))
        with pytest.raises(InputError, match="raster order"):
            finder.add(first, empty(Box.whole((4, 4, 4))))
        finder.add(first, empty(first.write))
        with pytest.raises(InputError, match="1 of 2 blocks"):
            finder.finish()


def planks(box: Box):
    """Bars along x, without end, generated where they are asked for."""
    z, y, _ = np.ogrid[box.slices]
    return np.broadcast_to((z % 16 < 8) & (y % 32 < 16), box.shape).copy()


def peak_bytes(shape):
    """Most bytes that live at once while a volume is labelled, both passes."""
    gc.collect()
    tracemalloc.start()
    try:
        components = find_components(planks, shape, (16, 32, 32), 26)
        for block in components.table.layout.blocks():
            components.relabel(block)
        return tracemalloc.get_traced_memory()[1], components.table.count
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_volume():
    peak_bytes((16, 32, 32))  # what Python keeps from a first call is not the volume's
    small, few = peak_bytes((32, 128, 128))
    large, many = peak_bytes((64, 256, 256))
    assert (few, many) == (2 * 4, 4 * 8)
    # Eight times the voxels are 4 MiB of mask; faces and fragments grow by far less.
    assert large - small < 0.25 * (1 << 20)


def test_faces_beyond_the_budget_leave_memory_and_stay_the_same(tmp_path):
    rng = np.random.default_rng(0)
    slots, shape, budget = 64, (128, 256), 1 << 20
    tracemalloc.start()
    try:
        store = FaceStore(slots, shape[0] * shape[1], tmp_path, memory_bytes=budget)
        for slot in range(slots):
            store.write(slot, np.full(shape, slot % 3, dtype=np.uint32), base=100 * slot)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 2 * budget < slots * shape[0] * shape[1] * 4
    for slot in rng.permutation(slots):
        kept = store.read(int(slot), shape)
        if slot % 3 == 0:
            assert kept is None
        else:
            np.testing.assert_array_equal(kept[0], np.full(shape, slot % 3))
            assert kept[1] == 100 * slot
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_scratch_folder_that_cannot_be_written_is_named(tmp_path):
    store = FaceStore(1, 16, tmp_path / "missing", memory_bytes=1)
    with pytest.raises(OutputError, match="missing"):
        store.write(0, np.ones((4, 4), dtype=np.uint32), base=0)
    store.close()


def test_front_keeps_two_generations_of_faces_only():
    layout = Layout((10_000, 64, 96), (16, 16, 16))
    with Front(layout) as front:
        taken = [[front._slot(axis, block.index) for block in layout.blocks()] for axis in range(3)]
    assert [max(slots) + 1 for slots in taken] == [2 * 4 * 6, 2 * 6, 2]


def test_rows_survive_the_borders_of_pieces():
    table = GrowingTable({"a": np.dtype(np.int64), "b": np.dtype(np.uint32)})
    sizes = [0, 1, 65_535, 3, 140_000]
    expected = np.arange(sum(sizes))
    for part in np.split(expected, np.cumsum(sizes)[:-1]):
        table.append({"a": part, "b": part + 1})
    assert len(table) == len(expected)
    taken = table.take()
    np.testing.assert_array_equal(taken["a"], expected)
    np.testing.assert_array_equal(taken["b"], expected + 1)
    assert len(table) == 0
