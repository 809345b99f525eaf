"""The columns of the object table, declared once: type, unit and meaning.

From here come the table's checks, what a Parquet file says of its columns, and the page of the documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of the object table.

    Attributes
    ----------
    name : str
        As in the header of the CSV file.
    dtype : str
        NumPy's name of its type. Only columns of floats may be empty (NaN).
    unit : str
        Unit, or an empty string.
    description : str
        What it holds, without a full stop.
    """

    name: str
    dtype: str
    unit: str
    description: str


def _per_axis(name: str, dtype: str, unit: str, description: str) -> Iterator[Column]:
    for axis in "zyx":
        yield Column(name.format(axis), dtype, unit, description.format(axis))


def _values(name: str, unit: str, what: str) -> Iterator[Column]:
    for word, meaning in (("mean", "mean"), ("min", "smallest"), ("max", "largest")):
        yield Column(f"{word}_{name}", "float64", unit, f"{meaning} {what} over its voxels")


COLUMNS: tuple[Column, ...] = (
    Column("id", "int64", "", "value of the object's voxels in the label image"),
    Column("voxels", "int64", "voxel", "number of voxels"),
    Column("volume_um3", "float64", "µm³", "volume of its voxels"),
    Column("surface_um2", "float64", "µm²", "area of its surface, estimated by Crofton's formula"),
    *_per_axis("centroid_{}_nm", "float64", "nm", "mean {} of the centres of its voxels"),
    *(
        Column(f"bbox_{axis}_{end}", "int64", "voxel", f"{text} of the bounding box along {axis}")
        for axis in "zyx"
        for end, text in (("min", "begin"), ("max", "end (exclusive)"))
    ),
    Column("axis_major_nm", "float64", "nm", "longest axis of the ellipsoid with the same second moments"),
    Column("axis_middle_nm", "float64", "nm", "middle axis of that ellipsoid"),
    Column("axis_minor_nm", "float64", "nm", "shortest axis of that ellipsoid"),
    Column("elongation", "float64", "", "longest axis divided by the middle one"),
    *_values("probability", "", "stored probability, 0 to 1,"),
    *_values("intensity", "", "value of the raw volume"),
    Column("touches_border", "bool", "", "whether it touches the border of the label image"),
)

DTYPES: dict[str, str] = {column.name: column.dtype for column in COLUMNS}
