"""A plain array on disk for results that a later pass reads back and that are deleted afterwards."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.geometry import Box, Shape
from napari_nnunet_em.io.staging import explained


class ScratchArray:
    """An array (c, z, y, x) without pyramid, made of chunks that one writer fills whole.

    Threads may write different chunks at the same time. What was never written reads as 0.

    Parameters
    ----------
    path : pathlib.Path
        Folder of the array.
    array : zarr.Array, (c, z, y, x)
        As `open` gives it.
    """

    def __init__(self, path: Path, array: zarr.Array[Any]) -> None:
        self.path = path
        self._array = array

    @classmethod
    def open(
        cls, path: Path, channels: int, shape: Shape, chunk_shape: Shape, dtype: np.dtype[Any]
    ) -> ScratchArray:
        """Continue an array, or begin it.

        Parameters
        ----------
        path : pathlib.Path
            Folder of the array.
        channels : int
            Length of the first axis; each channel has chunks of its own.
        shape, chunk_shape : tuple of int, (z, y, x)
            Voxels of the array, and of its chunks.
        dtype : numpy.dtype
            Type of the voxels.

        Raises
        ------
        OutputError
            If the folder cannot be written, or holds another array.
        """
        wanted = (channels, *shape), (1, *chunk_shape), np.dtype(dtype)
        try:
            with explained(path):
                if (path / "zarr.json").is_file():
                    array = zarr.open_array(path, mode="r+")
                else:
                    array = zarr.create_array(
                        path,
                        shape=wanted[0],
                        chunks=wanted[1],
                        dtype=wanted[2],
                        fill_value=0,
                        compressors=ZstdCodec(level=1),
                    )
        except ValueError as error:
            raise _damaged(path, str(error)) from error
        if (array.shape, array.chunks, array.dtype) != wanted:
            raise _damaged(path, f"{array.shape} {array.dtype} in chunks {array.chunks}")
        return cls(path, array)

    def write(self, box: Box, data: NDArray[Any]) -> None:
        """Write whole chunks: `box` (z, y, x), and its voxels (c, z, y, x).

        Raises
        ------
        OutputError
            If the disk is full or refuses.
        """
        with explained(self.path):
            self._array[(slice(None), *box.slices)] = data

    def read(self, box: Box, channel: int) -> NDArray[Any]:
        """Voxels of one channel in `box`, (z, y, x).

        Raises
        ------
        OutputError
            If the file system fails or a chunk is damaged.
        """
        try:
            with explained(self.path, "read"):
                return np.asarray(self._array[(channel, *box.slices)])
        except (RuntimeError, ValueError) as error:
            raise _damaged(self.path, str(error)) from error


def remove_scratch(path: Path) -> None:
    """Delete an array; a missing one is fine.

    Raises
    ------
    OutputError
        If it cannot be deleted.
    """
    with explained(path, "deleted"):
        if path.exists():
            shutil.rmtree(path)


def _damaged(path: Path, what: str) -> OutputError:
    return OutputError(
        f"The intermediate result {path} is damaged ({what}): run the job anew with overwrite (--overwrite)."
    )
