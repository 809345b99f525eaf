"""HDF5: addresses, discovery, attributes."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.io.from_hdf5 import split_address

DATA = np.random.default_rng(2).integers(0, 255, (6, 20, 30), dtype=np.uint8)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("file.h5:/a/b", ("file.h5", "a/b")),
        ("file.h5:a", ("file.h5", "a")),
        ("file.h5:", ("file.h5", "")),
        ("file.h5", ("file.h5", "")),
        ("file.h5/a/b", ("file.h5", "a/b")),
        ("/data/File.HDF5:/a", ("/data/File.HDF5", "a")),
        (r"C:\x\file.h5:/a/b", (r"C:\x\file.h5", "a/b")),
        (r"C:\x\file.h5", (r"C:\x\file.h5", "")),
        (r"C:\x\file.h5\a\b", (r"C:\x\file.h5", "a/b")),
        (r"C:\x\file.hdf:a\b", (r"C:\x\file.hdf", "a/b")),
        (r"C:\x\stack.tif", None),
        ("my.h5stuff/stack.tif", None),
        ("stack.tif", None),
    ],
)
def test_addresses(source: str, expected: tuple[str, str] | None) -> None:
    assert split_address(source) == expected


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Raw data and labels, as CREMI lays them out."""
    path = tmp_path / "cremi.h5"
    with h5py.File(path, "w") as file:
        raw = file.create_dataset("volumes/raw", data=DATA, chunks=(2, 10, 10))
        raw.attrs["resolution"] = [40.0, 4.0, 4.0]
        file["volumes/labels/clefts"] = DATA.astype(np.uint64)
        file["annotations/ids"] = np.arange(5)
        file["names"] = np.array([[b"a", b"b"]])
        file["volumes"].attrs["element_size_um"] = [0.05, 0.005, 0.005]
    return path


@pytest.mark.parametrize(
    "address", ["{}:/volumes/raw", "{}:volumes/raw", "{}/volumes/raw", "{}:/volumes/raw/"]
)
def test_dataset_by_address(file: Path, address: str) -> None:
    volume = open_volume(address.format(file))
    assert volume.origin == f"{file}:/volumes/raw"
    assert volume.chunks == (2, 10, 10)
    assert (volume.voxel_size_nm, volume.voxel_size_source) == ((40, 4, 4), "HDF5 attribute resolution")


def test_attribute_of_a_parent(file: Path) -> None:
    volume = open_volume(f"{file}:/volumes/labels/clefts")
    assert volume.voxel_size_nm == pytest.approx((50, 5, 5))
    assert volume.voxel_size_source == "HDF5 attribute element_size_um"


def test_the_only_dataset_below_a_group(file: Path) -> None:
    assert open_volume(f"{file}:/volumes/labels").origin == f"{file}:/volumes/labels/clefts"


def test_several_datasets_are_listed(file: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_volume(file)
    assert str(caught.value) == (
        f"{file} holds 2 arrays and nothing says which one is meant: "
        "/volumes/labels/clefts (6x20x30 uint64), /volumes/raw (6x20x30 uint8); "
        f"name one, for example {file}:/volumes/labels/clefts."
    )


@pytest.mark.parametrize("inner", ["raw", "volumes/raw/x", "volumes/row"])
def test_wrong_path_lists_what_there_is(file: Path, inner: str) -> None:
    with pytest.raises(
        InputError, match=rf"cremi\.h5 has nothing at the path '/{inner}': it has .*/volumes/raw \("
    ):
        open_volume(f"{file}:/{inner}")


def test_wrong_path_in_a_file_without_volumes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["ids"] = np.arange(4)
        file["type"] = np.dtype("int8")
    for inner in ("a", "type"):
        with pytest.raises(
            InputError, match=f"nothing at the path '/{inner}': it has no dataset with two or more axes"
        ):
            open_volume(f"{tmp_path / 'x.h5'}:/{inner}")
    with pytest.raises(InputError, match="holds no image or volume"):
        open_volume(tmp_path / "x.h5")


def test_long_lists_are_cut(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for i in range(15):
            file[f"stack{i:02}"] = np.zeros((2, 3))
    with pytest.raises(InputError, match=r"stack11 \(2x3 float64\), and 3 more; name one"):
        open_volume(tmp_path / "x.h5")


def test_the_file_stays_open_with_the_volume(file: Path) -> None:
    volume = open_volume(f"{file}:/volumes/raw")
    gc.collect()
    np.testing.assert_array_equal(volume.read(Box.whole(DATA.shape))[0], DATA)
    del volume
    gc.collect()
    with h5py.File(file, "a") as again:
        again.attrs["written"] = True


def test_two_volumes_of_one_file(file: Path) -> None:
    raw, labels = open_volume(f"{file}:/volumes/raw"), open_volume(f"{file}:/volumes/labels/clefts")
    box = Box((1, 2, 3), (4, 9, 9))
    np.testing.assert_array_equal(raw.read(box), labels.read(box))


def test_axes_from_ilastik_and_from_dimension_labels(tmp_path: Path) -> None:
    tags = json.dumps({"axes": [{"key": key} for key in "zyxc"]})
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["ilastik"] = np.stack([DATA, 255 - DATA], axis=-1)
        file["ilastik"].attrs["axistags"] = tags
        file["labelled"] = DATA.transpose()
        for dim, name in zip(file["labelled"].dims, "xyz", strict=True):
            dim.label = name
    volume = open_volume(f"{tmp_path / 'x.h5'}:/ilastik")
    assert (volume.axes, volume.channels, volume.shape) == ("czyx", 2, DATA.shape)
    np.testing.assert_array_equal(volume.read(Box.whole(DATA.shape))[1], 255 - DATA)
    labelled = open_volume(f"{tmp_path / 'x.h5'}:/labelled")
    np.testing.assert_array_equal(labelled.read(Box.whole(DATA.shape))[0], DATA)


def test_other_endings_and_folders_named_like_files(tmp_path: Path) -> None:
    (tmp_path / "run.h5").mkdir()
    with h5py.File(tmp_path / "run.h5" / "scan.nx", "w") as file:
        file["raw"] = DATA
    for source in ("scan.nx", "scan.nx:/raw"):
        assert open_volume(f"{tmp_path}/run.h5/{source}").shape == DATA.shape


def test_open_datasets(file: Path) -> None:
    with h5py.File(file, "r") as opened:
        dataset = opened["volumes/raw"]
        assert open_volume(dataset).origin == f"{file}:/volumes/raw"
        assert open_volume(dataset).voxel_size_nm == (40, 4, 4)
    with pytest.raises(InputError, match="its file has been closed: open the file again"):
        open_volume(dataset)


def test_damaged_file(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:700])
    with pytest.raises(InputError, match=r"cremi\.h5 cannot be opened as HDF5: .*it may be incomplete"):
        open_volume(file)
