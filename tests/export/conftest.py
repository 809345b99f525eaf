"""What the tests of exports share: a volume of labels, and running an export to its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_nnunet_em.export import ExportSettings, export_labels
from napari_nnunet_em.io import Volume, open_volume
from napari_nnunet_em.progress import finish

VOXEL_SIZE_NM = (40.0, 8.0, 4.0)
SUFFIXES = (".zarr", ".ome.tif", ".h5", ".nrrd", ".nii", ".nii.gz")


def make_labels(shape: tuple[int, ...], dtype: Any = np.uint32, seed: int = 0) -> np.ndarray:
    """Numbers up to the largest that the type holds, each voxel with its own."""
    info = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(0, info.max, shape, dtype=dtype, endpoint=True)


def run_export(source: Volume | np.ndarray | str | Path, destination: Path, **settings: Any) -> Path:
    """Export with these settings; an array gets the voxel size of the tests."""
    if isinstance(source, np.ndarray):
        source = open_volume(source, voxel_size_nm=VOXEL_SIZE_NM)
    return finish(export_labels(source, destination, ExportSettings(**settings)))


def read_back(path: Path | str) -> tuple[np.ndarray, Volume]:
    """All voxels of what was written, and the volume."""
    volume = open_volume(path)
    return np.asarray(volume.array[...]), volume


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks so small that a small volume has many, and slabs that do not fit into memory."""
    monkeypatch.setattr("napari_nnunet_em.export.blocks._READ_VOXELS", 2000)
    monkeypatch.setattr("napari_nnunet_em.export.slabs._SLAB_BYTES", 4000)
    monkeypatch.setattr("napari_nnunet_em.export.streams._ROWS_BYTES", 200)
    for module in ("blocks", "to_ome_zarr"):
        monkeypatch.setattr(f"napari_nnunet_em.export.{module}.BLOCK_SHAPE", (8, 32, 32))
    for module in ("to_hdf5", "to_ome_zarr"):
        monkeypatch.setattr(f"napari_nnunet_em.export.{module}.CHUNK_SHAPE", (4, 16, 16))
