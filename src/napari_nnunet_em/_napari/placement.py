"""Between a layer on screen and voxels: voxel size, the part in view, and where results belong.

Works on any object with napari's layer and viewer attributes and needs no window. Everything is
(z, y, x); a 2D layer has one slice, and axes of a layer before its last three are channels.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box, Shape, as_shape

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_nnunet_em.io import Volume

VoxelSizeNm = tuple[float, float, float]

_HALF_VOXEL = 0.5
_OFF_GRID = 0.05


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
    shape = tuple(level_zero(layer).shape)[-3:]
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
    noted = layer.metadata.get("voxel_size_nm")
    if noted is not None and len(noted) in (2, 3):
        return KnownSize(_three([float(s) for s in noted]), "layer metadata")
    return KnownSize(None, "unknown")


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


def placed(volume: Volume, translate: Any, units: Any) -> Volume:
    """The volume, of any level, with the place that a layer's translation states, where it is a length."""
    origin = length_in_nm(tuple(translate), tuple(units))
    if origin is None:
        return volume
    z, y, x = (o + shift for o, shift in zip((0.0, *origin)[-3:], volume.shift_nm, strict=True))
    return dataclasses.replace(volume, origin_nm=(z, y, x))


def _three(sizes: Sequence[float]) -> VoxelSizeNm:
    y, x = sizes[-2:]
    return (sizes[0] if len(sizes) == 3 else y, y, x)


def visible_box(viewer: ViewerModel, layer: Layer, around: int = 0) -> Box:
    """The voxels of a layer that are on the canvas now, at the slice that is shown.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        A viewer that shows slices, not 3D.
    layer : napari.layers.Layer
        The layer to cut from.
    around : int
        Slices before and after the one that is shown, which belong to it.

    Returns
    -------
    Box
        (z, y, x) voxels of the layer's full resolution, clipped to it.

    Raises
    ------
    InputError
        In a 3D view, and where no voxel of the layer is in view.
    """
    if viewer.dims.ndisplay == 3:
        raise InputError(
            "The current view is three-dimensional, so it does not show one part of the volume: "
            "switch to the 2D view (Ctrl+Y), or choose the whole volume."
        )
    spatial = min(layer.ndim, 3)
    corners = np.array([layer.world_to_data(c)[-spatial:] for c in _canvas_corners(viewer, layer)])
    start, stop = voxels_around(corners)
    box = spatial_box(start, stop).intersect(Box.whole(layer_shape(layer)))
    if box.size:
        hidden = set(range(viewer.dims.ndim)) - set(viewer.dims.displayed)
        across = [axis - viewer.dims.ndim + 3 for axis in hidden]
        box = box.grow([around if axis in across else 0 for axis in range(3)])
        box = box.intersect(Box.whole(layer_shape(layer)))
    if box.size == 0:
        raise InputError(
            f"No voxel of the layer {layer.name!r} is in the current view: move it into view, "
            "or choose the whole volume."
        )
    return box


def voxels_around(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First voxels, and one past the last, along each axis of what some points enclose.

    Parameters
    ----------
    corners : array, (points, axes)
        In napari's data coordinates, in which voxel i covers i - 0.5 to i + 0.5.
    """
    start = np.floor(corners.min(axis=0) + _HALF_VOXEL).astype(int)
    stop = np.floor(corners.max(axis=0) + _HALF_VOXEL).astype(int) + 1
    return start, stop


def spatial_box(start: np.ndarray, stop: np.ndarray) -> Box:
    """A box from the ends along the axes that a layer has; a 2D layer has one slice."""
    missing = (3 - len(start),)
    return Box(
        as_shape([*np.zeros(missing, int), *start]),
        as_shape([*np.ones(missing, int), *stop]),
    )


def _canvas_corners(viewer: ViewerModel, layer: Layer) -> list[np.ndarray]:
    """World coordinates, in the layer's units, of the four corners of the canvas."""
    point = np.array(viewer.dims.point, float)
    displayed = list(viewer.dims.displayed)
    camera = viewer.scene.camera
    centre = np.array(camera.center[-2:], float)
    half = np.array(viewer.canvas.size, float) / camera.zoom / 2
    factors = unit_factors(viewer.layers.units, layer.units, len(point))
    corners = []
    for signs in itertools.product((-1, 1), repeat=2):
        corner = point.copy()
        corner[displayed] = centre + half * np.array(signs)
        corners.append(corner * factors)
    return corners


def unit_factors(world: Sequence[Any] | None, own: Sequence[Any], count: int) -> np.ndarray:
    """What turns world coordinates in the viewer's units into a layer's own units, per axis."""
    factors = np.ones(count)
    if world is not None:
        for i, (theirs, ours) in enumerate(zip(reversed(world), reversed(own), strict=False), start=1):
            if theirs != ours and theirs.is_compatible_with(ours):
                factors[-i] = (1 * theirs).to(ours).magnitude
    return factors


def show_voxel(viewer: ViewerModel, layer: Layer, voxel: Sequence[float]) -> None:
    """Go to the slice of a voxel of a layer, and put it into the middle of the canvas.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer; its zoom stays.
    layer : napari.layers.Layer
        The layer.
    voxel : sequence of float, (z, y, x)
        In voxels of the layer's full resolution; z does not count for a 2D layer.
    """
    spatial = min(layer.ndim, 3)
    position = np.zeros(layer.ndim)
    position[-spatial:] = voxel[-spatial:]
    world = np.asarray(layer.data_to_world(position), float)
    world /= unit_factors(viewer.layers.units, layer.units, len(world))
    axes = range(viewer.dims.ndim - len(world), viewer.dims.ndim)
    viewer.dims.set_point(tuple(axes), tuple(world))
    point = np.array(viewer.dims.point, float)
    point[list(axes)] = world  # not rounded to whole slices along the axes on screen
    viewer.scene.camera.center = tuple(point[list(viewer.dims.displayed)])


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
