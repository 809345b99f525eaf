"""Per-axis, per-block resampling equals nnU-Net's resampling of whole volumes."""

from __future__ import annotations

from functools import partial
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nnunetv2.preprocessing.resampling import default_resampling
from nnunetv2.preprocessing.resampling.default_resampling import (
    compute_new_shape,
    determine_do_sep_z_and_axis,
    resample_data_or_seg_to_shape,
)
from nnunetv2.preprocessing.resampling.resample_torch import resample_torch_fornnunet

from napari_nnunet_em.engine.resample import apply_axis, make_resampling, resampled_shape, separate_axis
from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.geometry import Box

PLAN = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
DEFAULT = "resample_data_or_seg_to_shape"


def block_resample(data, resampling, box):
    """Resample one box of the target from exactly its support, without nnU-Net's clipping."""
    bounds = [m.support(a, b) for m, a, b in zip(resampling.axes, box.start, box.stop, strict=True)]
    part = data[(slice(None), *(slice(a, b) for a, b in bounds))]
    for axis, m in enumerate(resampling.axes):
        part = apply_axis(part, m, axis + 1, box.start[axis], box.stop[axis])
    return part


def random_box(draw, shape):
    starts = [draw(st.integers(0, n - 1)) for n in shape]
    stops = [draw(st.integers(a + 1, n)) for a, n in zip(starts, shape, strict=True)]
    return Box(tuple(starts), tuple(stops))


@st.composite
def cases(draw):
    shape = tuple(draw(st.integers(1, 40)) for _ in range(3))
    spacing = tuple(draw(st.sampled_from([4.0, 4.6, 8.0, 10.0, 50.0, 56.0])) for _ in range(3))
    target = tuple(draw(st.sampled_from([4.0, 5.0, 8.0, 12.0, 50.0])) for _ in range(3))
    new_shape = resampled_shape(shape, spacing, target)
    if 0 in new_shape or max(new_shape) > 160:
        new_shape, target = shape, spacing
    return shape, spacing, target, new_shape, random_box(draw, new_shape), draw(st.sampled_from([1, 3]))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_any_block_equals_nnunet_on_the_whole(case):
    shape, spacing, target, new_shape, box, order = case
    data = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    kwargs = {**PLAN, "order": order}
    # Clipping to the range of the whole is the preprocessor's; the parity tests cover it.
    with patch.object(default_resampling, "resize", partial(default_resampling.resize, clip=False)):
        oracle = resample_data_or_seg_to_shape(data, new_shape, spacing, target, **kwargs)
    resampling = make_resampling(DEFAULT, kwargs, (shape, new_shape), (spacing, target))
    ours = block_resample(data, resampling, box)
    np.testing.assert_allclose(ours, oracle[(slice(None), *box.slices)], atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(cases())
def test_torch_resampling_of_the_plans_is_followed(case):
    shape, spacing, target, new_shape, box, _ = case
    data = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    oracle = resample_torch_fornnunet(data, new_shape, spacing, target, force_separate_z=None, num_threads=1)
    resampling = make_resampling(
        "resample_torch_fornnunet", {"force_separate_z": None}, (shape, new_shape), (spacing, target)
    )
    ours = block_resample(data, resampling, box)
    np.testing.assert_allclose(ours, oracle[(slice(None), *box.slices)], atol=3e-5)


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(*[st.sampled_from([4.0, 8.0, 30.0, 50.0])] * 3),
    st.tuples(*[st.sampled_from([4.0, 8.0, 30.0, 50.0])] * 3),
    st.sampled_from([None, True, False]),
)
def test_the_coarse_axis_is_the_one_nnunet_chooses(spacing, target, force):
    do_separate, axis = determine_do_sep_z_and_axis(force, spacing, target)
    assert separate_axis(force, spacing, target, 3) == (int(axis) if do_separate else None)


@given(
    st.tuples(*[st.integers(1, 3000)] * 3),
    st.tuples(*[st.floats(1, 100)] * 3),
    st.tuples(*[st.floats(1, 100)] * 3),
)
def test_the_new_shape_is_nnunets(shape, spacing, target):
    assert resampled_shape(shape, spacing, target) == tuple(compute_new_shape(shape, spacing, target))


def test_no_resampling_keeps_the_shape():
    resampling = make_resampling("no_resampling_hack", {}, ((4, 5, 6), (8, 9, 10)), ((1, 1, 1), (2, 2, 2)))
    assert resampling.identity
    assert resampling.target == (4, 5, 6)


def test_an_unknown_function_is_refused_by_name():
    with pytest.raises(ModelError, match="resample_with_magic"):
        make_resampling("resample_with_magic", {}, ((1, 1, 1), (1, 1, 1)), ((1, 1, 1), (1, 1, 1)))
