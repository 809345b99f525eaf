"""The table of a labels layer: where it comes from, what of it is shown, and what becomes of it.

Everything here runs without a window, and the slow parts in a thread.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em._napari.comparison import layer_labels
from napari_nnunet_em._napari.features import LABELS_KEY
from napari_nnunet_em._napari.hiding import stored_levels
from napari_nnunet_em._napari.layerdata import layer_shape, level_zero
from napari_nnunet_em._napari.placement import placed
from napari_nnunet_em.geometry import Box, as_shape
from napari_nnunet_em.io import MultiscaleSink, open_volume
from napari_nnunet_em.measurement import (
    ObjectTable,
    Placement,
    measure_labels,
    stored_table,
    table_files,
)
from napari_nnunet_em.measurement.distribution import LogScale
from napari_nnunet_em.measurement.selection import (
    Ids,
    ObjectFilter,
    Rows,
    Sorting,
    find_rows,
    places_of,
    size_column,
    table_columns,
)
from napari_nnunet_em.progress import CancelToken, Events

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Image, Labels

    from napari_nnunet_em.io import Volume

_NO_IDS = np.empty(0, np.int64)


@dataclass(frozen=True)
class StoredLabels:
    """A label image of ours with a table beside it.

    Attributes
    ----------
    store : pathlib.Path
        The OME-Zarr.
    name : str
        Of ``labels/<name>`` and of its table.
    """

    store: Path
    name: str


@dataclass(frozen=True, eq=False)
class LayerTable:
    """The objects of a layer.

    Attributes
    ----------
    frame : pandas.DataFrame
        As in `ObjectTable`.
    columns : dict of arrays
        The same, column by column.
    placement : Placement
        Voxel size, and the layer's first voxel in the volume whose places the table states.
    scale : LogScale or None
        Axis of sizes; None where there are no objects.
    stored : StoredLabels or None
        Where labels and table are kept, if they are.
    begun : array of int64
        Objects that a deletion cut short has begun to remove from the disk, ascending.
    """

    frame: pd.DataFrame
    columns: dict[str, NDArray[Any]]
    placement: Placement
    scale: LogScale | None
    stored: StoredLabels | None = None
    begun: Ids = dataclasses.field(default_factory=lambda: _NO_IDS)

    @classmethod
    def of(
        cls,
        table: ObjectTable,
        placement: Placement,
        stored: StoredLabels | None = None,
        begun: Ids = _NO_IDS,
    ) -> LayerTable:
        """Prepare a table for showing it."""
        columns = table_columns(table.frame)
        scale = LogScale.over(columns[size_column(columns)])
        return cls(table.frame, columns, placement, scale, stored, begun)

    @property
    def size_unit(self) -> str:
        """Unit of the sizes: µm³, or voxels where no voxel size is known."""
        return "voxels" if size_column(self.columns) == "voxels" else "µm³"

    def has(self, ids: Ids) -> NDArray[np.bool_]:
        """Which of some ids are objects of the table."""
        return np.isin(ids, self.columns["id"])

    def box(self, row: int) -> Box:
        """Bounding box of an object, (z, y, x) in voxels of the layer."""
        ends = [[int(self.columns[f"bbox_{a}_{end}"][row]) for a in "zyx"] for end in ("min", "max")]
        return Box(as_shape(ends[0]), as_shape(ends[1])).relative_to(self.placement.origin_voxels)

    def centre(self, row: int) -> tuple[float, float, float]:
        """Centroid of an object, (z, y, x) in voxels of the layer; the middle of its box without a size."""
        size = self.placement.voxel_size_nm
        if size is None:
            box = self.box(row)
            z, y, x = ((a + b - 1) / 2 for a, b in zip(box.start, box.stop, strict=True))
        else:
            nm = [float(self.columns[f"centroid_{axis}_nm"][row]) for axis in "zyx"]
            place = zip(nm, size, self.placement.origin_voxels, self.placement.rest_nm, strict=True)
            z, y, x = ((c - rest) / s - o for c, s, o, rest in place)
        return z, y, x


def stored_labels(layer: Labels) -> StoredLabels | None:
    """Where the label image and the table of a layer are kept; None where there is no table."""
    path = Path(str(layer.metadata.get(LABELS_KEY, "")))
    if path.parent.name != "labels":
        return None
    stored = StoredLabels(path.parent.parent, path.name)
    return stored if any(file.is_file() for file in table_files(stored.store, stored.name)) else None


def open_table(stored: StoredLabels, _token: CancelToken) -> Events[LayerTable]:
    """Read the table of a stored label image.

    Raises
    ------
    InputError, OutputError
        Where table or labels cannot be read.
    """
    # Imported late: the pipeline brings much along, and the window should open at once.
    from napari_nnunet_em.pipeline.deleting import begun_deletion, label_placement  # noqa: PLC0415

    yield from ()
    placement = label_placement(MultiscaleSink.open(stored.store, f"labels/{stored.name}"))
    begun = begun_deletion(stored.store, stored.name)
    return LayerTable.of(stored_table(stored.store, stored.name), placement, stored, begun)


def measure_layer(labels: Volume, intensity: Volume | None, token: CancelToken) -> Events[LayerTable]:
    """Measure the objects of a layer; volumes from `layer_voxels` and `intensity_voxels`.

    Raises
    ------
    InputError
        Where they cannot be measured.
    Cancelled
        When `token` asked for it.
    """
    table = yield from measure_labels(labels, intensity=intensity, cancel=token)
    return LayerTable.of(table, Placement.at(labels.voxel_size_nm, labels.origin_nm))


def save_deletions(stored: StoredLabels, ids: Ids, token: CancelToken) -> Events[LayerTable]:
    """Delete objects from labels and table on the disk.

    Raises
    ------
    InputError, OutputError
        Where that cannot be done.
    Cancelled
        When `token` asked for it; saving again goes on.
    """
    from napari_nnunet_em.pipeline.deleting import delete_objects  # noqa: PLC0415

    yield from delete_objects(stored.store, stored.name, ids, token)
    return (yield from open_table(stored, token))


def export_rows(table: LayerTable, rows: Rows, path: Path, _token: CancelToken) -> Events[Path]:
    """Write some rows as CSV or Parquet, in ascending order of their ids.

    Raises
    ------
    SettingsError
        When the name ends in neither ``.csv`` nor ``.parquet``.
    OutputError
        When the file cannot be written.
    """
    yield from ()
    ObjectTable(table.frame.iloc[np.sort(rows)].reset_index(drop=True)).write(path)
    return path


def layer_voxels(layer: Labels) -> Volume:
    """The labels of a layer with every object, also those that are hidden in the view.

    Raises
    ------
    InputError
        If the layer has other axes than those of a volume or an image.
    """
    volume = placed(layer_labels(layer).volume, layer.translate, layer.units)
    whole = stored_levels(layer)[0]
    return dataclasses.replace(volume, array=whole, levels=(whole,), origin=f"The layer {layer.name!r}")


def intensity_voxels(layer: Image) -> Volume:
    """The grey values of a layer that `fits` a labels layer."""
    data = level_zero(layer)
    return open_volume(data, axes="zyx"[-data.ndim :])


def fits(image: Image, labels: Labels) -> bool:
    """Whether an image layer has a grey value for each voxel of a labels layer."""
    same = level_zero(image).ndim == level_zero(labels).ndim in (2, 3)
    return same and not image.rgb and layer_shape(image) == layer_shape(labels)


@dataclass(frozen=True, eq=False)
class Query:
    """What is to be shown of a table.

    Attributes
    ----------
    table : LayerTable
        The table.
    shown : ObjectFilter
        Which objects.
    sorting : Sorting
        In which order.
    deleted : array of int64
        Objects that are not to be shown, ascending.
    """

    table: LayerTable
    shown: ObjectFilter
    sorting: Sorting
    deleted: Ids


@dataclass(frozen=True, eq=False)
class Answer:
    """What is shown of a table.

    Attributes
    ----------
    query : Query
        What was asked for.
    rows : array of int
        Rows of the table, in order.
    lines : array of int
        For each row of the table, where it is in `rows`; -1 where it is not shown.
    total : int
        Objects that are not deleted.
    all_sizes, shown_sizes : array of int
        Objects in each step of the axis of sizes: all, and those that are shown; empty without an axis.
    """

    query: Query
    rows: Rows
    lines: Rows
    total: int
    all_sizes: Sequence[int] | NDArray[np.int64]
    shown_sizes: Sequence[int] | NDArray[np.int64]


def find_answer(query: Query) -> Answer:
    """Filter, sort and count; for a thread, where the table is long.

    Raises
    ------
    SettingsError
        Where the condition of the filter cannot be used.
    """
    columns, scale = query.table.columns, query.table.scale
    left = np.ones(len(columns["id"]), np.bool_)
    left[places_of(columns["id"], query.deleted)] = False
    keep = left & query.shown.keeps(columns)
    rows = find_rows(columns, keep, query.sorting)
    sizes = columns[size_column(columns)]
    counted = ((), ()) if scale is None else (scale.count(sizes[left]), scale.count(sizes[keep]))
    lines = np.full(len(keep), -1, np.intp)
    lines[rows] = np.arange(len(rows))
    return Answer(query, rows, lines, int(np.count_nonzero(left)), *counted)
