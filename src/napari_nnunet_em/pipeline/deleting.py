"""Deleting objects of a result for good: from its label image and from its tables.

First the ids are written down, in one step that happens or does not. Then every block that an object
reaches into is written again without it, then the tables, and then the note is taken back. Each step may be
repeated, so whoever finds the note (`begun_deletion`) hides those objects, and `delete_objects` finishes what
was begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError, OutputError
from napari_nnunet_em.geometry import Box, Shape, iter_blocks
from napari_nnunet_em.io import MultiscaleSink
from napari_nnunet_em.io.locking import only_writer
from napari_nnunet_em.measurement import ObjectTable, Placement, store_table, stored_table
from napari_nnunet_em.measurement.selection import Ids, ascending_ids
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.progress import CancelToken, Events, ProgressEvent, Stage

if TYPE_CHECKING:
    import pandas as pd


Voxels = NDArray[np.int64]
"""Places, (n, 3), each (z, y, x)."""


def delete_objects(
    store: Path, name: str, ids: Sequence[int] | Ids, cancel: CancelToken | None = None
) -> Events[ObjectTable]:
    """Delete objects from a label image and its tables, and finish a deletion that was cut short.

    The other objects keep their ids. The classes and the probability stay as the network found them, and
    finding objects anew with other settings brings back what was deleted.

    Parameters
    ----------
    store : path
        The OME-Zarr.
    name : str
        Of the label image, ``labels/<name>``, and of its table.
    ids : sequence of int
        Objects to delete; may be empty, to finish what was begun.
    cancel : CancelToken, optional
        Polled before each block. What is left then is done by calling this again.

    Yields
    ------
    ProgressEvent
        Of stage ``LABELS``, after each block.

    Returns
    -------
    ObjectTable
        Of the objects that are left.

    Raises
    ------
    InputError
        When there is no table, or an id is not in it.
    OutputError
        When the labels are not ours, are still being made, cannot be written, or another process writes the
        same output.
    Cancelled
        When `cancel` asked for it.
    """
    store, cancel = Path(store), cancel or CancelToken()
    sink = MultiscaleSink.open(store, f"labels/{name}")
    with only_writer(store):
        return (yield from _delete(sink, name, ids, cancel))


def _delete(
    sink: MultiscaleSink, name: str, ids: Sequence[int] | Ids, cancel: CancelToken
) -> Events[ObjectTable]:
    store = sink.store
    folder = JobFolder(store)
    _check_finished(folder, name)
    table = stored_table(store, name)
    asked = ascending_ids(np.asarray(ids, dtype=np.int64))
    _check_known(asked, table, sink.path)
    doomed = ascending_ids(asked, begun_deletion(store, name))
    if not len(doomed):
        return table
    folder.save(_note(name), {"ids": doomed.tolist()})
    gone = np.isin(table.frame["id"].to_numpy(), doomed)
    boxes = _blocks_with(sink, table.frame[gone])
    for done, box in enumerate(boxes, start=1):
        cancel.raise_if_cancelled()
        labels = sink.read(box)
        labels[np.isin(labels, doomed.astype(labels.dtype))] = 0
        # Also where nothing was found: the levels of a block that was cut short may differ.
        sink.write(box, labels)
        yield ProgressEvent(Stage.LABELS, done, len(boxes), box=box, store=sink.path)
    left = ObjectTable(table.frame[~gone].reset_index(drop=True))
    store_table(store, name, left)
    _set_count(folder, name, len(left))
    _remember(folder, name, doomed)
    folder.discard(_note(name))
    return left


def begun_deletion(store: Path, name: str) -> Ids:
    """Objects whose deletion was begun and not finished, ascending; usually none."""
    document = JobFolder(Path(store)).load(_note(name)) or {"ids": ()}
    return np.asarray(document["ids"], dtype=np.int64)


def deleted_objects(store: Path, name: str) -> Ids:
    """Objects that were deleted from a label image since it was made, ascending."""
    document = JobFolder(Path(store)).load(_history(name)) or {"ids": ()}
    return np.asarray(document["ids"], dtype=np.int64)


def forget_deletions(folder: JobFolder, name: str) -> None:
    """Drop the notes on deleted objects, because objects are found anew and their ids mean others.

    Raises
    ------
    OutputError
        If that cannot be done.
    """
    folder.discard(_note(name))
    folder.discard(_history(name))


def label_placement(sink: MultiscaleSink) -> Placement:
    """Voxel size of a label image, and its first voxel where its table counts from."""
    return Placement.at(sink.spec.voxel_size_nm, sink.spec.origin_nm)


def blocks_meeting(lower: Voxels, upper: Voxels, shape: Shape, block: Shape) -> list[Box]:
    """Blocks of a volume that some boxes reach into, in raster order.

    Parameters
    ----------
    lower, upper : array, (boxes, 3), int64
        First voxel (z, y, x) of each box, and one past its last.
    shape, block : tuple of int, (z, y, x)
        Shape of the volume, and of its blocks.
    """
    counts = [-(-n // b) for n, b in zip(shape, block, strict=True)]
    met = np.zeros(counts, dtype=np.bool_)
    ranges = np.unique(np.hstack([lower // block, (upper - 1) // block + 1]), axis=0)
    for z0, y0, x0, z1, y1, x1 in ranges.tolist():
        met[z0:z1, y0:y1, x0:x1] = True
    return [b.write for b in iter_blocks(shape, block) if met[b.index]]


def _blocks_with(sink: MultiscaleSink, objects: pd.DataFrame) -> list[Box]:
    origin = np.array(label_placement(sink).origin_voxels)
    lower, upper = (
        objects[[f"bbox_{axis}_{end}" for axis in "zyx"]].to_numpy() - origin for end in ("min", "max")
    )
    return blocks_meeting(lower, upper, sink.spec.shape, sink.spec.block_shape)


def _note(name: str) -> str:
    return f"deleting-{name}"


def _history(name: str) -> str:
    return f"deleted-{name}"


def _remember(folder: JobFolder, name: str, ids: Ids) -> None:
    folder.save(_history(name), {"ids": ascending_ids(ids, deleted_objects(folder.store, name)).tolist()})


def _check_finished(folder: JobFolder, name: str) -> None:
    """Refuse labels of a job that is still at them."""
    objects = folder.load("objects")
    # A job over somebody else's probability keeps no list: its result is there when it is finished.
    finished = folder.load("result") is not None if objects is None else name in objects.get("counts", {})
    if folder.exists() and not finished:
        raise OutputError(
            f"The objects {name} in {folder.store} are not finished, so none can be deleted: "
            "let the job finish first."
        )


def _check_known(ids: Ids, table: ObjectTable, path: Path) -> None:
    unknown = ids[np.isin(ids, table.frame["id"].to_numpy(), invert=True)]
    if len(unknown):
        raise InputError(
            f"The table of {path} has no object {int(unknown[0])}, so it cannot be deleted: "
            "open the result again, and choose from its table."
        )


def _set_count(folder: JobFolder, name: str, count: int) -> None:
    """Say how many objects there are now where the job has noted it; other images have no such notes."""
    objects = folder.load("objects")
    if objects is not None:
        objects["counts"][name] = count
        folder.save("objects", objects)
    result = folder.load("result")
    if result is not None:
        for found in result["objects"]:
            if found["labels"] == f"labels/{name}":
                found["count"] = count
        folder.save("result", result)
