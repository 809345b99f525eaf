"""Measuring a label image that lies in a file of any kind."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box, Shape, as_shape, iter_blocks
from napari_nnunet_em.io import Volume
from napari_nnunet_em.measurement.measurer import LabelMeasurer
from napari_nnunet_em.measurement.sources import ValueSource
from napari_nnunet_em.measurement.table import ObjectTable
from napari_nnunet_em.measurement.task import INTENSITY, PROBABILITY, MeasureTask, Placement
from napari_nnunet_em.measurement.values import ValueScale, needs_range
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage

_BLOCK_VOXELS = 1 << 22

Events = Generator[ProgressEvent, None, ObjectTable]


def measure_labels(
    labels: Volume,
    *,
    intensity: Volume | None = None,
    probability: Volume | None = None,
    cancel: CancelToken | None = None,
) -> Events:
    """Measure the objects of a label image block by block; it may be larger than memory.

    Use it as ``table = yield from measure_labels(labels)``, or exhaust it and take the value it returns.

    Parameters
    ----------
    labels : Volume
        Ids of objects, and 0 for none. Without a voxel size, everything in physical units stays empty.
    intensity, probability : Volume, optional
        Values of the same voxels; of several channels the first is measured.
    cancel : CancelToken, optional
        Polled before each block.

    Yields
    ------
    ProgressEvent
        Of stage ``MEASURE``, after each block.

    Returns
    -------
    ObjectTable
        Its places are those of the label image in the world, where that states an origin; else the centre of
        its first voxel lies at 0 nm.

    Raises
    ------
    InputError
        When the labels are no labels, or a volume has other voxels than they.
    Cancelled
        When `cancel` asked for it.
    """
    _check_labels(labels)
    cancel = cancel or CancelToken()
    sources: dict[str, ValueSource] = {}
    for name, volume in ((PROBABILITY, probability), (INTENSITY, intensity)):
        if volume is not None:
            _check_shape(name, volume, labels)
            scale = yield from _scale(name, volume, cancel)
            sources[name] = ValueSource(_first_channel(volume), scale)
    scales = {name: source.scale for name, source in sources.items()}
    placement = Placement.at(labels.voxel_size_nm, labels.origin_nm)
    measurer = LabelMeasurer(MeasureTask(labels.shape, placement, scales))
    read = _first_channel(labels)
    boxes = measuring_boxes(labels)
    for done, box in enumerate(boxes, start=1):
        cancel.raise_if_cancelled()
        block = read(box)
        values = {name: source.read(box) for name, source in sources.items()} if block.any() else {}
        measurer.add(box, block, values)
        yield ProgressEvent(Stage.MEASURE, done, len(boxes))
    return measurer.finish()


def refuse_image_of_labels(path: Path) -> None:
    """Refuse an OME-Zarr image that is not a label image itself but has some: its own voxels are no ids.

    Parameters
    ----------
    path : pathlib.Path
        What the user gave.

    Raises
    ------
    InputError
        With the names of its label images.
    """
    if not (path / "labels").is_dir():
        return
    try:
        attributes: Any = zarr.open_group(path / "labels", mode="r", use_consolidated=False).attrs.asdict()
    except (OSError, ValueError, KeyError):
        return
    names = attributes.get("ome", attributes).get("labels") or ()
    if names:
        raise InputError(
            f"{path} is an image, and its label images lie inside it: "
            f"give {' or '.join(str(path / 'labels' / str(name)) for name in names)}."
        )


def measuring_boxes(volume: Volume) -> list[Box]:
    """Blocks in which a volume is read: whole chunks, nearly cubes, of a few million voxels."""
    sides = list(volume.chunks)
    while True:
        growing = [axis for axis in range(3) if sides[axis] < volume.shape[axis]]
        if not growing or 2 * np.prod(sides) > _BLOCK_VOXELS:
            break
        shortest = min(growing, key=lambda axis: sides[axis])
        sides[shortest] = min(2 * sides[shortest], volume.shape[shortest])
    block_shape: Shape = as_shape(sides)
    return [block.write for block in iter_blocks(volume.shape, block_shape)]


def _first_channel(volume: Volume) -> Callable[[Box], NDArray[Any]]:
    def read(box: Box) -> NDArray[Any]:
        voxels: NDArray[Any] = volume.read(box)[0]
        return voxels

    return read


def _check_labels(labels: Volume) -> None:
    if labels.dtype.kind not in "bui" or labels.channels != 1:
        what = f"{labels.channels} channels" if labels.channels != 1 else f"values of type {labels.dtype}"
        raise InputError(
            f"{labels.origin} holds {what}, and a label image holds one whole number per voxel: "
            "give the image of the labels."
        )


def _check_shape(name: str, volume: Volume, labels: Volume) -> None:
    if volume.shape != labels.shape:
        raise InputError(
            f"The {name} {volume.origin} has {volume.shape} voxels (z, y, x), and the label image has "
            f"{labels.shape}: give a volume of the same voxels."
        )


def _scale(name: str, volume: Volume, cancel: CancelToken) -> Generator[ProgressEvent, None, ValueScale]:
    """How the values of a volume become integers; reads all of it where that depends on its largest value."""
    if name == PROBABILITY:
        return ValueScale.of_probability(volume.dtype)
    if not needs_range(volume.dtype):
        return ValueScale.of_intensity(volume.dtype)
    largest = 0.0
    read, boxes = _first_channel(volume), measuring_boxes(volume)
    for done, box in enumerate(boxes, start=1):
        cancel.raise_if_cancelled()
        values = np.abs(read(box).astype(np.float64))
        largest = max(largest, float(values[np.isfinite(values)].max(initial=0.0)))
        yield ProgressEvent(Stage.MEASURE, done, len(boxes))
    return ValueScale.of_intensity(volume.dtype, largest)
