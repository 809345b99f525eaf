"""Data types: as stored where the format knows them, else narrower ones, and never another value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.export.formats import FORMATS
from napari_nnunet_em.export.settings import Format


def stored_dtype(dtype: np.dtype[Any], kind: Format) -> np.dtype[Any]:
    """The type in which voxels are written.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of the source.
    kind : Format
        The format.

    Returns
    -------
    numpy.dtype
        `dtype` where the format has it; uint8 for bool; float32 for float16; uint32 for 64-bit integers,
        whose values `fitted` then checks.
    """
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.name in FORMATS[kind].dtypes:
        return dtype.newbyteorder("=")
    return np.dtype(np.float32 if dtype.kind == "f" else np.uint32)


def fitted(data: NDArray[Any], dtype: np.dtype[Any], kind: Format, origin: str) -> NDArray[Any]:
    """The same values as another type.

    Parameters
    ----------
    data : array
        Voxels of the source.
    dtype : numpy.dtype
        As `stored_dtype` gave it.
    kind : Format
        The format, for the message.
    origin : str
        The source, for the message.

    Raises
    ------
    InputError
        When a value does not fit.
    """
    if data.dtype == dtype or np.can_cast(data.dtype, dtype):
        return data.astype(dtype, copy=False)
    info = np.iinfo(dtype)
    low, high = int(data.min(initial=0)), int(data.max(initial=0))
    if low < info.min or high > info.max:
        worst = low if low < info.min else high
        large = " or ".join(rules.title for rules in FORMATS.values() if data.dtype.name in rules.dtypes)
        raise InputError(
            f"{origin} holds the value {worst}, and {FORMATS[kind].title} is written as {dtype} "
            f"(0 to {info.max}): export to {large}, which keep {data.dtype}."
        )
    return data.astype(dtype)
