"""The table of a labels layer, and where it is kept. No window is needed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em._napari.layers.features import LABELS_KEY
from napari_nnunet_em.geometry import Box, as_shape
from napari_nnunet_em.measurement import ObjectTable, Placement, table_files
from napari_nnunet_em.measurement.distribution import LogScale
from napari_nnunet_em.measurement.selection import Ids, size_column, table_columns

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Labels

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
