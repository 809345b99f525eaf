"""Which axis is which, and the lazy view that reorders them."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.io.layout import settle_layout
from napari_nnunet_em.io.view import AxesView, expand_index

LENGTHS = {"c": 2, "z": 4, "y": 5, "x": 6}
CANONICAL = np.arange(2 * 4 * 5 * 6, dtype=np.uint16).reshape(2, 4, 5, 6)


@st.composite
def orders(draw: st.DrawFn) -> str:
    chosen = draw(st.sampled_from(["yx", "zyx", "cyx", "czyx"]))
    return "".join(draw(st.permutations(chosen)))


@given(order=orders(), kind=st.sampled_from(["numpy", "dask", "zarr"]))
def test_any_order_the_caller_names_is_read_as_czyx(order: str, kind: str) -> None:
    canonical = CANONICAL[tuple(slice(None) if a in order else slice(0, 1) for a in "czyx")]
    kept = [a for a in "czyx" if a in order]
    plain = canonical.reshape([LENGTHS[a] for a in kept])
    data = plain.transpose([kept.index(a) for a in order])
    source = {
        "numpy": lambda: data,
        "dask": lambda: da.from_array(data, chunks=2),
        "zarr": lambda: zarr.array(data, chunks=(2,) * data.ndim),
    }[kind]()
    volume = open_volume(source, axes=order.upper())
    assert volume.axes == "".join(kept)
    got = volume.read(Box.whole(volume.shape))
    np.testing.assert_array_equal(got, canonical)
    assert volume.dtype == data.dtype


@pytest.mark.parametrize(
    ("shape", "named", "axes"),
    [
        ((5, 6), None, "yx"),
        ((4, 5, 6), None, "zyx"),
        ((2, 4, 5, 6), None, "czyx"),
        ((1, 2, 4, 5, 6), None, "czyx"),
        ((1, 1, 4, 5, 6), "tczyx", "czyx"),
        ((1, 4, 1, 5, 6), "tzcyx", "czyx"),
        ((4, 5, 6, 3), "zyxs", "czyx"),
        ((1, 4, 5, 6, 3), "czyxs", "czyx"),
        ((5, 6, 3), "yxs", "cyx"),
        ((4, 5, 6), "qyx", "zyx"),
        ((2, 4, 5, 6), "qqyx", "czyx"),
        ((1, 4, 5, 6), "qqyx", "zyx"),
        ((3, 4, 5, 6), "qzyx", "czyx"),
        ((7, 1, 5, 6), "qzyx", "zyx"),
        ((7, 2, 5, 6), "qcyx", "czyx"),
        ((1, 2, 4, 5, 6), "cqzyx", "czyx"),
        ((4, 5, 6, 1), "zyxs", "zyx"),
        ((1, 5, 6), "qyx", "yx"),
    ],
)
def test_letters_settled(shape: tuple[int, ...], named: str | None, axes: str) -> None:
    layout = settle_layout(shape, named, None, "x")
    assert layout.axes == axes
    kept = [shape[d] for d in layout.dims]
    assert np.prod(kept) == np.prod(shape)
    assert list(layout.apply(np.zeros(shape)).shape) == kept


def test_rgb_samples_are_channels() -> None:
    layout = settle_layout((4, 5, 6, 3), "zyxs", None, "x")
    assert layout.letters == ("z", "y", "x", "c")
    assert settle_layout((7, 2, 5, 6), "qcyx", None, "x").letters == ("z", "c", "y", "x")


def test_the_caller_may_leave_out_axes_of_length_one() -> None:
    assert settle_layout((1, 4, 1, 5, 6), "tzcyx", "zyx", "x").letters == (None, "z", None, "y", "x")
    assert settle_layout((9, 5, 6), "tyx", "zyx", "x").letters == ("z", "y", "x")


@pytest.mark.parametrize(
    ("shape", "named", "given", "message"),
    [
        ((9, 5, 6), "tyx", None, r"^x holds 9 time points .*open it with axes='zyx'\.$"),
        (
            (9, 4, 5, 6),
            "tzyx",
            None,
            r"holds 9 time points \(axes tzyx.*save one time point and open that\.$",
        ),
        ((2, 4, 5, 6, 3), "czyxs", None, r"axes czyxs and shape .* do not fit c, z, y, x"),
        ((2, 3, 4, 5, 6), "qqqyx", None, "do not fit c, z, y, x"),
        ((4, 5), "zy", None, "do not fit c, z, y, x"),
        ((4,), None, None, r"shape \(4,\), which is not an image: two to four axes"),
        ((2, 2, 4, 5, 6), None, None, "has 5 axes.*nothing says which is which"),
        ((4, 5, 6), None, "tyx", "The axes 'tyx' given for x cannot be used: write each of y and x"),
        ((4, 5, 6), None, "zzx", "cannot be used"),
        ((4, 5, 6), None, "zy", "cannot be used"),
        ((4, 5, 6), None, "yx", r"'yx' given for x do not fit its shape \(4, 5, 6\): 2 letters for 3 axes"),
    ],
)
def test_what_does_not_fit_is_refused(
    shape: tuple[int, ...], named: str | None, given: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        settle_layout(shape, named, given, "x")


KEYS = st.one_of(
    st.just(...),
    st.integers(-5, 4),
    st.slices(5),
    st.tuples(st.integers(0, 4), st.just(...)),
    st.tuples(st.just(...), st.integers(0, 4)),
    st.tuples(st.slices(5), st.integers(-3, 3)),
    st.tuples(st.slices(5), st.slices(4), st.slices(6)),
    st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 5)),
)


@given(key=KEYS, dims=st.permutations([0, 2, 3]))
def test_a_view_indexes_like_numpy(key: object, dims: list[int]) -> None:
    source = np.arange(5 * 6 * 4).reshape(5, 1, 6, 4)
    source = source[: [5, 5, 5, 4][0]]
    view = AxesView(source, tuple(dims))
    expected = source[:, 0].transpose([[0, 2, 3].index(d) for d in dims])
    assert (view.shape, view.ndim, view.size, len(view)) == (expected.shape, 3, 120, expected.shape[0])
    try:
        wanted = expected[key]
    except IndexError:
        with pytest.raises(IndexError):
            view[key]
    else:
        np.testing.assert_array_equal(view[key], wanted)


def test_a_view_becomes_an_array_and_names_itself() -> None:
    stored = zarr.array(np.arange(6).reshape(2, 3), chunks=(1, 3))
    view = AxesView(stored, (1, 0))
    np.testing.assert_array_equal(np.asarray(view, dtype=np.float32), np.arange(6).reshape(2, 3).T)
    assert repr(view) == "AxesView(shape=(3, 2), dtype=int64, chunks=(3, 1))"
    assert AxesView(stored, (1, 0), (2, 2)).chunks == (2, 2)


def test_indices_that_are_none() -> None:
    assert expand_index(np.int64(2), 2) == (2, slice(None))
    with pytest.raises(IndexError, match="3 indices for an array with 2 axes"):
        expand_index((0, 0, 0), 2)
    with pytest.raises(TypeError):
        expand_index([0, 1], 2)
