"""Lengths and voxel sizes: units of every format, turned into nanometres per axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from napari_nnunet_em.errors import InputError

VoxelSizeNm = tuple[float, float, float]

UNKNOWN = "unknown"
GIVEN = "given by the caller"

_UNIT_NAMES = {
    1e-3: ("pm", "picometer", "picometre"),
    0.1: ("å", "angstrom", "ångström", "ångstrom"),
    1.0: ("nm", "nanometer", "nanometre"),
    1e3: ("µm", "um", "micron", "micrometer", "micrometre"),
    1e6: ("mm", "millimeter", "millimetre"),
    1e7: ("cm", "centimeter", "centimetre"),
    1e9: ("m", "meter", "metre"),
}
_NM_PER_UNIT = MappingProxyType(
    {name.casefold(): nm for nm, names in _UNIT_NAMES.items() for name in names}
    | {f"{name}s".casefold(): nm for nm, names in _UNIT_NAMES.items() for name in names if len(name) > 2}
)


@dataclass(frozen=True)
class StoredVoxelSize:
    """A voxel size found in metadata.

    Attributes
    ----------
    values_nm : tuple of (float or None)
        Nanometres per voxel: one entry per stored axis, or one per stored spatial axis in stored
        order, or a single one for all. None where an axis has none.
    source : str
        Words for the log, such as "OME-Zarr scale".
    """

    values_nm: tuple[float | None, ...]
    source: str


def nm_per_unit(unit: object) -> float | None:
    """Nanometres in one `unit`, or None when the unit is missing, "pixel", or not a known length.

    Parameters
    ----------
    unit : object
        Name as OME-Zarr (``"nanometer"``), OME-XML (``"µm"``) or ImageJ (``"micron"``, or µ written as
        the six characters of its escape) spell it; any case; str or bytes.
    """
    if isinstance(unit, bytes):
        unit = unit.decode("utf-8", errors="replace")
    if not isinstance(unit, str):
        return None
    # ImageJ escapes the micro sign as plain ASCII text inside the TIFF description.
    return _NM_PER_UNIT.get(unit.strip().replace("\\u00B5", "µ").replace("\\u00b5", "µ").casefold())


def positive_length(value: object) -> float | None:
    """The value as a float when it is a positive finite number, else None."""
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever a file holds; the except is the check
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def caller_voxel_size(values: Sequence[float], is_image: bool, origin: str) -> VoxelSizeNm:
    """The voxel size that a caller gave, checked and completed.

    Parameters
    ----------
    values : sequence of float, (z, y, x) or (y, x)
        Nanometres; two entries are allowed for an image of one slice, where z then takes the value of y.
    is_image : bool
        Whether the volume has one slice only.
    origin : str
        Name of the volume, for the message.

    Raises
    ------
    InputError
        For another number of entries, or entries that are not positive finite numbers.
    """
    given = [positive_length(v) for v in values]
    numbers = [v for v in given if v is not None]
    if len(numbers) != len(given) or len(numbers) not in ((2, 3) if is_image else (3,)):
        wanted = "two (y, x) or three (z, y, x)" if is_image else "three (z, y, x)"
        raise InputError(
            f"The voxel size {tuple(values)!r} given for {origin} cannot be used: "
            f"write {wanted} positive numbers in nanometres, for example 40, 8, 8."
        )
    z, y, x = numbers if len(numbers) == 3 else (numbers[0], *numbers)
    return z, y, x


def stored_voxel_size(stored: StoredVoxelSize, letters: Sequence[str | None]) -> VoxelSizeNm | None:
    """The voxel size in (z, y, x) from metadata, or None when an axis stays without one.

    Parameters
    ----------
    stored : StoredVoxelSize
        What the metadata say.
    letters : sequence of (str or None)
        Letter of each stored axis, z, y, x or c; None for an axis that was dropped.
    """
    spatial = [letter for letter in letters if letter in ("z", "y", "x")]
    values = stored.values_nm
    if len(values) == 1:
        named = dict.fromkeys(spatial, values[0])
    elif len(values) == len(spatial):
        named = dict(zip(spatial, values, strict=True))
    elif len(values) == len(letters):
        named = {letter: v for letter, v in zip(letters, values, strict=True) if letter in spatial}
    elif len(values) == 3 and spatial == ["y", "x"]:
        named = dict(zip("zyx", values, strict=True))
    else:
        return None
    # One slice has no extent to measure along z; a square voxel is the harmless choice.
    y, x = named.get("y"), named.get("x")
    z = named.get("z", y)
    return None if z is None or y is None or x is None else (z, y, x)


def stored_origin(places: Sequence[float | None] | None, letters: Sequence[str | None]) -> VoxelSizeNm | None:
    """Where the first voxel lies, (z, y, x) in nm, from metadata; None when an axis stays without a place.

    Parameters
    ----------
    places : sequence of (float or None), or None
        One per stored axis, or z, y, x for a single slice; None where the metadata place nothing.
    letters : sequence of (str or None)
        Letter of each stored axis, z, y, x or c; None for an axis that was dropped.
    """
    if places is None:
        return None
    one_slice = len(places) == 3 and list(letters) == ["y", "x"]
    stored = list("zyx") if one_slice else letters
    named = {letter: place for letter, place in zip(stored, places, strict=True) if letter is not None}
    z, y, x = named.get("z", 0.0), named.get("y"), named.get("x")
    return None if z is None or y is None or x is None else (z, y, x)
