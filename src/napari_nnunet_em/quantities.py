"""Numbers with units in words, short enough for one line of a terminal or a form."""

from __future__ import annotations

import itertools
from collections.abc import Sequence


def duration(seconds: float) -> str:
    """Time in its two largest units: ``8 s``, ``1 min 20 s``, ``3 h 5 min``, ``2 d 4 h``."""
    if 0 < seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    for (size, name), (smaller_size, smaller_name) in itertools.pairwise(units):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {name} {rest} {smaller_name}" if rest else f"{whole // size} {name}"
    return f"{whole} s"


def memory(size_bytes: float) -> str:
    """Bytes with a decimal prefix: ``934 MB``, ``1.2 GB``."""
    return f"{_scaled(size_bytes, ' kMGTP')}B"


def rate(voxels_per_second: float) -> str:
    """Voxels per second with a decimal prefix: ``1.2 Mvoxel/s``."""
    return f"{_scaled(voxels_per_second, ' kMGTP')}voxel/s"


def _scaled(value: float, prefixes: str) -> str:
    power = 0
    while abs(value) >= 999.5 and power < len(prefixes) - 1:
        value /= 1000
        power += 1
    digits = 1 if abs(value) < 99.95 and (power or value % 1) else 0
    return f"{value:.{digits}f} {prefixes[power].strip()}"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun: ``1 object``, ``1,234 objects``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def extent(values: Sequence[float]) -> str:
    """Sizes along axes: ``10 × 1024 × 1024``."""
    return " × ".join(f"{value:g}" if value < 1e6 else f"{value:.0f}" for value in values)
