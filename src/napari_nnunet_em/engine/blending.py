"""The weight with which a tile counts at each of its voxels."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_nnunet_em.geometry import Shape

_SIGMA_SHARE = 1 / 8
_PEAK = 10.0


@lru_cache(maxsize=4)
def gaussian_weights(patch: Shape) -> NDArray[np.float32]:
    """Gaussian weights of a tile.

    Parameters
    ----------
    patch : tuple of int, (z, y, x)
        Patch size; an axis of length 1 (2D models) carries no weight of its own.

    Returns
    -------
    array, (z, y, x), float32
        Highest at the centre (10), with sigma an eighth of the patch, and nowhere 0.

    Notes
    -----
    The rule is that of ``nnunetv2.inference.sliding_window_prediction.compute_gaussian``.
    """
    axes = tuple(n for n in patch if n > 1) or (1,)
    impulse = np.zeros(axes)
    impulse[tuple(n // 2 for n in axes)] = 1
    weights = gaussian_filter(impulse, [n * _SIGMA_SHARE for n in axes], mode="constant")
    weights = (weights * (_PEAK / weights.max())).astype(np.float32)
    weights[weights == 0] = weights[weights > 0].min()
    result: NDArray[np.float32] = weights.reshape(patch)
    result.setflags(write=False)
    return result
