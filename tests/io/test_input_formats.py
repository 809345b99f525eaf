"""The same voxels in every format: reading equals NumPy slicing, and fingerprints agree."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask.array as da
import h5py
import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume, open_volume

SHAPE = (7, 41, 53)


def truth(dtype: str) -> np.ndarray:
    values = np.random.default_rng(3).integers(0, 2000, SHAPE)
    return values > 1000 if dtype == "bool" else values.astype(dtype)


def numpy_array(folder: Path, data: np.ndarray) -> np.ndarray:
    return data


def dask_array(folder: Path, data: np.ndarray) -> da.Array:
    return da.from_array(data, chunks=(3, 16, 20))


def zarr2(folder: Path, data: np.ndarray) -> Path:
    zarr.create_array(folder / "a.zarr", data=data, chunks=(2, 16, 16), zarr_format=2)
    return folder / "a.zarr"


def zarr3(folder: Path, data: np.ndarray) -> Path:
    zarr.create_array(folder / "a.zarr", data=data, chunks=(2, 16, 16), shards=(4, 32, 32), zarr_format=3)
    return folder / "a.zarr"


def zarr_array(folder: Path, data: np.ndarray) -> zarr.Array:
    return zarr.open_array(zarr3(folder, data), mode="r")


def zarr_group(folder: Path, data: np.ndarray) -> Path:
    group = zarr.open_group(folder / "g.zarr", mode="w")
    group.create_array("volumes/raw", data=data, chunks=(7, 41, 53))
    return folder / "g.zarr"


def zarr_xyz(folder: Path, data: np.ndarray) -> Path:
    array = zarr.create_array(folder / "xyz.zarr", data=data.transpose(), chunks=(16, 16, 3))
    array.attrs["axes"] = ["x", "y", "z"]
    return folder / "xyz.zarr"


def hdf5_chunked(folder: Path, data: np.ndarray) -> str:
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("volumes/raw", data=data, chunks=(2, 16, 16), compression="gzip")
        file["voltage_kv"] = 2.0
    return f"{folder / 'a.h5'}:/volumes/raw"


def hdf5_contiguous(folder: Path, data: np.ndarray) -> Path:
    with h5py.File(folder / "a.hdf", "w") as file:
        file["raw"] = data
    return folder / "a.hdf"


def tiff(folder: Path, data: np.ndarray) -> Path:
    tifffile.imwrite(folder / "a.tif", data, metadata={"axes": "ZYX"}, photometric="minisblack")
    return folder / "a.tif"


def tiff_big_endian_rows(folder: Path, data: np.ndarray) -> Path:
    tifffile.imwrite(
        folder / "a.tiff",
        data,
        bigtiff=True,
        byteorder=">",
        rowsperstrip=1,
        photometric="minisblack",
        metadata=None,
    )
    return folder / "a.tiff"


def tiff_tiled(folder: Path, data: np.ndarray) -> Path:
    tifffile.imwrite(folder / "t.tif", data, tile=(16, 32), compression="zlib", photometric="minisblack")
    return folder / "t.tif"


def tiff_ome(folder: Path, data: np.ndarray) -> Path:
    tifffile.imwrite(folder / "t.ome.tif", data[None, :, None], metadata={"axes": "TZCYX"})
    return folder / "t.ome.tif"


def tiff_imagej(folder: Path, data: np.ndarray) -> Path:
    tifffile.imwrite(folder / "ij.tif", data, imagej=True, metadata={"axes": "ZYX"})
    return folder / "ij.tif"


def tiff_folder(folder: Path, data: np.ndarray) -> Path:
    (folder / "slices").mkdir()
    for i, image in enumerate(data):
        tifffile.imwrite(folder / "slices" / f"s{i + 7}.tif", image, rowsperstrip=8)
    return folder / "slices"


def png_folder(folder: Path, data: np.ndarray) -> Path:
    (folder / "slices").mkdir()
    for i, image in enumerate(data):
        imagecodecs.imwrite(folder / "slices" / f"s{i + 7}.png", image)
    (folder / "slices" / "notes.txt").write_text("not an image")
    return folder / "slices"


EVERY = [
    numpy_array, dask_array, zarr2, zarr3, zarr_array, zarr_group, zarr_xyz, hdf5_chunked, hdf5_contiguous,
    tiff, tiff_big_endian_rows, tiff_tiled, tiff_folder,
]  # fmt: skip
CASES = (
    [(make, "uint16") for make in [*EVERY, tiff_ome, tiff_imagej, png_folder]]
    + [(make, "uint8") for make in (tiff_ome, tiff_imagej, png_folder)]
    + [(make, "float32") for make in (*EVERY, tiff_ome, tiff_imagej)]
    + [
        (make, dtype)
        for make in (zarr2, zarr3, hdf5_chunked, tiff)
        for dtype in ("int16", "float16", "float64", "bool")
    ]
)


@pytest.fixture(params=CASES, ids=lambda c: f"{c[0].__name__}-{c[1]}", scope="module")
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[np.ndarray, Volume]:
    make, dtype = request.param
    data = truth(dtype)
    return data, open_volume(make(tmp_path_factory.mktemp("stored"), data))


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    ends = [sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in SHAPE]
    return Box(tuple(a for a, _ in ends), tuple(b for _, b in ends))


@given(box=boxes())
def test_read_equals_slicing(stored: tuple[np.ndarray, Volume], box: Box) -> None:
    data, volume = stored
    got = volume.read(box)
    assert got.dtype == data.dtype
    assert got.dtype.isnative
    assert got.flags.c_contiguous
    assert got.flags.writeable
    np.testing.assert_array_equal(got, data[box.slices][None])


def test_facts(stored: tuple[np.ndarray, Volume]) -> None:
    data, volume = stored
    assert volume.shape == SHAPE
    assert volume.channels == 1
    assert volume.dtype == data.dtype
    assert volume.axes in ("zyx", "czyx")
    assert volume.voxel_size_nm is None
    assert volume.voxel_size_source == "unknown"
    assert all(0 < c <= n for c, n in zip(volume.chunks, SHAPE, strict=True))


def test_fingerprint_is_that_of_the_content(stored: tuple[np.ndarray, Volume]) -> None:
    data, volume = stored
    assert volume.fingerprint() == open_volume(data).fingerprint()


def test_threads_read_what_one_reads(stored: tuple[np.ndarray, Volume]) -> None:
    data, volume = stored
    barrier = threading.Barrier(6)
    blocks = [Box((z, y, 5), (z + 3, y + 20, 50)) for z in (0, 2, 4) for y in (0, 21)]

    def read(box: Box) -> np.ndarray:
        barrier.wait()
        return volume.read(box)

    with ThreadPoolExecutor(6) as pool:
        for box, got in zip(blocks, pool.map(read, blocks), strict=True):
            np.testing.assert_array_equal(got[0], data[box.slices])
