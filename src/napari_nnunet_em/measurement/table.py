"""The table of objects: one row each, in physical units, as CSV or Parquet."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from napari_nnunet_em.errors import InputError, OutputError, SettingsError
from napari_nnunet_em.io.staging import replacing
from napari_nnunet_em.measurement.columns import COLUMNS, DTYPES

if TYPE_CHECKING:
    import pyarrow as pa

_SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """Objects of one label image.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per object, ascending ``id``; columns as in `COLUMNS`. Places are those of the image in the
        world: where it states no origin, the centre of the input volume's first voxel lies at 0 nm. Bounding
        boxes are half-open and count voxels from there, and a region's origin is included in both. NaN where
        something is not known: sizes without a voxel size, values that were not measured.
    """

    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the table as ``.csv`` or ``.parquet``, whole or not at all.

        The same table gives the same bytes.

        Raises
        ------
        SettingsError
            When the name ends in neither.
        OutputError
            When the file cannot be written.
        """
        target = Path(path)
        save = _to_csv if table_suffix(target) == ".csv" else _to_parquet
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as draft:
                save(_arrow(self.frame), draft)
        except OSError as error:
            raise OutputError(
                f"The object table {target} cannot be written ({error}): free some space or choose another "
                "folder, and run the job again."
            ) from error

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> ObjectTable:
        """Read a table that `write` wrote, bit for bit.

        Raises
        ------
        SettingsError
            When the name ends in neither ``.csv`` nor ``.parquet``.
        InputError
            When the file is missing or is not such a table.
        """
        load = _from_csv if table_suffix(path) == ".csv" else _from_parquet
        try:
            table = load(Path(path)).select(list(DTYPES)).cast(_schema())
            return cls(table.to_pandas())
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{os.fspath(path)} is not an object table ({error}): "
                "it needs the columns " + ", ".join(DTYPES) + "."
            ) from error


def table_suffix(path: str | os.PathLike[str]) -> str:
    """``.csv`` or ``.parquet``, whatever a table's name ends in.

    Raises
    ------
    SettingsError
        When it is neither.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise SettingsError(
            f"The object table {os.fspath(path)} has no format that can be told from its name: "
            "let it end in .csv or .parquet."
        )
    return suffix


def _schema() -> pa.Schema:
    """Names, types, units and meanings of the columns; Parquet keeps all four."""
    import pyarrow as pa  # noqa: PLC0415 - slow to load

    kinds = {"int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}
    return pa.schema(
        [
            pa.field(c.name, kinds[c.dtype], metadata={"unit": c.unit, "description": c.description})
            for c in COLUMNS
        ]
    )


def _arrow(frame: pd.DataFrame) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415

    columns = [
        pa.array(frame[c.name].to_numpy(dtype=c.dtype), from_pandas=c.dtype == "float64") for c in COLUMNS
    ]
    return pa.table(columns, schema=_schema())


def _to_csv(table: pa.Table, path: Path) -> None:
    from pyarrow import csv  # noqa: PLC0415

    with path.open("wb") as file:
        file.write(",".join(table.column_names).encode() + b"\n")  # arrow's own header is quoted
        csv.write_csv(table, file, csv.WriteOptions(include_header=False, quoting_style="none"))


def _to_parquet(table: pa.Table, path: Path) -> None:
    from pyarrow import parquet  # noqa: PLC0415

    parquet.write_table(table, path, compression="zstd")


def _from_csv(path: Path) -> pa.Table:
    from pyarrow import csv  # noqa: PLC0415

    return csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=_schema()))


def _from_parquet(path: Path) -> pa.Table:
    from pyarrow import parquet  # noqa: PLC0415

    return parquet.read_table(path)
