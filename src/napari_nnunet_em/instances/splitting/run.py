"""Splitting and filling all objects, one by one, so that a job may be killed and go on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.components import ComponentTable
from napari_nnunet_em.config import FillHoles, SplitMethod
from napari_nnunet_em.geometry import as_shape
from napari_nnunet_em.instances.foreground import Foreground
from napari_nnunet_em.instances.splitting.large import LargeObject, most_voxels
from napari_nnunet_em.instances.splitting.pieces import ObjectReader
from napari_nnunet_em.instances.splitting.split import split_piece
from napari_nnunet_em.instances.splitting.store import PartStore, SplitParts, UnitParts
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SplitTask:
    """What to split.

    Attributes
    ----------
    foreground : Foreground
        The mask and the settings.
    components : ComponentTable
        Objects as they are connected.
    smallest : int
        Voxels of the smallest object that stays.
    scratch : pathlib.Path or None
        Folder for the parts; a temporary one without it.
    """

    foreground: Foreground
    components: ComponentTable
    smallest: int
    scratch: Path | None

    @property
    def reader(self) -> ObjectReader:
        """Reads the objects."""
        return ObjectReader(self.foreground, self.components, self.smallest)

    def rows(self) -> Rows:
        """Components that may change: those with room for a hole, and those that make two parts."""
        settings = self.foreground.settings
        change = np.zeros(self.components.count, dtype=np.bool_)
        if settings.split is not SplitMethod.NONE:
            change |= self.components.voxels >= 2 * max(self.smallest, 1)
        if settings.fill_holes is not FillHoles.NONE:
            change |= self._has_room(settings.fill_holes)
        return np.flatnonzero(change)

    def _has_room(self, how: FillHoles) -> NDArray[np.bool_]:
        """Which components are at least three voxels long along each axis in which a hole is closed, (n,)."""
        columns, shape = self.components.statistics, self.components.layout.shape
        deep = how is FillHoles.VOLUME and shape[0] > 1
        out = np.ones(self.components.count, dtype=np.bool_)
        for axis in "zyx" if deep else "yx":
            out &= columns[f"max_{axis}"] - columns[f"min_{axis}"] >= 3
        return out

    def large(self, rows: Rows) -> NDArray[np.bool_]:
        """Which of these components exceed the memory budget, (rows,)."""
        columns = self.components.statistics
        size = np.ones(len(rows), dtype=np.int64)
        for axis, length in zip("zyx", self.components.layout.shape, strict=True):
            # With the voxel around it, which takes memory too.
            first = np.maximum(columns[f"min_{axis}"][rows] - 1, 0)
            size *= np.minimum(columns[f"max_{axis}"][rows] + 1, length) - first
        return size > most_voxels(self.foreground.settings.split_memory_gb)

    def key(self) -> dict[str, object]:
        """What decides the units, as plain JSON values."""
        return {
            "settings": self.foreground.settings.model_dump(mode="json"),
            "voxel_size_nm": self.foreground.size_nm,
            "shape": self.components.layout.shape,
            "blocks": self.components.layout.block_shape,
            "channel": self.foreground.source.channel,
            "objects": self.components.count,
        }


def split_objects(
    task: SplitTask, cancel: CancelToken | None = None
) -> Generator[ProgressEvent, None, tuple[SplitParts | None, int]]:
    """Split and fill objects; what was done before under the same settings is not done again.

    Parameters
    ----------
    task : SplitTask
        What to do.
    cancel : CancelToken, optional
        Polled between objects.

    Yields
    ------
    ProgressEvent
        Of stage ``SPLIT``, after each unit of work.

    Returns
    -------
    parts : SplitParts or None
        Of the objects that changed; None where none could.
    large : int
        Objects that were split in overlapping blocks because of the memory budget.
    """
    rows = task.rows()
    if not rows.size:
        return None, 0
    large = task.large(rows)
    store = PartStore(None if task.scratch is None else task.scratch / "parts", task.key())
    units = {f"block-{n}": members for n, members in _by_block(task, rows[~large])}
    giants = {f"object-{row}": int(row) for row in rows[large].tolist()}
    total = len(units) + len(giants)
    for done, (name, members) in enumerate(units.items(), start=1):
        if not store.has(name):
            store.save(name, _whole_objects(task, members, cancel))
        yield ProgressEvent(Stage.SPLIT, done, total)
    for done, (name, row) in enumerate(giants.items(), start=len(units) + 1):
        if not store.has(name):
            store.save(name, _in_blocks(task, row, cancel))
        yield ProgressEvent(Stage.SPLIT, done, total)
    return store.load([*units, *giants]), len(giants)


def _by_block(task: SplitTask, rows: Rows) -> Iterator[tuple[int, Rows]]:
    """Components by the block in which their box begins."""
    if not rows.size:
        return
    layout = task.components.layout
    columns = task.components.statistics
    index = [
        np.maximum(columns[f"min_{axis}"][rows] - 1, 0) // side
        for axis, side in zip("zyx", layout.block_shape, strict=True)
    ]
    _, height, width = layout.grid
    number = (index[0] * height + index[1]) * width + index[2]
    order = np.argsort(number, kind="stable")
    numbers, begins = np.unique(number[order], return_index=True)
    yield from zip(numbers.tolist(), np.split(rows[order], begins[1:]), strict=True)


def _whole_objects(task: SplitTask, rows: Rows, cancel: CancelToken | None) -> UnitParts:
    settings, reader = task.foreground.settings, task.reader
    found = UnitParts(as_shape(task.components.layout.shape))
    for group in reader.together(rows):
        for row, box, piece, changed in reader.read(group):
            if cancel is not None:
                cancel.raise_if_cancelled()
            if settings.split is SplitMethod.NONE:
                labels = piece.mask.astype(np.int32)
            else:
                labels = split_piece(piece, settings, task.foreground.size_nm, task.smallest)
            if changed or labels.max() > 1:
                found.add_object(row, box, labels)
    return found


def _in_blocks(task: SplitTask, row: int, cancel: CancelToken | None) -> UnitParts:
    found = UnitParts(as_shape(task.components.layout.shape))
    limit = most_voxels(task.foreground.settings.split_memory_gb)
    for _ in LargeObject(task.reader, row, limit).split(found):
        if cancel is not None:
            cancel.raise_if_cancelled()
    return found
