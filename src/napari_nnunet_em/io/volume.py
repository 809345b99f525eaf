"""The volume: a lazy array, the meaning of its axes, and its voxel size."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box, Shape, as_shape
from napari_nnunet_em.io.finding import ArrayLike
from napari_nnunet_em.io.fingerprint import digest_samples
from napari_nnunet_em.io.voxel_size import UNKNOWN, VoxelSizeNm


@dataclass(frozen=True, eq=False)
class Volume:
    """An electron-microscopy volume or image that is read box by box.

    Files behind it stay open as long as the volume lives. Reading is safe from several threads.

    Attributes
    ----------
    array : ArrayLike
        Lazy array with the axes `axes`, in the stored data type.
    axes : str
        Axes of `array`: some of c, z, y, x in this order, always with y and x.
    voxel_size_nm : tuple of float or None, (z, y, x)
        Nanometres per voxel; None when unknown. An image of one slice repeats y along z, unless the
        metadata state a z.
    voxel_size_source : str
        Words for the log: "OME-Zarr scale", "given by the caller", "unknown".
    origin : str
        Where it came from: a path, or "memory".
    levels : tuple of ArrayLike
        The pyramid, `array` first, with the same axes; just ``(array,)`` when there is none.
    origin_nm : tuple of float or None, (z, y, x)
        Where the centre of the first voxel lies in the world, where the file states it; None elsewhere.

    Raises
    ------
    ValueError
        When `axes` do not fit `array`.
    """

    array: ArrayLike
    axes: str
    voxel_size_nm: VoxelSizeNm | None = None
    voxel_size_source: str = UNKNOWN
    origin: str = "memory"
    levels: tuple[ArrayLike, ...] = ()
    origin_nm: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.axes not in ("yx", "zyx", "cyx", "czyx") or len(self.axes) != len(self.array.shape):
            raise ValueError(f"axes {self.axes!r} do not fit an array of shape {self.array.shape}")
        if not self.levels:
            object.__setattr__(self, "levels", (self.array,))

    @property
    def shape(self) -> Shape:
        """Voxels along (z, y, x)."""
        return as_shape([self._extent(axis) for axis in "zyx"])

    @property
    def channels(self) -> int:
        """Number of channels; 1 without a channel axis."""
        return self._extent("c")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the voxels, in the byte order of this machine."""
        stored: np.dtype[Any] = np.dtype(self.array.dtype)
        return stored.newbyteorder("=")

    @property
    def chunks(self) -> Shape:
        """Storage chunk along (z, y, x): what is worth reading at once. One slice without chunks."""
        stored = getattr(self.array, "chunks", None)
        if stored is None:
            return (1, *self.shape[1:])
        # dask lists every chunk of an axis, the others give one number.
        sides = [max(n) if isinstance(n, tuple) else int(n) for n in stored]
        named = dict(zip(self.axes, sides, strict=True))
        return as_shape([min(named.get(axis, 1), n) for axis, n in zip("zyx", self.shape, strict=True)])

    def read(self, box: Box, channel: int | None = None) -> npt.NDArray[Any]:
        """Read the voxels of a box.

        Parameters
        ----------
        box : Box
            Voxels along (z, y, x), inside the volume.
        channel : int, optional
            Read this channel alone; the others stay on disk where they have chunks of their own.

        Returns
        -------
        numpy.ndarray, (c, z, y, x)
            An array of the volume's data type that belongs to the caller.

        Raises
        ------
        ValueError
            When the box reaches outside the volume.
        InputError
            When the storage cannot be read.
        """
        inside = Box.whole(self.shape).contains(box)
        if not inside or any(a > b for a, b in zip(box.start, box.stop, strict=True)):
            raise ValueError(f"the box {box} does not lie inside a volume of shape {self.shape}")
        cuts = dict(zip("zyx", box.slices, strict=True))
        if channel is not None:
            cuts["c"] = slice(channel, channel + 1)
        data = self._load(tuple(cuts.get(axis, slice(None)) for axis in self.axes))
        return data.reshape(-1 if channel is not None else self.channels, *box.shape)

    def fingerprint(self) -> str:
        """A digest of shape, channels, data type and sampled content.

        It is the same for the same voxels in any format, chunking and byte order, and survives moving the
        file. Up to 27 boxes spread over the volume are read.

        Returns
        -------
        str
            SHA-256 in hexadecimal.
        """
        return digest_samples(self.shape, self.channels, self.dtype, self.read)

    def with_voxel_size(self, voxel_size_nm: Sequence[float] | None, source: str) -> Volume:
        """The same volume with another voxel size, (z, y, x) in nm, and where that is from."""
        if voxel_size_nm is None:
            return dataclasses.replace(self, voxel_size_nm=None, voxel_size_source=source)
        z, y, x = (float(v) for v in voxel_size_nm)
        return dataclasses.replace(self, voxel_size_nm=(z, y, x), voxel_size_source=source)

    def _extent(self, axis: str) -> int:
        return int(self.array.shape[self.axes.index(axis)]) if axis in self.axes else 1

    def _load(self, key: tuple[slice, ...]) -> npt.NDArray[Any]:
        try:
            stored = np.asarray(self.array[key])
        except InputError:
            raise
        except (OSError, RuntimeError, ValueError) as error:
            region = ", ".join(
                f"{axis} {cut.start}:{cut.stop}" for axis, cut in zip(self.axes, key, strict=True)
            )
            raise InputError(
                f"{self.origin} cannot be read at {region}: {error}; "
                "the file may be damaged or incomplete, or was changed since it was opened."
            ) from error
        # In-memory sources hand out views, and a caller that normalises in place must not change them.
        return np.require(stored, self.dtype, ["C_CONTIGUOUS", "OWNDATA", "WRITEABLE"])
