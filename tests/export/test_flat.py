"""Voxels are read once and few at a time, however large the volume is: counted, not timed."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_nnunet_em.io import open_volume

from .conftest import VOXEL_SIZE_NM, run_export


class Counting:
    """A volume computed where it is read, that counts how often each chunk is touched."""

    dtype = np.dtype(np.uint32)
    ndim = 3

    def __init__(self, shape: tuple[int, ...], chunks: tuple[int, ...]) -> None:
        self.shape, self.chunks = shape, chunks
        self.touched: dict[tuple[int, ...], int] = {}
        self.largest = 0

    def __getitem__(self, key: Any) -> np.ndarray:
        spans = [range(s.start // c, -(-s.stop // c)) for s, c in zip(key, self.chunks, strict=True)]
        for chunk in np.ndindex(*(len(span) for span in spans)):
            place = tuple(span[i] for span, i in zip(spans, chunk, strict=True))
            self.touched[place] = self.touched.get(place, 0) + 1
        z, y, x = (np.arange(s.start, s.stop, dtype=np.uint32) for s in key)
        part = (z[:, None, None] * 7 + y[:, None] // 9 * 5 + x // 11) % 50
        self.largest = max(self.largest, part.size)
        return part


@pytest.mark.parametrize("suffix", [".zarr", ".h5", ".ome.tif", ".nrrd"])
@pytest.mark.parametrize("chunks", [(4, 16, 16), (1, 96, 96), (2, 96, 8)])
def test_every_stored_chunk_is_read_once(
    tmp_path: Path, suffix: str, chunks: tuple[int, ...], small_blocks: None
) -> None:
    source = Counting((16, 96, 96), chunks)
    run_export(open_volume(source, voxel_size_nm=VOXEL_SIZE_NM), tmp_path / f"out{suffix}")
    counts = [16 // chunks[0], 96 // chunks[1], 96 // chunks[2]]
    assert len(source.touched) == np.prod(counts)
    limit = {4: 1, 1: 1, 2: 4 if suffix in (".zarr", ".h5") else 1}[chunks[0]]
    assert max(source.touched.values()) <= limit
    assert source.largest <= max(96 * 96, 8 * 32 * 32)


@pytest.mark.parametrize("suffix", [".zarr", ".h5", ".ome.tif", ".nii.gz"])
def test_memory_does_not_grow_with_the_volume(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_nnunet_em.export.blocks._READ_VOXELS", 1 << 17)
    monkeypatch.setattr("napari_nnunet_em.export.slabs._SLAB_BYTES", 1 << 16)
    monkeypatch.setattr("napari_nnunet_em.export.streams._ROWS_BYTES", 1 << 14)
    for module in ("blocks", "to_ome_zarr"):
        monkeypatch.setattr(f"napari_nnunet_em.export.{module}.BLOCK_SHAPE", (8, 128, 128))
    peaks = {}
    for name, shape in (("warm", (8, 128, 128)), ("small", (8, 256, 256)), ("large", (16, 512, 512))):
        source = open_volume(Counting(shape, (8, 128, 128)), voxel_size_nm=VOXEL_SIZE_NM)
        tracemalloc.start()
        run_export(source, tmp_path / f"{name}{suffix}")
        peaks[name] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # 8 times as many voxels, 16 MB, of which a few blocks of 0.5 MB are held.
    assert peaks["large"] < 1.5 * peaks["small"] + (1 << 20)
    assert peaks["large"] < 8 << 20
