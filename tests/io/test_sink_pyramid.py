"""The plan of levels, and the reduction of blocks, against an independent oracle."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import block_reduce

from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box, iter_blocks
from napari_nnunet_em.io.pyramid import (
    MIN_BLOCK,
    TOP_PLANE,
    Level,
    averaged,
    check_single_writer,
    plan_levels,
    strided,
)


def means(data: np.ndarray, factor: tuple[int, int, int]) -> np.ndarray:
    """Area means over what is there, by scikit-image."""
    cells = (1,) * (data.ndim - 3) + factor
    exact = block_reduce(data.astype(np.float64), cells, func=np.nanmean, cval=np.nan)
    return (np.rint(exact) if data.dtype.kind in "iu" else exact).astype(data.dtype)


@st.composite
def plans(draw: st.DrawFn) -> tuple:
    shape, block, chunk = [], [], []
    for low in (1, 16, 16):
        c = draw(st.integers(1, 12)) * (1 if low == 1 else 16)
        b = c * draw(st.integers(1, 6))
        n = draw(st.integers(1, 40)) if low == 1 else draw(st.integers(1, 5000))
        shape.append(n)
        block.append(b)
        chunk.append(c)
    size = draw(st.tuples(*(st.sampled_from([4.0, 4.6, 8.0, 10.0, 40.0, 56.0]) for _ in range(3))))
    return tuple(shape), size, tuple(block), tuple(chunk)


@settings(max_examples=200, deadline=None)
@given(plans())
def test_every_chunk_of_every_level_has_exactly_one_writer(plan: tuple) -> None:
    shape, size, block, chunk = plan
    for level in plan_levels(shape, size, block, chunk):
        for axis in range(3):
            n, b, f = shape[axis], block[axis], level.factor[axis]
            length, c = level.shape[axis], level.chunk_shape[axis]
            assert c <= max(min(chunk[axis], -(-b // f)), 1)
            writers: dict[int, int] = {}
            filled = 0
            for index, start in enumerate(range(0, n, b)):
                box = level.box(Box((start,) * 3, (min(start + b, n),) * 3))
                a, e = box.start[axis], box.stop[axis]
                assert a == filled
                filled = e
                for touched in range(a // c, -(-e // c)):
                    assert writers.setdefault(touched, index) == index
            assert filled == length == math.ceil(n / f)
            assert len(writers) == math.ceil(length / c)


@settings(max_examples=200, deadline=None)
@given(plans())
def test_levels_halve_until_the_plane_or_the_block_is_small(plan: tuple) -> None:
    shape, size, block, chunk = plan
    levels = plan_levels(shape, size, block, chunk)
    assert levels[0].factor == (1, 1, 1)
    assert levels[0].shape == shape
    for fine, coarse in pairwise(levels):
        assert max(fine.shape[1:]) > TOP_PLANE
        assert coarse.factor[1:] == (2 * fine.factor[1],) * 2
        assert coarse.factor[0] in (fine.factor[0], 2 * fine.factor[0])
    top = levels[-1]
    plane = [min(b, n) / (2 * f) for b, n, f in zip(block[1:], shape[1:], top.factor[1:], strict=True)]
    odd = [b % (2 * f) and b < n for b, n, f in zip(block[1:], shape[1:], top.factor[1:], strict=True)]
    assert max(top.shape[1:]) <= TOP_PLANE or min(plane) < MIN_BLOCK or any(odd)


@pytest.mark.parametrize(
    ("size", "factors"),
    [
        ((8.0, 8.0, 8.0), [(1, 1, 1), (2, 2, 2), (4, 4, 4), (8, 8, 8)]),
        ((40.0, 8.0, 8.0), [(1, 1, 1), (1, 2, 2), (1, 4, 4), (2, 8, 8)]),
        ((50.0, 4.6, 4.6), [(1, 1, 1), (1, 2, 2), (1, 4, 4), (1, 8, 8)]),
        ((4.0, 8.0, 8.0), [(1, 1, 1), (2, 2, 2), (4, 4, 4), (8, 8, 8)]),
    ],
)
def test_z_is_halved_only_once_the_plane_has_become_as_coarse(size: tuple, factors: list) -> None:
    levels = plan_levels((64, 4096, 4096), size, (32, 512, 512), (32, 128, 128))
    assert [level.factor for level in levels] == factors


def test_a_single_slice_is_never_halved_along_z() -> None:
    levels = plan_levels((1, 2000, 1500), (1.0, 8.0, 8.0), (1, 512, 512), (1, 256, 256))
    assert [level.factor for level in levels] == [(1, 1, 1), (1, 2, 2), (1, 4, 4)]
    assert [level.shape for level in levels] == [(1, 2000, 1500), (1, 1000, 750), (1, 500, 375)]


def test_blocks_that_share_a_chunk_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"Blocks of 96 voxels along y would share chunks of 64 .* 64"):
        plan_levels((10, 300, 300), (8.0, 8.0, 8.0), (10, 96, 300), (10, 64, 64))
    with pytest.raises(SettingsError, match="two writers"):
        check_single_writer(Level((1, 2, 2), (1, 100, 100), (1, 32, 32)), (1, 200, 200), (1, 32, 32))


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 20), st.integers(1, 20)),
    z_factors=st.sampled_from([(1, 1, 1), (1, 1, 2), (1, 2, 4)]),
    channels=st.integers(0, 2),
    dtype=st.sampled_from(["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]),
    seed=st.integers(0, 2**16),
)
def test_averages_equal_scikit_image(
    shape: tuple, z_factors: tuple, channels: int, dtype: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    full = (channels, *shape) if channels else shape
    if np.dtype(dtype).kind == "f":
        data = rng.normal(size=full).astype(dtype)
    else:
        info = np.iinfo(dtype)
        data = rng.integers(info.min, info.max, full, dtype=dtype, endpoint=True)
    levels = [Level((z, f, f), (0, 0, 0), (1, 1, 1)) for z, f in zip(z_factors, (1, 2, 4), strict=True)]
    for level, part in zip(levels, averaged(data, levels), strict=True):
        assert part.dtype == data.dtype
        expected = means(data, level.factor)
        if data.dtype.kind == "f":
            np.testing.assert_allclose(part, expected, rtol=1e-6, atol=1e-6)
        else:
            np.testing.assert_array_equal(part, expected)


def test_halves_are_rounded_to_even_once() -> None:
    data = np.array([[[0, 1, 1, 2, 2, 3, 3, 4]]], np.uint8)
    levels = [Level((1, 1, f), (1, 1, 8 // f), (1, 1, 1)) for f in (1, 2, 4, 8)]
    found = [part.ravel().tolist() for part in averaged(data, levels)]
    # 0.5 1.5 2.5 3.5; then 1 and 3, and 2, of the voxels and not of the rounded means (0 2 2 4).
    assert found == [[0, 1, 1, 2, 2, 3, 3, 4], [0, 2, 2, 4], [1, 3], [2]]


def test_float16_does_not_overflow_while_summing() -> None:
    data = np.full((1, 8, 8), 60000, np.float16)
    levels = [Level((1, f, f), (1, 8 // f, 8 // f), (1, 1, 1)) for f in (1, 2, 4, 8)]
    for part in averaged(data, levels):
        assert part.dtype == np.float16
        assert np.all(part == np.float16(60000))


def test_labels_are_taken_not_averaged() -> None:
    data = np.arange(3 * 5 * 7, dtype=np.uint32).reshape(3, 5, 7)
    levels = [Level((1, 1, 1), (3, 5, 7), (1, 1, 1)), Level((2, 2, 2), (2, 3, 4), (1, 1, 1))]
    fine, coarse = strided(data, levels)
    np.testing.assert_array_equal(fine, data)
    np.testing.assert_array_equal(coarse, data[::2, ::2, ::2])


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_reducing_blocks_equals_reducing_the_whole(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 8), st.integers(33, 80), st.integers(33, 80)))
    factors = [(1, 1, 1), (2, 2, 2), (2, 4, 4)]
    levels = [Level(f, tuple(-(-n // k) for n, k in zip(shape, f, strict=True)), (1, 1, 1)) for f in factors]
    whole = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    merged = [np.zeros(level.shape, np.uint8) for level in levels]
    for block in iter_blocks(shape, (4, 32, 32)):
        for level, out, part in zip(levels, merged, averaged(whole[block.write.slices], levels), strict=True):
            out[level.box(block.write).slices] = part
    for level, out in zip(levels, merged, strict=True):
        np.testing.assert_array_equal(out, means(whole, level.factor))
