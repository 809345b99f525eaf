"""The reader opens what is ours to open, lazily, and leaves the rest alone."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from napari.layers import Layer
from ome_zarr.io import parse_url
from ome_zarr.writer import write_image, write_labels

from napari_nnunet_em._napari.files.reader import get_reader, read
from napari_nnunet_em._napari.layers.features import label_features, stored_features
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.export import ExportSettings, export_labels
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec, open_volume
from napari_nnunet_em.measurement import LabelMeasurer, MeasureTask, Placement, store_table
from napari_nnunet_em.progress import finish


def raw(shape=(4, 32, 40)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def spec(kind: Kind = Kind.IMAGE, **keywords) -> SinkSpec:
    settings = {
        "shape": (4, 64, 64),
        "dtype": np.dtype(np.uint8),
        "voxel_size_nm": (40.0, 8.0, 8.0),
        "origin_nm": (80.0, 160.0, 240.0),
        "chunk_shape": (4, 32, 32),
        "block_shape": (4, 64, 64),
        "kind": kind,
        "channel_names": ("mitochondria",) if kind is Kind.IMAGE else (),
    }
    return SinkSpec(**{**settings, **keywords})


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A store as a job leaves it."""
    store = tmp_path / "brain.zarr"
    box = Box.whole((4, 64, 64))
    MultiscaleSink.create(store, "", spec()).write(box, raw(box.shape))
    labels = np.zeros(box.shape, np.uint32)
    labels[:, 10:20, 10:20] = 5
    MultiscaleSink.create(store, "labels/classes", spec(Kind.LABELS)).write(
        box, (labels > 0).astype(np.uint8)
    )
    objects = spec(Kind.LABELS, dtype=np.dtype(np.uint32))
    MultiscaleSink.create(store, "labels/mitochondria", objects).write(box, labels)
    return store


