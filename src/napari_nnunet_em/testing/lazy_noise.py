"""A volume of any size that is made when it is read, for runs that measure memory and count reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.geometry import Shape


@dataclass(frozen=True)
class LazyNoise:
    """Grey waves: every voxel depends on its coordinates alone, and costs almost nothing.

    Attributes
    ----------
    shape, chunks : tuple of int, (z, y, x)
        Shape, and the chunks it claims to be stored in.
    """

    shape: Shape
    chunks: Shape
    dtype: np.dtype[np.uint8] = field(default_factory=lambda: np.dtype(np.uint8))
    ndim: int = 3

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        """Voxels of a box given by slices."""
        axes = [np.arange(n)[cut] for n, cut in zip(self.shape, key, strict=True)]
        waves = [
            np.sin(a / period).astype(np.float32) for a, period in zip(axes, (5.0, 11.0, 13.0), strict=True)
        ]
        product = waves[0][:, None, None] * waves[1][None, :, None] * waves[2][None, None, :]
        return np.asarray(product * 120 + 128, np.uint8)
