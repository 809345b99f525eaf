"""One export: which voxels go out, as what, and where they lie in the world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.export.fitting import fitted, stored_dtype
from napari_nnunet_em.export.formats import compression_of
from napari_nnunet_em.export.settings import Compression, ExportSettings, Format, Values
from napari_nnunet_em.geometry import Box, Shape
from napari_nnunet_em.io import Volume
from napari_nnunet_em.progress import CancelToken

VoxelSizeNm = tuple[float, float, float]


@dataclass(frozen=True)
class ExportTask:
    """What one writer is asked to write.

    Attributes
    ----------
    volume : Volume
        The source.
    region : Box
        Its part that goes out, in voxels of the source, (z, y, x).
    kind : Format
        The format, never auto.
    values : Values
        Labels or image, never auto.
    name : str
        Of the labels or the image.
    path : pathlib.Path
        Where the writer writes; nobody reads it before it is complete.
    settings : ExportSettings
        Compression, level and version.
    cancel : CancelToken
        Polled before each block is read.
    """

    volume: Volume
    region: Box
    kind: Format
    values: Values
    name: str
    path: Path
    settings: ExportSettings
    cancel: CancelToken

    @property
    def shape(self) -> Shape:
        """Voxels that go out, (z, y, x)."""
        return self.region.shape

    @property
    def has_channels(self) -> bool:
        """Whether there is an axis of channels, which may be of length 1."""
        return "c" in self.volume.axes

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type in which they are written."""
        return stored_dtype(self.volume.dtype, self.kind)

    @property
    def compression(self) -> Compression:
        """How they are packed, never auto."""
        return compression_of(self.path, self.kind, self.settings)

    @property
    def voxel_size_nm(self) -> VoxelSizeNm | None:
        """Nanometres per voxel, (z, y, x), where they are known."""
        return self.volume.voxel_size_nm

    @property
    def origin_nm(self) -> VoxelSizeNm | None:
        """Centre of the first voxel that goes out, (z, y, x); None without a voxel size.

        It is 0 where the source begins, unless the source says otherwise.
        """
        if self.voxel_size_nm is None:
            return None
        begin = self.volume.origin_nm or (0.0, 0.0, 0.0)
        # Twelve digits are more than any microscope knows, and hide what floating point adds.
        z, y, x = (
            float(f"{o + a * s:.12g}")
            for o, a, s in zip(begin, self.region.start, self.voxel_size_nm, strict=True)
        )
        return z, y, x

    def read(self, box: Box, channel: int | None = None) -> NDArray[Any]:
        """Voxels as they are written.

        Parameters
        ----------
        box : Box
            In voxels of the region, (z, y, x).
        channel : int, optional
            This one alone.

        Returns
        -------
        array, (c, z, y, x), of `dtype`

        Raises
        ------
        Cancelled
            If the export was stopped.
        InputError
            If the source cannot be read, or holds a value that the format cannot.
        """
        self.cancel.raise_if_cancelled()
        data = self.volume.read(box.shift(self.region.start), channel)
        return fitted(data, self.dtype, self.kind, self.volume.origin)
