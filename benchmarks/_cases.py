"""What benchmarks/speed.py runs on: models, volumes, and the two files in which a volume is stored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray

from napari_nnunet_em.geometry import Shape

CHUNK = (16, 128, 128)


@dataclass(frozen=True)
class Case:
    """A model and the volumes it is run on.

    Attributes
    ----------
    name : str
        Title of the table.
    bundled : str
        Name of a bundled model; empty: random weights in nnU-Net's default architecture.
    dim : int
        Axes of the network.
    voxel_size_nm : tuple of float, (z, y, x)
        That of the model, so that nothing is resampled.
    quick, cpu, gpu : tuple of int, (z, y, x)
        Voxels of the volume on a CPU for a first look, on a CPU, and on a GPU.
    """

    name: str
    bundled: str
    dim: int
    voxel_size_nm: tuple[float, float, float]
    quick: Shape
    cpu: Shape
    gpu: Shape

    def shape(self, device: str, *, quick: bool) -> Shape:
        """The volume for a device."""
        if device == "cuda":
            return self.gpu
        return self.quick if quick else self.cpu

    def model_folder(self, folder: Path) -> Path:
        """The trained-model folder, which is written where there is none."""
        from napari_nnunet_em.model import ModelBundle  # noqa: PLC0415
        from napari_nnunet_em.testing.tiny_models import make_model_folder, planned_model  # noqa: PLC0415

        if self.bundled:
            return ModelBundle.open(self.bundled).root
        model = planned_model(self.dim)
        written = folder / self.name.replace(" ", "-") / model.folder_name
        return written if written.exists() else make_model_folder(written.parent, model)


CASES = (
    Case(
        "2D bundled",
        "mitochondria-2d",
        2,
        (8.0, 8.0, 8.0),
        (2, 512, 512),
        (4, 1024, 1024),
        (32, 2048, 2048),
    ),
    Case(
        "3D bundled",
        "mitochondria-3d",
        3,
        (50.0, 8.0, 8.0),
        (8, 448, 448),
        (12, 672, 672),
        (64, 1024, 1024),
    ),
    Case("2D default", "", 2, (1.0, 1.0, 1.0), (2, 512, 768), (2, 1024, 1024), (16, 2048, 2048)),
    Case("3D default", "", 3, (1.0, 1.0, 1.0), (128, 128, 192), (128, 192, 192), (256, 512, 512)),
)


@dataclass(frozen=True)
class Files:
    """One volume, stored as nnU-Net reads it (TIFF, and JSON with the spacing) and in chunks (Zarr)."""

    tif: str
    zarr: str

    @classmethod
    def write(cls, case: Case, shape: Shape, folder: Path) -> Files:
        """Write noise: no tile is blank, and it compresses as badly as real volumes do, or worse."""
        folder.mkdir(parents=True, exist_ok=True)
        voxels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        files = cls(str(folder / "volume_0000.tif"), str(folder / "volume.zarr"))
        tifffile.imwrite(files.tif, voxels)
        spacing = json.dumps({"spacing": list(case.voxel_size_nm)})
        (folder / "volume.json").write_text(spacing, encoding="utf-8")
        chunks = tuple(min(c, n) for c, n in zip(CHUNK, shape, strict=True))
        stored = zarr.create_array(files.zarr, shape=shape, chunks=chunks, dtype=voxels.dtype, overwrite=True)
        stored[:] = voxels
        return files


class CountingChunks:
    """A chunked array that counts the bytes of all chunks that are decoded for what is read."""

    def __init__(self, array: zarr.Array[Any]) -> None:
        self._array = array
        self.shape, self.dtype, self.chunks, self.ndim = array.shape, array.dtype, array.chunks, array.ndim
        self.bytes_read = 0

    def __getitem__(self, key: tuple[slice, ...]) -> NDArray[Any]:
        """Read a box."""
        touched = 1
        for part, n, c in zip(key, self.shape, self.chunks, strict=True):
            start, stop, _ = part.indices(n)
            touched *= min(-(-stop // c) * c, n) - start // c * c
        self.bytes_read += touched * self.dtype.itemsize
        return np.asarray(self._array[key])
