"""From exact integer sums to sizes, places and shapes in physical units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.measurement.blockrows import PAIRS
from napari_nnunet_em.measurement.tally import Columns

_ROWS_AT_ONCE = 1 << 16
_LIMIT = 2.0**63
_AXES = "zyx"


def axis_lengths_nm(
    sums: Columns, voxel_size_nm: Sequence[float], dimensions: int = 3
) -> NDArray[np.float64]:
    """Axes of the ellipsoids that have the same second moments as the objects.

    The moments are those of solid voxels, not of their centres: an object inside one slice is as thick as
    that slice.

    Parameters
    ----------
    sums : dict of arrays, (objects,)
        As in `GEOMETRY`. Sums of products may have wrapped around 64 bits.
    voxel_size_nm : sequence of float, (z, y, x)
        Size of a voxel.
    dimensions : int
        2 for objects of a single image, which are ellipses; else 3.

    Returns
    -------
    array, (objects, 3), float64
        Full lengths in nm, longest first; NaN where an object is too large for exact sums: more than about
        9e18 voxels times the square of its extent in voxels.
    """
    count = len(sums["voxels"])
    lengths = np.empty((count, 3))
    # The semi-axis of an ellipsoid is sqrt(5) standard deviations along it, that of an ellipse 2.
    factor = 2 * np.sqrt(dimensions + 2.0)
    for start in range(0, count, _ROWS_AT_ONCE):
        part = {name: values[start : start + _ROWS_AT_ONCE] for name, values in sums.items()}
        variances = np.linalg.eigvalsh(_covariances(part, voxel_size_nm))[:, ::-1]
        lengths[start : start + _ROWS_AT_ONCE] = factor * np.sqrt(variances)
        lengths[start : start + _ROWS_AT_ONCE][_overflowed(part)] = np.nan
    return lengths


def _overflowed(sums: Columns) -> NDArray[np.bool_]:
    """Whether the moments of an object about its own middle may be more than 64 bits hold, (objects,)."""
    extents = np.stack([sums[f"max_{a}"] - sums[f"min_{a}"] for a in _AXES])
    overflowed: NDArray[np.bool_] = sums["voxels"] * extents.max(axis=0).astype(np.float64) ** 2 >= _LIMIT
    return overflowed


def _covariances(sums: Columns, voxel_size_nm: Sequence[float]) -> NDArray[np.float64]:
    """Covariance of positions inside each object, (objects, 3, 3), in nm²; nonsense where it overflowed."""
    voxels = sums["voxels"]
    middle = {a: (2 * sums[f"sum_{a}"] + voxels) // (2 * voxels) for a in _AXES}
    rest = {a: sums[f"sum_{a}"] - voxels * middle[a] for a in _AXES}
    out = np.empty((len(voxels), 3, 3))
    for a, b in map(tuple, PAIRS):
        # Exact although the sums may have wrapped: about its own middle an object's moments are small.
        about = sums[f"sum_{a}{b}"] - middle[a] * sums[f"sum_{b}"] - middle[b] * rest[a]
        i, j = _AXES.index(a), _AXES.index(b)
        central = (about - rest[a] * (rest[b] / voxels)) / voxels
        own = 1 / 12 if a == b else 0.0
        out[:, i, j] = out[:, j, i] = (central + own) * (voxel_size_nm[i] * voxel_size_nm[j])
    return out
