"""Decoded chunks of a stored array, kept while whoever reads it says that they will be needed again."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_nnunet_em.io.finding import ArrayLike
from napari_nnunet_em.io.view import expand_index

Index = tuple[int, ...]
NextUse = Callable[[Index, tuple[slice, ...]], Any]

# What is decoded at once, unless a single row of chunks is more.
_GROUP_BYTES = 64 << 20


def regular_chunks(array: ArrayLike) -> tuple[int, ...] | None:
    """Chunk of an array that is stored in equal chunks; None where it is stored otherwise."""
    stored = getattr(array, "chunks", None)
    if stored is None:
        return None
    sides = []
    for extent in stored:
        lengths = extent if isinstance(extent, tuple) else (int(extent),)
        if any(n != lengths[0] for n in lengths[:-1]) or lengths[-1] > lengths[0]:
            return None  # dask lists every chunk of an axis
        sides.append(int(lengths[0]))
    return tuple(sides)


class ChunkCache:
    """An array whose chunks are decoded whole, and kept up to a budget of bytes.

    What does not fit is read all the same; then those are kept that are needed soonest. Reading is for one
    thread at a time.

    Parameters
    ----------
    array : ArrayLike
        The stored array.
    chunks : tuple of int
        Its chunk.
    budget_bytes : int
        What the kept chunks may take.

    Attributes
    ----------
    decoded : int
        Chunks decoded so far.
    kept_bytes : int
        What the kept chunks take.
    """

    def __init__(self, array: ArrayLike, chunks: Sequence[int], budget_bytes: int) -> None:
        self._array = array
        self._budget = budget_bytes
        self._kept: dict[Index, npt.NDArray[Any]] = {}
        self._order: list[tuple[tuple[Any, ...], Index]] = []  # by next use, the soonest first
        self._after_read: NextUse | None = None
        self.shape = tuple(array.shape)
        self.dtype: np.dtype[Any] = np.dtype(array.dtype)
        self.chunks = tuple(chunks)
        self.decoded = 0
        self.kept_bytes = 0

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        parts = expand_index(key, len(self.shape))
        ranges = [
            part.indices(n)[:2] if isinstance(part, slice) else (part, part + 1)
            for part, n in zip(parts, self.shape, strict=True)
        ]
        data = self._assemble(ranges)
        return data[tuple(slice(None) if isinstance(part, slice) else 0 for part in parts)]

    def keep(self, next_use: NextUse, after_read: NextUse | None = None) -> None:
        """Forget chunks that are not needed any more, and those needed last where the budget is exceeded.

        Parameters
        ----------
        next_use : callable
            From a chunk's index and its slices of the array to when it is needed next, as a value that can
            be compared; None where it is not needed any more.
        after_read : callable, optional
            The same, but not counting the reads before the next call of `keep`. By it, what they decode
            takes the place of chunks that are needed later; without it, only room that is free.
        """
        self._after_read = after_read
        uses = {index: next_use(index, self._slices(index)) for index in self._kept}
        for index in [index for index, use in uses.items() if use is None]:
            self._forget(index)
        self._order = sorted((_sortable(uses[index]), index) for index in self._kept)
        self._shrink_to(self._budget)

    def _shrink_to(self, size_bytes: int) -> None:
        while self.kept_bytes > max(size_bytes, 0):
            self._forget(self._order.pop()[1])

    def _admit(self, index: Index, size_bytes: int) -> bool:
        """Whether a decoded chunk is kept; makes room for it by forgetting those needed later."""
        use = self._after_read(index, self._slices(index)) if self._after_read else None
        entry = (_sortable(use), index)
        needed = self.kept_bytes + size_bytes - self._budget
        later = len(self._order)
        while needed > 0 and later and self._order[later - 1] > entry:
            later -= 1
            needed -= self._kept[self._order[later][1]].nbytes
        if needed > 0:
            return False
        for _, other in self._order[later:]:
            self._forget(other)
        del self._order[later:]
        bisect.insort(self._order, entry)
        return True

    def _forget(self, index: Index) -> None:
        self.kept_bytes -= self._kept.pop(index).nbytes

    def _slices(self, index: Index) -> tuple[slice, ...]:
        return tuple(
            slice(i * c, min((i + 1) * c, n)) for i, c, n in zip(index, self.chunks, self.shape, strict=True)
        )

    def _assemble(self, ranges: Sequence[tuple[int, int]]) -> npt.NDArray[Any]:
        result = np.empty([max(b - a, 0) for a, b in ranges], self.dtype)
        if result.size == 0:
            return result
        spans = [range(a // c, -(-b // c)) for (a, b), c in zip(ranges, self.chunks, strict=True)]
        for group in self._groups(spans):
            for index, chunk in self._load(group):
                _copy_common(result, ranges, chunk, self._slices(index))
        return result

    def _groups(self, spans: Sequence[range]) -> Iterator[list[Index]]:
        """Chunks side by side that are all kept, or all not, so that they are read at once."""
        indices = list(itertools.product(*spans))
        size = len(indices) * math.prod(self.chunks) * self.dtype.itemsize
        if size <= _GROUP_BYTES and not any(index in self._kept for index in indices):
            yield indices
            return
        for _, row in itertools.groupby(indices, key=lambda index: (index[:-1], index in self._kept)):
            yield list(row)

    def _load(self, group: list[Index]) -> Iterator[tuple[Index, npt.NDArray[Any]]]:
        if group[0] in self._kept:
            yield from ((index, self._kept[index]) for index in group)
            return
        first, last = self._slices(group[0]), self._slices(group[-1])
        whole = np.asarray(
            self._array[tuple(slice(a.start, b.stop) for a, b in zip(first, last, strict=True))]
        )
        self.decoded += len(group)
        for index in group:
            places = self._slices(index)
            chunk = whole[
                tuple(slice(s.start - f.start, s.stop - f.start) for s, f in zip(places, first, strict=True))
            ]
            if self._admit(index, math.prod(chunk.shape) * self.dtype.itemsize):
                self._kept[index] = chunk if len(group) == 1 else chunk.copy()
                self.kept_bytes += chunk.nbytes
            yield index, chunk


def _sortable(use: Any) -> tuple[Any, ...]:
    """Next uses in order; what is not needed any more comes last."""
    return (1,) if use is None else (0, use)


def _copy_common(
    target: npt.NDArray[Any],
    ranges: Sequence[tuple[int, int]],
    chunk: npt.NDArray[Any],
    where: Sequence[slice],
) -> None:
    """Copy the elements of a chunk that lie in the ranges."""
    both = [(max(a, s.start), min(b, s.stop)) for (a, b), s in zip(ranges, where, strict=True)]
    into = tuple(slice(a - first, b - first) for (a, b), (first, _) in zip(both, ranges, strict=True))
    out_of = tuple(slice(a - s.start, b - s.start) for (a, b), s in zip(both, where, strict=True))
    target[into] = chunk[out_of]
