"""Arrays that lie in a file as plain bytes behind a header, or as gzip that is unpacked once."""

from __future__ import annotations

import gzip
import math
import shutil
import tempfile
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.quantities import memory


@dataclass(frozen=True)
class RawLayout:
    """Where the voxels lie in a file.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    shape : tuple of int
        Extent along each axis, the slowest first.
    dtype : numpy.dtype
        Type of the elements, with its byte order.
    offset : int
        Bytes before the first element; of what is packed, after unpacking.
    packed_from : int or None
        Byte of the file at which gzip begins; None for plain bytes.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    packed_from: int | None = None

    @property
    def end(self) -> int:
        """Bytes up to the last element."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


class RawArray:
    """A lazy array of plain bytes; what is packed is unpacked to a temporary file when it is first read.

    gzip can be read only from its beginning, so without that file every block would unpack all before it.
    Reading is safe from several threads. The file that is mapped, or the temporary one, stays open as long as
    the array lives.

    Parameters
    ----------
    layout : RawLayout
        Where the voxels lie.
    scale : tuple of float, optional
        Factor and summand that turn stored numbers into values; the elements are float32 then.

    Raises
    ------
    InputError
        When the file is shorter than its header says.
    """

    def __init__(self, layout: RawLayout, scale: tuple[float, float] | None = None) -> None:
        self._layout = layout
        self._scale = scale
        self._lock = threading.Lock()
        self._map: NDArray[Any] | None = None
        self.shape = layout.shape
        self.dtype: np.dtype[Any] = layout.dtype if scale is None else np.dtype(np.float32)
        if layout.packed_from is None:
            _check_length(layout, layout.path.stat().st_size)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        stored = np.asarray(self._mapped()[key])
        if self._scale is None:
            return stored
        slope, intercept = self._scale
        return (stored * np.float64(slope) + np.float64(intercept)).astype(np.float32)

    def _mapped(self) -> NDArray[Any]:
        with self._lock:
            if self._map is None:
                self._map = _map(self._layout)
            return self._map


def _map(layout: RawLayout) -> NDArray[Any]:
    if layout.packed_from is None:
        return np.memmap(layout.path, layout.dtype, "r", layout.offset, layout.shape)
    # Nameless, and gone with the last map of it: a map keeps a handle of its own.
    with tempfile.TemporaryFile() as target:
        _unpack(layout, target)
        return np.memmap(target, layout.dtype, "r", layout.offset, layout.shape)


def _unpack(layout: RawLayout, target: Any) -> None:
    try:
        with layout.path.open("rb") as file:
            file.seek(layout.packed_from or 0)
            with gzip.GzipFile(fileobj=file, mode="rb") as packed:
                shutil.copyfileobj(packed, target, 1 << 20)
        target.flush()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{layout.path} cannot be unpacked: {error}; the file is damaged or incomplete, "
            "copy or export it again."
        ) from error
    except OSError as error:
        raise InputError(
            f"{layout.path} cannot be unpacked into the temporary folder {tempfile.gettempdir()}: {error}; "
            f"it needs {memory(layout.end)} there (the variable TMPDIR names another folder), or save "
            "the file without compression."
        ) from error
    _check_length(layout, target.tell())


def _check_length(layout: RawLayout, present: int) -> None:
    if layout.end > present:
        raise InputError(
            f"{layout.path} is cut short: its last voxels should end at byte {layout.end}, but it has only "
            f"{present}; copy or export it again."
        )


def begins_with_gzip(file: BinaryIO) -> bool:
    """Whether gzip begins where the file stands; it stands there again afterwards."""
    start = file.tell()
    found = file.read(2) == b"\x1f\x8b"
    file.seek(start)
    return found
