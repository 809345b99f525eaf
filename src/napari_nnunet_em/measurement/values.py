"""Voxel values that are summed per object, as integers, so that no order of summation shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError

_FLOAT_UNITS = 1 << 24  # steps of float32 just below 1
_SMALL_INTEGERS = 2  # bytes; sums of larger ones need not be exact as doubles


@dataclass(frozen=True)
class ValueScale:
    """How values become integers.

    Attributes
    ----------
    one : float
        How many units make a value of 1.
    as_stored : bool
        Whether stored values are such integers already; else they are multiplied by `one` and rounded.
    """

    one: float
    as_stored: bool

    @classmethod
    def of_probability(cls, dtype: np.dtype[Any]) -> ValueScale:
        """Probabilities: integers from 0 to the largest of their type, or floats from 0 to 1.

        Raises
        ------
        InputError
            When probabilities are never stored in this type.
        """
        if dtype.kind == "u" and dtype.itemsize <= _SMALL_INTEGERS:
            return cls(float(np.iinfo(dtype).max), True)
        if dtype.kind == "b":
            return cls(1.0, True)
        if dtype.kind == "f":
            return cls(float(_FLOAT_UNITS), False)
        raise InputError(
            f"Probabilities stored as {dtype} are not understood: store them as uint8 (0 to 255), uint16 or "
            "floats."
        )

    @classmethod
    def of_intensity(cls, dtype: np.dtype[Any], largest: float = 1.0) -> ValueScale:
        """Raw voxels; where `needs_range` says so, they are rounded to about 2**-24 of `largest`.

        Parameters
        ----------
        dtype : numpy.dtype
            Type of the voxels.
        largest : float
            The largest absolute value in the whole volume.
        """
        if not needs_range(dtype):
            return cls(1.0, True)
        # A power of two, so that values which have few binary digits stay exact.
        exponent = math.frexp(largest)[1] if largest > 0 else 0
        return cls(2.0 ** (24 - exponent), False)

    def to_units(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Finite values of any shape, as integers of which `one` make 1."""
        if self.as_stored:
            return values.astype(np.int64)
        return np.rint(values.astype(np.float64) * self.one).astype(np.int64)


def needs_range(dtype: np.dtype[Any]) -> bool:
    """Whether values of this type can only be scaled to integers by their range: all but those of 16 bits."""
    return dtype.kind == "f" or dtype.itemsize > _SMALL_INTEGERS
