"""The one place that says which voxels belong to objects, and what a stored probability means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError

_OVERSHOOT = 0.1
"""How far beyond 0 and 1 floats may lie before it is said: what is interpolated overshoots a little."""


def is_bytes(dtype: np.dtype[Any]) -> bool:
    """Whether probabilities of this type are stored as 0 to 255; as fractions otherwise.

    Raises
    ------
    InputError
        When probabilities are never stored in this type.
    """
    if dtype == np.uint8 or dtype.kind == "f":
        return bool(dtype == np.uint8)
    raise InputError(
        f"Probabilities stored as {dtype} are not understood: store them as uint8 (0 to 255) or as floats."
    )


def beyond_probability(values: NDArray[Any]) -> tuple[float, float] | None:
    """The ends of values that are no probabilities, such as those of a raw image; None where they may be.

    Parameters
    ----------
    values : array, any shape, uint8 or float
        As stored. All bytes may be probabilities. So may floats a little outside of 0 to 1, for resampling
        and rounding lead there; NaN does not count.

    Returns
    -------
    tuple of float, or None
        The smallest and the largest value.
    """
    if is_bytes(values.dtype) or not values.size:
        return None
    smallest, largest = float(np.fmin.reduce(values, axis=None)), float(np.fmax.reduce(values, axis=None))
    outside = smallest < -_OVERSHOOT or largest > 1 + _OVERSHOOT
    return (smallest, largest) if outside else None


def is_above(probability: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Where a probability is above a threshold.

    Parameters
    ----------
    probability : array, any shape, uint8 or float
        As stored: the uint8 value ``v`` means ``v / 255``, floats mean themselves. NaN is never above.
    threshold : float
        Compared in float64, whatever the type of `probability`, so that rounding cannot move a voxel.
    """
    if is_bytes(probability.dtype):
        meaning = np.arange(256) / 255.0
        # As a Python integer: NumPy would compare all voxels as int64 with one of its own.
        return probability >= int(np.count_nonzero(~(meaning > threshold)))
    return probability > np.float64(threshold)


def object_voxels(
    probability: NDArray[Any],
    threshold: float,
    classes: NDArray[Any] | None = None,
    class_value: int = 0,
) -> NDArray[np.bool_]:
    """Where objects of one class are.

    Parameters
    ----------
    probability : array, (z, y, x), uint8 or float
        Probability of the class, as stored.
    threshold : float
        Objects are where the probability is above it.
    classes : array, (z, y, x), integer, optional
        Most probable class of each voxel. Given where several classes of one network exclude each other, so
        that a low threshold cannot put a voxel into two objects.
    class_value : int
        Value of the class in `classes`.

    Returns
    -------
    array, (z, y, x), bool
    """
    inside = is_above(probability, threshold)
    if classes is not None:
        inside &= classes == class_value
    return inside
