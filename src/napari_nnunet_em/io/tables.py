"""Groups for tables inside an OME-Zarr, as Fractal and ngio lay them out beside the labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zarr

from napari_nnunet_em.io import groups
from napari_nnunet_em.io.staging import explained


def create_table_group(store: Path, name: str, attributes: Mapping[str, Any]) -> Path:
    """Make the group of a table, list it, and say what it holds; what is there already is kept.

    Parameters
    ----------
    store : path
        Root of the OME-Zarr.
    name : str
        Of the table.
    attributes : mapping
        Plain JSON values that go into the attributes of the group.

    Returns
    -------
    pathlib.Path
        Its folder, ``tables/<name>``, where the table itself goes.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    store = Path(store)
    folder = store / "tables"
    with explained(folder / name):
        root = zarr.open_group(store, mode="r", use_consolidated=False)
        wanted: Any = root.metadata.zarr_format
        above = zarr.open_group(folder, mode="a", zarr_format=wanted, use_consolidated=False)
        own = zarr.open_group(folder / name, mode="a", zarr_format=wanted, use_consolidated=False)
        groups.add_attributes(own, folder / name, dict(attributes))
        listed: Any = above.attrs.asdict().get("tables", ())
        names = sorted({*listed, name})
        groups.add_attributes(above, folder, {"tables": names})
    return folder / name
