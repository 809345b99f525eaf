"""TIFF of every kind: laziness, axes, voxel size, damage."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import tifffile.zarr
import zarr

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume

DATA = np.random.default_rng(4).integers(0, 4000, (6, 40, 48), dtype=np.uint16)
WHOLE = Box.whole(DATA.shape)


def write(path: Path, data: np.ndarray = DATA, **options: Any) -> Path:
    tifffile.imwrite(path, data, **({"photometric": "minisblack"} | options))
    return path


@pytest.fixture
def chunks_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the strips, tiles or pages that are fetched from a TIFF file."""
    names: list[str] = []
    fetch = tifffile.zarr.ZarrTiffStore.get

    async def counting(self: Any, key: str, *args: Any, **kwargs: Any) -> Any:
        if key[0].isdigit():
            names.append(key)
        return await fetch(self, key, *args, **kwargs)

    monkeypatch.setattr(tifffile.zarr.ZarrTiffStore, "get", counting)
    return names


def test_opening_reads_no_voxels_and_reading_only_the_strips_needed(
    tmp_path: Path, chunks_read: list[str]
) -> None:
    data = np.random.default_rng(0).integers(0, 255, (8, 512, 512), dtype=np.uint8)
    volume = open_volume(write(tmp_path / "a.tif", data, rowsperstrip=128, compression="zlib"))
    assert volume.chunks == (1, 512, 512)
    assert chunks_read == []
    volume.read(Box((2, 130, 5), (4, 250, 9)))
    assert sorted(chunks_read) == ["2.1.0", "3.1.0"]


def test_tiles_are_read_one_by_one(tmp_path: Path, chunks_read: list[str]) -> None:
    volume = open_volume(write(tmp_path / "a.tif", tile=(16, 16)))
    assert volume.chunks == (1, 16, 16)
    volume.read(Box((0, 0, 17), (1, 17, 31)))
    assert sorted(chunks_read) == ["0.0.1", "0.1.1"]


def test_rows_that_are_strips_are_read_by_the_page(tmp_path: Path, chunks_read: list[str]) -> None:
    volume = open_volume(write(tmp_path / "a.tif", rowsperstrip=1))
    np.testing.assert_array_equal(volume.read(WHOLE)[0], DATA)
    assert sorted(chunks_read) == [f"{z}.0.0" for z in range(6)]


