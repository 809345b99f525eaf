"""NRRD and NIfTI as other programs write them, and what is refused."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import zarr

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import list_choices, open_volume
from napari_nnunet_em.io.raw import RawArray

SHAPE = (5, 20, 30)


def values(dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(1).integers(0, 200, SHAPE).astype(dtype)


def write_nrrd(path: Path, data: bytes, *lines: str, encoding: str = "raw", dtype: str = "uint16") -> Path:
    """A header of these lines before the voxels."""
    fixed = [f"type: {dtype}", "dimension: 3", "sizes: 30 20 5", f"encoding: {encoding}"]
    path.write_bytes("\n".join(["NRRD0004", *fixed, *lines, "", ""]).encode() + data)
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "float32", "float64"])
def test_nrrd_of_itk(tmp_path: Path, dtype: str, packed: bool) -> None:
    image = sitk.GetImageFromArray(values(dtype))
    image.SetSpacing((4.0, 8.0, 40.0))
    image.SetOrigin((1.0, 2.0, 3.0))
    sitk.WriteImage(image, tmp_path / "a.nrrd", useCompression=packed)
    volume = open_volume(tmp_path / "a.nrrd")
    assert (volume.axes, volume.dtype.name) == ("zyx", dtype)
    assert isinstance(volume.array, RawArray)
    np.testing.assert_array_equal(volume.array[...], values(dtype))
    # ITK writes no units, and a number without a unit is no length.
    assert volume.voxel_size_nm is None


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_nifti_of_nibabel(tmp_path: Path, suffix: str, kind: type) -> None:
    affine = np.diag([0.004, 0.008, 0.04, 1.0])
    affine[:3, 3] = (0.1, 0.2, 0.3)
    image = kind(values().T, affine)
    image.header.set_xyzt_units("micron")
    nib.save(image, tmp_path / f"a{suffix}")
    volume = open_volume(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(volume.array[...], values())
    assert volume.voxel_size_nm == pytest.approx((40, 8, 4), rel=1e-12)
    assert volume.origin_nm == pytest.approx((300, 200, 100), rel=1e-6)
    assert volume.voxel_size_source == "NIfTI pixdim"
    with ThreadPoolExecutor(4) as pool:
        boxes = [Box((z, 3, 4), (z + 1, 19, 29)) for z in range(5)]
        for box, read in zip(boxes, pool.map(volume.read, boxes), strict=True):
            np.testing.assert_array_equal(read[0], values()[box.slices])


def test_nifti_with_a_slope_big_endian_and_turned(tmp_path: Path) -> None:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.dtype(">i2"))
    affine = np.array([[0, 0.008, 0, 0], [0.004, 0, 0, 0], [0, 0, 0.04, 0], [0, 0, 0, 1.0]])
    image = nib.Nifti1Image(values("int16").T, affine, header)
    image.header.set_slope_inter(0.5, 3.0)
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "a.nii")
    volume = open_volume(tmp_path / "a.nii")
    assert volume.dtype == np.float32
    np.testing.assert_allclose(np.asarray(volume.array[...]), nib.load(tmp_path / "a.nii").get_fdata().T)
    assert volume.voxel_size_nm == pytest.approx((40e3, 8e3, 4e3))
    assert volume.origin_nm is None  # its axes are exchanged, and a place alone would mislead


def test_a_single_time_point_of_nifti_is_dropped_and_several_are_refused(tmp_path: Path) -> None:
    for count in (1, 2):
        series = np.repeat(values().T[..., None], count, axis=3)
        nib.save(nib.Nifti1Image(series, np.eye(4)), tmp_path / f"{count}.nii")
    assert open_volume(tmp_path / "1.nii").shape == SHAPE
    with pytest.raises(InputError, match="2 time points"):
        open_volume(tmp_path / "2.nii")


@pytest.mark.parametrize(
    ("lines", "size", "origin"),
    [
        (['space dimension: 3', 'space units: "nm" "nm" "nm"', "space directions: (4,0,0) (0,8,0) (0,0,40)",
          "space origin: (1,2,3)"], (40, 8, 4), (3, 2, 1)),
        (['space units: "um" "um" "um"', "space directions: (0,0.004,0) (0.008,0,0) (0,0,0.04)",
          "space origin: (1,2,3)"], (40, 8, 4), None),
        (['space units: "um" "um" "um"', "space directions: (-0.004,0,0) (0,0.008,0) (0,0,0.04)"],
         (40, 8, 4), None),
        (["spacings: 4 8 40", 'units: "nm" "nm" "nm"'], (40, 8, 4), None),
        (["spacings: 4 8 40"], None, None),
        (["spacings: 4 8 nan", 'units: "nm" "nm" "nm"'], None, None),
        (["space: left-posterior-superior", "space directions: (4,0,0) (0,8,0) (0,0,40)"], None, None),
    ],
)  # fmt: skip
def test_sizes_and_places_of_nrrd(tmp_path: Path, lines: list[str], size, origin) -> None:
    path = write_nrrd(
        tmp_path / "a.nrrd", values(">u2").tobytes(), "endian: big", "# a comment", "a:=b", *lines
    )
    volume = open_volume(path)
    np.testing.assert_array_equal(volume.array[...], values())
    assert volume.voxel_size_nm == (None if size is None else pytest.approx(size))
    assert volume.origin_nm == (None if origin is None else pytest.approx(origin))


def test_nrrd_with_its_voxels_in_a_file_beside(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(b"1234" + values("<u2").tobytes())
    path = write_nrrd(tmp_path / "a.nhdr", b"", "endian: little", "data file: a.raw", "byte skip: 4")
    np.testing.assert_array_equal(open_volume(path).array[...], values())
    (tmp_path / "b.raw.gz").write_bytes(gzip.compress(values("<u2").tobytes()))
    lines = ("endian: little", "data file: b.raw.gz")
    path = write_nrrd(tmp_path / "b.nhdr", b"", *lines, encoding="gz")
    np.testing.assert_array_equal(open_volume(path).array[...], values())


def test_nrrd_with_colours(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3), dtype=np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(vectors, isVector=True), tmp_path / "a.nrrd")
    volume = open_volume(tmp_path / "a.nrrd")
    assert volume.axes == "czyx"
    np.testing.assert_array_equal(volume.read(Box.whole(SHAPE)), np.moveaxis(vectors, -1, 0))
    np.testing.assert_array_equal(volume.read(Box.whole(SHAPE), 1)[0], vectors[..., 1])


@pytest.mark.parametrize(
    ("lines", "keywords", "phrase"),
    [
        ([], {"encoding": "bzip2"}, "its encoding is 'bzip2'"),
        ([], {"dtype": "block"}, "type 'block'"),
        (["endian: middle"], {}, "byte order is 'middle'"),
        (["line skip: 2"], {}, "skip lines"),
        (["byte skip: -1"], {}, "skip lines or an unknown number"),
        (["data file: ../a.raw"], {}, "not one file in the same folder"),
        (["data file: slice%03d.raw 1 5 1"], {}, "not one file in the same folder"),
        (["sizes: 30 20"], {}, "do not fit"),
        (["sizes: 30 20 x"], {}, "not whole numbers"),
        (["sizes: 30 20 6"], {}, "cut short"),
        (["space directions: (a,0,0) (0,1,0) (0,0,1)"], {}, "are not numbers"),
    ],
)
def test_nrrd_that_cannot_be_used_is_refused(tmp_path: Path, lines: list[str], keywords, phrase: str) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", values("<u2").tobytes(), *lines, **keywords)
    with pytest.raises(InputError, match=phrase):
        open_volume(path)


def test_damaged_headers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_bytes(b"NRRD0004\ntype: uint8\n")
    with pytest.raises(InputError, match="header has no end"):
        open_volume(tmp_path / "a.nrrd")
    (tmp_path / "b.nrrd").write_bytes(b"NRRD0004\ntype: uint8\n\n")
    with pytest.raises(InputError, match="no field 'sizes'"):
        open_volume(tmp_path / "b.nrrd")
    nib.save(nib.Nifti1Image(values().T, np.eye(4)), tmp_path / "c.nii")
    head = bytearray((tmp_path / "c.nii").read_bytes())
    head[70:72] = b"\xff\x7f"  # the code of the data type
    (tmp_path / "c.nii").write_bytes(head)
    with pytest.raises(InputError, match="cannot be opened as NIfTI"):
        open_volume(tmp_path / "c.nii")
    (tmp_path / "d.gz").write_bytes(gzip.compress(b"no volume"))
    with pytest.raises(InputError, match="no format that can be opened"):
        open_volume(tmp_path / "d.gz")


def test_choices_are_listed_by_the_address_that_opens_them(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["volumes/raw"], file["volumes/labels"], file["scalar"] = values(), values("uint64"), 1.0
    zarr.create_group(tmp_path / "g.zarr").create_array("x/y", data=values())
    for source, names in (
        (tmp_path / "a.h5", ["/volumes/labels", "/volumes/raw"]),
        (f"{tmp_path / 'a.h5'}:/volumes", ["/volumes/labels", "/volumes/raw"]),
        (f"{tmp_path / 'a.h5'}:/volumes/raw", ["/volumes/raw"]),
        (f"{tmp_path / 'a.h5'}:/nothing", []),
        (tmp_path / "g.zarr", ["x/y"]),
        (tmp_path / "g.zarr" / "x" / "y", [""]),
        (tmp_path, []),
        (tmp_path / "missing.h5", []),
    ):
        choices = list_choices(source)
        assert [choice.name for choice in choices] == names
        for choice in choices:
            volume = open_volume(choice.address)
            np.testing.assert_array_equal(volume.array[...], values())
            assert choice.description == f"5x20x30 {volume.dtype}"
