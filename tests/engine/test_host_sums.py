"""Sums in NumPy, in place, and the answers that are kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.engine.constant_tiles import ConstantTiles
from napari_nnunet_em.engine.host_sums import move_up


@given(depth=st.integers(1, 9), rows=st.integers(1, 10), seed=st.integers(0, 99))
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_rows_move_up_as_in_a_copy(kind, depth, rows, seed):
    before = np.random.default_rng(seed).normal(size=(depth, 3, 2)).astype(np.float32)
    after = np.zeros_like(before)
    after[: max(depth - rows, 0)] = before[rows:]
    stack = torch.from_numpy(before.copy()) if kind == "torch" else before.copy()
    move_up(stack, rows)
    np.testing.assert_array_equal(np.asarray(stack), after)


def test_the_last_few_answers_are_kept():
    asked = []
    tiles = ConstantTiles(lambda values: asked.append(values) or values[0] * 2)
    for value in (1.0, 2.0, 1.0, 3.0, 4.0, 1.0, 5.0, 1.0, 2.0):
        assert tiles.get((value,)) == value * 2
    assert [v for (v,) in asked] == [1, 2, 3, 4, 5, 2]
