"""The volume: a lazy array, the meaning of its axes, and its voxel size."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box, Shape, as_shape
from napari_nnunet_em.io.finding import ArrayLike
from napari_nnunet_em.io.fingerprint import digest_samples
from napari_nnunet_em.io.lattice import Lattice
from napari_nnunet_em.io.voxel_size import UNKNOWN, VoxelSizeNm

_LEVEL_WORDS = ", pyramid level "


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
        The pyramid, full resolution first, with the same axes; just ``(array,)`` when there is none.
    origin_nm : tuple of float or None, (z, y, x)
        Where the centre of the first voxel lies in the world, where the file states it; None elsewhere.
    level : int
        Which of the levels `array` is.
    level_sizes_nm, level_origins_nm : tuple of (tuple of float or None)
        Voxel size and `origin_nm` of each level, as far as the file states them; empty elsewhere.

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
    level: int = 0
    level_sizes_nm: tuple[VoxelSizeNm | None, ...] = ()
    level_origins_nm: tuple[tuple[float, float, float] | None, ...] = ()

    def __post_init__(self) -> None:
        if self.axes not in ("yx", "zyx", "cyx", "czyx") or len(self.axes) != len(self.array.shape):
            raise ValueError(f"axes {self.axes!r} do not fit an array of shape {self.array.shape}")
        if not self.levels:
            object.__setattr__(self, "levels", (self.array,))

    @property
    def shape(self) -> Shape:
        """Voxels along (z, y, x)."""
        return self._spatial(self.array.shape)

    @property
    def channels(self) -> int:
        """Number of channels; 1 without a channel axis."""
        return int(self.array.shape[self.axes.index("c")]) if "c" in self.axes else 1

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

    def shape_of(self, level: int) -> Shape:
        """Voxels of a level of the pyramid along (z, y, x)."""
        return self._spatial(self.levels[level].shape)

    def _spatial(self, stored: Sequence[int]) -> Shape:
        named = dict(zip(self.axes, stored, strict=True))
        return as_shape([int(named.get(axis, 1)) for axis in "zyx"])

    def lattice(self, level: int) -> Lattice:
        """How the voxels of a level lie over those of the full resolution.

        The metadata say so where they fit the shapes; else a voxel stands for a whole number of voxels of
        the full resolution, and both begin at the same edge, as napari draws them.
        """
        shapes = self.shape_of(0), self.shape_of(level)
        stated, origins = self.level_sizes_nm, self.level_origins_nm
        full, own = (stated[0], stated[level]) if len(stated) > level else (None, None)
        if full is None or own is None:
            return Lattice.between(*shapes)
        sizes = [b / a for a, b in zip(full, own, strict=True)]
        begin, begun = (origins[0], origins[level]) if len(origins) > level else (None, None)
        if begin is None or begun is None:
            return Lattice.between(*shapes, sizes)
        places = [(b - a) / s for a, b, s in zip(begin, begun, full, strict=True)]
        return Lattice.between(*shapes, sizes, places)

    def size_of(self, level: int) -> VoxelSizeNm | None:
        """Voxel size of a level, (z, y, x) in nm; None when that of `array` is unknown."""
        size = self.voxel_size_nm
        if size is None or level == self.level:
            return size
        here, there = self.lattice(self.level).step, self.lattice(level).step
        # Twelve digits, so that it is the number that was stated and not its neighbour.
        z, y, x = (float(f"{s * b / a:.12g}") for s, a, b in zip(size, here, there, strict=True))
        return z, y, x

    def at_level(self, level: int) -> Volume:
        """A level of the pyramid as a volume, with its own voxel size and place.

        Raises
        ------
        InputError
            When there is no such level.
        """
        if level == self.level:
            return self
        if not 0 <= level < len(self.levels):
            has = f"the levels 0 to {len(self.levels) - 1}" if len(self.levels) > 1 else "no pyramid"
            raise InputError(
                f"{self.origin} has {has}, but level {level} was asked for: choose another level."
            )
        source = self.voxel_size_source.partition(_LEVEL_WORDS)[0]
        return dataclasses.replace(
            self,
            array=self.levels[level],
            level=level,
            voxel_size_nm=self.size_of(level),
            voxel_size_source=f"{source}{_LEVEL_WORDS}{level}" if level else source,
            origin_nm=self._origin_of(level),
        )

    def _origin_of(self, level: int) -> tuple[float, float, float] | None:
        """Where a level lies in the world: as stated, unless its `lattice` does not believe that."""
        stated, sizes = self.level_origins_nm, self.level_sizes_nm
        own = stated[level] if len(stated) > level else None
        full, size = (stated[0], sizes[0]) if own is not None and len(sizes) > level else (None, None)
        if own is None or full is None or size is None:
            return own
        drawn = [o + f * s for o, f, s in zip(full, self.lattice(level).first, size, strict=True)]
        axes = zip(own, drawn, size, strict=True)
        z, y, x = (a if math.isclose(a, b, abs_tol=1e-6 * s) else b for a, b, s in axes)
        return z, y, x

    @property
    def shift_nm(self) -> tuple[float, float, float]:
        """Where the centre of the first voxel lies, (z, y, x), from that of the full resolution."""
        lattice, size = self.lattice(self.level), self.voxel_size_nm
        if size is None or self.level == 0:
            return 0.0, 0.0, 0.0
        z, y, x = (f / s * nm for f, s, nm in zip(lattice.first, lattice.step, size, strict=True))
        return z, y, x

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
