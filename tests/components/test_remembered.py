"""What the first pass remembers gives the labels of the second, and may be forgotten at any time."""

from __future__ import annotations

import gc
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.components import ComponentFinder, Layout, Runs, find_components
from napari_nnunet_em.components.layout import label_block
from napari_nnunet_em.components.run_store import RunStore
from napari_nnunet_em.components.runs import paint, stretches
from napari_nnunet_em.config import Connectivity
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.testing.strategies import shapes

SHAPE, BLOCK = (12, 24, 40), (4, 12, 20)


@pytest.fixture
def mask():
    return np.random.default_rng(1).random(SHAPE) < 0.02


def table_of(mask, **options):
    layout = Layout(mask.shape, BLOCK)
    with ComponentFinder(layout, remember=True, **options) as finder:
        for block in layout.blocks():
            finder.add(block, mask[block.write.slices])
        return finder.finish()


def recalled(table):
    out = np.zeros(table.layout.shape, dtype=table.dtype)
    for block in table.layout.blocks():
        out[block.write.slices] = table.recall(block)
    return out


@given(shapes((5, 9, 11)), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), st.integers(0, 99))
def test_runs_say_where_the_mask_is_and_no_run_leaves_its_line(shape, density, seed):
    mask = np.random.default_rng(seed).random(shape) < density
    begin, length = stretches(mask)
    gap = begin.copy()
    gap[1:] -= begin[:-1] + length[:-1]
    np.testing.assert_array_equal(paint(shape, gap, length, np.ones(len(gap), bool)), mask)
    assert (begin % shape[2] + length <= shape[2]).all()
    assert len(begin) == np.count_nonzero(np.diff(mask, prepend=False, axis=2) & mask)


@given(shapes((3, 5, 9)), st.integers(0, 99))
def test_runs_of_labels_that_meet(shape, seed):
    labels = np.random.default_rng(seed).integers(0, 3, shape, dtype=np.uint64)
    runs = Runs.of(labels, 2, Box.whole(shape).shift((10, 20, 30)))
    out = np.zeros(shape, dtype=np.int64)
    for z, y, x, length, label in zip(runs.z, runs.y, runs.x, runs.length, runs.label, strict=True):
        assert not out[z - 10, y - 20, x - 30 : x - 30 + length].any()
        out[z - 10, y - 20, x - 30 : x - 30 + length] = label
    np.testing.assert_array_equal(out, labels)
    np.testing.assert_array_equal(runs.total(runs.length), [np.sum(labels == 1), np.sum(labels == 2)])
    np.testing.assert_array_equal(runs.per_run(labels), runs.length * runs.label)


@given(shapes((3, 5, 9)), st.integers(0, 99))
def test_runs_of_components_equal_those_of_their_labels(shape, seed):
    mask = np.random.default_rng(seed).random(shape) < 0.4
    labels, count = label_block(mask, Connectivity.FACES)
    slow = Runs.of(labels, count, Box.whole(shape))
    fast = Runs.of_components(mask, labels, count, Box.whole(shape))
    for name in ("label", "z", "y", "x", "length", "begin", "mask"):
        np.testing.assert_array_equal(getattr(slow, name), getattr(fast, name))


@given(st.integers(0, 99), st.sampled_from([np.add, np.minimum, np.maximum]))
def test_values_combine_over_the_voxels_of_a_run_alone(seed, how):
    rng = np.random.default_rng(seed)
    mask, values = rng.random((3, 4, 9)) < 0.4, rng.integers(0, 256, (3, 4, 9), dtype=np.uint8)
    begin, length = stretches(mask)
    runs = Runs.of_components(mask, mask.astype(np.uint32), 1, Box.whole(mask.shape))
    expected = [how.reduce(values.ravel()[b : b + n].astype(int)) for b, n in zip(begin, length, strict=True)]
    np.testing.assert_array_equal(runs.per_run(values, how), expected)


def test_labels_come_back_without_voxels_and_from_many_threads(mask, scipy_labels):
    expected, _ = scipy_labels(mask, 6)
    table = table_of(mask)
    np.testing.assert_array_equal(recalled(table), expected)
    blocks = list(table.layout.blocks()) * 4
    with ThreadPoolExecutor(4) as pool:
        for block, labels in zip(blocks, pool.map(table.recall, blocks), strict=True):
            np.testing.assert_array_equal(labels, expected[block.write.slices])


