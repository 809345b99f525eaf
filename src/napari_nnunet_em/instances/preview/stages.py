"""The stages of a preview, each kept until what it depends on changes.

A slider moves one setting, and only the stages behind it are done again: a minimum size selects among
components that are known, a strength joins basins that are known, and only a threshold begins anew.
Components are found along runs where these are few, and else in blocks, so that nothing holds Python's
global lock for long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components import ComponentTable, Runs, find_along_runs
from napari_nnunet_em.config import FillHoles, InstanceSettings, Linking
from napari_nnunet_em.geometry import Box, Shape, iter_blocks
from napari_nnunet_em.instances.foreground import Foreground, Mask
from napari_nnunet_em.instances.preview.request import PreviewRequest
from napari_nnunet_em.instances.segment import InstanceTask, check, connect, counted, counts
from napari_nnunet_em.instances.source import ClassProbability
from napari_nnunet_em.instances.splitting.pieces import ObjectReader
from napari_nnunet_em.instances.threshold import beyond_probability
from napari_nnunet_em.measurement import Placement
from napari_nnunet_em.progress import CancelToken, finish

T = TypeVar("T")
Labels = NDArray[np.uint32]

BLOCK: Shape = (32, 256, 256)

FIELDS: dict[str, tuple[str, ...]] = {
    "values": (),
    "mask": ("threshold", "smooth_nm", "open_nm"),
    "components": ("connectivity", "linking", "link_iou", "link_gap", "threshold_high"),
    "basins": ("split", "fill_holes"),
    "objects": (
        "min_voxels",
        "min_volume_um3",
        "max_voxels",
        "max_volume_um3",
        "drop_border",
        "split_strength",
        "split_depth_nm",
        "split_memory_gb",
    ),
}
"""Settings on which each stage depends beside those of the stages before it."""


class PreviewCache:
    """What the last previews were made of. For one thread at a time.

    Attributes
    ----------
    made : Counter of str
        How often each stage was done; of ``basins``, how many objects were flooded.
    last : array and Box, or None
        Numbers of the objects of the last complete preview, and where they are.
    """

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.last: tuple[NDArray[np.uint32], Box] | None = None
        self._held: dict[str, tuple[Hashable, Any]] = {}

    def get(self, stage: str, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives, or gave before under the same key."""
        held = self._held.get(stage)
        if held is None or held[0] != key:
            self._held.pop(stage, None)  # not both at once
            held = key, make()
            self._held[stage] = held
        found: T = held[1]
        return found


@dataclass(frozen=True, eq=False)
class HeldForeground(Foreground):
    """The mask of a region, made before.

    Attributes
    ----------
    held : Mask and array, (z, y, x)
        Mask, and probability as stored.
    """

    held: tuple[Mask, NDArray[Any]]

    def read(self, box: Box, cancel: CancelToken | None = None) -> tuple[Mask, NDArray[Any]]:  # noqa: ARG002
        """Voxels of objects, and their probabilities as stored, both (z, y, x) of the box."""
        mask, probability = self.held
        return mask[box.slices], probability[box.slices]


@dataclass(frozen=True, eq=False)
class HeldReader(ObjectReader):
    """Reads objects of a region whose components are painted.

    Attributes
    ----------
    labels : array, (z, y, x), unsigned integer
        Components of the region.
    """

    labels: Labels

    def _labels(self, window: Box, mask: Mask) -> NDArray[np.unsignedinteger[Any]]:  # noqa: ARG002
        return self.labels[window.slices]


