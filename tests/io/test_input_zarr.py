"""OME-Zarr 0.4 and 0.5, plain Zarr, and groups of several arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.writer import write_multiscale, write_multiscale_labels

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume

DATA = np.random.default_rng(1).integers(0, 255, (8, 32, 48), dtype=np.uint8)
AXES = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
FORMATS = {"0.4": FormatV04(), "0.5": FormatV05()}


SCALE = {"z": 40.0, "y": 8.0, "x": 8.0}


@pytest.fixture(params=["0.4", "0.5"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An image with a pyramid and labels, written by ome-zarr."""
    fmt = FORMATS[request.param]
    store = tmp_path / "image.zarr"
    group = zarr.open_group(store, mode="w", zarr_format=fmt.zarr_format)
    write_multiscale(
        [DATA, DATA[:, ::2, ::2]], group, axes=AXES, fmt=fmt, scale=SCALE,
        storage_options={"chunks": (4, 16, 16)},
    )  # fmt: skip
    mask = (DATA > 99).astype(np.uint32)
    write_multiscale_labels(
        [mask, mask[:, ::2, ::2]], group, name="mito", axes=AXES, fmt=fmt, scale=SCALE,
    )  # fmt: skip
    return store


def edit(group: Path, change: Any) -> None:
    """Change the metadata of a group the way another program might have written them."""
    file = group / ("zarr.json" if (group / "zarr.json").exists() else ".zattrs")
    document = json.loads(file.read_text())
    holder = document["attributes"]["ome"] if file.name == "zarr.json" else document
    change(holder["multiscales"][0], holder)
    file.write_text(json.dumps(document))


def test_image(image: Path) -> None:
    volume = open_volume(image)
    assert (volume.axes, volume.shape, volume.chunks) == ("zyx", DATA.shape, (4, 16, 16))
    assert volume.voxel_size_nm == (40, 8, 8)
    assert volume.voxel_size_source == "OME-Zarr scale"
    assert volume.origin == str(image)
    assert [level.shape for level in volume.levels] == [(8, 32, 48), (8, 16, 24)]
    assert isinstance(volume.array, zarr.Array)
    np.testing.assert_array_equal(volume.read(Box((1, 2, 3), (7, 31, 47)))[0], DATA[1:7, 2:31, 3:47])


def test_inner_group_and_level(image: Path) -> None:
    labels = open_volume(f"{image}/labels/mito")
    assert (labels.dtype, labels.voxel_size_nm) == (np.uint32, (40, 8, 8))
    np.testing.assert_array_equal(labels.read(Box.whole(labels.shape))[0], DATA > 99)
    names = [d["path"] for d in _multiscale(image)["datasets"]]
    level = open_volume(image / names[1])
    assert (level.shape, level.voxel_size_nm, level.voxel_size_source) == (
        (8, 16, 24), (40, 16, 16), "OME-Zarr scale",
    )  # fmt: skip
    assert level.axes == "zyx"
    assert len(level.levels) == 1
    # The folder "labels" is a group with one image in it.
    assert open_volume(image / "labels").origin.endswith("mito")


def _multiscale(image: Path) -> dict[str, Any]:
    attributes = dict(zarr.open_group(image, mode="r").attrs)
    return (attributes.get("ome") or attributes)["multiscales"][0]


@pytest.mark.parametrize(
    ("unit", "factor"), [("micrometer", 1e3), ("angstrom", 0.1), ("millimeter", 1e6), ("nanometer", 1.0)]
)
def test_units_and_global_scale(image: Path, unit: str, factor: float) -> None:
    def change(multiscale: dict[str, Any], _: object) -> None:
        for axis in multiscale["axes"]:
            axis["unit"] = unit
        multiscale["coordinateTransformations"] = [{"type": "scale", "scale": [0.5, 2, 3]}]

    edit(image, change)
    assert open_volume(image).voxel_size_nm == pytest.approx((20 * factor, 16 * factor, 24 * factor))


@pytest.mark.parametrize("unit", [None, "pixel"])
def test_a_scale_without_a_unit_of_length_is_no_voxel_size(image: Path, unit: str | None) -> None:
    def change(multiscale: dict[str, Any], _: object) -> None:
        for axis in multiscale["axes"]:
            axis.pop("unit") if unit is None else axis.update(unit=unit)

    edit(image, change)
    volume = open_volume(image)
    assert (volume.voxel_size_nm, volume.voxel_size_source) == (None, "unknown")


def test_a_scale_in_a_file_of_its_own_is_unknown(image: Path) -> None:
    def change(multiscale: dict[str, Any], _: object) -> None:
        multiscale["coordinateTransformations"] = [{"type": "scale", "path": "elsewhere"}]

    edit(image, change)
    assert open_volume(image).voxel_size_nm is None


