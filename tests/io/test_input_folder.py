"""Folders of 2D slices and single pictures."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import imagecodecs
import numpy as np
import pytest
import tifffile

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.io.from_folder import SliceStack

DATA = np.random.default_rng(5).integers(0, 255, (12, 20, 30), dtype=np.uint8)


def fill(folder: Path, data: np.ndarray = DATA, ending: str = "png") -> Path:
    folder.mkdir()
    for i, image in enumerate(data):
        if ending == "tif":
            tifffile.imwrite(
                folder / f"slice{i}.{ending}", image, photometric="rgb" if image.ndim == 3 else None
            )
        else:
            imagecodecs.imwrite(folder / f"slice{i}.{ending}", image)
    return folder


@pytest.mark.parametrize("ending", ["png", "tif", "bmp", "jp2"])
def test_slices_in_the_order_people_count(tmp_path: Path, ending: str) -> None:
    volume = open_volume(fill(tmp_path / "s", ending=ending))
    assert (volume.axes, volume.shape, volume.chunks) == ("zyx", DATA.shape, (1, 20, 30))
    assert isinstance(volume.array, da.Array)
    assert volume.origin == str(tmp_path / "s")
    assert volume.voxel_size_nm is None
    got = volume.read(Box.whole(DATA.shape))[0]
    np.testing.assert_array_equal(got, DATA)
    np.testing.assert_array_equal(volume.array[3, 2:5, ::2].compute(), DATA[3, 2:5, ::2])
    np.testing.assert_array_equal(volume.array[2:9:3, 4].compute(), DATA[2:9:3, 4])


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_colour_slices_are_channels(tmp_path: Path, ending: str) -> None:
    data = np.random.default_rng(0).integers(0, 255, (4, 20, 30, 3), dtype=np.uint8)
    volume = open_volume(fill(tmp_path / "s", data, ending))
    assert (volume.axes, volume.channels, volume.shape) == ("czyx", 3, (4, 20, 30))
    np.testing.assert_array_equal(
        volume.read(Box((1, 2, 3), (3, 9, 9))), data[1:3, 2:9, 3:9].transpose(3, 0, 1, 2)
    )


def test_only_the_files_needed_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    read = imagecodecs.imread

    def counting(path: Path) -> np.ndarray:
        opened.append(path.name)
        return read(path)

    monkeypatch.setattr(imagecodecs, "imread", counting)
    volume = open_volume(fill(tmp_path / "s"))
    assert opened == ["slice0.png", "slice11.png"]
    opened.clear()
    volume.read(Box((3, 0, 0), (5, 4, 4)))
    assert sorted(opened) == ["slice3.png", "slice4.png"]


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize(
    ("odd", "what"), [(DATA[0, :19], r"\(19, 30\) uint8"), (DATA[0].astype(np.uint16), r"\(20, 30\) uint16")]
)
def test_the_odd_file_is_named(tmp_path: Path, ending: str, odd: np.ndarray, what: str) -> None:
    folder = fill(tmp_path / "s", ending=ending)
    write = tifffile.imwrite if ending == "tif" else imagecodecs.imwrite
    write(folder / f"slice7.{ending}", odd)
    volume = open_volume(folder)
    volume.read(Box((0, 0, 0), (7, 20, 30)))
    message = (
        rf"slice7\.{ending} does not fit the other slices of its folder: it is {what}, and the first slice is"
    )
    with pytest.raises(InputError, match=message):
        volume.read(Box((6, 0, 0), (9, 1, 1)))
    write(folder / f"slice11.{ending}", odd)
    with pytest.raises(InputError, match=rf"slice11\.{ending} does not fit"):
        open_volume(folder)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_damaged_slice_is_named(tmp_path: Path, ending: str) -> None:
    folder = fill(tmp_path / "s", ending=ending)
    file = folder / f"slice4.{ending}"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(InputError, match=rf"slice4\.{ending} (cannot be|is a TIFF file without)"):
        open_volume(folder).read(Box.whole(DATA.shape))


def test_a_damaged_strip_of_a_slice_is_named(tmp_path: Path) -> None:
    folder = fill(tmp_path / "s", ending="tif")
    file = folder / "slice4.tif"
    tifffile.imwrite(file, DATA[4], compression="zlib")
    with tifffile.TiffFile(file) as tif:
        start = tif.pages[0].dataoffsets[0]
    content = bytearray(file.read_bytes())
    content[start : start + 40] = bytes(40)
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"slice4\.tif cannot be read as an image"):
        open_volume(folder).read(Box.whole(DATA.shape))


def test_kinds_are_not_mixed(tmp_path: Path) -> None:
    folder = fill(tmp_path / "s")
    tifffile.imwrite(folder / "mask.tif", DATA[0])
    with pytest.raises(
        InputError, match=r"s is not a stack of 2D slices \(image files in it: 12 \.png, 1 TIFF\)"
    ):
        open_volume(folder)


def test_no_images(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing here")
    (tmp_path / ".hidden.png").write_text("nothing here")
    with pytest.raises(InputError, match=r"not a stack of 2D slices \(image files in it: none\)"):
        open_volume(tmp_path)


def test_stacks_are_no_slices(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", DATA)
    assert open_volume(tmp_path).origin.endswith("a.tif")
    tifffile.imwrite(tmp_path / "b.tif", DATA)
    with pytest.raises(InputError, match=r"a\.tif has shape \(12, 20, 30\), which is not one 2D slice"):
        open_volume(tmp_path)


def test_one_picture(tmp_path: Path) -> None:
    imagecodecs.imwrite(tmp_path / "a.png", DATA[0].astype(np.uint16))
    volume = open_volume(tmp_path / "a.png", voxel_size_nm=(5, 5))
    assert (volume.shape, volume.dtype, volume.voxel_size_nm) == ((1, 20, 30), np.uint16, (5, 5, 5))
    np.testing.assert_array_equal(volume.read(Box.whole(volume.shape))[0, 0], DATA[0])


def test_a_stack_indexes_like_numpy(tmp_path: Path) -> None:
    folder = fill(tmp_path / "s")
    stack = SliceStack(tuple(folder / f"slice{i}.png" for i in range(12)))
    np.testing.assert_array_equal(stack[-1], DATA[-1])
    np.testing.assert_array_equal(stack[1:8:3, 3:5, 2], DATA[1:8:3, 3:5, 2])
    np.testing.assert_array_equal(stack[4:4, 3:5], DATA[4:4, 3:5])
