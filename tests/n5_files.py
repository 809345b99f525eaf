"""N5 written for tests: by tensorstore, and byte by byte."""

from __future__ import annotations

import gzip
import itertools
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore


def write_n5(
    folder: Path,
    data: np.ndarray,
    block: Sequence[int] = (4, 16, 16),
    compression: str = "gzip",
    *,
    use_zlib: bool = False,
    **attributes: Any,
) -> Path:
    """An N5 array of data and blocks (z, y, x), or with further axes before them, written by tensorstore."""
    extra = {"blosc": {"cname": "zstd", "clevel": 5, "shuffle": 2}, "gzip": {"useZlib": use_zlib}}
    metadata = {
        "dimensions": data.shape[::-1],
        "blockSize": list(block)[::-1],
        "dataType": data.dtype.name,
        "compression": {"type": compression, **extra.get(compression, {})},
    }
    spec = {
        "driver": "n5",
        "kvstore": {"driver": "file", "path": folder.as_posix()},
        "metadata": metadata,
        "context": {"file_io_sync": False},
    }
    store = tensorstore.open(spec, create=True).result()
    store[...].write(data.T).result()
    return add_attributes(folder, **attributes)


def add_attributes(folder: Path, **attributes: Any) -> Path:
    """Attributes of a group or array, beside those it has."""
    file = folder / "attributes.json"
    folder.mkdir(parents=True, exist_ok=True)
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**known, **attributes}))
    return folder


def write_by_hand(folder: Path, data: np.ndarray, block: Sequence[int], packed: bool = False) -> Path:
    """The same from the specification: a big-endian header of mode, axes and sizes, then the voxels.

    Blocks at the end are as short as what is left, as Java writes them; blocks of zeros are left out.
    """
    add_attributes(
        folder,
        dimensions=data.shape[::-1],
        blockSize=list(block)[::-1],
        dataType=data.dtype.name,
        compression={"type": "gzip" if packed else "raw"},
    )
    counts = [range(-(-n // b)) for n, b in zip(data.shape, block, strict=True)]
    for index in itertools.product(*counts):
        part = data[tuple(slice(i * b, (i + 1) * b) for i, b in zip(index, block, strict=True))]
        if not part.any():
            continue
        sizes = part.shape[::-1]
        header = struct.pack(f">HH{len(sizes)}I", 0, len(sizes), *sizes)
        voxels = part.astype(data.dtype.newbyteorder(">")).tobytes()
        file = folder.joinpath(*map(str, index[::-1]))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(header + (gzip.compress(voxels) if packed else voxels))
    return folder
