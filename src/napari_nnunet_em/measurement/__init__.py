"""From label images to tables: sizes, places, shapes and values of objects, in one pass."""

from napari_nnunet_em.measurement.columns import COLUMNS, Column
from napari_nnunet_em.measurement.measurer import LabelMeasurer
from napari_nnunet_em.measurement.sources import ValueSource
from napari_nnunet_em.measurement.stored import store_table, stored_table, table_files
from napari_nnunet_em.measurement.table import ObjectTable, table_suffix
from napari_nnunet_em.measurement.task import INTENSITY, PROBABILITY, MeasureTask, Placement
from napari_nnunet_em.measurement.values import ValueScale, needs_range
from napari_nnunet_em.measurement.volumes import measure_labels

__all__ = [
    "COLUMNS",
    "INTENSITY",
    "PROBABILITY",
    "Column",
    "LabelMeasurer",
    "MeasureTask",
    "ObjectTable",
    "Placement",
    "ValueScale",
    "ValueSource",
    "measure_labels",
    "needs_range",
    "store_table",
    "stored_table",
    "table_files",
    "table_suffix",
]
