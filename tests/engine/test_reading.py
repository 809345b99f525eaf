"""Chunks are decoded about once: counted by an array that knows which of its chunks each read touches."""

from __future__ import annotations

import itertools

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_nnunet_em.config import PredictionSettings
from napari_nnunet_em.engine.column import Column, column_boxes
from napari_nnunet_em.engine.nearest import nearest_first
from napari_nnunet_em.engine.prepare import Spacings, prepare
from napari_nnunet_em.engine.reading import CachedSource
from napari_nnunet_em.engine.statistics import collect_statistics
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import ChunkCache, Volume, regular_chunks
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.progress import finish
from napari_nnunet_em.testing.tiny_models import make_model_folder

SHAPE = (48, 64, 72)
PATCH = (8, 16, 16)


class Decoding:
    """Counts how often each chunk is decoded, as a compressed store would: for every read that touches it."""

    def __init__(self, array, chunks):
        self.array, self.chunks = array, chunks
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        grid = [-(-n // c) for n, c in zip(self.shape, chunks, strict=True)]
        self.decodes = np.zeros(grid, np.int64)

    def __getitem__(self, key):
        touched = [slice(s.start // c, -(-s.stop // c)) for s, c in zip(key, self.chunks, strict=True)]
        self.decodes[tuple(touched)] += 1
        return self.array[key]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return ModelBundle.open(make_model_folder(tmp_path_factory.mktemp("model"), patch_size=PATCH))


def source_of(bundle, array, spacing=(1.0, 1.0, 1.0)):
    volume = Volume(array, "zyx", spacing, "given by the caller")
    statistics = finish(collect_statistics(volume))
    return finish(
        prepare(volume, bundle, statistics, Spacings(spacing, (1.0, 1.0, 1.0)), PredictionSettings())
    )


def sweep_through(source, blocks, column, budget, near=None):
    """Read all columns as a sweep does; returns what was read, column by column."""
    boxes = column_boxes(Box.whole(SHAPE), blocks, source.space, column)
    if near is not None:
        boxes = nearest_first(source.space, boxes, near)
    columns = [Column.of(source.space, b) for b in boxes]
    cached = CachedSource(source, columns, budget)
    return [
        cached.at(index, box).read(box) for index, laid in enumerate(columns) for box in laid.reads
    ], cached


def image(seed=0):
    return np.random.default_rng(seed).integers(1, 255, SHAPE).astype(np.uint8)


@settings(max_examples=8)
@given(
    chunks=st.tuples(st.integers(5, 50), st.integers(9, 70), st.integers(10, 80)),
    spacing=st.sampled_from([(1.0, 1.0, 1.0), (2.0, 0.75, 0.75)]),
    budget=st.sampled_from([0, 10_000, 10**9]),
)
def test_what_is_read_does_not_depend_on_the_cache(bundle, chunks, spacing, budget):
    data = image()
    array = Decoding(data, chunks)
    blocks = (8, 32, 32)
    read, _ = sweep_through(source_of(bundle, array, spacing), blocks, blocks, budget)
    plain, cached = sweep_through(source_of(bundle, data, spacing), blocks, blocks, budget)
    assert cached.cache is None
    for one, other in zip(read, plain, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("near", [None, (41, 40, 40)])
@pytest.mark.parametrize("chunks", [(1, 64, 72), (16, 16, 16), (5, 7, 9), (48, 64, 72)])
def test_chunks_that_columns_share_are_decoded_once_where_memory_suffices(bundle, chunks, near):
    array = Decoding(image(), chunks)
    source = source_of(bundle, array)
    array.decodes[:] = 0
    _, cached = sweep_through(source, (8, 16, 16), (8, 32, 32), 10**9, near)
    assert (array.decodes == 1).all()
    assert cached.cache.decoded == array.decodes.size
    assert cached.cache.kept_bytes <= int(np.prod(chunks)) * array.decodes.size


@pytest.mark.parametrize("near", [None, (41, 40, 40)])
def test_less_memory_decodes_more_but_never_exceeds_it(bundle, near):
    counts = []
    for budget in (10_000, 40_000, 80_000, 10**9):
        array = Decoding(image(), (8, 16, 16))
        source = source_of(bundle, array)
        array.decodes[:] = 0
        _, cached = sweep_through(source, (8, 16, 16), (8, 32, 32), budget, near)
        assert cached.cache.kept_bytes <= budget
        counts.append(array.decodes.mean())
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2] > counts[3] == 1


@pytest.mark.parametrize("near", [None, (41, 40, 40)])
def test_nothing_that_is_over_stays(bundle, near):
    array = Decoding(image(), (8, 16, 16))
    _, cached = sweep_through(source_of(bundle, array), (8, 64, 72), None, 10**9, near)
    # One column: only the chunks under the last patch, or at the seam of its two parts, are left.
    assert cached.cache.kept_bytes <= 2 * 8 * 64 * 80


@given(st.data())
def test_the_cache_reads_what_the_array_holds(data):
    shape = data.draw(st.tuples(*[st.integers(1, 12)] * 4))
    chunks = data.draw(st.tuples(*[st.integers(1, 13)] * 4))
    values = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    array = Decoding(values, chunks)
    cache = ChunkCache(array, chunks, data.draw(st.sampled_from([0, 300, 10**6])))
    for _ in range(4):
        key = tuple(slice(*sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n))))) for n in shape)
        np.testing.assert_array_equal(cache[key], values[key])
        assert cache.kept_bytes <= 10**6
    place = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    np.testing.assert_array_equal(cache[place[0], ..., place[3]], values[place[0], ..., place[3]])


def test_chunks_needed_last_go_first():
    array = Decoding(np.arange(10, dtype=np.uint8), (1,))
    cache = ChunkCache(array, (1,), 3)
    cache.keep(lambda index, places: index)
    for i in range(3):
        assert cache[i : i + 1].tolist() == [i]
    cache.keep(lambda index, places: None if index == (1,) else index)
    assert cache.kept_bytes == 2
    assert cache[0:4].tolist() == [0, 1, 2, 3]
    assert array.decodes.tolist() == [1, 2, 1, 1, 0, 0, 0, 0, 0, 0]
    assert cache.kept_bytes == 3


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros((3, 4)), None),
        (da.zeros((5, 7), chunks=(2, 3)), (2, 3)),
        (da.zeros((5, 7), chunks=((1, 4), (3, 4))), None),
        (da.zeros((5, 7), chunks=((3, 2), (7,))), (3, 7)),
    ],
)
def test_only_equal_chunks_are_kept(array, expected):
    assert regular_chunks(array) == expected


def test_positions_ascend_in_every_column(bundle):
    source = source_of(bundle, image())
    for boxes in column_boxes(Box.whole(SHAPE), (8, 32, 32), source.space):
        reads = Column.of(source.space, boxes).reads
        assert all(a.stop[0] == b.start[0] for a, b in itertools.pairwise(reads))
