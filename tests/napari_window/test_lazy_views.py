"""Views that hold leading axes fixed read nothing until they are indexed."""

from __future__ import annotations

import numpy as np
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

from napari_nnunet_em._napari.layers.lazy_views import FixedAxes

DATA = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)


@given(leading=st.sampled_from([(), (1,), (1, 2)]), data=st.data())
def test_a_view_equals_numpy(leading, data) -> None:
    expected = DATA[leading]
    view = FixedAxes(zarr.array(DATA), leading)
    key = data.draw(basic_indices(expected.shape, allow_newaxis=False, allow_ellipsis=False))
    key = tuple(
        slice(k.start, k.stop) if isinstance(k, slice) else k
        for k in (key if isinstance(key, tuple) else (key,))
    )
    np.testing.assert_array_equal(view[key], expected[key])


def test_a_view_describes_itself_like_an_array() -> None:
    view = FixedAxes(zarr.array(DATA), (0,))
    assert (view.shape, view.ndim, view.size, view.dtype, len(view)) == ((3, 4, 5), 3, 60, DATA.dtype, 3)
    np.testing.assert_array_equal(np.asarray(view), DATA[0])
    np.testing.assert_array_equal(view[1], DATA[0, 1])


def test_a_view_shows_what_is_written_later() -> None:
    stored = zarr.zeros((2, 4, 4), chunks=(1, 2, 2), dtype="u1")
    view = FixedAxes(stored, (1,))
    assert not view[:, :].any()
    stored[1, :2] = 7
    np.testing.assert_array_equal(view[0], [7, 7, 7, 7])
