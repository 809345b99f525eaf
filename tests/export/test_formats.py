"""What was exported is the same for this program and for the libraries that others read with."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from scipy import ndimage

from napari_nnunet_em.export import Format, Values
from napari_nnunet_em.export.formats import FORMATS, format_of
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec, Volume, open_volume
from napari_nnunet_em.testing.strategies import boxes, shapes

from .conftest import SUFFIXES, VOXEL_SIZE_NM, make_labels, read_back, run_export

REGION = "1:9,3:60,5:71"
CUT = (slice(1, 9), slice(3, 60), slice(5, 71))
ORIGIN_NM = (40.0, 24.0, 20.0)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return make_labels((10, 64, 80))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_region_comes_back_with_size_and_place(
    labels: np.ndarray, tmp_path: Path, suffix: str, small_blocks: None
) -> None:
    path = run_export(labels, tmp_path / f"out{suffix}", region=REGION)
    voxels, volume = read_back(path)
    np.testing.assert_array_equal(voxels, labels[CUT])
    assert voxels.dtype == labels.dtype
    assert volume.voxel_size_nm == pytest.approx(VOXEL_SIZE_NM, rel=1e-12)
    assert volume.origin_nm == pytest.approx(ORIGIN_NM, rel=1e-12)
    assert [p.name for p in tmp_path.iterdir()] == [f"out{suffix}"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(data=st.data())
def test_any_shape_type_and_region(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, small_blocks: None
) -> None:
    shape = data.draw(shapes((12, 40, 40)))
    box = data.draw(boxes(Box.whole(shape)))
    suffix = data.draw(st.sampled_from(SUFFIXES))
    names = sorted(FORMATS[format_of(Path(f"x{suffix}"))].dtypes)
    dtype = np.dtype(data.draw(st.sampled_from(names)))
    values = make_labels(shape, "uint8") if dtype.kind == "f" else make_labels(shape, dtype)
    values = values.astype(dtype)
    chunks = data.draw(
        st.tuples(*(st.integers(min(n, least), n) for n, least in zip(shape, (1, 12, 12), strict=True)))
    )
    folder = tmp_path_factory.mktemp("any")
    zarr.create_array(folder / "in.zarr", data=values, chunks=chunks)
    volume = open_volume(folder / "in.zarr", voxel_size_nm=VOXEL_SIZE_NM)
    path = run_export(volume, folder / f"out{suffix}", region=box)
    voxels, written = read_back(path)
    # TIFF knows no axes of length 1.
    np.testing.assert_array_equal(voxels.reshape(box.shape), values[box.slices])
    assert voxels.dtype == dtype
    wanted = [a * v for a, v in zip(box.start, VOXEL_SIZE_NM, strict=True)]
    assert written.origin_nm == pytest.approx(wanted)
    assert written.voxel_size_nm == pytest.approx(VOXEL_SIZE_NM)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_probabilities_of_several_classes(tmp_path: Path, suffix: str, small_blocks: None) -> None:
    values = np.random.default_rng(2).random((3, 9, 40, 50), dtype=np.float32)
    volume = open_volume(values, axes="czyx", voxel_size_nm=VOXEL_SIZE_NM)
    path = run_export(volume, tmp_path / f"out{suffix}", region="2:9,0:40,7:50")
    assert path == tmp_path / f"out{suffix}"
    voxels, written = read_back(path)
    assert written.axes == "czyx"
    np.testing.assert_array_equal(voxels, values[:, 2:9, :, 7:50])
    assert written.origin_nm == pytest.approx((80, 0, 28))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_slice_and_one_channel(tmp_path: Path, suffix: str) -> None:
    values = np.random.default_rng(2).random((1, 1, 40, 50)).astype(np.float16)
    volume = open_volume(values, axes="czyx", voxel_size_nm=VOXEL_SIZE_NM)
    voxels, written = read_back(run_export(volume, tmp_path / f"out{suffix}"))
    assert written.shape == (1, 40, 50)
    assert voxels.dtype.itemsize >= 2
    np.testing.assert_array_equal(voxels.reshape(values.shape), values)
    assert written.voxel_size_nm == pytest.approx(VOXEL_SIZE_NM)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_for_ome_zarr_py(
    labels: np.ndarray, tmp_path: Path, version: str, small_blocks: None
) -> None:
    few = labels % 40
    run_export(few, tmp_path / "out.zarr", region=REGION, ome_zarr_version=version, name="cells")
    nodes = list(Reader(parse_url(tmp_path / "out.zarr", mode="r"))())
    image, label = nodes[0], nodes[-1]
    np.testing.assert_array_equal(np.asarray(image.data[0]), few[CUT] != 0)
    np.testing.assert_array_equal(np.asarray(label.data[0]), few[CUT])
    assert len(label.data) == len(image.data)
    assert [a["unit"] for a in label.metadata["axes"]] == ["nanometer"] * 3
    scale, shift = label.metadata["coordinateTransformations"][0]
    assert scale["scale"] == list(VOXEL_SIZE_NM)
    assert shift["translation"] == list(ORIGIN_NM)
    colors = label.metadata["color"]
    assert set(colors) == set(np.unique(few[CUT]).tolist()) - {0}
    assert len({tuple(color) for color in colors.values()}) == len(colors)
    assert label.metadata["name"].endswith("cells")


def test_labels_without_number_get_no_colors(labels: np.ndarray, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("napari_nnunet_em.export.to_ome_zarr.MOST_COLORS", 10)
    path = run_export(labels, tmp_path / "out.zarr")
    attributes = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]["image-label"]
    assert "colors" not in attributes


def test_pyramids_of_labels_and_of_images(tmp_path: Path) -> None:
    labels = make_labels((4, 600, 1100), np.uint16)
    path = run_export(labels, tmp_path / "labels.zarr")
    levels = open_volume(path).levels
    assert [level.shape[1:] for level in levels] == [(600, 1100), (300, 550), (150, 275)]
    np.testing.assert_array_equal(np.asarray(levels[1][...]), labels[:, ::2, ::2])
    image = run_export(labels, tmp_path / "image.zarr", values=Values.IMAGE)
    means = labels.reshape(4, 300, 2, 550, 2).mean(axis=(2, 4))
    np.testing.assert_array_equal(np.asarray(open_volume(image).levels[1][...]), np.rint(means))


def test_tiff_for_tifffile(labels: np.ndarray, tmp_path: Path, small_blocks: None) -> None:
    path = run_export(labels, tmp_path / "out.tif", region=REGION, name="Größe µ")
    with tifffile.TiffFile(path) as file:
        assert (file.is_ome, file.is_bigtiff) == (True, True)
        (series,) = file.series
        assert (series.axes, series.keyframe.is_tiled, len(file.pages)) == ("ZYX", True, 8)
        np.testing.assert_array_equal(series.asarray(), labels[CUT])
        image = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]
        tags = file.pages.first.tags
        per_cm = [tags[f"{axis}Resolution"].value for axis in "XY"]
    assert image["Name"] == "Größe µ"
    pixels = image["Pixels"]
    assert [pixels[f"PhysicalSize{axis}"] for axis in "ZYX"] == list(VOXEL_SIZE_NM)
    assert {pixels[f"PhysicalSize{axis}Unit"] for axis in "ZYX"} == {"nm"}
    assert [pixels["Plane"][1][f"Position{axis}"] for axis in "ZYX"] == [80.0, 24.0, 20.0]
    assert [1e7 * below / above for above, below in per_cm] == pytest.approx([4, 8])


def test_hdf5_for_h5py_and_ilastik(labels: np.ndarray, tmp_path: Path, small_blocks: None) -> None:
    path = run_export(labels, tmp_path / "out.h5", region=REGION, name="cells")
    with h5py.File(path) as file:
        assert list(file) == ["cells"]
        dataset = file["cells"]
        np.testing.assert_array_equal(dataset[...], labels[CUT])
        assert (dataset.chunks, dataset.compression) == ((4, 16, 16), "gzip")
        assert [axis["key"] for axis in json.loads(dataset.attrs["axistags"])["axes"]] == ["z", "y", "x"]
        np.testing.assert_allclose(dataset.attrs["element_size_um"], (0.04, 0.008, 0.004))
        np.testing.assert_allclose(dataset.attrs["resolution"], VOXEL_SIZE_NM)
        np.testing.assert_allclose(dataset.attrs["offset"], ORIGIN_NM)
        assert [dim.label for dim in dataset.dims] == ["z", "y", "x"]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_for_nibabel_and_itk(
    labels: np.ndarray, tmp_path: Path, suffix: str, small_blocks: None
) -> None:
    path = run_export(labels, tmp_path / f"out{suffix}", region=REGION)
    image = nib.load(path)
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, labels[CUT])
    assert image.header.get_xyzt_units()[0] == "micron"
    assert image.header.get_zooms() == pytest.approx((0.004, 0.008, 0.04))
    np.testing.assert_allclose(image.affine[:3, 3], (0.02, 0.024, 0.04), rtol=1e-6)
    assert image.header.get_intent()[0] == "label"
    other = sitk.ReadImage(path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(other), labels[CUT])
    # ITK turns everything into mm.
    np.testing.assert_allclose(np.array(other.GetSpacing()) * 1e6, VOXEL_SIZE_NM[::-1], rtol=1e-6)


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_nrrd_for_itk(labels: np.ndarray, tmp_path: Path, compression: str, small_blocks: None) -> None:
    path = run_export(labels, tmp_path / "out.nrrd", region=REGION, compression=compression)
    image = sitk.ReadImage(path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), labels[CUT])
    assert image.GetSpacing() == VOXEL_SIZE_NM[::-1]
    assert image.GetOrigin() == ORIGIN_NM[::-1]
    header = path.read_bytes()[:400].decode("latin-1")
    assert 'space units: "nm" "nm" "nm"' in header


def test_probabilities_for_itk_and_tifffile(tmp_path: Path) -> None:
    values = np.random.default_rng(2).random((2, 3, 20, 30), dtype=np.float32)
    volume = open_volume(values, axes="czyx", voxel_size_nm=VOXEL_SIZE_NM)
    vectors = sitk.ReadImage(run_export(volume, tmp_path / "out.nrrd"))
    assert vectors.GetNumberOfComponentsPerPixel() == 2
    np.testing.assert_array_equal(sitk.GetArrayFromImage(vectors), np.moveaxis(values, 0, -1))
    assert tifffile.imread(run_export(volume, tmp_path / "out.tif")).shape == values.shape
    assert nib.load(run_export(volume, tmp_path / "out.nii")).shape == (30, 20, 3, 1, 2)


def test_long_axes_need_nifti_2(tmp_path: Path) -> None:
    labels = make_labels((1, 2, 40_000), np.uint8)
    path = run_export(labels, tmp_path / "out.nii.gz")
    image = nib.load(path)
    assert isinstance(image, nib.Nifti2Image)
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, labels)
    voxels, volume = read_back(path)
    np.testing.assert_array_equal(voxels, labels)
    assert volume.voxel_size_nm == pytest.approx(VOXEL_SIZE_NM)


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s != ".zarr"])
def test_an_unknown_voxel_size_stays_unknown(tmp_path: Path, suffix: str) -> None:
    labels = make_labels((2, 20, 30), np.uint8)
    voxels, volume = read_back(run_export(open_volume(labels), tmp_path / f"out{suffix}"))
    np.testing.assert_array_equal(voxels, labels)
    assert volume.voxel_size_nm is None


@pytest.mark.parametrize(
    ("suffix", "compression", "level"),
    [
        (".zarr", "none", 1), (".zarr", "zstd", 9),
        (".tif", "none", 1), (".tif", "zstd", 3), (".tif", "gzip", 9),
        (".h5", "none", 1), (".h5", "lzf", 1), (".h5", "gzip", 9), (".nrrd", "none", 1), (".nrrd", "gzip", 9),
    ],
)  # fmt: skip
def test_packing_is_without_loss_and_does_something(
    tmp_path: Path, suffix: str, compression: str, level: int
) -> None:
    labels = np.repeat(make_labels((4, 300, 5), np.uint16), 16, axis=2)
    path = run_export(labels, tmp_path / f"out{suffix}", compression=compression, compression_level=level)
    np.testing.assert_array_equal(read_back(path)[0], labels)
    whole = tmp_path / f"out{suffix}"
    parts = [whole] if whole.is_file() else [p for p in path.rglob("c/*/*/*") if p.is_file()]
    stored = sum(p.stat().st_size for p in parts)
    assert (stored < labels.nbytes / 2) == (compression != "none")


def test_a_level_of_a_result_is_an_image_and_its_labels_are_labels(tmp_path: Path) -> None:
    size = {"voxel_size_nm": VOXEL_SIZE_NM, "chunk_shape": (4, 16, 16), "block_shape": (4, 16, 16)}
    values = make_labels((4, 16, 16), np.uint8)
    for name, kind in (("", Kind.IMAGE), ("labels/mito", Kind.LABELS)):
        spec = SinkSpec(shape=values.shape, dtype=values.dtype, kind=kind, origin_nm=(400, 80, 40), **size)
        MultiscaleSink.create(tmp_path / "in.zarr", name, spec).write(Box.whole(values.shape), values)
    image = run_export(str(tmp_path / "in.zarr" / "0"), tmp_path / "image.zarr")
    assert (image, open_volume(image).origin_nm) == (tmp_path / "image.zarr", (400, 80, 40))
    objects = run_export(
        str(tmp_path / "in.zarr" / "labels" / "mito"), tmp_path / "mito.zarr", region="1:4,0:9,0:9"
    )
    assert objects == tmp_path / "mito.zarr" / "labels" / "mito"
    assert open_volume(objects).origin_nm == (440, 80, 40)


def test_every_format_is_tested() -> None:
    assert (
        {format_of(Path(f"x{suffix}")) for suffix in SUFFIXES} == set(FORMATS) == set(Format) - {Format.AUTO}
    )


def test_real_mitochondria_and_a_crop_of_them(shared_dir: Path, tmp_path: Path) -> None:
    mask = tifffile.imread(shared_dir / "data" / "sbem_mito" / "val_z050-059_mito.tif")
    labels, count = ndimage.label(mask[:, :700, :600])
    assert count > 20
    source: Volume | Path = open_volume(labels.astype(np.uint32), voxel_size_nm=(56, 8, 8))
    for suffix in SUFFIXES:  # each from what the one before wrote
        source = run_export(source, tmp_path / f"all{suffix}")
        voxels, written = read_back(source)
        np.testing.assert_array_equal(voxels, labels)
        assert written.voxel_size_nm == pytest.approx((56, 8, 8))
        crop = run_export(source, tmp_path / f"crop{suffix}", region="3:9,100:613,77:600")
        np.testing.assert_array_equal(read_back(crop)[0], labels[3:9, 100:613, 77:600])
        assert open_volume(crop).origin_nm == pytest.approx((168, 800, 616))
