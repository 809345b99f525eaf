"""Arrays that look at one channel or one slice of a stored array, and read nothing until napari asks."""

from __future__ import annotations

from typing import Any

import numpy as np


class ArrayView:
    """What napari asks of an array besides its elements; subclasses say how these are read.

    Parameters
    ----------
    array : array-like
        With ``shape``, ``dtype`` and indexing, such as a `zarr.Array`.
    """

    def __init__(self, array: Any) -> None:
        self.array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(self.array.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    def __len__(self) -> int:
        return self.shape[0]


class FixedAxes(ArrayView):
    """An array whose first axes are held at fixed indices.

    dask would do, but napari keeps slices of dask arrays in a cache and shows stale data while a
    result is being written.

    Parameters
    ----------
    array : array-like
        With ``shape``, ``dtype`` and indexing, such as a `zarr.Array`.
    leading : tuple of int
        Index for each of the first axes, which disappear from the shape.
    """

    def __init__(self, array: Any, leading: tuple[int, ...]) -> None:
        super().__init__(array)
        self._leading = leading

    @property
    def channel(self) -> int:
        """Channel that is looked at, where the array has a channel axis before z, y and x; else 0."""
        return self._leading[0] if self._leading and len(self.array.shape) == 4 else 0

    @property
    def channel_count(self) -> int:
        """Channels of the array, where it has a channel axis before z, y and x; else 1."""
        return int(self.array.shape[0]) if len(self.array.shape) == 4 else 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis that is left."""
        return tuple(self.array.shape[len(self._leading) :])

    def __getitem__(self, key: Any) -> Any:
        rest = key if isinstance(key, tuple) else (key,)
        return self.array[(*self._leading, *rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.array[self._leading], dtype=dtype, copy=copy)
