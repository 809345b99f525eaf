"""What is done with the table of a labels layer in a thread: read, measure, delete, export."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_nnunet_em._napari.layers.as_volume import stored_voxels
from napari_nnunet_em._napari.layers.placement import placed
from napari_nnunet_em._napari.layers.voxels import layer_shape, level_zero
from napari_nnunet_em._napari.table.hiding import stored_levels
from napari_nnunet_em._napari.table.tables import LayerTable, StoredLabels
from napari_nnunet_em.io import MultiscaleSink, open_volume
from napari_nnunet_em.measurement import ObjectTable, Placement, measure_labels, stored_table
from napari_nnunet_em.measurement.selection import Ids, Rows
from napari_nnunet_em.progress import CancelToken, Events

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from napari_nnunet_em.io import Volume


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
    volume = placed(stored_voxels(layer), layer.translate, layer.units)
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
