"""An N5 array that is read block by block, by tensorstore, which is optional."""

from __future__ import annotations

import importlib.util
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io.candidates import is_supported
from napari_nnunet_em.io.n5_metadata import ATTRIBUTES_FILE, Attributes, mapping, plain_path, stored_shape
from napari_nnunet_em.io.view import expand_index
from napari_nnunet_em.processors import usable_cpus

if TYPE_CHECKING:
    import tensorstore

Spans = tuple[slice, ...]

# Unpacking needs no setting of the writer's; blosc's are asked for, but packed data carry their own.
_BLOSC = MappingProxyType({"cname": "lz4", "clevel": 5, "shuffle": 1})
# What is decoded at once: tensorstore's threads leave several times that behind in the heap.
_BYTES_AT_ONCE = 16 << 20
_COMPRESSIONS = ("raw", "gzip", "bzip2", "xz", "blosc", "zstd")


class N5Array:
    """A lazy array in N5's own order, the fastest axis first; integers and slices only.

    The blocks that a read touches are decoded once, some megabytes of them at a time, and none is kept.
    Reading is safe from several threads, and no file stays open between reads. Blocks that are not stored
    are zeros.

    Parameters
    ----------
    folder : pathlib.Path
        Where the array lies.
    attributes : mapping
        Its attributes.

    Raises
    ------
    InputError
        When tensorstore is not installed, or the array is of a kind that it does not read.
    """

    def __init__(self, folder: Path, attributes: Attributes) -> None:
        _check_readable(folder, attributes)
        self._store = _open(folder, attributes)
        self.shape: tuple[int, ...] = tuple(self._store.shape)
        self.dtype: np.dtype[Any] = self._store.dtype.numpy_dtype
        self.chunks = tuple(int(n) for n in attributes["blockSize"])
        block_bytes = math.prod(self.chunks) * self.dtype.itemsize
        self._blocks_at_once = max(_BYTES_AT_ONCE // block_bytes, usable_cpus())

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
        """Voxels in column-major order, as the blocks hold them."""
        parts = expand_index(key, self.ndim)
        wanted = [range(n)[part] for part, n in zip(parts, self.shape, strict=True)]
        spans = tuple(_span(part) for part in wanted)
        data = np.empty([span.stop - span.start for span in spans], self.dtype, order="F")
        for piece in _pieces(spans, self.chunks, self._blocks_at_once) if data.size else ():
            place = (slice(p.start - s.start, p.stop - s.start) for p, s in zip(piece, spans, strict=True))
            data[tuple(place)] = self._read(piece)
        return data[tuple(slice(None, None, part.step) if isinstance(part, range) else 0 for part in wanted)]

    def _read(self, piece: Spans) -> npt.NDArray[Any]:
        try:
            return np.asarray(self._store[piece].read(order="F").result())
        except ValueError as error:
            raise OSError(_reason(error)) from error

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)


def is_label_multiset(attributes: Attributes) -> bool:
    """Whether voxels hold several labels each, in a packing of Paintera's own."""
    return attributes.get("isLabelMultiset") is True


def _span(part: range | int) -> slice:
    """One element, or those between the first and the last of a range."""
    if isinstance(part, int):
        return slice(part, part + 1)
    return slice(min(part), max(part) + 1) if part else slice(0, 0)


def _pieces(spans: Spans, chunks: Sequence[int], most: int) -> Iterator[Spans]:
    """A box cut between blocks, so that no piece touches more than `most` of them, or one."""
    firsts = [span.start // chunk for span, chunk in zip(spans, chunks, strict=True)]
    counts = [-(-s.stop // c) - first for s, c, first in zip(spans, chunks, firsts, strict=True)]
    if math.prod(counts) <= max(most, 1):
        yield spans
        return
    axis = counts.index(max(counts))
    cut = (firsts[axis] + counts[axis] // 2) * chunks[axis]
    for half in (slice(spans[axis].start, cut), slice(cut, spans[axis].stop)):
        yield from _pieces((*spans[:axis], half, *spans[axis + 1 :]), chunks, most)


def _check_readable(folder: Path, attributes: Attributes) -> None:
    kind, compression = attributes.get("dataType"), _packing(attributes).get("type")
    if not stored_shape(attributes):
        raise InputError(
            f"The N5 array {folder} has the dimensions {attributes.get('dimensions')!r}, which are no whole "
            f"numbers: its {ATTRIBUTES_FILE} is damaged, copy or export it again."
        )
    if is_label_multiset(attributes):
        raise InputError(
            f"The N5 array {folder} holds Paintera's label multisets, several labels per voxel: "
            "export it as plain labels (uint64) first."
        )
    if not is_supported(kind):
        raise InputError(
            f"The N5 array {folder} holds values of type {kind!r}, which cannot be segmented: "
            "convert it to uint8, uint16 or float32 first."
        )
    if compression not in _COMPRESSIONS:
        stated = f"is packed with {compression!r}" if compression else "does not say how it is packed"
        raise InputError(
            f"The N5 array {folder} {stated}, and what can be read is {', '.join(_COMPRESSIONS[:-1])} and "
            f"{_COMPRESSIONS[-1]}: save it again with one of these, for example in Fiji."
        )
    if importlib.util.find_spec("tensorstore") is None:
        raise InputError(
            f"{folder} is N5, which the package tensorstore reads, and that is not installed: install it "
            '(pip install "napari-nnunet-em[n5]"), or convert the data to Zarr or HDF5, for example in Fiji.'
        )


def _open(folder: Path, attributes: Attributes) -> tensorstore.TensorStore:
    import tensorstore  # noqa: PLC0415 - optional

    spec = {
        "driver": "n5",
        "kvstore": {"driver": "file", "path": plain_path(folder).as_posix()},
        "metadata": _needed(attributes),
        # tensorstore refuses attributes of other programs, such as the threads that packed a block or a unit
        # in another form, so it is told those that decide the voxels.
        "assume_metadata": True,
        "context": {"data_copy_concurrency": {"limit": usable_cpus()}},
    }
    try:
        return tensorstore.open(spec, read=True).result()
    except ValueError as error:
        raise InputError(
            f"The N5 array {folder} cannot be opened: {_reason(error)}; its {ATTRIBUTES_FILE} may be damaged "
            "or use what tensorstore does not read."
        ) from error


def _packing(attributes: Attributes) -> Mapping[str, Any]:
    """How blocks are packed; before version 2 of the format it was a word."""
    return mapping(attributes.get("compression")) or {"type": attributes.get("compressionType")}


def _needed(attributes: Attributes) -> dict[str, Any]:
    """The attributes of an array that decide how its blocks are read."""
    stated = _packing(attributes)
    packing = {"type": stated["type"]}
    if stated["type"] == "gzip":
        packing["useZlib"] = bool(stated.get("useZlib"))
    if stated["type"] == "blosc":
        packing.update(_BLOSC)
    return {name: attributes[name] for name in ("dimensions", "blockSize", "dataType")} | {
        "compression": packing
    }


def _reason(error: ValueError) -> str:
    """What tensorstore says, without the code before it, and its own source and settings behind it."""
    return re.sub(r"^[A-Z_]+: ", "", str(error)).partition(" [")[0]
