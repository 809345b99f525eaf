"""``measure`` writes the table of any label image."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from scipy import ndimage

from napari_nnunet_em.cli import main
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec
from napari_nnunet_em.measurement import ObjectTable

SHAPE = (6, 24, 30)


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    """Labels, raw voxels and probabilities of the same shape."""
    rng = np.random.default_rng(3)
    labels, _ = ndimage.label(ndimage.gaussian_filter(rng.random(SHAPE), 1.2) > 0.52)
    return {
        "labels": labels.astype(np.uint16),
        "raw": rng.integers(0, 256, SHAPE, dtype=np.uint8),
        "probability": rng.random(SHAPE, dtype=np.float32),
    }


@pytest.fixture
def files(arrays: dict[str, np.ndarray], tmp_path: Path) -> Path:
    """The same in files of many formats."""
    tifffile.imwrite(tmp_path / "labels.tif", arrays["labels"])
    tifffile.imwrite(tmp_path / "raw.tif", arrays["raw"])
    with h5py.File(tmp_path / "all.h5", "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array).attrs["resolution"] = (40.0, 8.0, 8.0)
    zarr.save_array(tmp_path / "probability.zarr", arrays["probability"])
    spec = SinkSpec(
        shape=SHAPE,
        dtype=np.dtype(np.uint16),
        voxel_size_nm=(40, 8, 8),
        chunk_shape=(2, 8, 8),
        block_shape=(2, 8, 8),
        kind=Kind.LABELS,
    )
    sink = MultiscaleSink.create(tmp_path / "out.zarr", "labels/mito", spec)
    sink.write(Box.whole(SHAPE), arrays["labels"])
    return tmp_path


def measure(*words: object) -> int:
    return main(["measure", *map(str, words)])


def test_formats_do_not_matter(
    files: Path, arrays: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    values = ["--intensity", files / "raw.tif", "--probability", files / "probability.zarr"]
    sources = ["labels.tif", "all.h5:/labels", "out.zarr/labels/mito"]
    for i, source in enumerate(sources):
        size = ["--voxel-size-nm", "40,8,8"] if i == 0 else []
        assert measure(files / source, *values, "--output", files / f"{i}.parquet", *size) == 0
    frames = [ObjectTable.read(files / f"{i}.parquet").frame for i in range(3)]
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])
    count = int(arrays["labels"].max())
    assert frames[0]["id"].tolist() == list(range(1, count + 1))
    wanted = ndimage.mean(arrays["raw"], arrays["labels"], frames[0]["id"])
    np.testing.assert_allclose(frames[0]["mean_intensity"], wanted)
    facts = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines()[-4:])
    assert facts["Objects"].strip() == f"{count} objects"
    assert facts["Voxel size"].strip() == "40 × 8 × 8 nm (z, y, x; OME-Zarr scale)"


def test_csv_and_unknown_voxel_size(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measure(files / "labels.tif", "--output", files / "t.csv") == 0
    shown = capsys.readouterr()
    assert "columns in nm, µm² and µm³ are empty: give --voxel-size-nm" in shown.out
    assert "Measuring objects 1/1 (100 %)" in shown.err
    frame = pd.read_csv(files / "t.csv")
    assert frame["volume_um3"].isna().all()
    assert (frame["voxels"] > 0).all()


def test_machines_get_json(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert measure(files / "all.h5:/labels", "--output", files / "t.csv", "--json") == 0
    shown = capsys.readouterr()
    *events, result = [json.loads(line) for line in shown.out.splitlines()]
    assert {event["stage"] for event in events} == {"measure"}
    assert result["event"] == "result"
    assert result["objects"] == len(pd.read_csv(result["table"]))
    assert result["voxel_size_nm"] == [40, 8, 8]


@pytest.mark.parametrize(
    ("code", "line", "phrase"),
    [
        (2, "labels.tif", "--output is missing; give it on the command line."),
        (2, "--output t.csv", "LABELS is missing"),
        (2, "labels.tif --output t.xlsx", "let it end in .csv or .parquet"),
        (
            2,
            "labels.tif --output t.csv --voxel-size-nm 0,1,1",
            "must be given as Z,Y,X in nm",
        ),
        (3, "missing.tif --output t.csv", "missing.tif does not exist"),
        (3, "out.zarr --output t.csv", "give out.zarr/labels/mito"),
        (3, "probability.zarr --output t.csv", "values of type float32"),
        (3, "labels.tif --intensity missing.h5 --output t.csv", "missing.h5 does not exist"),
        (5, "labels.tif --output raw.tif/t.csv", "cannot be written"),
    ],
)
def test_mistakes_end_with_one_sentence(
    files: Path,
    code: int,
    line: str,
    phrase: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(files)
    assert measure(*line.split()) == code
    error = capsys.readouterr().err
    assert phrase in error
    assert "Traceback" not in error
    assert not (files / "t.csv").exists()
