"""The part of a layer that is on the canvas, and how to bring a voxel there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_nnunet_em._napari.layers.placement import unit_factors
from napari_nnunet_em._napari.layers.voxels import layer_shape
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box, as_shape

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer


_HALF_VOXEL = 0.5


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
            "switch to the 2D view (Ctrl+Y)."
        )
    spatial = min(layer.ndim, 3)
    corners = np.array([layer.world_to_data(c)[-spatial:] for c in _canvas_corners(viewer, layer)])
    start, stop = voxels_around(corners)
    box = spatial_box(start, stop).intersect(Box.whole(layer_shape(layer)))
    if box.size:
        across = _axes_across(viewer)
        box = box.grow([around if axis in across else 0 for axis in range(3)])
        box = box.intersect(Box.whole(layer_shape(layer)))
    if box.size == 0:
        raise InputError(f"No voxel of the layer {layer.name!r} is in the current view: move it into view.")
    return box


def slicing_axis(viewer: ViewerModel, layer: Layer) -> int:
    """Axis of a layer, 0 for z to 2 for x, across which slices are shown; z where that is none of its own."""
    own = range(3 - min(layer.ndim, 3), 3)
    return next((axis for axis in _axes_across(viewer) if axis in own), 0)


def _axes_across(viewer: ViewerModel) -> list[int]:
    """Axes that are not on the canvas: 0 for z to 2 for x, and below 0 those before them, such as time."""
    dims = viewer.dims
    return sorted(axis - dims.ndim + 3 for axis in set(range(dims.ndim)) - set(dims.displayed))


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
