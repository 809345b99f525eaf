"""Sizes of objects: from µm³ to voxels and back."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.errors import SettingsError

_UM3_PER_NM3 = 1e-9


def voxel_volume_um3(voxel_size_nm: Sequence[float]) -> float:
    """Volume of a voxel in µm³ from its size along z, y, x in nm."""
    return math.prod(voxel_size_nm) * _UM3_PER_NM3


def smallest_object_voxels(settings: InstanceSettings, voxel_size_nm: Sequence[float] | None) -> int:
    """Voxels of the smallest object that stays: the larger of the two limits wins.

    Parameters
    ----------
    settings : InstanceSettings
        Holds ``min_voxels`` and ``min_volume_um3``.
    voxel_size_nm : sequence of float, (z, y, x), or None
        None where it is unknown.

    Raises
    ------
    SettingsError
        When a volume is asked for and the voxel size is unknown.
    """
    if settings.min_volume_um3 == 0:
        return settings.min_voxels
    exact = _in_voxels(settings.min_volume_um3, voxel_size_nm, "minimum")
    # A volume that is a whole number of voxels must not become one voxel more by rounding.
    return max(settings.min_voxels, math.ceil(exact * (1 - 1e-12)))


def largest_object_voxels(settings: InstanceSettings, voxel_size_nm: Sequence[float] | None) -> int | None:
    """Voxels of the largest object that stays, or None without a limit; the smaller of both limits wins.

    Parameters and errors as in `smallest_object_voxels`, of ``max_voxels`` and ``max_volume_um3``.
    """
    limits = [settings.max_voxels] if settings.max_voxels else []
    if settings.max_volume_um3:
        exact = _in_voxels(settings.max_volume_um3, voxel_size_nm, "maximum")
        limits.append(math.floor(exact * (1 + 1e-12)))
    return min(limits, default=None)


def _in_voxels(volume_um3: float, voxel_size_nm: Sequence[float] | None, name: str) -> float:
    if voxel_size_nm is None:
        raise SettingsError(
            f"The {name} volume of {volume_um3} µm³ cannot be turned into voxels because the "
            f"voxel size is unknown: give the voxel size, or a {name} size in voxels."
        )
    return volume_um3 / voxel_volume_um3(voxel_size_nm)
