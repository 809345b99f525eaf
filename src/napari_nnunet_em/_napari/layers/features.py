"""Object tables as the features of labels layers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_nnunet_em.errors import NnunetEmError

if TYPE_CHECKING:
    import pandas as pd

LABELS_KEY = "nnunet_em_labels"
"""Key in a layer's metadata: the label image on disk that it shows, the path of an OME-Zarr group."""

_MOST_FEATURES = 100_000
"""napari keeps a Python dictionary of the rows of a layer's features; many more would freeze the window."""

_MOST_BYTES = 20 << 20
"""Of a table of so many objects: files are opened on the main thread."""


def label_features(table: pd.DataFrame) -> pd.DataFrame | None:
    """An object table as the features of a labels layer, which finds its rows by a column ``index``.

    None for very many objects; the Objects table shows these.
    """
    return table.rename(columns={"id": "index"}) if len(table) <= _MOST_FEATURES else None


def stored_features(labels: Path) -> pd.DataFrame | None:
    """Features of a label image whose table lies in the same OME-Zarr.

    Parameters
    ----------
    labels : pathlib.Path
        The group of the label image, ``<store>/labels/<name>``.

    Returns
    -------
    pandas.DataFrame or None
        None where there is no table of ours, or a very large one.
    """
    table = labels.parent.parent / "tables" / f"{labels.name}.csv"
    if labels.parent.name != "labels" or not table.is_file() or table.stat().st_size > _MOST_BYTES:
        return None
    from napari_nnunet_em.measurement import ObjectTable  # noqa: PLC0415 - not needed to decline a folder

    try:
        return label_features(ObjectTable.read(table).frame)
    except NnunetEmError:  # somebody else's table
        return None
