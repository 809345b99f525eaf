"""Parts of objects on disk: small compressed boxes of labels, unit of work by unit of work.

A unit is what is done between two moments at which a job may be killed: its data file is written first and
its index last, in one step, so a unit is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import weakref
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.geometry import Box, Shape, as_shape
from napari_nnunet_em.instances.splitting.split import first_places
from napari_nnunet_em.io.staging import replacing

Integers = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]

_TILE = 128  # voxels along each axis: little is unpacked in vain where blocks are small
_KEY = "key.json"


@dataclass
class UnitParts:
    """Parts found in one unit of work, to be saved together.

    Attributes
    ----------
    volume : tuple of int, (z, y, x)
        Voxels of the whole volume.
    """

    volume: Shape
    _data: bytearray = field(default_factory=bytearray, repr=False)
    _tiles: list[tuple[int, ...]] = field(default_factory=list, repr=False)
    _slots: list[int] = field(default_factory=list, repr=False)
    _parts: list[tuple[int, int, int, bool]] = field(default_factory=list, repr=False)

    def add_object(self, owner: int, box: Box, labels: NDArray[np.int32]) -> None:
        """Add all parts of one object.

        Parameters
        ----------
        owner : int
            Its component, numbered from 0.
        box : Box
            Where it lies.
        labels : array, (z, y, x) of the box, int32
            1 to n, and 0 elsewhere.
        """
        first = first_places(labels)[1:]
        voxels = np.bincount(labels.ravel(), minlength=len(first) + 1)[1:]
        cut = labels_on_border(labels, box, self.volume)
        begin = len(self._parts)
        for number, (place, size) in enumerate(zip(first.tolist(), voxels.tolist(), strict=True), start=1):
            self.add_part(owner, raveled(place, box, self.volume), size, touches_border=number in cut)
        self.add_labels(box, labels, range(begin, len(self._parts)))

    def add_part(self, owner: int, first: int, voxels: int, *, touches_border: bool) -> int:
        """Add a part without its voxels, and give its number; `first` is a place in the raveled volume."""
        self._parts.append((owner, first, voxels, touches_border))
        return len(self._parts) - 1

    def add_labels(self, box: Box, labels: NDArray[np.int32], parts: Sequence[int]) -> None:
        """Add voxels: label ``i + 1`` stands for the part that was added as number ``parts[i]``."""
        slot = len(self._slots)
        self._slots.extend(parts)
        for tile in _tiles(box):
            inside = np.ascontiguousarray(labels[tile.relative_to(box.start).slices])
            if inside.any():
                kind = np.min_scalar_type(int(inside.max()))
                packed = zlib.compress(inside.astype(kind).tobytes(), level=1)
                place = (len(self._data), len(packed), kind.itemsize, slot)
                self._tiles.append((*tile.start, *tile.stop, *place))
                self._data += packed

    def columns(self) -> Columns:
        """Everything but the data, as arrays."""
        tiles = np.array(self._tiles, dtype=np.int64).reshape(-1, 10)
        parts = np.array(self._parts, dtype=np.int64).reshape(-1, 4)
        return {"tiles": tiles, "slots": np.array(self._slots, dtype=np.int64), "parts": parts}

    @property
    def data(self) -> bytes:
        """The packed voxels."""
        return bytes(self._data)


class PartStore:
    """Folder of units.

    Parameters
    ----------
    folder : pathlib.Path or None
        Where; a temporary folder that vanishes with the store without it.
    key : mapping
        What decides the parts, as plain JSON values: units saved under another key are forgotten.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """

    def __init__(self, folder: Path | None, key: Mapping[str, Any]) -> None:
        with _explained(folder):
            if folder is None:
                folder = Path(tempfile.mkdtemp(prefix="nnunet-em-parts-"))
                weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self.folder = folder
            stored = folder / _KEY
            text = json.dumps(key, sort_keys=True)
            if not stored.exists() or stored.read_text(encoding="utf-8") != text:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True, exist_ok=True)
                with replacing(stored) as draft:
                    draft.write_text(text, encoding="utf-8")

    def has(self, unit: str) -> bool:
        """Whether a unit is there."""
        return (self.folder / f"{unit}.npz").exists()

    def save(self, unit: str, parts: UnitParts) -> None:
        """Keep a unit, whole or not at all.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        with _explained(self.folder):
            with replacing(self.folder / f"{unit}.parts") as draft:
                draft.write_bytes(parts.data)
            with replacing(self.folder / f"{unit}.npz") as draft, draft.open("wb") as file:
                np.savez(file, allow_pickle=False, **parts.columns())

    def load(self, units: Sequence[str]) -> SplitParts:
        """All parts of these units, of which there is at least one."""
        tiles, slots, parts = [], [], []
        part_count = slot_count = 0
        for number, unit in enumerate(units):
            with np.load(self.folder / f"{unit}.npz", allow_pickle=False) as columns:
                found = columns["tiles"]
                found[:, 9] += slot_count
                tiles.append(np.concatenate([found, np.full((len(found), 1), number)], axis=1))
                slots.append(columns["slots"] + part_count)
                parts.append(columns["parts"])
            slot_count += len(slots[-1])
            part_count += len(parts[-1])
        files = tuple(self.folder / f"{unit}.parts" for unit in units)
        return SplitParts(self, files, np.concatenate(tiles), np.concatenate(slots), np.concatenate(parts))


