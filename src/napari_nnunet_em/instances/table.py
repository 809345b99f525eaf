"""The table of objects: one row each, in physical units, as CSV."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_nnunet_em.errors import InputError, OutputError
from napari_nnunet_em.instances.sizes import voxel_volume_um3

PROBABILITY = "probability"

_DTYPES: dict[str, str] = {
    "id": "int64",
    "voxels": "int64",
    "volume_um3": "float64",
    **{f"centroid_{axis}_nm": "float64" for axis in "zyx"},
    **{f"bbox_{axis}_{end}": "int64" for axis in "zyx" for end in ("min", "max")},
    "mean_probability": "float64",
}


@dataclass(frozen=True)
class Placement:
    """Where the segmented voxels lie.

    Attributes
    ----------
    voxel_size_nm : tuple of float, (z, y, x), or None
        None where it is unknown; then volumes and centroids are NaN.
    origin_voxels : tuple of int, (z, y, x)
        First voxel of the segmented region inside the input volume.
    """

    voxel_size_nm: tuple[float, float, float] | None
    origin_voxels: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """Objects of one class.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per object, ascending ``id`` from 1; ``voxels``; ``volume_um3``; ``centroid_z_nm`` and so on,
        with the centre of the input volume's first voxel at 0 nm; ``bbox_z_min``, ``bbox_z_max`` and so on,
        half-open, in voxels of the input volume (a region's origin is included in both);
        ``mean_probability`` from 0 to 1.
    """

    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    @classmethod
    def from_statistics(
        cls, statistics: Mapping[str, NDArray[np.int64]], units: int, placement: Placement
    ) -> ObjectTable:
        """Put what was measured into physical units.

        Parameters
        ----------
        statistics : mapping from str to array, (objects,), int64
            Columns as in `Geometry`, and ``sum_probability``.
        units : int
            How many units of that column's terms make a probability of 1.
        placement : Placement
            Voxel size and origin.
        """
        voxels = statistics["voxels"]
        size = placement.voxel_size_nm or (np.nan, np.nan, np.nan)
        columns: dict[str, NDArray[Any]] = {
            "id": np.arange(1, len(voxels) + 1),
            "voxels": voxels,
            "volume_um3": voxels * voxel_volume_um3(size),
        }
        for axis, nm, origin in zip("zyx", size, placement.origin_voxels, strict=True):
            columns[f"centroid_{axis}_nm"] = (statistics[f"sum_{axis}"] / voxels + origin) * nm
        for axis, origin in zip("zyx", placement.origin_voxels, strict=True):
            columns[f"bbox_{axis}_min"] = statistics[f"min_{axis}"] + origin
            columns[f"bbox_{axis}_max"] = statistics[f"max_{axis}"] + origin
        columns["mean_probability"] = statistics[f"sum_{PROBABILITY}"] / voxels / units
        return cls(pd.DataFrame(columns).astype(_DTYPES))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table, whole or not at all.

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        target = Path(path)
        part = target.with_name(target.name + ".partial")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self.frame.to_csv(part, index=False, lineterminator="\n")
            part.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            raise OutputError(
                f"The object table could not be written to {target} ({error}): "
                "check that the folder can be written and has space."
            ) from error

    @classmethod
    def from_csv(cls, path: str | os.PathLike[str]) -> ObjectTable:
        """Read a table that `to_csv` wrote, bit for bit.

        Raises
        ------
        InputError
            When the file is missing or is not such a table.
        """
        try:
            # As text first: older pandas' own parser of floats is off by a last bit now and then.
            return cls(_as_objects(pd.read_csv(path, dtype=str)))
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"{os.fspath(path)} is not an object table ({error}): "
                "it needs the columns " + ", ".join(_DTYPES) + "."
            ) from error


def _as_objects(frame: pd.DataFrame) -> pd.DataFrame:
    """Check the columns of a table and give them their types."""
    names: Sequence[str] = list(_DTYPES)
    return frame[names].astype(_DTYPES)
