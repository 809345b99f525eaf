"""Hypothesis strategies for what varies in many tests: shapes, blocks, boxes.

They draw small values first, so that a failing example shrinks to something one can draw on paper.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from napari_nnunet_em.geometry import Box, Shape, as_shape


def shapes(
    max_shape: Sequence[int] = (12, 24, 24), min_shape: Sequence[int] = (1, 1, 1)
) -> st.SearchStrategy[Shape]:
    """Shapes (z, y, x) between two bounds, both included."""
    sides = [st.integers(a, b) for a, b in zip(min_shape, max_shape, strict=True)]
    return st.tuples(*sides).map(as_shape)


def block_shapes(shape: Sequence[int], *, slack: int = 2) -> st.SearchStrategy[Shape]:
    """Block shapes (z, y, x) for an array of `shape`: from one voxel to `slack` more than the array."""
    return shapes([n + slack for n in shape])


def boxes(within: Box, *, max_shape: Sequence[int] | None = None) -> st.SearchStrategy[Box]:
    """Boxes of at least one voxel inside `within`, no larger than `max_shape`.

    `within` may begin at negative coordinates.
    """
    limits = within.shape if max_shape is None else max_shape
    axes = [_ranges(a, b, m) for a, b, m in zip(within.start, within.stop, limits, strict=True)]
    return st.tuples(*axes).map(_box)


@st.composite
def overlapping_boxes(
    draw: st.DrawFn, within: Box, *, max_shape: Sequence[int] | None = None
) -> tuple[Box, Box]:
    """Pairs of boxes inside `within`, no larger than `max_shape`, that share at least one voxel."""
    limits = within.shape if max_shape is None else max_shape
    first = draw(boxes(within, max_shape=max_shape))
    second = []
    for axis, longest in enumerate(limits):
        shared = draw(st.integers(first.start[axis], first.stop[axis] - 1))
        start = draw(st.integers(max(within.start[axis], shared - longest + 1), shared))
        stop = draw(st.integers(shared + 1, min(within.stop[axis], start + longest)))
        second.append((start, stop))
    return first, _box(second)


def _ranges(start: int, stop: int, longest: int) -> st.SearchStrategy[tuple[int, int]]:
    """Non-empty half-open ranges between two bounds."""
    return st.integers(start, stop - 1).flatmap(
        lambda first: st.tuples(st.just(first), st.integers(first + 1, min(stop, first + longest)))
    )


def _box(ranges: Sequence[tuple[int, int]]) -> Box:
    return Box(as_shape([a for a, _ in ranges]), as_shape([b for _, b in ranges]))
