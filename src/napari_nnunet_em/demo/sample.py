"""The sample volume: a phantom written as OME-Zarr, with its true mitochondria beside the image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.geometry import Box, Shape, iter_blocks
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec, remove_store
from napari_nnunet_em.testing.phantom import Phantom, connected_truth

TRUTH = "truth"

_BLOCK = (32, 256, 256)


@dataclass(frozen=True)
class DemoSample:
    """Which sample volume the demo makes, and with which model it is segmented.

    Attributes
    ----------
    shape : tuple of int, (z, y, x)
        Voxels. The default is 27 tiles of the bundled 3D model, about 10 s on two CPU cores.
    voxel_size_nm : tuple of float, (z, y, x)
    seed : int
        Which phantom.
    model : str
        Name or path of the model.
    min_voxels : int
        Smaller objects count neither as found nor as true.
    """

    shape: Shape = (20, 448, 448)
    voxel_size_nm: tuple[float, float, float] = (40.0, 8.0, 8.0)
    seed: int = 6
    model: str = "mitochondria-3d"
    min_voxels: int = 64

    def volume(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """The image and its truth, both (z, y, x): grey values uint8, and connected objects 1 to n uint32."""
        raw, ids = Phantom(self.seed, self.voxel_size_nm).block(Box.whole(self.shape))
        return raw, connected_truth(ids, min_voxels=self.min_voxels)

    def write(self, store: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
        """Write `volume` as OME-Zarr, with the truth as ``labels/truth``, and return it.

        Blocks that are there already are written again with the same bytes, which repairs a sample that
        was cut short; a sample of another shape is replaced.

        Parameters
        ----------
        store : path
            Folder of the OME-Zarr.

        Raises
        ------
        OutputError
            If the folder is not ours or cannot be written.
        """
        raw, truth = self.volume()
        parts: dict[str, tuple[Kind, npt.NDArray[Any]]] = {
            "": (Kind.IMAGE, raw),
            f"labels/{TRUTH}": (Kind.LABELS, truth),
        }
        specs = {name: self._spec(kind, data.dtype) for name, (kind, data) in parts.items()}
        try:
            sinks = [MultiscaleSink.open(store, name, spec) for name, spec in specs.items()]
        except OutputError:
            remove_store(store)
            sinks = [MultiscaleSink.create(store, name, spec) for name, spec in specs.items()]
        for sink, (_, data) in zip(sinks, parts.values(), strict=True):
            for block in iter_blocks(self.shape, _BLOCK):
                sink.write(block.write, data[block.write.slices])
        return raw, truth

    def _spec(self, kind: Kind, dtype: np.dtype[Any]) -> SinkSpec:
        return SinkSpec(
            shape=self.shape,
            dtype=dtype,
            voxel_size_nm=self.voxel_size_nm,
            chunk_shape=_BLOCK,
            block_shape=_BLOCK,
            kind=kind,
        )