def test_chosen_components_come_back_with_new_ids(mask, scipy_labels):
    labels, count = scipy_labels(mask, 6)
    keep = np.arange(count) % 3 == 0
    new = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)])
    np.testing.assert_array_equal(recalled(table_of(mask).select(keep)), new[labels])
    nothing = table_of(mask).select(np.zeros(count, bool))
    assert not recalled(nothing).any()


def test_ids_of_64_bits_come_back(mask, scipy_labels):
    expected, count = scipy_labels(mask, 6)
    labels = recalled(table_of(mask, uint32_limit=count - 1))
    assert labels.dtype == np.uint64
    np.testing.assert_array_equal(labels, expected)


def test_specks_inside_a_block_are_not_kept():
    mask = np.zeros(SHAPE, bool)
    mask[1, 1:11:2, 1:19:2] = True  # specks
    mask[2, 3, 4:16] = mask[2, 20, 25:35] = True  # one object through six of them, and one alone
    runs = table_of(mask, min_voxels=5).runs
    assert [len(runs.recall(n)[0]) for n in (0, 3)] == [7, 1]
    assert runs.recall(1) is None


@pytest.mark.parametrize("memory_bytes", [0, 1, 1000, 1 << 20])
def test_faces_and_runs_in_scratch_files_change_nothing(memory_bytes, tmp_path, scipy_labels):
    mask = np.random.default_rng(2).random(SHAPE) < 0.05
    mask[:, 5, 7] = mask[6, :, 7] = mask[6, 11] = True  # one object through many blocks
    expected, _ = scipy_labels(mask, 6)
    table = table_of(mask, scratch=tmp_path, memory_bytes=memory_bytes)
    np.testing.assert_array_equal(recalled(table), expected)
    del table
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_noise_is_not_remembered_but_labelled_again(assemble, scipy_labels):
    mask = np.random.default_rng(3).random(SHAPE) < 0.4
    components = find_components(lambda box: mask[box.slices], SHAPE, BLOCK, 6)
    assert all(components.table.recall(block) is None for block in components.table.layout.blocks())
    np.testing.assert_array_equal(assemble(components), scipy_labels(mask, 6)[0])


def test_a_full_disk_makes_everything_forgotten_and_nothing_wrong(mask, assemble, monkeypatch, scipy_labels):
    kept = []

    def keep(store, number, *rest):
        if number == 9:
            store._file.write = no_space
        RunStore_keep(store, number, *rest)
        kept.append(store.recall(number) is not None)

    def no_space(data):
        raise OSError(28, "No space left on device")

    RunStore_keep = RunStore.keep
    monkeypatch.setattr(RunStore, "keep", keep)
    components = find_components(lambda box: mask[box.slices], SHAPE, BLOCK, 6)
    assert kept == [True] * 9 + [False] * 3
    assert components.table.runs.stored_bytes == 0
    assert all(components.table.recall(block) is None for block in components.table.layout.blocks())
    np.testing.assert_array_equal(assemble(components), scipy_labels(mask, 6)[0])


def test_a_closed_store_remembers_nothing():
    store = RunStore(1)
    ones = np.ones(1, dtype=np.int64)
    store.keep(0, 100, ones, ones, ones)
    assert store.recall(0) is not None
    store.close()
    assert store.recall(0) is None


def test_numbers_wider_than_16_bits_are_kept():
    store = RunStore(1)
    begin = np.array([0, 100_000, 3_000_000_000])
    length = np.array([1, 70_000, 3])
    label = np.array([1, 2**31, 2**32 - 1])
    store.keep(0, 2**32 - 1, begin, length, label)
    gap, lengths, labels = store.recall(0)
    np.testing.assert_array_equal(gap, [0, 99_999, 3_000_000_000 - 170_000])
    np.testing.assert_array_equal(lengths, length)
    np.testing.assert_array_equal(labels, label)


def test_memory_holds_no_more_runs_than_allowed(tmp_path):
    store = RunStore(200, tmp_path, memory_bytes=1 << 16)
    rng = np.random.default_rng(0)
    tracemalloc.start()
    try:
        for number in range(200):
            begin = np.sort(rng.choice(1 << 20, 1 << 12, replace=False))
            length = np.ones(1 << 12, dtype=np.int64)
            store.keep(number, 1 << 20, begin, length, length)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert store.stored_bytes > 1 << 20
    assert held < 1 << 18
    store.close()
