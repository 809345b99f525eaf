"""The table inside an OME-Zarr, as other programs look for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import zarr

from napari_nnunet_em.config import OmeZarrVersion
from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec
from napari_nnunet_em.measurement import COLUMNS, ObjectTable, store_table

from .conftest import random_labels


@pytest.fixture(params=list(OmeZarrVersion))
def store(tmp_path, request):
    spec = SinkSpec(
        shape=(4, 8, 8),
        dtype=np.dtype(np.uint32),
        voxel_size_nm=(40, 8, 8),
        chunk_shape=(4, 8, 8),
        block_shape=(4, 8, 8),
        kind=Kind.LABELS,
        ome_zarr_version=request.param,
    )
    for name in ("mito", "er"):
        MultiscaleSink.create(tmp_path / "out.zarr", f"labels/{name}", spec)
    return tmp_path / "out.zarr"


def test_tables_are_listed_and_name_their_labels(store, measure):
    table = measure(random_labels(1))
    for name in ("mito", "er", "mito"):
        csv = store_table(store, name, table)
        assert csv == store / "tables" / f"{name}.csv"
        assert ObjectTable.read(csv).frame.equals(table.frame)
    root = zarr.open_group(store, mode="r")
    assert root["tables"].attrs["tables"] == ["er", "mito"]
    attributes = root["tables/mito"].attrs.asdict()
    # The convention is that the path begins at the group of all tables.
    assert (store / "tables" / attributes["region"]["path"]).resolve() == store / "labels" / "mito"
    assert (attributes["type"], attributes["table_version"]) == ("feature_table", "1")
    assert attributes["backend"] == "parquet"
    stored = pd.read_parquet(store / "tables" / "mito" / "table.parquet")
    assert stored.equals(table.frame)
    assert attributes["index_key"] == attributes["instance_key"] == stored.columns[0]
    named = [*attributes["measurement_columns"], *attributes["categorical_columns"]]
    assert named == [column.name for column in COLUMNS][1:]


def test_storing_again_gives_the_same_bytes(store, measure):
    table = measure(random_labels(1))

    def everything():
        store_table(store, "mito", table)
        return {path: path.read_bytes() for path in sorted((store / "tables").rglob("*")) if path.is_file()}

    first = everything()
    assert len(first) >= 4
    assert everything() == first


def test_a_file_in_the_way_is_explained(store, measure):
    (store / "tables").mkdir()
    (store / "tables" / "mito").write_text("")
    with pytest.raises(OutputError, match="mito"):
        store_table(store, "mito", measure(random_labels(1)))
