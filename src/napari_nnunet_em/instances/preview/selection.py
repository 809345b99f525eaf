"""Which components of a preview stay, as far as is certain, and which are looked at for splitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components import ComponentTable
from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.geometry import Box, as_shape
from napari_nnunet_em.instances.preview.flooding import Flags, Flooded, Integers
from napari_nnunet_em.instances.preview.request import PreviewRequest
from napari_nnunet_em.instances.preview.stages import Labels, Stages
from napari_nnunet_em.instances.segment import STRONG
from napari_nnunet_em.instances.sizes import largest_object_voxels, smallest_object_voxels
from napari_nnunet_em.instances.splitting.run import SplitTask


@dataclass(frozen=True, eq=False)
class Candidates:
    """Components, or parts of them, each array (n,).

    Attributes
    ----------
    voxels : array, int64
        Sizes, as far as the region shows them.
    border, cut : array, bool
        Whether they touch the border of the volume, and whether they go on beyond the region.
    """

    voxels: Integers
    border: Flags
    cut: Flags

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        """One list of several."""
        names = ("voxels", "border", "cut")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def stay(self, settings: InstanceSettings, largest: int | None) -> Flags:
        """Which are neither too large nor at a border where such are dropped, (n,)."""
        keep = np.ones(len(self.voxels), dtype=np.bool_)
        if largest is not None:
            keep &= self.voxels <= largest
        if settings.drop_border:
            keep &= ~self.border
        return keep


@dataclass(frozen=True, eq=False)
class Selection:
    """What size and place say about the components of a region.

    Attributes
    ----------
    components : Candidates
        All of them.
    kept : array, (components,), bool
        Those that are large and strong enough, or may be beyond the region.
    rows : array, (n,), int64
        Those of them whose holes are filled or that are split, as far as they may be in the view.
    boxes : array, (components, 2, 3), int64
        First voxels and ends of their bounding boxes, in voxels of the region.
    smallest, largest : int, and int or None
        Limits of size in voxels.
    too_large : int
        How many of `rows` a job would split in blocks.
    """

    components: Candidates
    kept: Flags
    rows: Integers
    boxes: NDArray[np.int64]
    smallest: int
    largest: int | None
    too_large: int

    @classmethod
    def of(cls, stages: Stages) -> Selection:
        """Select; no voxel is looked at."""
        settings, request = stages.settings, stages.request
        smallest = smallest_object_voxels(settings, request.voxel_size_nm)
        largest = largest_object_voxels(settings, request.voxel_size_nm)
        table = stages.components()
        boxes = _boxes(table)
        components = Candidates(table.voxels, *_ends(boxes, request))
        kept = (table.voxels >= smallest) | components.cut
        if settings.threshold_high:
            kept &= (table.statistics[STRONG] > 0) | components.cut
        task = SplitTask(stages.foreground(), table, smallest, None)
        rows = task.rows()
        rows = rows[kept[rows] & _meeting(boxes, request.view.relative_to(request.region.start))[rows]]
        too_large = int(np.count_nonzero(task.large(rows)))
        return cls(components, kept, rows, boxes, smallest, largest, too_large)

    def whole(self, settings: InstanceSettings) -> Flags:
        """Components that stay where nothing is split, (components,)."""
        return self.kept & self.components.stay(settings, self.largest)

    def box_voxels(self, rows: Integers) -> int:
        """Voxels of the boxes around some components, which is what splitting them costs."""
        return int((self.boxes[rows, 1] - self.boxes[rows, 0]).prod(axis=1).sum())

    def seen(self, labels: Labels, ids: Labels, view: Box) -> Flags:
        """Which components have voxels in a painted view, (components,).

        Parameters
        ----------
        labels : array, (z, y, x) of the view, uint32
            Painted with `ids`.
        ids : array, (components + 1,), uint32
            Number of each component, by its label.
        view : Box
            In voxels of the region.
        """
        seen = (ids[1:] > 0) & _meeting(self.boxes, view)
        start, stop = self.boxes[:, 0], self.boxes[:, 1]
        inside = (start >= view.start).all(axis=1) & (stop <= view.stop).all(axis=1)
        for row in np.flatnonzero(seen & ~inside).tolist():
            box = Box(as_shape(start[row]), as_shape(stop[row])).intersect(view)
            planes = labels[box.relative_to(view.start).slices]
            # One by one: the first, or the last, decides as a rule.
            seen[row] = any(bool((plane == ids[row + 1]).any()) for plane in (planes[-1], *planes))
        return seen


def joined_parts(flood: Flooded, strength: float, smallest: int) -> tuple[Candidates, Flags, Integers]:
    """The parts of one object.

    Parameters
    ----------
    flood : Flooded
        The object.
    strength : float
        A neck lies below this share of the lower summit.
    smallest : int
        Voxels below which a part joins a neighbour.

    Returns
    -------
    parts : Candidates
        The parts.
    seen : array, (parts,), bool
        Which have voxels in the view.
    part : array, (basins + 1,), int64
        Part of each basin, from 1; 0 for 0.
    """
    names = flood.parts(strength, smallest)
    voxels = np.bincount(names, weights=flood.voxels, minlength=len(names)).astype(np.int64)
    chiefs = np.flatnonzero(voxels)
    flags = [
        (np.bincount(names, weights=flag, minlength=len(names)) > 0)[chiefs]
        for flag in (flood.border, flood.cut, flood.seen)
    ]
    number = np.zeros(len(names), dtype=np.int64)
    number[chiefs] = np.arange(1, len(chiefs) + 1)
    return Candidates(voxels[chiefs], flags[0], flags[1]), flags[2], number[names]


def _boxes(table: ComponentTable) -> NDArray[np.int64]:
    ends = [[table.statistics[f"{end}_{axis}"] for axis in "zyx"] for end in ("min", "max")]
    return np.asarray(ends, dtype=np.int64).transpose(2, 0, 1)


def _ends(boxes: NDArray[np.int64], request: PreviewRequest) -> tuple[Flags, Flags]:
    """Which boxes touch the border of the volume, and which a border of the region inside the volume."""
    region, volume = request.region, request.source.shape
    at_start, at_stop = boxes[:, 0] == 0, boxes[:, 1] == region.shape
    first = np.equal(region.start, 0)
    last = np.equal(region.stop, volume)
    # Of a single image nothing is cut off above and below.
    border = ((at_start & first) | (at_stop & last)) & np.greater(volume, 1)
    cut = (at_start & ~first) | (at_stop & ~last)
    return border.any(axis=1), cut.any(axis=1)


def _meeting(boxes: NDArray[np.int64], box: Box) -> Flags:
    """Which boxes share voxels with another one, (n,)."""
    meets = (boxes[:, 0] < np.asarray(box.stop)) & (boxes[:, 1] > np.asarray(box.start))
    return np.asarray(meets.all(axis=1))
