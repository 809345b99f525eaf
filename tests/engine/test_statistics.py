"""One pass over blocks gives what NumPy says of the whole volume."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_fill_holes, gaussian_filter

from napari_nnunet_em.engine.mask import find_mask
from napari_nnunet_em.engine.moments import Moments, VolumeStatistics
from napari_nnunet_em.engine.statistics import collect_statistics, statistics_block_shape
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume, open_volume
from napari_nnunet_em.progress import finish


class Chunked:
    """An array that claims to be stored in chunks."""

    def __init__(self, array, chunks):
        self.array, self.chunks = array, chunks
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key):
        return self.array[key]


def chunked_volume(array, chunks=(1, 3, 7, 5)):
    return Volume(Chunked(array, chunks), "czyx")


def sparse_noise(shape, dtype, seed=0, sparsity=0.5):
    rng = np.random.default_rng(seed)
    low = 0 if np.dtype(dtype).kind == "u" else -90
    values = rng.uniform(low, 120, size=shape).astype(dtype)
    values[rng.uniform(size=shape) < sparsity] = 0
    return values


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Cut even tiny volumes into many blocks."""
    monkeypatch.setattr("napari_nnunet_em.engine.statistics._BLOCK_BYTES", 600)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64"])
def test_moments_are_those_of_the_whole_volume(dtype):
    data = sparse_noise((2, 9, 20, 17), dtype)
    statistics = finish(collect_statistics(chunked_volume(data)))
    for moments, channel in zip(statistics.channels, data.astype(np.float32).astype(np.float64), strict=True):
        nonzero = channel[channel != 0]
        assert moments.count == nonzero.size
        whole = moments.with_zeros(channel.size - nonzero.size)
        assert whole.mean == pytest.approx(channel.mean(), rel=1e-12)
        assert whole.std == pytest.approx(channel.std(), rel=1e-12)
        assert (whole.low, whole.high) == (channel.min(), channel.max())
    assert statistics.any_count == np.count_nonzero((data != 0).any(0))


@given(
    st.lists(st.integers(0, 8), min_size=3, max_size=3), st.lists(st.integers(1, 5), min_size=3, max_size=3)
)
def test_the_box_of_nonzero_voxels(start, shape):
    data = np.zeros((2, 14, 15, 16), np.uint8)
    box = Box(tuple(start), tuple(a + n for a, n in zip(start, shape, strict=True)))
    data[(0, *box.start)] = 7
    data[(1, *(b - 1 for b in box.stop))] = 9
    assert finish(collect_statistics(chunked_volume(data))).bbox == box


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_ranges_of_planes(axis, dtype):
    data = sparse_noise((2, 9, 20, 17), dtype, sparsity=0.9)
    profile = finish(collect_statistics(chunked_volume(data), profile_axis=axis)).profile
    for channel in range(2):
        for plane in range(data.shape[axis + 1]):
            values = np.take(data[channel], plane, axis).ravel()
            nonzero = values[values != 0]
            assert profile.counts[channel, plane] == nonzero.size
            if nonzero.size:
                assert profile.lows[channel, plane] == nonzero.min()
                assert profile.highs[channel, plane] == nonzero.max()
    others = tuple(a for a in range(3) if a != axis)
    np.testing.assert_array_equal(profile.any_counts, (data != 0).any(0).sum(others))


def test_statistics_survive_json_exactly():
    data = sparse_noise((2, 9, 20, 17), "float32")
    statistics = finish(collect_statistics(chunked_volume(data), profile_axis=1))
    again = VolumeStatistics.from_document(json.loads(json.dumps(statistics.document())))
    assert again.channels == statistics.channels
    assert again.bbox == statistics.bbox
    np.testing.assert_array_equal(again.profile.lows, statistics.profile.lows)
    assert again.document() == statistics.document()


def test_progress_counts_blocks():
    volume = chunked_volume(sparse_noise((1, 9, 20, 17), "uint8"))
    steps = list(collect_statistics(volume))
    assert len(steps) > 3
    assert steps == [(i + 1, len(steps)) for i in range(len(steps))]
    block = statistics_block_shape(volume)
    assert all(b % c == 0 or b == n for b, c, n in zip(block, volume.chunks, volume.shape, strict=True))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_with_their_place(bad):
    data = np.ones((4, 5, 6), np.float32)
    data[2, 3, 4] = bad
    with pytest.raises(InputError, match=r"1 voxel that.*2, 3, 4.*nan_to_num"):
        finish(collect_statistics(open_volume(data)))


@pytest.mark.parametrize("value", [0, 7])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_constant_volume_is_refused(value, dtype):
    with pytest.raises(InputError, match=rf"same value \({value}\)"):
        finish(collect_statistics(open_volume(np.full((4, 5, 6), value, dtype))))


def test_moments_of_nothing():
    assert Moments.of(np.array([])) == Moments()
    assert Moments().std == 0
    assert Moments.of_histogram(np.arange(3), np.zeros(3, np.int64)) == Moments()
    some = Moments.of(np.array([1.0, 2.0]))
    assert Moments().merge(some) == some.merge(Moments()) == some


@pytest.mark.parametrize("profile_axis", [None, 0, 2])
def test_the_mask_is_nnunets_with_holes_filled(profile_axis):
    noise = gaussian_filter(np.random.default_rng(1).normal(size=(2, 14, 22, 25)), (0, 1, 1.5, 1.5))
    data = np.where(np.abs(noise) > 0.03, noise * 1000, 0).astype(np.int16)
    data[:, 5:9, 8:15, 8:16] = 7
    data[:, 6:8, 10:13, 10:14] = 0  # a hole
    filled = binary_fill_holes((data != 0).any(0))
    mask = finish(find_mask(chunked_volume(data), profile_axis))
    holes = filled & (data == 0).all(0)
    assert mask.hole_count == holes.sum() > 0
    box = Box((1, 3, 2), (13, 20, 25))
    np.testing.assert_array_equal(mask.of(box, data[(slice(None), *box.slices)]), filled[box.slices])
    if profile_axis is not None:
        others = tuple(a for a in range(3) if a != profile_axis)
        np.testing.assert_array_equal(mask.hole_counts, holes.sum(others))


def test_a_mask_without_holes():
    data = np.ones((1, 5, 6, 7), np.uint8)
    data[0, 0] = 0
    mask = finish(find_mask(chunked_volume(data), None))
    assert mask.hole_count == 0
    assert mask.hole_counts is None
    np.testing.assert_array_equal(mask.of(Box.whole((5, 6, 7)), data), data[0] != 0)