def test_memory_is_that_of_the_block(tmp_path: Path) -> None:
    data = np.zeros((64, 512, 512), np.uint8)
    path = write(tmp_path / "a.tif", data, compression="zlib")
    open_volume(path).read(Box((0, 0, 0), (1, 2, 2)))  # what libraries load once
    tracemalloc.start()
    try:
        open_volume(path).read(Box((30, 0, 0), (32, 512, 512)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < data.nbytes / 4


def test_the_file_is_closed_with_the_last_of_its_arrays(tmp_path: Path) -> None:
    volume = open_volume(write(tmp_path / "a.tif"))
    store = weakref.ref(volume.array._source.store)
    handle = store()._data[0].keyframe.parent.filehandle
    array = volume.array
    del volume
    gc.collect()
    assert not handle.closed
    np.testing.assert_array_equal(np.asarray(array), DATA)
    del array
    gc.collect()
    assert store() is None
    assert handle.closed


@pytest.mark.parametrize(
    ("axes", "shape", "expected"),
    [
        ("ZYX", (6, 40, 48), "zyx"),
        ("TZYX", (1, 6, 40, 48), "zyx"),
        ("ZCYX", (3, 2, 40, 48), "czyx"),
        ("TZCYX", (1, 3, 2, 40, 48), "czyx"),
        ("CYX", (2, 40, 48), "cyx"),
        ("YX", (40, 48), "yx"),
        ("YXS", (40, 48, 3), "cyx"),
        ("ZYXS", (6, 40, 48, 3), "czyx"),
    ],
)
@pytest.mark.parametrize("kind", ["shaped", "ome"])
def test_axes(tmp_path: Path, axes: str, shape: tuple[int, ...], expected: str, kind: str) -> None:
    data = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    options = {"photometric": "rgb"} if "S" in axes else {}
    write(tmp_path / "a.tif", data, metadata={"axes": axes}, ome=kind == "ome", **options)
    volume = open_volume(tmp_path / "a.tif")
    assert volume.axes == expected
    letters = [letter for letter in axes.lower().replace("s", "c") if letter != "t"]
    plain = data.reshape([n for n, letter in zip(shape, axes, strict=True) if letter != "T"])
    canonical = plain.transpose([letters.index(letter) for letter in expected])
    np.testing.assert_array_equal(
        volume.read(Box.whole(volume.shape)), canonical.reshape(volume.channels, *volume.shape)
    )


def test_pages_without_names_are_slices(tmp_path: Path) -> None:
    assert open_volume(write(tmp_path / "a.tif", metadata=None)).axes == "zyx"


def test_time_points_are_refused_unless_called_slices(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", metadata={"axes": "TYX"})
    with pytest.raises(InputError, match=r"a\.tif holds 6 time points \(axes tyx.*open it with axes='zyx'"):
        open_volume(tmp_path / "a.tif")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.tif", axes="zyx").read(WHOLE)[0], DATA)


@pytest.mark.parametrize(("unit", "factor"), [("um", 1e3), ("micron", 1e3), ("nm", 1.0), ("\\u00B5m", 1e3)])
def test_imagej_calibration(tmp_path: Path, unit: str, factor: float) -> None:
    write(
        tmp_path / "a.tif", imagej=True, resolution=(1 / 0.008, 1 / 0.004),
        metadata={"axes": "ZYX", "spacing": 0.04, "unit": unit},
    )  # fmt: skip
    volume = open_volume(tmp_path / "a.tif")
    assert volume.voxel_size_nm == pytest.approx((0.04 * factor, 0.004 * factor, 0.008 * factor))
    assert volume.voxel_size_source == "ImageJ calibration"


@pytest.mark.parametrize(
    "options",
    [
        {"resolution": (125, 125), "metadata": {"axes": "ZYX", "spacing": 0.04, "unit": "pixel"}},
        {"resolution": (125, 125), "metadata": {"axes": "ZYX", "spacing": 0.04}},
        {"resolution": (125, 125), "metadata": {"axes": "ZYX", "unit": "um"}},
        {"metadata": {"axes": "ZYX", "spacing": 0.04, "unit": "um"}},
    ],
    ids=["pixel", "no unit", "no spacing", "no resolution"],
)
def test_half_an_imagej_calibration_is_none(tmp_path: Path, options: dict[str, Any]) -> None:
    volume = open_volume(write(tmp_path / "a.tif", imagej=True, **options))
    assert (volume.voxel_size_nm, volume.voxel_size_source) == (None, "unknown")


def test_imagej_time_by_mistake_keeps_its_spacing(tmp_path: Path) -> None:
    write(
        tmp_path / "a.tif", imagej=True, resolution=(125, 125),
        metadata={"axes": "TYX", "spacing": 0.04, "unit": "um"},
    )  # fmt: skip
    assert open_volume(tmp_path / "a.tif", axes="zyx").voxel_size_nm == pytest.approx((40, 8, 8))


def test_ome_physical_size(tmp_path: Path) -> None:
    sizes = {
        "PhysicalSizeX": 8, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 70, "PhysicalSizeYUnit": "\u00c5",
        "PhysicalSizeZ": 0.04,
    }  # fmt: skip
    volume = open_volume(write(tmp_path / "a.ome.tif", metadata={"axes": "ZYX", **sizes}))
    assert volume.voxel_size_nm == pytest.approx((40, 7, 8))
    assert volume.voxel_size_source == "OME-XML PhysicalSize"
    sizes.pop("PhysicalSizeZ")
    assert open_volume(write(tmp_path / "b.ome.tif", metadata={"axes": "ZYX", **sizes})).voxel_size_nm is None
    assert open_volume(write(tmp_path / "c.ome.tif", metadata={"axes": "ZYX"})).voxel_size_nm is None


def test_ome_of_several_images_takes_the_sizes_of_the_largest(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        for size, data in ((1.0, DATA[:2, ::4, ::4]), (9.0, DATA)):
            keys = {f"PhysicalSize{a}": size for a in "XYZ"} | {f"PhysicalSize{a}Unit": "nm" for a in "XYZ"}
            writer.write(data, metadata={"axes": "ZYX", **keys}, photometric="minisblack")
    volume = open_volume(tmp_path / "a.ome.tif")
    assert (volume.shape, volume.voxel_size_nm) == (DATA.shape, (9, 9, 9))


def test_ome_in_several_files(tmp_path: Path) -> None:
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{z}.ome.tif">urn:uuid:{z}</UUID></TiffData>'
        for z in range(3)
    )
    schema = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    pixels = (
        'ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="48" SizeY="40" '
        'SizeZ="3" SizeC="1" SizeT="1"'
    )
    for z in range(3):
        xml = (
            f'<?xml version="1.0"?><OME xmlns="{schema}" UUID="urn:uuid:{z}"><Image ID="Image:0">'
            f'<Pixels {pixels}><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}'
            "</Pixels></Image></OME>"
        )
        write(tmp_path / f"{z}.ome.tif", DATA[z], description=xml, metadata=None)
    volume = open_volume(tmp_path / "0.ome.tif")
    assert volume.shape == (3, 40, 48)
    np.testing.assert_array_equal(volume.read(Box.whole(volume.shape))[0], DATA[:3])


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        ((1e7 / 8, 1e7 / 4), "CENTIMETER", (4, 4, 8)),
        ((2.54e7 / 8, 2.54e7 / 8), "INCH", (8, 8, 8)),
        ((72, 72), "INCH", None),
        ((300, 300), "INCH", None),
        ((118, 118), "CENTIMETER", None),
        ((1e7 / 8, 1e7 / 8), "NONE", None),
        ((1, 1), "CENTIMETER", None),
    ],
)
def test_resolution_tags_count_only_where_they_can_be_meant(
    tmp_path: Path, resolution: tuple[float, float], unit: str, expected: tuple[float, ...] | None
) -> None:
    path = write(tmp_path / "a.tif", DATA[0], resolution=resolution, resolutionunit=unit)
    volume = open_volume(path)
    if expected is None:
        assert (volume.voxel_size_nm, volume.voxel_size_source) == (None, "unknown")
    else:
        assert volume.voxel_size_nm == pytest.approx(expected, rel=1e-6)
        assert volume.voxel_size_source == "TIFF resolution tags"
    stack = write(tmp_path / "b.tif", DATA, resolution=resolution, resolutionunit=unit)
    assert open_volume(stack).voxel_size_nm is None


def test_pyramid(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 255, (128, 192), dtype=np.uint8)
    with tifffile.TiffWriter(tmp_path / "p.tif") as writer:
        writer.write(data, subifds=1, tile=(32, 32), photometric="minisblack")
        writer.write(data[::2, ::2], subfiletype=1, tile=(32, 32), photometric="minisblack")
    volume = open_volume(tmp_path / "p.tif")
    assert [level.shape for level in volume.levels] == [(128, 192), (64, 96)]
    np.testing.assert_array_equal(np.asarray(volume.levels[1]), data[::2, ::2])
    np.testing.assert_array_equal(volume.read(Box.whole(volume.shape))[0, 0], data)


def test_images_of_other_sizes_beside_the_stack(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(DATA[0, :4, :4], photometric="minisblack")
        writer.write(DATA, photometric="minisblack")
    assert open_volume(tmp_path / "a.tif").shape == DATA.shape
    with tifffile.TiffWriter(tmp_path / "b.tif") as writer:
        writer.write(DATA[0, :20], photometric="minisblack")
        writer.write(DATA[0, :10], photometric="minisblack")
        writer.write(DATA[0, :20], photometric="minisblack")
    with pytest.raises(
        InputError, match=r"holds 3 images that do not form one stack \(20x48 uint16, 10x48 uint16"
    ):
        open_volume(tmp_path / "b.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_file_cut_short_is_found_when_it_is_opened(tmp_path: Path, compression: str | None) -> None:
    path = write(tmp_path / "a.tif", compression=compression, metadata=None if compression else {})
    content = path.read_bytes()
    with tifffile.TiffFile(path) as tif:
        last = tif.pages[-1]
        end = last.dataoffsets[-1] + last.databytecounts[-1]
    path.write_bytes(content[: end - 10])
    with pytest.raises(
        InputError, match=r"a\.tif (is cut short: its last voxels should end at byte|cannot be opened)"
    ):
        open_volume(path)


def test_damage_inside_is_found_when_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", compression="zlib", metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as tif:
        start = tif.pages[3].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[start : start + 50] = bytes(50)
    path.write_bytes(content)
    volume = open_volume(path)
    volume.read(Box((0, 0, 0), (3, 40, 48)))
    with pytest.raises(InputError, match=r"a\.tif cannot be read at z 3:4, y 0:40, x 0:48"):
        volume.read(Box((3, 0, 0), (4, 40, 48)))


@pytest.mark.parametrize("options", [{"metadata": {"axes": "ZYX"}}, {"metadata": None, "tile": (16, 16)}])
def test_a_file_cut_anywhere_is_refused_with_a_sentence(tmp_path: Path, options: dict[str, Any]) -> None:
    path = write(tmp_path / "a.tif", **options)
    content = path.read_bytes()
    for length in [*range(1, 9), *range(9, len(content) - 600, len(content) // 25)]:
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"a\.tif (cannot|is)"):
            open_volume(path).read(Box((5, 0, 0), (6, 40, 48)))


@pytest.mark.parametrize("content", [b"II*\0", b"II*\0\x08\0\0\0", b"MM\0*" + bytes(60)])
def test_no_tiff_after_all(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(
        InputError, match=r"a\.tif (cannot be opened as TIFF|is a TIFF file without an image)"
    ):
        open_volume(tmp_path / "a.tif")


def test_a_stored_zarr_view_is_what_napari_gets(tmp_path: Path) -> None:
    volume = open_volume(write(tmp_path / "a.tif"))
    assert isinstance(volume.array._source, zarr.Array)
    np.testing.assert_array_equal(volume.array[2], DATA[2])
