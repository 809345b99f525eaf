"""A digest of a volume's content that does not depend on the file format or on chunks."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from napari_nnunet_em.geometry import Box, as_shape

# Thin along z, because a volume kept as whole slices decodes each slice of a box anew.
_SAMPLE_SHAPE = (4, 32, 32)


def sample_boxes(shape: Sequence[int]) -> list[Box]:
    """Up to 27 boxes at the two ends and in the middle of each axis, in raster order.

    Parameters
    ----------
    shape : sequence of int, (z, y, x)
        Shape of the volume; it alone decides the boxes.
    """
    sides = [min(n, s) for n, s in zip(shape, _SAMPLE_SHAPE, strict=True)]
    starts = [sorted({0, (n - s) // 2, n - s}) for n, s in zip(shape, sides, strict=True)]
    corners = (as_shape(start) for start in itertools.product(*starts))
    return [Box(a, as_shape([p + s for p, s in zip(a, sides, strict=True)])) for a in corners]


def digest_samples(
    shape: Sequence[int],
    channels: int,
    dtype: np.dtype[np.generic],
    read: Callable[[Box], npt.NDArray[np.generic]],
) -> str:
    """SHA-256, in hexadecimal, over shape, data type and the content of `sample_boxes`.

    Parameters
    ----------
    shape : sequence of int, (z, y, x)
        Shape of the volume.
    channels : int
        Number of channels, 1 without a channel axis.
    dtype : numpy.dtype
        Data type; its byte order does not count.
    read : callable
        Gives the voxels of a box as (c, z, y, x).
    """
    header = f"czyx {channels} {' '.join(str(n) for n in shape)} {dtype.name}"
    digest = hashlib.sha256(header.encode())
    for box in sample_boxes(shape):
        digest.update(np.ascontiguousarray(read(box), dtype=dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()
