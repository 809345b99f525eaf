"""Which part of a volume is meant: plain functions of what is chosen and what is on screen."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nnunet_em._napari.layers.placement import unit_factors
from napari_nnunet_em._napari.layers.viewing import spatial_box, visible_box, voxels_around
from napari_nnunet_em._napari.layers.voxels import layer_shape
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box, Shape, as_shape
from napari_nnunet_em.quantities import count, extent

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer, Shapes

    from napari_nnunet_em._napari.layers.levels import LayerLevel


class RegionKind(enum.Enum):
    """Which part of a layer is meant, as forms call it."""

    WHOLE = "Whole volume"
    VIEW = "Current view"
    RECTANGLE = "Rectangle"


@dataclass(frozen=True)
class RegionChoice:
    """What is chosen in the form.

    Attributes
    ----------
    kind : RegionKind
        Whole, view or rectangle.
    around : int
        For the view: slices before and after the one that is shown.
    shapes : napari.layers.Shapes or None
        For a rectangle: the layer that holds it.
    slices : tuple of int
        For a rectangle: first slice, and one past the last.
    """

    kind: RegionKind = RegionKind.WHOLE
    around: int = 0
    shapes: Shapes | None = None
    slices: tuple[int, int] = (0, 1)

    def box(self, viewer: ViewerModel, layer: Layer) -> Box | None:
        """The voxels of a layer that are meant, (z, y, x); None for all of them.

        Raises
        ------
        InputError
            Where the view or the rectangle shows no part of the layer.
        """
        if self.kind is RegionKind.VIEW:
            try:
                return visible_box(viewer, layer, self.around)
            except InputError as error:
                raise InputError(f"{str(error).rstrip('.')}, or choose the whole volume.") from error
        if self.kind is RegionKind.RECTANGLE:
            if self.shapes is None:
                raise InputError(
                    "There is no Shapes layer: add one (the polygon button above the layer list), draw a "
                    "rectangle in it, and choose it here."
                )
            return shape_box(self.shapes, layer, self.slices)
        return None


def shape_box(shapes: Shapes, layer: Layer, slices: tuple[int, int]) -> Box:
    """The voxels of a layer below a rectangle that was drawn over it.

    Parameters
    ----------
    shapes : napari.layers.Shapes
        Of its shapes the selected one counts, else the last; of one that is no rectangle, the box around it.
    layer : napari.layers.Layer
        The layer to cut from.
    slices : tuple of int
        First slice along z, and one past the last; in which slice the rectangle was drawn does not count.

    Returns
    -------
    Box
        (z, y, x) voxels of the layer's full resolution, clipped to it.

    Raises
    ------
    InputError
        Where there is no shape, it lies outside the layer, or no slice is left.
    """
    if not len(shapes.data):
        raise InputError(
            f"The layer {shapes.name!r} holds no shape: draw a rectangle in it around what is meant."
        )
    start, stop = voxels_around(_corners_in(shapes, layer))
    if len(start) == 3:
        start[0], stop[0] = slices
    box = spatial_box(start, stop).intersect(Box.whole(layer_shape(layer)))
    if box.size == 0:
        z, *plane = layer_shape(layer)
        raise InputError(
            f"The rectangle in {shapes.name!r}, at slices {slices[0]} to {slices[1] - 1}, lies outside "
            f"{layer.name!r}, which has {count(z, 'slice')} of {extent(plane)} pixels: move it "
            "onto the image, or choose other slices."
        )
    return box


def _corners_in(shapes: Shapes, layer: Layer) -> np.ndarray:
    """Corners of the chosen shape in voxels of a layer, (corners, 2 or 3)."""
    chosen = max(shapes.selected_data, default=len(shapes.data) - 1)
    axes = min(layer.ndim, shapes.ndim)
    factors = unit_factors(shapes.units, layer.units, axes)
    places = []
    for corner in np.asarray(shapes.data[chosen], float):
        world = np.zeros(layer.ndim)
        world[-axes:] = np.asarray(shapes.data_to_world(corner))[-axes:] * factors
        places.append(layer.world_to_data(world)[-min(layer.ndim, 3) :])
    return np.array(places)


def looked_at(viewer: ViewerModel, layer: Layer) -> Shape | None:
    """The voxel of a layer, (z, y, x), in the middle of the canvas; None where the view shows none."""
    try:
        box = visible_box(viewer, layer)
    except InputError:
        return None
    return as_shape([(a + b) // 2 for a, b in zip(box.start, box.stop, strict=True)])


def region_words(box: Box | None, level: LayerLevel) -> str:
    """The extent of a region of a level, such as ``1 x 512 x 512 voxels, from z 5, y 100, x 20``."""
    whose = f" of pyramid level {level.number}" if level.number else ""
    if box is None:
        return f"{extent(level.shape)} voxels{whose}"
    return f"{extent(box.shape)} voxels{whose}, from z {box.start[0]}, y {box.start[1]}, x {box.start[2]}"
