"""Boxes, blocks, columns and the tile grid."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window

from napari_nnunet_em.geometry import Box, TileGrid, iter_blocks, make_columns, tile_starts
from napari_nnunet_em.testing.strategies import block_shapes, shapes


@given(st.integers(1, 300), st.integers(0, 3000), st.floats(0.05, 1))
def test_tiles_start_where_nnunet_starts_them(patch, more, step):
    length = patch + more
    (theirs,) = compute_steps_for_sliding_window((length,), (patch,), step)
    assert tile_starts(length, patch, step) == tuple(theirs)


@given(shapes(), st.data())
def test_blocks_and_columns_partition_the_volume(shape, data):
    block_shape = data.draw(block_shapes(shape))
    for blocks in (
        list(iter_blocks(shape, block_shape)),
        [b for c in make_columns(shape, block_shape) for b in c.blocks],
    ):
        seen = np.zeros(shape, int)
        for block in blocks:
            seen[block.write.slices] += 1
        assert (seen == 1).all()
    for column in make_columns(shape, block_shape):
        assert column.box.shape[0] == shape[0]
        assert len({block.write.start[1:] for block in column.blocks}) == 1


def test_tiles_that_touch_a_range():
    grid = TileGrid.of((20, 64, 64), (8, 32, 32), 0.5)
    assert grid.count == 4 * 3 * 3
    assert grid.starts[0] == (0, 4, 8, 12)
    assert grid.overlapping(0, 0, 4) == (0,)
    assert grid.overlapping(0, 4, 9) == (0, 4, 8)
    assert grid.overlapping(0, 19, 20) == (12,)


def test_boxes():
    box = Box((1, 2, 3), (4, 6, 8))
    assert box.shape == (3, 4, 5)
    assert box.size == 60
    assert str(box) == "1:4,2:6,3:8"
    assert box.shift((1, 1, 1)).relative_to((2, 3, 4)) == Box((0, 0, 0), (3, 4, 5))
    assert box.grow((1, 0, 1)) == Box((0, 2, 2), (5, 6, 9))
    assert box.intersect(Box((9, 9, 9), (10, 10, 10))).size == 0
    assert Box.whole((5, 6, 8)).contains(box)
    assert not Box.whole((5, 5, 8)).contains(box)
