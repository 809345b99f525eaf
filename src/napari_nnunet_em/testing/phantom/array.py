"""The phantom as a lazy array, for readers that expect one."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import numpy.typing as npt

from napari_nnunet_em.geometry import Box, Shape, as_shape

if TYPE_CHECKING:
    from napari_nnunet_em.testing.phantom.phantom import Phantom


class PhantomPart(enum.StrEnum):
    """What a `PhantomArray` gives."""

    RAW = "raw"
    IDS = "ids"


@dataclass(frozen=True)
class PhantomArray:
    """A read-only array, (z, y, x), whose voxels are computed when they are asked for.

    It has what lazy readers look for (`shape`, `dtype`, `chunks`, basic indexing) and holds no voxels, so
    it may be larger than any disk. Indexing takes integers, slices and ``...``, and returns NumPy arrays.
    Thread-safe.

    Attributes
    ----------
    phantom : Phantom
        What is evaluated.
    shape : tuple of int, (z, y, x)
    part : PhantomPart
        ``RAW`` gives the uint8 image, ``IDS`` the uint32 ids.
    chunks : tuple of int, (z, y, x)
        Boxes worth reading at once; any other box costs time but gives the same voxels.
    """

    phantom: Phantom
    shape: Shape
    part: PhantomPart
    chunks: Shape

    @classmethod
    def of(
        cls, phantom: Phantom, part: PhantomPart, shape: Sequence[int], chunks: Sequence[int]
    ) -> PhantomArray:
        """The voxels from the origin to `shape`, in chunks no larger than that."""
        fitting = [max(min(c, n), 1) for c, n in zip(chunks, shape, strict=True)]
        return cls(phantom, as_shape(shape), part, as_shape(fitting))

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint8 for the image, uint32 for ids."""
        return np.dtype(np.uint8 if self.part is PhantomPart.RAW else np.uint32)

    @property
    def ndim(self) -> int:
        """Three."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of voxels."""
        return Box.whole(self.shape).size

    def __len__(self) -> int:
        return self.shape[0]

    def read(self, box: Box) -> npt.NDArray[Any]:
        """The voxels of a box: array, (z, y, x)."""
        return self.phantom.ids(box) if self.part is PhantomPart.IDS else self.phantom.block(box)[0]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        ranges, rest = _selection(key, self.shape)
        if not all(ranges):
            return np.empty([len(r) for r in ranges], self.dtype)[rest]
        box = Box(as_shape([min(r) for r in ranges]), as_shape([max(r) + 1 for r in ranges]))
        steps = tuple(slice(None, None, r.step) for r in ranges)
        return self.read(box)[steps][rest]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("A PhantomArray holds no voxels, so it cannot become an array without a copy.")
        return self.read(Box.whole(self.shape)).astype(dtype or self.dtype, copy=False)

    def as_dask(self, chunks: Sequence[int] | None = None) -> Any:
        """The same voxels as a dask array, chunked like this array unless `chunks` says otherwise."""
        return da.from_array(self, chunks=tuple(chunks or self.chunks), meta=np.empty((0, 0, 0), self.dtype))


def _selection(key: Any, shape: Shape) -> tuple[list[range], tuple[int | slice, ...]]:
    """Split an index into one range of voxels per axis, and the index that then drops the integer axes.

    Raises
    ------
    IndexError
        For indices other than integers, slices and one ellipsis, and for integers outside the array.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if sum(p is Ellipsis for p in parts) > 1 or len([p for p in parts if p is not Ellipsis]) > len(shape):
        raise IndexError(f"The index {key!r} has too many entries for an array of {len(shape)} axes.")
    at = next((i for i, p in enumerate(parts) if p is Ellipsis), len(parts))
    missing = len(shape) - len([p for p in parts if p is not Ellipsis])
    parts[at : at + 1] = [slice(None)] * missing
    ranges: list[range] = []
    rest: list[int | slice] = []
    for part, length in zip(parts, shape, strict=True):
        if isinstance(part, slice):
            ranges.append(range(length)[part])
            rest.append(slice(None))
        elif isinstance(part, int | np.integer):
            position = range(length)[int(part)]
            ranges.append(range(position, position + 1))
            rest.append(0)
        else:
            raise IndexError(
                f"The index {part!r} is neither an integer nor a slice, which is all that works here."
            )
    return ranges, tuple(rest)
