"""Labels that napari hands over come back from OME-Zarr unchanged, also through another program's eyes."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import npe2
import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader

import napari_nnunet_em
from napari_nnunet_em._napari.files.reader import read
from napari_nnunet_em._napari.files.writer import write_labels
from napari_nnunet_em.errors import InputError, OutputError
from napari_nnunet_em.io import open_volume

NM = {"scale": (40, 8, 8), "translate": (80, 160, 240), "units": ("nanometer",) * 3}


def labels(dtype=np.int32, shape=(5, 70, 90)) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 4, shape).astype(dtype)


def save(path: Path, layer: Labels) -> list[str]:
    data, attributes, _ = layer.as_layer_data_tuple()
    return write_labels(str(path), data, attributes)


def level_zero(data):
    return data[0] if isinstance(data, list) else data


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_labels_come_back_with_scale_and_place(tmp_path: Path, dtype, monkeypatch) -> None:
    for module in ("blocks", "to_ome_zarr"):  # several blocks, also cut ones
        monkeypatch.setattr(f"napari_nnunet_em.export.{module}.BLOCK_SHAPE", (2, 64, 64))
    monkeypatch.setattr("napari_nnunet_em.export.to_ome_zarr.CHUNK_SHAPE", (2, 32, 32))
    values = labels(dtype)
    assert save(tmp_path / "out.zarr", Labels(values, name="my cells", **NM)) == [str(tmp_path / "out.zarr")]
    ((data, keywords, kind),) = read(str(tmp_path / "out.zarr"))
    assert (kind, keywords["name"]) == ("labels", "out my cells")
    assert keywords["scale"] == pytest.approx((40, 8, 8))
    assert keywords["translate"] == pytest.approx((80, 160, 240))
    stored = level_zero(data)
    assert stored.dtype == dtype
    np.testing.assert_array_equal(stored[...], values)


def test_other_programs_see_an_image_with_labels(tmp_path: Path) -> None:
    values = labels()
    save(tmp_path / "out.zarr", Labels(values, name="cells", **NM))
    nodes = list(Reader(parse_url(tmp_path / "out.zarr", mode="r"))())
    np.testing.assert_array_equal(np.asarray(nodes[0].data[0]), (values != 0).astype(np.uint8))
    np.testing.assert_array_equal(np.asarray(nodes[-1].data[0]), values)


def test_lazy_multiscale_labels_write_their_first_level(tmp_path: Path) -> None:
    values = labels()
    levels = [da.from_array(values, chunks=(1, 50, 50)), da.from_array(values[:, ::2, ::2])]
    save(tmp_path / "out.zarr", Labels(levels, multiscale=True, name="cells", **NM))
    ((data, _, _),) = read(str(tmp_path / "out.zarr"))
    np.testing.assert_array_equal(level_zero(data)[...], values)


def test_labels_of_an_image_become_one_slice(tmp_path: Path) -> None:
    values = labels(shape=(70, 90))
    save(tmp_path / "out.zarr", Labels(values, scale=(8, 8), units=("nm", "nm")))
    ((data, keywords, _),) = read(str(tmp_path / "out.zarr"))
    np.testing.assert_array_equal(level_zero(data)[0], values)
    assert keywords["scale"] == pytest.approx((8, 8, 8))


def test_names_become_folders_everywhere(tmp_path: Path) -> None:
    save(tmp_path / "out.zarr", Labels(labels(), name="a/b: c?", **NM))
    assert [p.name for p in (tmp_path / "out.zarr" / "labels").iterdir() if p.is_dir()] == ["a_b_ c_"]


def test_labels_without_a_voxel_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no voxel size"):
        save(tmp_path / "out.zarr", Labels(labels()))
    assert not (tmp_path / "out.zarr").exists()


def test_time_series_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="4 axes"):
        save(tmp_path / "out.zarr", Labels(labels(shape=(2, 5, 70, 90))))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    layer = Labels(labels(), **NM)
    save(tmp_path / "out.zarr", layer)
    with pytest.raises(OutputError):
        save(tmp_path / "out.zarr", layer)


@pytest.mark.parametrize("suffix", [".ome.tif", ".h5", ".nrrd", ".nii", ".nii.gz"])
def test_other_formats_keep_scale_and_place_and_replace_a_file(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out{suffix}"
    save(target, Labels(labels(shape=(2, 9, 9)), **NM))
    values = labels()
    assert save(target, Labels(values, name="cells", **NM)) == [str(target)]
    volume = open_volume(target)
    np.testing.assert_array_equal(volume.array[...], values)
    assert volume.voxel_size_nm == pytest.approx((40, 8, 8))
    assert volume.origin_nm == pytest.approx((80, 160, 240))


def test_formats_that_need_no_voxel_size_are_saved_without(tmp_path: Path) -> None:
    save(tmp_path / "out.nrrd", Labels(labels()))
    assert open_volume(tmp_path / "out.nrrd").voxel_size_nm is None


def test_the_manifest_claims_no_plain_tiff() -> None:
    manifest = npe2.PluginManifest.from_file(Path(napari_nnunet_em.__file__).parent / "napari.yaml")
    claimed = {p for reader in manifest.contributions.readers for p in reader.filename_patterns}
    written = {e for writer in manifest.contributions.writers for e in writer.filename_extensions}
    menus = manifest.contributions.menus["napari/file/io_utilities"]
    assert [item.command for item in menus] == ["napari-nnunet-em.export", "napari-nnunet-em.export_layer"]
    assert claimed == {"*.zarr", "*.n5", "*.h5", "*.hdf5", "*.nrrd", "*.nii", "*.nii.gz"}
    assert written == {".zarr", ".ome.tif", ".h5", ".hdf5", ".nrrd", ".nii", ".nii.gz"}


def test_napari_saves_by_the_ending(tmp_path: Path) -> None:
    npe2.PluginManager.instance().discover()  # as the window does when it opens
    values = labels()
    layer = Labels(values, name="cells", **NM)
    for suffix in (".nrrd", ".nii.gz", ".ome.tif", ".zarr"):
        target = tmp_path / f"out{suffix}"
        assert layer.save(str(target)) == [str(target)]
        path = target / "labels" / "cells" if suffix == ".zarr" else target
        np.testing.assert_array_equal(open_volume(path).array[...], values)
        assert open_volume(path).voxel_size_nm == pytest.approx((40, 8, 8)), suffix
    # Plain TIFF stays with napari itself.
    layer.save(str(tmp_path / "out.tif"))
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert not file.is_ome