def test_odd_names_of_axes(image: Path) -> None:
    def change(multiscale: dict[str, Any], _: object) -> None:
        for axis, name in zip(multiscale["axes"], ("depth", "rows", "columns"), strict=True):
            axis["name"] = name

    edit(image, change)
    assert open_volume(image).axes == "zyx"


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_five_axes(tmp_path: Path, version: str) -> None:
    fmt = FORMATS[version]
    group = zarr.open_group(tmp_path / "5.zarr", mode="w", zarr_format=fmt.zarr_format)
    data = np.stack([DATA, 255 - DATA])[None]
    axes = [{"name": "t", "type": "time", "unit": "second"}, {"name": "c", "type": "channel"}, *AXES]
    write_multiscale(
        [data, data[..., ::2, ::2]], group, axes=axes, fmt=fmt,
        scale={"t": 1.0, "c": 1.0, **SCALE}, storage_options={"chunks": (1, 1, 4, 16, 16)},
    )  # fmt: skip
    volume = open_volume(tmp_path / "5.zarr")
    assert (volume.axes, volume.channels, volume.shape, volume.chunks) == ("czyx", 2, DATA.shape, (4, 16, 16))
    assert volume.voxel_size_nm == (40, 8, 8)
    np.testing.assert_array_equal(volume.read(Box((2, 2, 2), (5, 9, 9))), data[0, :, 2:5, 2:9, 2:9])
    assert [level.shape for level in volume.levels] == [(2, 8, 32, 48), (2, 8, 16, 24)]


def test_time_series_is_refused(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "t.zarr", mode="w")
    axes = [{"name": "t", "type": "time"}, *AXES]
    write_multiscale(
        [np.stack([DATA] * 3)], group, axes=axes, fmt=FormatV05(),
        scale={"t": 1.0, **SCALE},
    )  # fmt: skip
    with pytest.raises(InputError, match=r"t\.zarr holds 3 time points"):
        open_volume(tmp_path / "t.zarr")


@pytest.mark.parametrize("image", ["0.5"], indirect=True)
def test_other_versions_are_refused_and_the_level_still_opens(image: Path) -> None:
    edit(image, lambda _, ome: ome.update(version="0.6"))
    with pytest.raises(
        InputError, match=r"version '0.6' is not 0.4 or 0.5\): open the full-resolution array"
    ):
        open_volume(image)
    level = open_volume(image / _multiscale(image)["datasets"][0]["path"])
    assert (level.shape, level.voxel_size_nm) == (DATA.shape, None)


def test_broken_metadata_are_named(image: Path) -> None:
    edit(image, lambda multiscale, _: multiscale.pop("axes"))
    with pytest.raises(
        InputError, match=r"The OME-Zarr metadata of .* cannot be used \(axes: field required\)"
    ):
        open_volume(image)


def test_what_a_check_of_the_specification_refuses_is_said_without_pydantics_words(image: Path) -> None:
    edit(image, lambda multiscale, _: multiscale["axes"][0].update(name=multiscale["axes"][1]["name"]))
    with pytest.raises(InputError, match=r"cannot be used \(axes: .*unique") as refused:
        open_volume(image)
    assert "Value error" not in str(refused.value)


def test_metadata_without_an_image(image: Path) -> None:
    edit(image, lambda _, holder: holder.update(multiscales=[]))
    with pytest.raises(InputError, match=r"The OME-Zarr metadata of .* cannot be used"):
        open_volume(image)


def test_levels_that_are_missing(image: Path) -> None:
    edit(image, lambda multiscale, _: multiscale["datasets"][1].update(path="gone"))
    assert len(open_volume(image).levels) == 1
    edit(image, lambda multiscale, _: multiscale["datasets"][0].update(path="gone"))
    with pytest.raises(
        InputError, match="names 'gone' as its full-resolution array, but there is no array at that"
    ):
        open_volume(image)


def test_axes_that_do_not_fit_the_array(image: Path) -> None:
    def change(multiscale: dict[str, Any], _: object) -> None:
        multiscale["axes"] = multiscale["axes"][1:]
        for dataset in multiscale["datasets"]:
            dataset["coordinateTransformations"] = [{"type": "scale", "scale": [1, 1]}]

    edit(image, change)
    with pytest.raises(InputError, match=r"names 2 axes \(yx\), but its array '.*' has shape \(8, 32, 48\)"):
        open_volume(image)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_plain_group(tmp_path: Path, zarr_format: int) -> None:
    store = tmp_path / "plain.zarr"
    group = zarr.open_group(store, mode="w", zarr_format=zarr_format)
    group.attrs["resolution"] = [30, 6, 6]
    group.create_array("volumes/raw", data=DATA, chunks=(4, 16, 16))
    group.create_array("volumes/offsets", data=np.arange(4))
    (store / "chart").mkdir()
    volume = open_volume(store)
    assert volume.origin == str(store / "volumes" / "raw")
    assert (volume.voxel_size_nm, volume.voxel_size_source) == ((30, 6, 6), "Zarr attribute resolution")
    group.create_array("volumes/labels", data=DATA.astype(np.uint32))
    with pytest.raises(InputError) as caught:
        open_volume(store)
    text = str(caught.value)
    assert "holds 2 arrays and nothing says which one is meant" in text
    assert "volumes/labels (8x32x48 uint32), volumes/raw (8x32x48 uint8)" in text
    assert text.endswith(f"for example {store}/volumes/labels.")
    assert open_volume(store / "volumes" / "raw").shape == DATA.shape


