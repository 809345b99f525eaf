"""What the first pass saw of each block, kept until the second, so that nothing is labelled twice."""

from __future__ import annotations

import struct
import tempfile
import threading
import weakref
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components.faces import MEMORY_BYTES
from napari_nnunet_em.components.runs import Integers

_BYTES_PER_RUN = 12
_MAX_BYTES_PER_VOXEL = 1.0

_HEAD = struct.Struct("<QB")

Numbers = NDArray[np.unsignedinteger[Any]]
Remembered = tuple[Numbers, Numbers, Numbers]


class RunStore:
    """Runs of blocks, compressed, in memory while they are few and in a scratch file when they are many.

    A memory that may fail: what is noise rather than objects is not kept, and where the disk is full
    everything is forgotten. Such blocks have to be labelled again, which gives the same. Reading is
    thread-safe.

    Parameters
    ----------
    blocks : int
        Number of blocks.
    scratch : pathlib.Path or None
        Folder of the temporary file, which vanishes with the store; the system's own without it.
    memory_bytes : int
        Bytes kept in memory before the file is used.
    """

    def __init__(self, blocks: int, scratch: Path | None = None, memory_bytes: int = MEMORY_BYTES) -> None:
        # A negative place marks a block that is not remembered.
        self._place = np.full(blocks, -1, dtype=np.int64)
        self._bytes = np.zeros(blocks, dtype=np.int64)
        self._end = 0
        self._full = False
        self._lock = threading.Lock()
        folder = None if scratch is None else str(scratch)
        self._file = tempfile.SpooledTemporaryFile(max_size=memory_bytes, dir=folder)  # noqa: SIM115 - see below
        # Tables are passed around without ceremony, so the last one that is dropped closes the file.
        self._close = weakref.finalize(self, self._file.close)

    @property
    def stored_bytes(self) -> int:
        """Bytes in memory or in the file."""
        return self._end

    def keep(self, number: int, voxels: int, begin: Integers, length: Integers, label: Integers) -> None:
        """Remember the runs of a block of `voxels` voxels; ascending, as `Runs` holds them."""
        if self._full or len(begin) * _BYTES_PER_RUN > _MAX_BYTES_PER_VOXEL * voxels or voxels >= 2**32:
            return
        gap = begin.copy()
        gap[1:] -= begin[:-1] + length[:-1]
        data = b"".join(_packed(values) for values in (gap, length, label))
        with self._lock:
            try:
                self._file.seek(self._end)
                self._file.write(data)
            except OSError:
                # The room is needed for what cannot be had in another way.
                self._full = True
                self._end = 0
                self.close()
                return
        self._place[number], self._bytes[number] = self._end, len(data)
        self._end += len(data)

    def recall(self, number: int) -> Remembered | None:
        """Gap to the run before, length, and label of each run of a block; None where that was not kept."""
        with self._lock:
            if self._place[number] < 0:
                return None
            self._file.seek(int(self._place[number]))
            data = memoryview(self._file.read(int(self._bytes[number])))
        gap, data = _unpacked(data)
        length, data = _unpacked(data)
        label, _ = _unpacked(data)
        return gap, length, label

    def close(self) -> None:
        """Forget everything, the temporary file included."""
        self._place[:] = -1
        self._close()


def _packed(values: Integers) -> bytes:
    """Numbers below 2**32, in as few bytes as hold the largest, compressed, behind their size and type."""
    narrow = values.astype(np.uint16 if values.max(initial=0) < 2**16 else np.uint32)
    data = imagecodecs.zstd_encode(narrow.tobytes(), level=1)
    return _HEAD.pack(len(data), narrow.itemsize) + data


def _unpacked(data: memoryview) -> tuple[Numbers, memoryview]:
    """The first numbers in `data`, and what comes behind them."""
    size, width = _HEAD.unpack_from(data)
    rest = data[_HEAD.size :]
    numbers = np.frombuffer(imagecodecs.zstd_decode(bytes(rest[:size])), dtype=f"u{width}")
    return numbers, rest[size:]
