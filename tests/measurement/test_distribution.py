"""The axis of sizes: NumPy counts the same, and places and sizes belong to each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.measurement.distribution import LogScale

SIZES = st.lists(st.floats(1e-6, 1e6), min_size=2).filter(lambda s: max(s) > min(s) * 1.001)


@given(sizes=SIZES, bins=st.integers(1, 80))
def test_counts_are_those_of_numpy(sizes, bins) -> None:
    values = np.array([*sizes, np.nan, 0.0])
    scale = LogScale.over(values, bins)
    counts = scale.count(values)
    assert counts.sum() == len(sizes)
    edges = np.linspace(math.log(min(sizes)), math.log(max(sizes)), bins + 1)
    logs = np.log(sizes)
    away = (np.abs(logs[:, None] - edges[1:-1]) > 1e-9).all(axis=1)  # borders of steps are for rounding
    found = sum(LogScale(scale.low, scale.high, bins).count(np.array([s])) for s in np.array(sizes)[away])
    if away.any():
        assert np.array_equal(found, np.histogram(logs[away], edges)[0])


@given(sizes=SIZES, start=st.floats(-0.2, 1.2), stop=st.floats(-0.2, 1.2))
def test_a_range_holds_what_lies_between_its_places(sizes, start, stop) -> None:
    scale = LogScale.over(np.array(sizes))
    low, high = scale.range(start, stop)
    assert low <= high
    first, last = sorted(min(max(place, 0), 1) for place in (start, stop))
    for size in sizes:
        if first + 1e-9 < scale.fraction(size) < last - 1e-9:
            assert low <= size <= high
    assert scale.size(first) / low == pytest.approx(1, rel=0.011)
    assert high / scale.size(last) == pytest.approx(1, rel=0.011)


def test_ends_ticks_and_rounding() -> None:
    scale = LogScale.over(np.array([0.004, 12.0, np.nan]))
    assert (scale.low, scale.high) == (0.004, 12.0)
    assert scale.decades() == pytest.approx([0.01, 0.1, 1, 10])
    assert scale.ticks() == scale.decades()
    assert LogScale(120.0, 4300.0).ticks() == [120.0, 4300.0]  # one power of ten alone says little
    assert (scale.fraction(0.004), scale.fraction(12.0)) == (0, 1)
    assert scale.size(scale.fraction(0.3)) == pytest.approx(0.3)
    assert scale.range(0, 1) == (0.004, 12.0)
    assert scale.range(1, 0.5) == (0.219, 12.0)


def test_objects_of_one_size_and_of_none() -> None:
    scale = LogScale.over(np.array([5, 5, 5]))
    assert scale.low < 5 < scale.high
    assert scale.count(np.array([5, 5, 5])).sum() == 3
    assert LogScale.over(np.array([])) is None
    assert LogScale.over(np.array([0.0, np.nan])) is None
