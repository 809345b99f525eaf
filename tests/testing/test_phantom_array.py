"""The lazy array gives the voxels of the phantom for every kind of basic index."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

from napari_nnunet_em.geometry import Box
from napari_nnunet_em.testing.phantom import Phantom

SHAPE = (5, 40, 36)
PHANTOM = Phantom(5, (40.0, 16.0, 16.0))
RAW, IDS = PHANTOM.block(Box.whole(SHAPE))


@given(basic_indices(SHAPE, allow_newaxis=False, allow_ellipsis=True), st.booleans())
def test_indexing_equals_numpy(index: object, image: bool) -> None:
    array = PHANTOM.raw(SHAPE) if image else PHANTOM.truth(SHAPE)
    expected = (RAW if image else IDS)[index]
    result = array[index]
    np.testing.assert_array_equal(result, expected)
    assert np.asarray(result).dtype == expected.dtype


@pytest.mark.parametrize("index", [(0, 0, 0, 0), (..., ...), [1, 2], (0, None), 5, (0, -41)])
def test_other_indices_are_refused(index: object) -> None:
    with pytest.raises(IndexError):
        PHANTOM.raw(SHAPE)[index]


def test_it_describes_itself_like_an_array() -> None:
    raw = PHANTOM.raw(SHAPE, chunks=(2, 64, 16))
    assert (raw.shape, raw.ndim, raw.size, len(raw), raw.dtype) == (SHAPE, 3, RAW.size, 5, np.uint8)
    assert raw.chunks == (2, 40, 16)
    assert PHANTOM.truth(SHAPE).dtype == np.uint32


def test_numpy_and_dask_see_the_same_voxels() -> None:
    raw = PHANTOM.raw(SHAPE)
    np.testing.assert_array_equal(np.asarray(raw), RAW)
    np.testing.assert_array_equal(np.asarray(raw, dtype=np.float32), RAW.astype(np.float32))
    with pytest.raises(ValueError, match="holds no voxels"):
        np.array(raw, copy=False)
    lazy = PHANTOM.truth(SHAPE).as_dask((2, 13, 36))
    assert lazy.chunks == ((2, 2, 1), (13, 13, 13, 1), (36,))
    assert lazy.dtype == np.uint32
    np.testing.assert_array_equal(lazy.compute(scheduler="threads"), IDS)
    assert raw.as_dask().numblocks == (1, 1, 1)


def test_a_huge_array_costs_only_what_is_read() -> None:
    huge = PHANTOM.raw((20_000, 50_000, 50_000))
    lazy = huge.as_dask((16, 4096, 4096))
    corner = Box((9_000, 25_000, 25_000), (9_001, 25_020, 25_030))
    expected = PHANTOM.block(corner)[0]
    np.testing.assert_array_equal(huge[corner.slices], expected)
    assert lazy.nbytes == 5 * 10**13
