"""Where results belong among the layers: places of volumes and of what was made from a layer.

Works on any object with napari's layer and viewer attributes and needs no window. Everything is
(z, y, x); a 2D layer has one slice, and axes of a layer before its last three are channels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

from napari_nnunet_em._napari.layers.voxels import layer_shape, length_in_nm
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Shape, as_shape

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_nnunet_em.io import Volume

_HALF_VOXEL = 0.5
_OFF_GRID = 0.05


def placed(volume: Volume, translate: Any, units: Any) -> Volume:
    """The volume, of any level, with the place that a layer's translation states, where it is a length."""
    origin = length_in_nm(tuple(translate), tuple(units))
    if origin is None:
        return volume
    z, y, x = (o + shift for o, shift in zip((0.0, *origin)[-3:], volume.shift_nm, strict=True))
    return dataclasses.replace(volume, origin_nm=(z, y, x))


def unit_factors(world: Sequence[Any] | None, own: Sequence[Any], count: int) -> np.ndarray:
    """What turns world coordinates in the viewer's units into a layer's own units, per axis."""
    factors = np.ones(count)
    if world is not None:
        for i, (theirs, ours) in enumerate(zip(reversed(world), reversed(own), strict=False), start=1):
            if theirs != ours and theirs.is_compatible_with(ours):
                factors[-i] = (1 * theirs).to(ours).magnitude
    return factors


def offset_between(upper: Layer, lower: Layer) -> Shape:
    """The voxel of a layer at which another one begins, by their places in the world.

    Parameters
    ----------
    upper, lower : napari.layers.Layer
        Layers whose voxels have the same size and orientation; moved in the world as they may be.

    Returns
    -------
    tuple of int, (z, y, x)
        The voxel of `lower` in which the first voxel of `upper` lies.

    Raises
    ------
    InputError
        When their voxels do not lie upon each other.
    """
    ours, theirs = min(upper.ndim, 3), min(lower.ndim, 3)
    if ours != theirs:
        raise InputError(
            f"The layers {upper.name!r} and {lower.name!r} have {ours} and {theirs} axes in space: "
            "choose two layers of the same kind."
        )
    factors = unit_factors(upper.units, lower.units, upper.ndim)
    corners = np.concatenate([np.zeros((1, upper.ndim)), np.eye(upper.ndim)[-ours:]])
    places = np.array([lower.world_to_data(np.asarray(upper.data_to_world(c)) * factors) for c in corners])
    start, steps = places[0, -ours:], places[1:, -ours:] - places[0, -ours:]
    reach = np.array(layer_shape(upper)[-ours:])
    if np.abs((steps - np.eye(ours)) * reach).max() > _HALF_VOXEL or np.abs(start - np.round(start)).max() > (
        _OFF_GRID
    ):
        raise InputError(
            f"The voxels of {upper.name!r} and {lower.name!r} do not lie upon each other: give both layers "
            "the same scale, units and orientation, and places that are whole voxels apart."
        )
    return as_shape([*(0,) * (3 - ours), *np.round(start)])


def result_placement(
    layer: Layer, first: Sequence[float], ndim: int, step: Sequence[float] = (1.0, 1.0, 1.0)
) -> dict[str, Any]:
    """Where a result of some voxels of a layer belongs, as keywords of ``viewer.add_image``.

    The result takes the transforms and units of the layer it was made from, so that both overlap
    exactly, also where the user has moved or rotated the layer or its scale has no unit.

    Parameters
    ----------
    layer : napari.layers.Layer
        The layer that was segmented.
    first : sequence of float, (z, y, x)
        Where the result's first voxel lies, in voxels of the layer's full resolution.
    ndim : int
        Axes of the result, 2 or 3, and no more than the layer has.
    step : sequence of float, (z, y, x)
        Size of the result's voxels in those of the full resolution, as of `Lattice`.
    """
    linear = layer.affine.linear_matrix
    own = Affine(scale=layer.scale, rotate=layer.rotate, shear=layer.shear, translate=np.zeros(layer.ndim))
    start = np.zeros(layer.ndim)
    start[-ndim:] = first[-ndim:]
    shift = np.asarray(own(start))
    affine = np.eye(ndim + 1)
    affine[:ndim, :ndim] = linear[-ndim:, -ndim:]
    affine[:ndim, ndim] = layer.affine.translate[-ndim:]
    return {
        "scale": np.asarray(layer.scale)[-ndim:] * np.asarray(step)[-ndim:],
        "translate": (np.asarray(layer.translate) + shift)[-ndim:],
        "rotate": np.asarray(layer.rotate)[-ndim:, -ndim:],
        "shear": _shear(layer.shear, ndim),
        "affine": affine,
        "units": tuple(layer.units[-ndim:]),
        "axis_labels": tuple(layer.axis_labels[-ndim:]),
    }


def move(layer: Layer, place: dict[str, Any]) -> None:
    """Bring a layer to the place that `result_placement` gives; what is right already stays untouched."""
    for name, wanted in place.items():
        now = getattr(layer, name)
        now = now.affine_matrix if name == "affine" else now
        if not np.array_equal(np.asarray(now, object), np.asarray(wanted, object)):
            setattr(layer, name, wanted)


def _shear(shear: np.ndarray, ndim: int) -> np.ndarray:
    """The part of a shear (upper triangle as a vector, or a matrix) for the last `ndim` axes."""
    shear = np.asarray(shear)
    if shear.ndim == 2:
        return shear[-ndim:, -ndim:]
    own = round((1 + math.sqrt(1 + 8 * len(shear))) / 2)
    matrix = np.zeros((own, own))
    matrix[np.triu_indices(own, 1)] = shear
    return matrix[-ndim:, -ndim:][np.triu_indices(ndim, 1)]
