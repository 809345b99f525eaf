"""Sources that cannot be opened, each by its sentence, and open arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np
import pytest
import tifffile
import zarr

import napari_nnunet_em
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume

DATA = np.arange(2 * 4 * 6, dtype=np.uint8).reshape(2, 4, 6)


@pytest.mark.parametrize("name", ["no.tif", "no.zarr", "no.h5:/raw", "no.h5", "folder", r"C:\no\file.h5:/a"])
def test_missing(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InputError, match=r"^[^:]*(C:\\no\\file.h5)? does not exist: check the spelling"
    ) as caught:
        open_volume(name)
    assert isinstance(caught.value, ValueError)
    assert caught.value.exit_code == 3


def test_unknown_kinds(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"PK")
    with pytest.raises(
        InputError, match=r"a\.docx is no format that can be opened: give OME-Zarr, Zarr, N5, HDF5"
    ):
        open_volume(tmp_path / "a.docx")
    (tmp_path / "empty.tif").touch()
    with pytest.raises(InputError, match=r"empty\.tif is no format"):
        open_volume(tmp_path / "empty.tif")


def test_remote_addresses() -> None:
    with pytest.raises(InputError, match=r"s3://bucket/a\.zarr is a remote address.*download it first"):
        open_volume("s3://bucket/a.zarr")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, DATA)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    # Tests may run as root, whom no mode bits stop.
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"a\.tif cannot be read: Permission denied; ask its owner"):
        open_volume(path)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (DATA.astype(complex), "complex numbers of type complex128"),
        (DATA.astype(object), "Python objects of type object"),
        (np.zeros((3, 4), dtype=[("a", "u1")]), "records of several fields of type"),
        (DATA.astype(str), "values of type <U"),
        (DATA.astype(np.longdouble), "values of type float128"),
        (DATA.astype("datetime64[s]"), "values of type datetime64"),
    ],
)
def test_data_types_that_are_no_grey_values(data: np.ndarray, what: str) -> None:
    with pytest.raises(
        InputError, match=f"memory holds {what}.*cannot be segmented: convert it to uint8, uint16"
    ):
        open_volume(data)
    if data.dtype.kind != "g":
        with pytest.raises(InputError, match=f"holds {what}"):
            open_volume(da.from_array(data, chunks=-1))


def test_data_types_of_other_libraries() -> None:
    class Tensor:
        shape, dtype = (2, 3, 4), "torch.bfloat16"

        def __getitem__(self, key: Any) -> Any:
            raise NotImplementedError

    with pytest.raises(
        InputError, match=r"memory holds values of type torch\.bfloat16, which cannot be segmented"
    ):
        open_volume(Tensor())


def test_complex_and_object_arrays_in_files(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "c.zarr", data=DATA.astype("complex64"))
    with pytest.raises(InputError, match=r"c\.zarr holds complex numbers of type complex64"):
        open_volume(tmp_path / "c.zarr")
    with h5py.File(tmp_path / "o.h5", "w") as file:
        file.create_dataset("names", (2, 3), dtype=h5py.string_dtype())
    with pytest.raises(InputError, match=r"o\.h5:/names holds Python objects of type object"):
        open_volume(f"{tmp_path / 'o.h5'}:/names")
    tifffile.imwrite(tmp_path / "c.tif", DATA.astype("complex64"), photometric="minisblack")
    with pytest.raises(InputError, match=r"c\.tif holds complex numbers"):
        open_volume(tmp_path / "c.tif")


@pytest.mark.parametrize("shape", [(0, 4, 6), (2, 0, 6), (0,)])
def test_empty(tmp_path: Path, shape: tuple[int, ...]) -> None:
    data = np.zeros(shape, np.uint8)
    with pytest.raises(InputError, match=r"memory is empty: its shape is .*check that the export or crop"):
        open_volume(data)
    zarr.create_array(tmp_path / "e.zarr", shape=shape, chunks=(1,) * len(shape), dtype="uint8")
    with pytest.raises(InputError, match=r"e\.zarr is empty"):
        open_volume(tmp_path / "e.zarr")
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file["raw"] = data
    with pytest.raises(InputError, match=r"e\.h5:/raw is empty"):
        open_volume(f"{tmp_path / 'e.h5'}:/raw")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (7, "A int cannot be opened as a volume: give a path, an array"),
        (None, "A NoneType cannot be opened"),
        (b"a.tif", "A bytes cannot be opened"),
        ([], "A list that holds nothing cannot be opened"),
        ([[1, 2], [3, 4]], "A list that holds list cannot be opened.*numpy.asarray"),
        ([DATA, DATA[0]], r"no pyramid: after \(2, 4, 6\) uint8 comes \(4, 6\) uint8"),
        ([DATA[:, ::2], DATA], r"no pyramid: after \(2, 2, 6\) uint8 comes \(2, 4, 6\) uint8"),
        ([DATA, DATA.astype("u2")], r"no pyramid: after .* uint8 comes \(2, 4, 6\) uint16"),
    ],
)
def test_objects_that_are_no_volume(source: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_volume(source)


class MultiScale(Sequence[Any]):
    """Looks like the data of a multiscale layer in napari."""

    def __init__(self, levels: list[Any]) -> None:
        self._levels = levels
        self.shape, self.dtype = levels[0].shape, levels[0].dtype

    def __getitem__(self, index: Any) -> Any:
        return self._levels[index]

    def __len__(self) -> int:
        return len(self._levels)


@pytest.mark.parametrize("wrap", [list, tuple, MultiScale])
def test_pyramids_of_a_layer(wrap: Any) -> None:
    levels = [da.from_array(DATA, chunks=2), zarr.array(DATA[:, ::2, ::2]), DATA[:, ::4, ::4]]
    volume = open_volume(wrap(levels))
    assert (volume.shape, volume.chunks, volume.origin) == (DATA.shape, (2, 2, 2), "memory")
    assert volume.levels == tuple(levels)
    np.testing.assert_array_equal(volume.read(Box.whole(DATA.shape))[0], DATA)


def test_real_napari_data() -> None:
    layers = pytest.importorskip("napari.layers")
    layer = layers.Image([DATA, DATA[:, ::2, ::2]], multiscale=True)
    volume = open_volume(layer.data)
    assert [level.shape for level in volume.levels] == [(2, 4, 6), (2, 2, 3)]
    np.testing.assert_array_equal(open_volume(layers.Image(DATA).data).read(Box.whole(DATA.shape))[0], DATA)


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    tifffile.imwrite(tmp_path / "a.tif", DATA, photometric="minisblack")
    assert open_volume(str(Path("~") / "a.tif")).shape == DATA.shape


def test_public_names_are_these() -> None:
    assert napari_nnunet_em.open_volume is open_volume
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        napari_nnunet_em.io.nothing  # noqa: B018
    assert {"Volume", "open_volume", "describe"} <= set(dir(napari_nnunet_em.io))
