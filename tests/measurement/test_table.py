"""The object table as a file: whole or not at all, bit for bit, and the same bytes each time."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from napari_nnunet_em.errors import InputError, OutputError, SettingsError
from napari_nnunet_em.measurement import COLUMNS, ObjectTable

NAMES = [column.name for column in COLUMNS]
SUFFIXES = pytest.mark.parametrize("suffix", [".csv", ".parquet"])


def example(rows):
    rng = np.random.default_rng(rows)
    make = {
        "int64": lambda: np.arange(1, rows + 1),
        "float64": lambda: rng.random(rows) * 1e5 / 7,
        "bool": lambda: rng.random(rows) < 0.5,
    }
    columns = {column.name: make[column.dtype]() for column in COLUMNS}
    columns["id"] = np.arange(1, rows + 1) + 2**40
    if rows > 2:
        columns["volume_um3"][2] = np.nan  # as without a voxel size
        columns["mean_intensity"][:3] = 0.0, -1e-300, 1e300
    return ObjectTable(pd.DataFrame(columns))


@SUFFIXES
@pytest.mark.parametrize("rows", [0, 1, 50])
def test_a_table_comes_back_bit_for_bit(tmp_path, rows, suffix):
    table = example(rows)
    path = tmp_path / "new folder" / f"mito{suffix}"
    table.write(path)
    back = ObjectTable.read(path)
    assert len(back) == rows
    pd.testing.assert_frame_equal(back.frame, table.frame, check_exact=True)
    first = path.read_bytes()
    back.write(path)
    assert path.read_bytes() == first


def test_people_can_read_the_csv(tmp_path):
    example(3).write(tmp_path / "mito.csv")
    lines = (tmp_path / "mito.csv").read_text().splitlines()
    assert lines[0] == ",".join(NAMES)
    cells = dict(zip(NAMES, lines[3].split(","), strict=True))
    assert cells["id"] == str(3 + 2**40)
    assert cells["volume_um3"] == ""
    assert cells["touches_border"] in ("true", "false")
    # The readers that people have understand it, too.
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "mito.csv"), example(3).frame, rtol=1e-14)


def test_parquet_says_what_its_columns_are(tmp_path):
    example(3).write(tmp_path / "mito.parquet")
    schema = parquet.read_schema(tmp_path / "mito.parquet")
    for column in COLUMNS:
        metadata = schema.field(column.name).metadata
        assert metadata[b"unit"].decode() == column.unit
        assert metadata[b"description"].decode() == column.description


@SUFFIXES
def test_a_failed_write_leaves_the_old_table_and_nothing_else(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"mito{suffix}"
    example(3).write(path)

    def full(*_paths):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=f"mito{suffix}"):
        example(50).write(path)
    assert len(ObjectTable.read(path)) == 3
    assert list(tmp_path.iterdir()) == [path]


@SUFFIXES
def test_a_finished_write_leaves_nothing_else(tmp_path, suffix):
    example(3).write(tmp_path / f"mito{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == [f"mito{suffix}"]


@SUFFIXES
@pytest.mark.parametrize(
    "content", [None, "", "a,b\n1,2\n", ",".join(NAMES) + "\n" + ",".join("x" * len(NAMES)) + "\n"]
)
def test_other_files_are_refused(tmp_path, content, suffix):
    path = tmp_path / f"other{suffix}"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match="is not an object table"):
        ObjectTable.read(path)


@pytest.mark.parametrize("name", ["table", "table.txt", "table.csv.gz"])
def test_the_name_must_say_the_format(tmp_path, name):
    with pytest.raises(SettingsError, match=r"let it end in \.csv or \.parquet"):
        example(1).write(tmp_path / name)
    with pytest.raises(SettingsError, match=r"let it end in \.csv or \.parquet"):
        ObjectTable.read(tmp_path / name)