@dataclass(frozen=True, eq=False)
class SplitParts:
    """Parts of all objects that were split or filled.

    Attributes
    ----------
    store : PartStore
        Kept alive as long as its files are needed.
    files : tuple of pathlib.Path
        Data of each unit.
    tiles : array, (tiles, 11), int64
        Start (z, y, x), stop, offset, length, bytes per voxel, first slot and file.
    slots : array, (slots,), int64
        Part for which each label of each box of labels stands.
    parts : array, (parts, 4), int64
        Component, first voxel in the raveled volume, voxels, and whether it touches the volume's border.
    """

    store: PartStore
    files: tuple[Path, ...]
    tiles: Integers
    slots: Integers
    parts: Integers

    def __post_init__(self) -> None:
        order = np.argsort(self.tiles[:, 0], kind="stable")
        object.__setattr__(self, "tiles", self.tiles[order])

    def meeting(self, box: Box) -> Integers:
        """Rows of `tiles` that share voxels with a box."""
        # Tiles are sorted by their first slice and at most so many slices thick.
        first = np.searchsorted(self.tiles[:, 0], box.start[0] - _TILE, side="right")
        last = np.searchsorted(self.tiles[:, 0], box.stop[0], side="left")
        near = self.tiles[first:last]
        meet = (near[:, :3] < np.asarray(box.stop)).all(axis=1)
        meet &= (near[:, 3:6] > np.asarray(box.start)).all(axis=1)
        return first + np.flatnonzero(meet)

    def read(self, row: int) -> tuple[Box, Integers]:
        """A tile: its box, and for each voxel the part plus one, or 0: array, (z, y, x), int64."""
        values = self.tiles[row].tolist()
        box = Box(as_shape(values[:3]), as_shape(values[3:6]))
        offset, length, itemsize, slot, file = values[6:]
        with self.files[file].open("rb") as data:
            data.seek(offset)
            packed = data.read(length)
        labels = np.frombuffer(zlib.decompress(packed), dtype=f"u{itemsize}").reshape(box.shape)
        names = np.concatenate([[0], self.slots[slot : slot + int(labels.max())] + 1])
        return box, names[labels]


def labels_on_border(labels: NDArray[np.int32], box: Box, volume: Shape) -> set[int]:
    """Labels that touch the border of the volume, along axes that have an inside."""
    found: set[int] = set()
    for axis in (axis for axis in range(3) if volume[axis] > 1):
        if box.start[axis] == 0:
            found.update(np.unique(np.take(labels, 0, axis=axis)).tolist())
        if box.stop[axis] == volume[axis]:
            found.update(np.unique(np.take(labels, -1, axis=axis)).tolist())
    return found - {0}


def raveled(place: int, box: Box, volume: Shape) -> int:
    """Place in the raveled volume of a place in a raveled box."""
    rest, x = divmod(place, box.shape[2])
    z, y = divmod(rest, box.shape[1])
    z, y, x = z + box.start[0], y + box.start[1], x + box.start[2]
    return (z * volume[1] + y) * volume[2] + x


def _tiles(box: Box) -> Iterator[Box]:
    """Cut a box along a grid that begins at the origin of the volume."""
    first = as_shape([a // _TILE for a in box.start])
    last = as_shape([-(-b // _TILE) for b in box.stop])
    for index in np.ndindex(*(b - a for a, b in zip(first, last, strict=True))):
        start = as_shape([(a + i) * _TILE for a, i in zip(first, index, strict=True)])
        yield Box(start, as_shape([a + _TILE for a in start])).intersect(box)


@contextlib.contextmanager
def _explained(folder: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"The parts of objects could not be kept in {folder or tempfile.gettempdir()} ({error}): free "
            "some space there, then run the same job again; what is finished is kept."
        ) from error
