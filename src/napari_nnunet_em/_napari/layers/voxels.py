"""What a layer says of its voxels: how many, how large, and where their values are. Without a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Shape, as_shape

if TYPE_CHECKING:
    from napari.layers import Layer

VoxelSizeNm = tuple[float, float, float]

VOXEL_SIZE_KEY = "voxel_size_nm"
"""Key in a layer's metadata: its voxel size, for a layer whose scale has no unit of length."""


@dataclass(frozen=True)
class KnownSize:
    """A voxel size and how we know it.

    Attributes
    ----------
    voxel_size_nm : tuple of float (z, y, x), or None
        None where nothing states a size.
    source : str
        Words for the form and the provenance.
    """

    voxel_size_nm: VoxelSizeNm | None
    source: str


def layer_shape(layer: Layer) -> Shape:
    """Voxels of the layer's full resolution along z, y and x."""
    stored = tuple(level_zero(layer).shape)
    shape = (stored[:-1] if getattr(layer, "rgb", False) else stored)[-3:]
    return as_shape((1,) * (3 - len(shape)) + shape)


def level_zero(layer: Layer) -> Any:
    """The full-resolution array of a layer, as it is (not loaded)."""
    return layer.data[0] if layer.multiscale else layer.data


def layer_voxel_size(layer: Layer) -> KnownSize:
    """The voxel size that a layer states through its units or its metadata.

    napari gives every layer a scale of 1 pixel; that is the absence of a size, not a size. So only a
    scale with a unit of length counts, or an entry ``voxel_size_nm`` of the metadata. A 2D layer has
    no extent along z; its pixels are taken to be as deep as they are high.
    """
    spatial = min(layer.ndim, 3)
    sizes = length_in_nm(layer.scale[-spatial:], layer.units[-spatial:])
    if sizes is not None:
        return KnownSize(_three([abs(s) for s in sizes]), "layer scale and units")
    noted = layer.metadata.get(VOXEL_SIZE_KEY)
    if noted is not None and len(noted) in (2, 3):
        return KnownSize(_three([float(s) for s in noted]), "layer metadata")
    return KnownSize(None, "unknown")


def with_thickness(typed: str | None, shape: Shape | None = None) -> str | None:
    """A voxel size as typed, with the thickness of a single slice where it is left out: that of a pixel.

    Parameters
    ----------
    typed : str or None
        ``z, y, x``, or ``y, x`` for a single slice; None where nothing is typed.
    shape : tuple of int, (z, y, x), or None
        Voxels of the volume; None completes two entries unasked.

    Raises
    ------
    SettingsError
        For two entries of a volume of several slices.
    """
    if typed is None or typed.count(",") != 1:
        return typed
    if shape is not None and shape[0] > 1:
        raise SettingsError(
            f"The voxel size {typed!r} has too few entries for a volume of {shape[0]} slices: "
            "enter it as z, y, x in nm, such as 40, 8, 8."
        )
    return f"{typed.partition(',')[0].strip()}, {typed}"


def length_in_nm(values: Sequence[float], units: Sequence[Any]) -> tuple[float, ...] | None:
    """`values` in nm, or None where they or a unit of length are missing.

    Parameters
    ----------
    values : sequence of float
        One per axis.
    units : sequence of pint.Unit
        One per axis; ``pixel`` is no length.
    """
    if len(values) == 0 or len(values) != len(units):
        return None
    if not all(unit.is_compatible_with("meter") for unit in units):
        return None
    lengths = [float((float(v) * u).to("nanometer").magnitude) for v, u in zip(values, units, strict=True)]
    # Unit conversion leaves 55.99999999999999; twelve digits are more than any microscope knows.
    return tuple(float(f"{length:.12g}") for length in lengths)


def _three(sizes: Sequence[float]) -> VoxelSizeNm:
    y, x = sizes[-2:]
    return (sizes[0] if len(sizes) == 3 else y, y, x)
