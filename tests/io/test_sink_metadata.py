"""What other tools see: ome-zarr-models, the ome-zarr reader and plain zarr."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Node, Reader
from ome_zarr_models import v04, v05

from napari_nnunet_em.config import OmeZarrVersion
from napari_nnunet_em.geometry import Box, iter_blocks
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec

VERSIONS = list(OmeZarrVersion)
MODELS: dict[OmeZarrVersion, Any] = {OmeZarrVersion.V04: v04, OmeZarrVersion.V05: v05}


def make_spec(**changes: Any) -> SinkSpec:
    values: dict[str, Any] = {
        "shape": (7, 1100, 75),
        "dtype": np.uint8,
        "voxel_size_nm": (9.0, 8.0, 6.0),
        "chunk_shape": (4, 64, 64),
        "block_shape": (4, 256, 64),
        "origin_nm": (400.0, -16.0, 1000.5),
    }
    return SinkSpec(**{**values, **changes})


def fill(sink: MultiscaleSink, data: np.ndarray) -> None:
    for block in iter_blocks(sink.spec.shape, sink.spec.block_shape):
        sink.write(block.write, data[(..., *block.write.slices)])


def nodes(store: Path) -> list[Node]:
    location = parse_url(store, mode="r")
    assert location is not None
    return list(Reader(location)())


def transforms(node: Node, level: int) -> tuple[np.ndarray, np.ndarray]:
    scale, translation = node.metadata["coordinateTransformations"][level]
    return np.array(scale["scale"]), np.array(translation["translation"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("channels", [0, 2])
def test_a_ramp_of_world_coordinates_lies_where_the_metadata_say(
    tmp_path: Path, version: OmeZarrVersion, channels: int
) -> None:
    """Each voxel of each level of an image of world coordinates holds the coordinate of its centre."""
    for axis in range(3):
        spec = make_spec(
            ome_zarr_version=version, channels=channels, dtype=np.float64, chunk_shape=(4, 256, 64)
        )
        store = tmp_path / f"ramp{axis}.zarr"
        world = spec.origin_nm[axis] + spec.voxel_size_nm[axis] * np.arange(spec.shape[axis])
        ramp = np.broadcast_to(np.expand_dims(world, [a for a in range(3) if a != axis]), spec.shape)
        sink = MultiscaleSink.create(store, "", spec)
        fill(sink, np.stack([ramp] * channels) if channels else ramp)
        (node,) = nodes(store)
        assert len(node.data) == 3
        for k, (data, level) in enumerate(zip(node.data, sink.plan, strict=True)):
            scale, translation = transforms(node, k)
            whole = spec.shape[axis] // level.factor[axis]
            centres = translation[axis - 3] + scale[axis - 3] * np.arange(whole)
            line = np.moveaxis(np.asarray(data), axis - 3, -1).reshape(-1, data.shape[axis - 3])
            np.testing.assert_allclose(
                line[:, :whole], np.broadcast_to(centres, (len(line), whole)), rtol=1e-12
            )


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_lie_on_the_voxels_they_were_sampled_from(tmp_path: Path, version: OmeZarrVersion) -> None:
    for axis in range(3):
        spec = make_spec(
            ome_zarr_version=version, kind=Kind.LABELS, dtype=np.uint32, chunk_shape=(4, 256, 64)
        )
        index = np.arange(spec.shape[axis], dtype=np.uint32)
        ramp = np.broadcast_to(np.expand_dims(index, [a for a in range(3) if a != axis]), spec.shape)
        store = tmp_path / f"ramp{axis}.zarr"
        fill(MultiscaleSink.create(store, "labels/ramp", spec), ramp)
        (node,) = (n for n in nodes(store / "labels" / "ramp") if n.data)
        assert len(node.data) == 3
        for k, data in enumerate(node.data):
            scale, translation = transforms(node, k)
            line = np.moveaxis(np.asarray(data), axis, -1).reshape(-1, data.shape[axis])[0]
            world = spec.origin_nm[axis] + spec.voxel_size_nm[axis] * line.astype(float)
            np.testing.assert_allclose(
                translation[axis] + scale[axis] * np.arange(len(line)), world, rtol=1e-12
            )


@pytest.mark.parametrize("version", VERSIONS)
def test_image_and_labels_are_valid_ome_zarr(tmp_path: Path, version: OmeZarrVersion) -> None:
    store = tmp_path / "out.zarr"
    image = make_spec(ome_zarr_version=version, channels=2, channel_names=("mito", "membrane"))
    labels = make_spec(
        ome_zarr_version=version,
        kind=Kind.LABELS,
        dtype=np.uint32,
        label_colors={1: (255, 0, 0, 255), 7: (0, 9, 0, 128)},
    )
    MultiscaleSink.create(store, "", image)
    MultiscaleSink.create(store, "labels/mito", labels)
    MultiscaleSink.create(store, "labels/classes", make_spec(ome_zarr_version=version, kind=Kind.LABELS))
    models = MODELS[version]
    group = zarr.open_group(store, mode="r")
    valid = models.Image.from_zarr(group)
    assert valid.labels is not None
    multiscale = valid.ome_attributes.multiscales[0]
    assert [(a.name, a.type, a.unit) for a in multiscale.axes] == [
        ("c", "channel", None),
        *((a, "space", "nanometer") for a in "zyx"),
    ]
    assert models.Labels.from_zarr(zarr.open_group(store / "labels", mode="r")).ome_attributes.labels == [
        "classes",
        "mito",
    ]
    label = models.ImageLabel.from_zarr(
        zarr.open_group(store / "labels" / "mito", mode="r")
    ).ome_attributes.image_label
    assert label.version == str(version)
    assert label.source.image == "../../"
    assert [(c.label_value, c.rgba) for c in label.colors] == [(1, (255, 0, 0, 255)), (7, (0, 9, 0, 128))]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_ome_zarr_reader_shows_image_channels_and_labels(tmp_path: Path, version: OmeZarrVersion) -> None:
    store = tmp_path / "out.zarr"
    image = make_spec(ome_zarr_version=version, channels=2, channel_names=("mito", "membrane"))
    labels = make_spec(
        ome_zarr_version=version, kind=Kind.LABELS, dtype=np.uint64, label_colors={3: (255, 0, 0, 255)}
    )
    raw = np.random.default_rng(0).integers(0, 255, (2, *image.shape), dtype=np.uint8)
    ids = np.arange(np.prod(labels.shape), dtype=np.uint64).reshape(labels.shape)
    fill(MultiscaleSink.create(store, "", image), raw)
    fill(MultiscaleSink.create(store, "labels/mito", labels), ids)
    root, _, found = nodes(store)
    np.testing.assert_array_equal(np.asarray(root.data[0]), raw)
    assert root.metadata["channel_names"] == ["mito", "membrane"]
    assert root.metadata["contrast_limits"] == [[0, 255], [0, 255]]
    assert root.metadata["colormap"] == [[[0, 0, 0], [0, 1, 0]], [[0, 0, 0], [1, 0, 1]]]
    np.testing.assert_array_equal(np.asarray(found.data[0]), ids)
    assert found.metadata["name"] == "mito"
    assert found.metadata["color"] == {3: [1, 0, 0, 1]}
    assert len(found.data) == len(root.data) == 3


@pytest.mark.parametrize(
    ("dtype", "window"), [("uint8", [0, 255]), ("float16", [0, 1]), ("int16", [0, 32767])]
)
def test_an_image_without_channel_axis_is_one_grey_channel(tmp_path: Path, dtype: str, window: list) -> None:
    store = tmp_path / "probability.zarr"
    MultiscaleSink.create(store, "", make_spec(dtype=dtype))
    (root,) = nodes(store)
    assert root.metadata["channel_names"] == ["probability"]
    assert root.metadata["contrast_limits"] == [window]
    assert root.metadata["colormap"] == [[[0, 0, 0], [1, 1, 1]]]
    assert [axis["name"] for axis in root.metadata["axes"]] == ["z", "y", "x"]
    MultiscaleSink.create(tmp_path / "many.zarr", "", make_spec(dtype=dtype, channels=2))
    assert nodes(tmp_path / "many.zarr")[0].metadata["channel_names"] == ["many 0", "many 1"]


@pytest.mark.parametrize("version", VERSIONS)
def test_storage_is_plain_zarr_with_zstd_and_nested_chunks(tmp_path: Path, version: OmeZarrVersion) -> None:
    spec = make_spec(ome_zarr_version=version, channels=2, attributes={"model": "m", "scale": [1, 2]})
    sink = MultiscaleSink.create(tmp_path / "out.zarr", "", spec)
    fill(sink, np.ones((2, *spec.shape), np.uint8))
    array = zarr.open_array(sink.path / "0", mode="r")
    assert array.metadata.zarr_format == (2 if version == "0.4" else 3)
    assert array.chunks == (1, 4, 64, 64)
    assert array.fill_value == 0
    (codec,) = array.compressors
    first = sink.path / ("0/1/1/3/1" if version == "0.4" else "0/c/1/1/3/1")
    assert first.is_file()
    if version == "0.4":
        assert codec.get_config()["id"] == "zstd"
        assert codec.get_config()["level"] == 1
    else:
        assert codec.to_dict()["configuration"]["level"] == 1
        assert array.metadata.dimension_names == ("c", "z", "y", "x")
    own = zarr.open_group(sink.path, mode="r").attrs["napari_nnunet_em"]
    assert own["model"] == "m"
    assert own["scale"] == [1, 2]
    assert own["sink"]["block_shape"] == [4, 256, 64]


@pytest.mark.parametrize("version", VERSIONS)
def test_one_slice_and_a_small_odd_volume(tmp_path: Path, version: OmeZarrVersion) -> None:
    for shape, levels in (((1, 700, 33), 2), ((3, 5, 7), 1), ((1, 1, 1), 1)):
        spec = make_spec(
            shape=shape, ome_zarr_version=version, block_shape=(8, 1024, 64), chunk_shape=(8, 128, 64)
        )
        store = tmp_path / f"{shape[0]}-{shape[1]}.zarr"
        sink = MultiscaleSink.create(store, "", spec)
        data = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
        sink.write(Box.whole(shape), data)
        assert len(sink.levels) == levels
        MODELS[version].Image.from_zarr(zarr.open_group(store, mode="r"))
        np.testing.assert_array_equal(np.asarray(nodes(store)[0].data[0]), data)


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_alone_have_a_store_to_live_in_and_an_image_may_follow(
    tmp_path: Path, version: OmeZarrVersion
) -> None:
    store = tmp_path / "labels-only.zarr"
    spec = make_spec(ome_zarr_version=version, kind=Kind.LABELS)
    MultiscaleSink.create(store, "labels/painted", spec)
    MODELS[version].Labels.from_zarr(zarr.open_group(store / "labels", mode="r"))
    MultiscaleSink.create(store, "", make_spec(ome_zarr_version=version))
    assert MODELS[version].Image.from_zarr(zarr.open_group(store, mode="r")).labels.ome_attributes.labels == [
        "painted"
    ]
