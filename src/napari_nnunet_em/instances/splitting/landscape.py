"""Heights by which an object is told apart: high in the middle of each part, low at the necks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.config import SplitMethod
from napari_nnunet_em.instances.splitting.distances import distances
from napari_nnunet_em.instances.threshold import is_bytes

Heights = NDArray[np.float32]


def heights(
    method: SplitMethod,
    mask: NDArray[np.bool_],
    probability: NDArray[Any],
    boundary: NDArray[Any] | None,
    voxel_size_nm: Sequence[float],
) -> Heights:
    """Heights inside an object.

    Parameters
    ----------
    method : SplitMethod
        ``DISTANCE``, ``H_MAXIMA``: to the nearest voxel outside the mask, in nm; what lies beyond the array
        is unknown and no outside. ``PROBABILITY``: of the class, 0 to 1. ``BOUNDARY``: that, times one minus
        the probability of the boundary class.
    mask : array, (z, y, x), bool
        The object.
    probability, boundary : array, (z, y, x), uint8 or float
        As stored; `boundary` only for ``BOUNDARY``.
    voxel_size_nm : sequence of float, (z, y, x)
        Voxel size.

    Returns
    -------
    array, (z, y, x), float32
        At least 0 inside, and -1 outside the mask.
    """
    inside: NDArray[np.floating[Any]]
    if method in (SplitMethod.DISTANCE, SplitMethod.H_MAXIMA):
        inside = distances(mask, voxel_size_nm)
    else:
        inside = _as_share(probability)
        if method is SplitMethod.BOUNDARY and boundary is not None:
            inside = inside * (1.0 - _as_share(boundary))
    out: Heights = np.where(mask, inside, -1.0).astype(np.float32)
    return out


def _as_share(stored: NDArray[Any]) -> NDArray[np.float64]:
    """Stored probabilities from 0 to 1; what is no number counts as 0."""
    share = np.nan_to_num(stored.astype(np.float64), nan=0.0)
    return share / 255.0 if is_bytes(stored.dtype) else np.clip(share, 0.0, 1.0)
