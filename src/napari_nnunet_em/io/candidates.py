"""Choosing the one array of a container, and naming the others when there are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_nnunet_em.errors import InputError

_LISTED = 12


def is_candidate(shape: Sequence[int], dtype: Any) -> bool:
    """Whether an array may be a volume: two or more axes, voxels in it, and numbers or booleans."""
    return len(shape) >= 2 and 0 not in shape and is_supported(dtype)


def is_supported(dtype: Any) -> bool:
    """Whether voxels of this data type can be segmented: bool, integers, float16, float32, float64."""
    try:
        kind = np.dtype(dtype)
    except TypeError:
        return False
    return kind.kind in "biu" or (kind.kind == "f" and kind.itemsize <= 8)


def describe_candidate(shape: Sequence[int], dtype: Any) -> str:
    """Shape and data type in a few characters."""
    return f"{'x'.join(str(n) for n in shape)} {dtype}"


def listing(found: Mapping[str, str]) -> str:
    """Names with descriptions as one line, the first dozen of them."""
    shown = [f"{name} ({text})" for name, text in list(found.items())[:_LISTED]]
    more = len(found) - len(shown)
    return ", ".join(shown) + (f", and {more} more" if more > 0 else "")


def choose_one(found: Mapping[str, str], container: str, prefix: str) -> str:
    """The only candidate.

    Parameters
    ----------
    found : mapping of str to str
        Path inside the container to a short description.
    container : str
        Name of the container for messages.
    prefix : str
        What stands before the name of a candidate when it is written as an input.

    Raises
    ------
    InputError
        When there are none, or several; the message lists them.
    """
    if not found:
        raise InputError(
            f"{container} holds no image or volume: it has no array with two or more axes of numbers; "
            "check that it is the right one."
        )
    if len(found) > 1:
        raise InputError(
            f"{container} holds {len(found)} arrays and nothing says which one is meant: {listing(found)}; "
            f"name one, for example {prefix}{next(iter(found))}."
        )
    return next(iter(found))