def test_ordinary_folders_and_plain_tiff_are_declined(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", raw(), photometric="minisblack")
    (tmp_path / "folder.zarr").mkdir()
    for path in (tmp_path, tmp_path / "a.tif", tmp_path / "folder.zarr", tmp_path / "missing.zarr"):
        assert get_reader(str(path)) is None
    assert get_reader([str(tmp_path), str(tmp_path)]) is None


def test_zarr_folders_of_any_name_and_hdf5_are_taken(tmp_path: Path) -> None:
    zarr.save(tmp_path / "plain", raw())
    (tmp_path / "a.H5").touch()
    assert get_reader(str(tmp_path / "plain")) is read
    assert get_reader([str(tmp_path / "a.H5")]) is read


def test_a_result_opens_as_probability_and_labels_in_their_place(result: Path) -> None:
    layers = {keywords["name"]: (data, keywords, kind) for data, keywords, kind in read(str(result))}
    assert list(layers) == ["brain mitochondria probability", "brain mitochondria", "brain classes"]
    for data, keywords, kind in layers.values():
        layer = Layer.create(data, keywords, kind)
        np.testing.assert_allclose(layer.scale, (40, 8, 8))
        np.testing.assert_allclose(layer.translate, (80, 160, 240))
        assert {str(unit) for unit in layer.units} == {"nanometer"}
    assert layers["brain mitochondria probability"][1]["contrast_limits"] == (0, 255)
    assert layers["brain mitochondria"][2] == "labels"
    assert not layers["brain classes"][1]["visible"]


def test_voxels_are_not_read(result: Path) -> None:
    for data, _, _ in read(str(result)):
        assert all(isinstance(level, zarr.Array) for level in (data if isinstance(data, list) else [data]))


def test_a_label_image_alone_opens_as_labels(result: Path) -> None:
    ((data, keywords, kind),) = read(str(result / "labels" / "mitochondria"))
    assert (kind, keywords["name"]) == ("labels", "brain mitochondria")
    level = data[0] if isinstance(data, list) else data
    assert set(np.unique(level[...])) == {0, 5}


def test_several_channels_become_layers(tmp_path: Path) -> None:
    store, box = tmp_path / "two.zarr", Box.whole((4, 64, 64))
    values = raw((2, *box.shape))
    names = ("mitochondria", "vesicles")
    MultiscaleSink.create(store, "", spec(channels=2, channel_names=names)).write(box, values)
    layers = read(str(store))
    assert [k["name"] for _, k, _ in layers] == [f"two {name} probability" for name in names]
    for channel, (data, _, _) in enumerate(layers):
        level = data[0] if isinstance(data, list) else data
        np.testing.assert_array_equal(level[0], values[channel, 0])


def test_other_programs_ome_zarr_opens_with_labels_scale_and_units(tmp_path: Path) -> None:
    folder = tmp_path / "other.zarr"
    group = zarr.open_group(parse_url(folder, mode="w").store, mode="w")
    values = raw()
    size = {"scale": dict.fromkeys("zyx", 0.01), "axes_units": dict.fromkeys("zyx", "micrometer")}
    write_image(values, group, axes="zyx", scale_factors=(), **size)
    cells = (values > 128).astype(np.uint8)
    write_labels(cells, group, "cells", axes="zyx", scaler=None, scale_factors=(), **size)
    (image, image_keywords, kind), (_, labels_keywords, labels_kind) = read(str(folder))
    assert (kind, labels_kind) == ("image", "labels")
    assert image_keywords["scale"] == pytest.approx((10, 10, 10))
    assert labels_keywords["name"] == "other cells"
    assert "colormap" not in image_keywords
    np.testing.assert_array_equal((image[0] if isinstance(image, list) else image)[...], values)


def test_hdf5_opens_with_the_voxel_size_it_states(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"] = raw()
        file["raw"].attrs["element_size_um"] = (0.04, 0.008, 0.008)
    ((data, keywords, kind),) = read(str(tmp_path / "v.h5"))
    assert kind == "image"
    assert keywords["scale"] == pytest.approx((40, 8, 8))
    np.testing.assert_array_equal(data[1], raw()[1])


def test_an_unknown_voxel_size_stays_unknown(tmp_path: Path) -> None:
    zarr.save(tmp_path / "plain.zarr", raw())
    ((data, keywords, kind),) = read(str(tmp_path / "plain.zarr"))
    layer = Layer.create(data, keywords, kind)
    assert {str(unit) for unit in layer.units} == {"pixel"}
    np.testing.assert_allclose(layer.scale, 1)


def test_several_datasets_are_named_in_the_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["raw"], file["other"] = raw(), raw()
    with pytest.raises(InputError, match=r"raw.*other|other.*raw"):
        read(str(tmp_path / "v.h5"))


def test_objects_bring_their_table(result: Path) -> None:
    labels = np.asarray(open_volume(result / "labels" / "mitochondria").array)
    measurer = LabelMeasurer(MeasureTask(labels.shape, Placement((40.0, 8.0, 8.0))))
    measurer.add(Box.whole(labels.shape), labels)
    table = measurer.finish()
    store_table(result, "mitochondria", table)
    for source in (result, result / "labels" / "mitochondria"):
        layers = {
            keywords["name"]: Layer.create(*rest) for rest in read(str(source)) for keywords in rest[1:2]
        }
        features = layers["brain mitochondria"].features
        assert features["index"].tolist() == [5]
        assert features["voxels"].tolist() == [400]
        assert all("features" not in keywords for _, keywords, kind in read(str(source)) if kind == "image")
    (result / "tables" / "mitochondria.csv").write_text("somebody,else\n1,2\n")
    *_, (_, keywords, _) = read(str(result))
    assert "features" not in keywords


def test_huge_tables_are_left_on_disk(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (result / "tables").mkdir()
    (result / "tables" / "mitochondria.csv").write_text("x" * 100)
    monkeypatch.setattr("napari_nnunet_em._napari.layers.features._MOST_BYTES", 50)
    assert stored_features(result / "labels" / "mitochondria") is None
    assert stored_features(result / "labels" / "classes") is None


@pytest.fixture
def two_datasets(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file["volumes/raw"], file["volumes/labels/neurons"] = raw(), raw().astype(np.uint64)
        file["volumes/raw"].attrs["resolution"] = (40.0, 8.0, 8.0)
    return tmp_path / "v.h5"


@pytest.mark.parametrize("wanted", [[1], [0, 1], []])
def test_the_user_chooses_among_datasets(two_datasets: Path, wanted, monkeypatch) -> None:
    asked = []

    def answer(file, choices):
        asked.append((file, [choice.name for choice in choices]))
        return tuple(choices[i] for i in wanted)

    monkeypatch.setattr("napari_nnunet_em._napari.files.reader.ask_for_datasets", answer)
    layers = read(str(two_datasets))
    assert asked == [(two_datasets, ["/volumes/labels/neurons", "/volumes/raw"])]
    if not wanted:
        assert layers == [(None,)]
        return
    kinds = {keywords["name"]: kind for _, keywords, kind in layers}
    names = {0: ("v volumes/labels/neurons", "labels"), 1: ("v volumes/raw", "image")}
    assert kinds == dict(names[i] for i in wanted)


def test_zarr_groups_let_choose_too(tmp_path: Path, monkeypatch) -> None:
    group = zarr.open_group(tmp_path / "g.zarr", mode="w")
    for name in ("a", "b/c"):
        group.create_array(name, data=raw())
    monkeypatch.setattr(
        "napari_nnunet_em._napari.files.reader.ask_for_datasets", lambda _, choices: choices[1:]
    )
    ((data, keywords, kind),) = read(str(tmp_path / "g.zarr"))
    assert (keywords["name"], kind) == ("g c", "image")
    np.testing.assert_array_equal(data[...], raw())


@pytest.mark.parametrize("suffix", [".h5", ".nrrd", ".nii", ".nii.gz"])
def test_exported_labels_open_as_labels_in_their_place(tmp_path: Path, suffix: str) -> None:
    values = raw().astype(np.uint32)
    settings = ExportSettings(region="1:4,2:30,3:40")
    target = tmp_path / f"cells{suffix}"
    finish(export_labels(open_volume(values, voxel_size_nm=(40, 8, 8)), target, settings))
    assert get_reader(str(target)) is read
    ((data, keywords, kind),) = read(str(target))
    layer = Layer.create(data, keywords, kind)
    assert (kind, layer.name) == ("labels", "cells")
    np.testing.assert_allclose(layer.scale, (40, 8, 8), rtol=1e-6)
    np.testing.assert_allclose(layer.translate, (40, 16, 24), rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(layer.data[...]), values[1:4, 2:30, 3:40])


def test_very_many_objects_are_no_features() -> None:
    """A layer with a million rows of features stops the window for a quarter of a second when it is added."""
    features = label_features(pd.DataFrame({"id": np.arange(100_000)}))
    assert features is not None
    assert list(features) == ["index"]
    assert label_features(pd.DataFrame({"id": np.arange(100_001)})) is None
