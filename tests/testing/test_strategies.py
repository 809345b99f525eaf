"""The shared strategies give what they promise, also at their edges."""

from __future__ import annotations

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from napari_nnunet_em.geometry import Box, iter_blocks
from napari_nnunet_em.testing.strategies import block_shapes, boxes, overlapping_boxes, shapes

WITHIN = Box((-3, -5, 2), (4, 6, 9))


@given(shapes((3, 4, 5), (1, 2, 3)))
def test_shapes_stay_between_their_bounds(shape: tuple[int, int, int]) -> None:
    assert all(a <= n <= b for a, n, b in zip((1, 2, 3), shape, (3, 4, 5), strict=True))


@given(st.data())
def test_blocks_of_any_drawn_shape_partition_the_array(data: st.DataObject) -> None:
    shape = data.draw(shapes((5, 6, 7)))
    blocks = list(iter_blocks(shape, data.draw(block_shapes(shape))))
    assert sum(b.write.size for b in blocks) == Box.whole(shape).size


def test_block_shapes_reach_beyond_the_array() -> None:
    assert find(block_shapes((2, 2, 2)), lambda b: b == (4, 4, 4)) == (4, 4, 4)


@given(boxes(WITHIN, max_shape=(2, 3, 4)))
def test_boxes_lie_inside_and_are_never_empty(box: Box) -> None:
    assert WITHIN.contains(box)
    assert all(1 <= n <= m for n, m in zip(box.shape, (2, 3, 4), strict=True))


@pytest.mark.parametrize(("start", "stop"), [(-1, 0), (0, 1), (-1, 1)])
def test_boxes_reach_both_ends(start: int, stop: int) -> None:
    target = Box((start, 0, 0), (stop, 1, 1))
    assert find(boxes(Box((-1, 0, 0), (1, 1, 1))), lambda box: box == target) == target


@given(overlapping_boxes(WITHIN, max_shape=(4, 5, 6)))
def test_pairs_share_a_voxel(pair: tuple[Box, Box]) -> None:
    assert pair[0].intersect(pair[1]).size > 0
    for box in pair:
        assert WITHIN.contains(box)
        assert all(1 <= n <= m for n, m in zip(box.shape, (4, 5, 6), strict=True))


def test_pairs_need_not_be_equal() -> None:
    assert find(overlapping_boxes(WITHIN), lambda pair: pair[0] != pair[1])
