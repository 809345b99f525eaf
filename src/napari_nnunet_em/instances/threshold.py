"""The one place that says which voxels belong to objects, and what a stored probability means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError

_FLOAT_UNITS = 1 << 24  # steps of float32 just below 1: no network is finer than that


def units_of_one(dtype: np.dtype[Any]) -> int:
    """How many units of `to_units` make a probability of 1.

    Raises
    ------
    InputError
        When probabilities are never stored in this type.
    """
    if dtype == np.uint8:
        return 255
    if dtype.kind == "f":
        return _FLOAT_UNITS
    raise InputError(
        f"Probabilities stored as {dtype} are not understood: store them as uint8 (0 to 255) or as floats."
    )


def to_units(probability: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[np.integer[Any]]:
    """Probabilities as integers, whose sums do not depend on the order of summation.

    Parameters
    ----------
    probability : array, (z, y, x), uint8 or float
        As stored.
    mask : array, (z, y, x), bool
        Voxels that will be summed; elsewhere the outcome means nothing, so NaN may stand there.

    Returns
    -------
    array, (z, y, x), uint8 or int64
        In units of which `units_of_one` make 1.
    """
    units = units_of_one(probability.dtype)
    if units == 255:
        return probability
    inside = np.where(mask, probability, 0).astype(np.float64)
    return np.rint(inside * units).astype(np.int64)


def is_above(probability: NDArray[Any], threshold: float) -> NDArray[np.bool_]:
    """Where a probability is above a threshold.

    Parameters
    ----------
    probability : array, any shape, uint8 or float
        As stored: the uint8 value ``v`` means ``v / 255``, floats mean themselves. NaN is never above.
    threshold : float
        Compared in float64, whatever the type of `probability`, so that rounding cannot move a voxel.
    """
    if units_of_one(probability.dtype) == 255:
        meaning = np.arange(256) / 255.0
        return probability >= np.count_nonzero(~(meaning > threshold))
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