@dataclass(frozen=True, eq=False)
class Stages:
    """The stages of one request. Coordinates are those of its region.

    Attributes
    ----------
    request : PreviewRequest
        What is asked.
    cache : PreviewCache
        What is known.
    cancel : CancelToken
        Polled between blocks and objects.
    """

    request: PreviewRequest
    cache: PreviewCache = field(default_factory=PreviewCache)
    cancel: CancelToken = field(default_factory=CancelToken)

    @property
    def settings(self) -> InstanceSettings:
        """How objects are made."""
        return self.request.settings

    def key(self, stage: str) -> tuple[Hashable, ...]:
        """What decides the outcome of a stage."""
        names = list(FIELDS)
        before = names[: names.index(stage) + 1]
        own = tuple(getattr(self.settings, name) for each in before for name in FIELDS[each])
        return (self.request.source, self.request.region, self.request.voxel_size_nm, *own)

    def check(self) -> None:
        """Refuse settings that cannot work here; raises `SettingsError`."""
        check(self._task(self.request.source))

    def foreground(self) -> HeldForeground:
        """Read the region, and find the voxels of objects."""
        source, mask = self.cache.get("mask", self.key("mask"), self._make_mask)
        probability = source.read_class(Box.whole(mask.shape))
        return HeldForeground(source, self.settings, self.request.voxel_size_nm, (mask, probability))

    def beyond_probability(self) -> tuple[float, float] | None:
        """Ends of the values in view where they are no probabilities; read with the foreground."""
        values, view = self.foreground().held[1], self.request.view
        inside = view.relative_to(self.request.region.start).slices
        key = (self.request.source, view)
        return self.cache.get("scale", key, lambda: beyond_probability(values[inside]))

    def components(self) -> ComponentTable:
        """Connect them, specks included."""
        return self._connected()[0]

    def painted(self) -> Labels:
        """Labels of all components, (z, y, x)."""
        return self.cache.get("painted", self.key("components"), self._paint)

    def floods(self, smallest: int) -> dict[int, Any]:
        """Basins by component, filled by those who need them; `smallest` decides which holes are closed."""
        holes = smallest if self.settings.fill_holes is not FillHoles.NONE else None
        return self.cache.get("basins", (*self.key("basins"), self.request.view, holes), dict)

    def reader(self, smallest: int) -> HeldReader:
        """Reads objects."""
        return HeldReader(self.foreground(), self.components(), smallest, self.painted())

    def paint(self, numbers: Labels, box: Box) -> Labels:
        """Paint a box with a number for each component, by its label; `numbers` begins with 0."""
        table, runs = self._connected()
        if runs is not None:
            painted: Labels = runs.painted(numbers, box)
            return painted
        source = self.foreground().mask
        table = replace(table, ids=numbers[table.ids])
        out = np.zeros(box.shape, dtype=numbers.dtype)
        for block in table.layout.blocks():
            both = block.write.intersect(box)
            if both.size:
                self.cancel.raise_if_cancelled()
                part = table.labels(block, source)[both.relative_to(block.write.start).slices]
                out[both.relative_to(box.start).slices] = part
        return out

    def _task(self, source: ClassProbability) -> InstanceTask:
        return InstanceTask(source, self.settings, Placement(self.request.voxel_size_nm), BLOCK)

    def _make_mask(self) -> tuple[ClassProbability, Mask]:
        request = self.request
        reach = Foreground(request.source, self.settings, request.voxel_size_nm).reach
        around = request.region.grow(reach).intersect(Box.whole(request.source.shape))
        source = self.cache.get("values", (request.source, around), lambda: self._read(around))
        near = Foreground(source, self.settings, request.voxel_size_nm)
        region = request.region.relative_to(around.start)
        mask = np.empty(region.shape, dtype=np.bool_)
        # What looks at nothing around it is quickest in whole slices, which lie in memory as they are.
        pieces = BLOCK if any(reach) else (1, *region.shape[1:])
        for block in iter_blocks(region.shape, pieces):
            self.cancel.raise_if_cancelled()
            mask[block.write.slices] = near.mask(block.write.shift(region.start), self.cancel)
        self.cache.made["mask"] += 1
        return source.in_memory(region), mask

    def _read(self, box: Box) -> ClassProbability:
        self.cache.made["values"] += 1
        return self.request.source.in_memory(box)

    def _connected(self) -> tuple[ComponentTable, Runs | None]:
        return self.cache.get("components", self.key("components"), self._make_components)

    def _make_components(self) -> tuple[ComponentTable, Runs | None]:
        foreground = self.foreground()
        self.cache.made["components"] += 1
        if self.settings.linking is Linking.CONTACT:
            mask, probability = foreground.held
            measures, values = counted(self.settings), counts(self.settings, probability)
            found = find_along_runs(mask, self.settings.connectivity, measures, values)
            if found is not None:
                return found
        return finish(connect(self._task(foreground.source), foreground, 0, self.cancel)), None

    def _paint(self) -> Labels:
        count = self.components().count
        return self.paint(np.arange(count + 1, dtype=np.uint32), Box.whole(self.request.region.shape))