def test_images_below_a_group_are_listed_with_their_labels(image: Path) -> None:
    zarr.open_group(image.parent / "both.zarr", mode="w")
    image.rename(image.parent / "both.zarr" / "cell")
    with pytest.raises(InputError, match=r"cell \(OME-Zarr image\), cell/labels/mito \(OME-Zarr image\)"):
        open_volume(image.parent / "both.zarr")


def test_dimension_names_and_own_attributes(tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "a.zarr", data=DATA.transpose(), chunks=(16, 16, 4), dimension_names=["x", "y", "z"]
    )
    array.attrs.update({"voxel_size": [6, 7, 30], "units": ["nm"] * 3})
    for volume in (
        open_volume(tmp_path / "a.zarr"),
        open_volume(zarr.open_array(tmp_path / "a.zarr", mode="r")),
    ):
        assert (volume.axes, volume.shape, volume.chunks) == ("zyx", DATA.shape, (4, 16, 16))
        assert volume.voxel_size_nm == (30, 7, 6)
        np.testing.assert_array_equal(volume.read(Box.whole(DATA.shape))[0], DATA)
    overridden = open_volume(tmp_path / "a.zarr", axes="zyx")
    assert (overridden.shape, overridden.voxel_size_nm) == (DATA.T.shape, (6, 7, 30))


def test_an_open_array_on_disk_knows_its_image(image: Path) -> None:
    node = zarr.open_group(image, mode="r")[_multiscale(image)["datasets"][0]["path"]]
    volume = open_volume(node)
    assert volume.voxel_size_nm == (40, 8, 8)
    assert volume.origin == str(image / node.path)
    assert open_volume(zarr.array(DATA)).origin == "the Zarr array"


def test_an_array_beside_the_levels_of_an_image(image: Path) -> None:
    fmt = 3 if (image / "zarr.json").exists() else 2
    zarr.create_array(image / "mask", data=DATA, zarr_format=fmt)
    volume = open_volume(image / "mask")
    assert (volume.axes, volume.voxel_size_nm) == ("zyx", None)


def test_an_array_in_a_damaged_group(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "g.zarr", mode="w").create_array("raw", data=DATA)
    (tmp_path / "g.zarr" / "zarr.json").write_text("{")
    assert open_volume(tmp_path / "g.zarr" / "raw").shape == DATA.shape


def test_a_list_of_images_without_labels(tmp_path: Path) -> None:
    for name in "ab":
        group = zarr.open_group(tmp_path / "g.zarr" / name, mode="w")
        write_multiscale([DATA], group, axes=AXES, fmt=FormatV05(), scale=SCALE)
    with pytest.raises(
        InputError, match=r"g\.zarr holds 2 arrays .*: a \(OME-Zarr image\), b \(OME-Zarr image\);"
    ):
        open_volume(tmp_path / "g.zarr")


def test_nothing_inside(tmp_path: Path) -> None:
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match="holds no image or volume: it has no array with two or more axes"):
        open_volume(tmp_path / "empty.zarr")


def test_damaged_metadata(tmp_path: Path) -> None:
    (tmp_path / "bad.zarr").mkdir()
    (tmp_path / "bad.zarr" / "zarr.json").write_text("{")
    with pytest.raises(InputError, match=r"bad.zarr cannot be opened as Zarr: .* may be damaged"):
        open_volume(tmp_path / "bad.zarr")
    (tmp_path / "lost.zarr").mkdir()
    (tmp_path / "lost.zarr" / ".zattrs").write_text("{}")
    with pytest.raises(InputError, match="holds no image or volume"):
        open_volume(tmp_path / "lost.zarr")


def test_a_damaged_chunk_is_named_with_the_place(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=DATA, chunks=(8, 32, 48))
    (tmp_path / "a.zarr" / "c" / "0" / "0" / "0").write_bytes(b"not what was compressed")
    volume = open_volume(tmp_path / "a.zarr")
    with pytest.raises(InputError, match=r"a\.zarr cannot be read at z 0:8, y 0:32, x 0:48"):
        volume.read(Box.whole(DATA.shape))


def test_a_path_right_up_to_a_point(image: Path) -> None:
    with pytest.raises(InputError, match=r"labels/nuclei does not exist: check the spelling\.$"):
        open_volume(image / "labels" / "nuclei")
    with pytest.raises(InputError, match=r"check the spelling, it is right only up to .*image\.zarr\."):
        open_volume(image / "volumes" / "raw")
