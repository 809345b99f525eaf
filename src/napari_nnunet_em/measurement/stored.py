"""The table of a label image inside its OME-Zarr."""

from __future__ import annotations

from pathlib import Path

from napari_nnunet_em.io import create_table_group
from napari_nnunet_em.measurement.columns import COLUMNS
from napari_nnunet_em.measurement.table import ObjectTable


def store_table(store: Path, name: str, table: ObjectTable) -> Path:
    """Write the table of ``labels/<name>``: Parquet for programs, and CSV beside it for people.

    The group ``tables/<name>`` follows version 1 of the feature tables of Fractal and ngio, which grew out of
    the proposal for tables in OME-NGFF; OME-Zarr itself knows no tables yet. What was there is replaced.

    Parameters
    ----------
    store : path
        Root of the OME-Zarr.
    name : str
        Of the label image, and of the table.
    table : ObjectTable
        Its objects.

    Returns
    -------
    pathlib.Path
        The CSV file.

    Raises
    ------
    OutputError
        When one of them cannot be written.
    """
    attributes = {
        "type": "feature_table",
        "table_version": "1",
        "region": {"path": f"../labels/{name}"},
        "backend": "parquet",
        "index_key": "id",
        "index_type": "int",
        "instance_key": "id",
        "measurement_columns": [column.name for column in COLUMNS if column.dtype != "bool"][1:],
        "categorical_columns": [column.name for column in COLUMNS if column.dtype == "bool"],
        "metadata_columns": [],
    }
    table.write(create_table_group(store, name, attributes) / "table.parquet")
    path = Path(store) / "tables" / f"{name}.csv"
    table.write(path)
    return path
