"""A lazy array seen with its axes in another order."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_nnunet_em.io.finding import ArrayLike


def expand_index(key: Any, ndim: int) -> tuple[int | slice, ...]:
    """One integer or slice per axis from what stands between square brackets.

    Raises
    ------
    IndexError
        For more entries than axes.
    TypeError
        For anything but integers, slices and one ellipsis.
    """
    parts = key if isinstance(key, tuple) else (key,)
    if Ellipsis not in [p for p in parts if not isinstance(p, slice)]:
        parts = (*parts, Ellipsis)
    at = next(i for i, p in enumerate(parts) if p is Ellipsis)
    missing = ndim - (len(parts) - 1)
    if missing < 0:
        raise IndexError(f"{len(parts) - 1} indices for an array with {ndim} axes")
    full = (*parts[:at], *[slice(None)] * missing, *parts[at + 1 :])
    return tuple(p if isinstance(p, slice) else operator.index(p) for p in full)


class AxesView:
    """A lazy array seen with its axes in another order; integers and slices only.

    It costs no memory however large the array is, which a task graph would.

    Parameters
    ----------
    source : ArrayLike
        The stored array.
    dims : tuple of int
        The stored axis behind each axis of the view; stored axes left out are of length 1.
    chunks : sequence of int, optional
        Chunk to report, in stored order, in place of the array's own.
    """

    def __init__(self, source: ArrayLike, dims: tuple[int, ...], chunks: Sequence[int] | None = None) -> None:
        self._source = source
        self._dims = dims
        self.shape = tuple(source.shape[d] for d in dims)
        self.dtype: np.dtype[Any] = np.dtype(source.dtype)
        stored = chunks if chunks is not None else getattr(source, "chunks", None)
        self.chunks = None if stored is None else tuple(int(stored[d]) for d in dims)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        parts = dict(zip(self._dims, expand_index(key, self.ndim), strict=True))
        data = np.asarray(self._source[tuple(parts.get(d, 0) for d in range(len(self._source.shape)))])
        kept = [d for d in self._dims if isinstance(parts[d], slice)]
        order = sorted(kept)
        return data.transpose([order.index(d) for d in kept])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)

    def __repr__(self) -> str:
        return f"AxesView(shape={self.shape}, dtype={self.dtype}, chunks={self.chunks})"
