"""The table of a label image inside its OME-Zarr."""

from __future__ import annotations

from pathlib import Path

from napari_nnunet_em.errors import InputError
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
    create_table_group(store, name, attributes)
    for path in table_files(store, name):
        table.write(path)
    return path


def stored_table(store: Path, name: str) -> ObjectTable:
    """Read the table of ``labels/<name>`` again; the Parquet file where there is one, which is read faster.

    Parameters
    ----------
    store : path
        Root of the OME-Zarr.
    name : str
        Of the label image, and of the table.

    Raises
    ------
    InputError
        When there is none, or it is not such a table.
    """
    for path in table_files(store, name):
        if path.is_file():
            return ObjectTable.read(path)
    raise InputError(
        f"{Path(store) / 'labels' / name} has no table of its objects: "
        "measure it, or run the job that makes it again."
    )


def table_files(store: Path, name: str) -> tuple[Path, Path]:
    """Where `store_table` puts the table of ``labels/<name>``: Parquet and CSV."""
    tables = Path(store) / "tables"
    return tables / name / "table.parquet", tables / f"{name}.csv"
