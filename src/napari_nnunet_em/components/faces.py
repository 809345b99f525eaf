"""Faces of finished blocks, in memory while they are few and in a scratch file when they are many."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import OutputError

MEMORY_BYTES = 64 << 20


class FaceStore:
    """Numbered places for faces of labels, written over as the front moves on.

    A front across 30000 x 30000 voxels holds 3.6 GB of labels, more than a job may keep, so beyond
    `memory_bytes` everything moves to a temporary file that vanishes with the store.

    Parameters
    ----------
    slots : int
        Number of places.
    slot_voxels : int
        Voxels in the largest face.
    scratch : pathlib.Path or None
        Folder of the temporary file; the system's own without it.
    memory_bytes : int
        Bytes kept in memory before the file is used.
    """

    def __init__(
        self, slots: int, slot_voxels: int, scratch: Path | None = None, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self._slot_bytes = slot_voxels * np.dtype(np.uint32).itemsize
        self._scratch = scratch
        # A negative base marks an empty face, of which nothing is stored.
        self._base = np.full(slots, -1, dtype=np.int64)
        folder = None if scratch is None else str(scratch)
        self._file = tempfile.SpooledTemporaryFile(max_size=memory_bytes, dir=folder)  # noqa: SIM115 - closed by close()

    def write(self, slot: int, face: NDArray[np.uint32], base: int) -> None:
        """Keep a face.

        Parameters
        ----------
        slot : int
            Its place; what was there is gone.
        face : array, (rows, columns), uint32
            Components numbered from 1 inside their block, and 0.
        base : int
            What turns these numbers into numbers unique in the volume.

        Raises
        ------
        OutputError
            When the scratch folder is full or cannot be written.
        """
        self._base[slot] = base if face.any() else -1
        if self._base[slot] < 0:
            return
        try:
            self._file.seek(slot * self._slot_bytes)
            self._file.write(np.ascontiguousarray(face).data)
        except OSError as error:
            folder = self._scratch or tempfile.gettempdir()
            raise OutputError(
                f"The faces of finished blocks could not be kept in {folder} ({error}): "
                "free some space there, or name another scratch folder."
            ) from error

    def clear(self, slot: int) -> None:
        """Keep an empty face."""
        self._base[slot] = -1

    def read(self, slot: int, shape: tuple[int, int]) -> tuple[NDArray[np.uint32], int] | None:
        """Give back a face and its base as they were written, or None where the face is empty."""
        base = int(self._base[slot])
        if base < 0:
            return None
        self._file.seek(slot * self._slot_bytes)
        face = np.frombuffer(self._file.read(shape[0] * shape[1] * 4), dtype=np.uint32)
        return face.reshape(shape), base

    def close(self) -> None:
        """Drop everything, the temporary file included."""
        self._file.close()
