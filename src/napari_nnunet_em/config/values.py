"""What is written as text on the command line and in job files, and read as a value."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer

from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box, as_shape

_RANGE = re.compile(r"^\s*(\d+)\s*:\s*(\d+)\s*$")


def parse_region(value: object) -> object:
    """Read ``z0:z1,y0:y1,x0:x1`` (or y and x alone for an image) as a `Box`."""
    if not isinstance(value, str):
        return value
    ranges = [_RANGE.match(part) for part in value.split(",")]
    if len(ranges) not in (2, 3) or not all(ranges):
        raise SettingsError(
            f"The region {value!r} cannot be read: write it in voxels as z0:z1,y0:y1,x0:x1, "
            "for example 0:10,512:1024,512:1024."
        )
    pairs = [(int(m[1]), int(m[2])) for m in ranges if m]
    pairs = [(0, 1)] * (3 - len(pairs)) + pairs
    return Box(as_shape([a for a, _ in pairs]), as_shape([b for _, b in pairs]))


def _split(value: object) -> object:
    """Read ``a,b,c`` as a tuple; a single number stays one entry."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, int | float):
        return (value,)
    return value


def _sorted_axes(value: object) -> object:
    """Letters of axes in the order z, y, x, so that ``xy`` is ``yx``."""
    if isinstance(value, str) and value and set(value) <= set("zyx"):
        return "".join(sorted(value, reverse=True))
    return value


def _strings(value: object) -> object:
    return tuple(str(v) for v in value) if isinstance(value, list | tuple) else value


Nanometer = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Region = Annotated[Box, BeforeValidator(parse_region), PlainSerializer(str)]
VoxelSize = Annotated[tuple[Nanometer, Nanometer, Nanometer], BeforeValidator(_split)]
Flips = Annotated[str, BeforeValidator(_sorted_axes), Field(pattern=r"^(none|all|z?y?x?)$")]
Folds = Annotated[tuple[str, ...], BeforeValidator(lambda v: _strings(_split(v)))]
