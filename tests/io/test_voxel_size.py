"""Units, attributes, and whose word counts."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.io.attributes import attribute_axes, attribute_voxel_size
from napari_nnunet_em.io.voxel_size import StoredVoxelSize, nm_per_unit, positive_length, stored_voxel_size


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        ("nanometer", 1),
        ("nm", 1),
        (b"nm", 1),
        ("Micrometer", 1000),
        ("micron", 1000),
        ("microns", 1000),
        ("\u00b5m", 1000),
        ("\u03bcm", 1000),
        ("\\u00B5m", 1000),
        (" um ", 1000),
        ("angstrom", 0.1),
        ("\u00c5", 0.1),
        ("\u212b", 0.1),
        ("millimeter", 1e6),
        ("picometer", 1e-3),
        ("pixel", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_units(unit: object, nm: float | None) -> None:
    assert nm_per_unit(unit) == nm


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, "eight", None, [1]])
def test_lengths_that_are_none(value: object) -> None:
    assert positive_length(value) is None


@pytest.mark.parametrize(
    ("values", "letters", "expected"),
    [
        ((40, 8, 7), "zyx", (40, 8, 7)),
        ((7, 8, 40), "xyz", (40, 8, 7)),
        ((40, 8, 7), "czyx", (40, 8, 7)),
        ((None, 40, 8, 7), "czyx", (40, 8, 7)),
        ((10,), "zyx", (10, 10, 10)),
        ((8, 7), "yx", (8, 8, 7)),
        ((40, 8, 7), "yx", (40, 8, 7)),
        ((None, 8, 7), "cyx", (8, 8, 7)),
        ((None, 8, 7), "zyx", None),
        ((40, 8, None), "zyx", None),
        ((1, 2, 3, 4, 5), "zyx", None),
    ],
)
def test_values_go_to_their_axes(
    values: tuple[float | None, ...], letters: str, expected: tuple[float, float, float] | None
) -> None:
    assert stored_voxel_size(StoredVoxelSize(values, "x"), tuple(letters)) == expected


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ([{"resolution": [40.0, 8, 8]}], ((40, 8, 8), "HDF5 attribute resolution")),
        ([{"resolution": np.array([4, 4, 40])}], ((4, 4, 40), "HDF5 attribute resolution")),
        ([{"element_size_um": [0.04, 0.008, 0.008]}], ((40, 8, 8), "HDF5 attribute element_size_um")),
        ([{}, {"resolution": 10}], ((10,), "HDF5 attribute resolution")),
        (
            [{"resolution": [1, 1, 1]}, {"element_size_um": [9, 9, 9]}],
            ((1, 1, 1), "HDF5 attribute resolution"),
        ),
        ([{"resolution": [0.04] * 3, "unit": "um"}], ((40, 40, 40), "HDF5 attribute resolution")),
        ([{"voxel_size": [40, 4, 4], "units": ["nm"] * 3}], ((40, 4, 4), "HDF5 attribute voxel_size")),
        ([{"voxel_size": [40, 4, 4], "units": ["nm"] * 2}], None),
        ([{"voxel_size_nm": [40, 4, 4], "unit": "pixel"}], ((40, 4, 4), "HDF5 attribute voxel_size_nm")),
        ([{"scale": [40, 4, 4]}], None),
        ([{"scale": [4, 4, 4], "units": "angstrom"}], ((0.4, 0.4, 0.4), "HDF5 attribute scale")),
        ([{"resolution": [0, 0, 0]}, {"resolution": [9, 9, 9]}], ((9, 9, 9), "HDF5 attribute resolution")),
        ([{"resolution": [8, 8, 8], "unit": "pixel"}], None),
        ([{"resolution": "high"}], None),
        ([{"resolution": []}], None),
        ([], None),
    ],
)
def test_attributes(chain: list[dict[str, object]], expected: tuple[tuple[float, ...], str] | None) -> None:
    found = attribute_voxel_size(chain, "HDF5")
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert found.values_nm == pytest.approx(expected[0])
        assert found.source == expected[1]


TAGS = json.dumps({"axes": [{"key": key, "typeFlags": 2} for key in "xyzc"]})


@pytest.mark.parametrize(
    ("attributes", "axes"),
    [
        ({"axistags": TAGS}, "xyzc"),
        ({"axistags": TAGS.encode()}, "xyzc"),
        ({"axistags": "{"}, None),
        ({"axistags": "[]"}, None),
        ({"axes": "zyxc"}, "zyxc"),
        ({"axes": ["time", "Z", "y", "x"]}, "tzyx"),
        ({"axis_names": ["c^", "z", "y", "x"]}, "czyx"),
        ({"_ARRAY_DIMENSIONS": ["channel", "z", "y", "x"]}, "czyx"),
        ({"axes": ["dim_0", "z", "y", "x"]}, None),
        ({"axes": ["z", "y", "x"]}, None),
        ({"axes": ["y", "z", "y", "x"]}, None),
        ({"axes": 4}, None),
    ],
)
def test_named_axes(attributes: dict[str, object], axes: str | None) -> None:
    assert attribute_axes(attributes, 4) == axes


def test_the_caller_overrides_the_file(tmp_path: object) -> None:
    import h5py

    with h5py.File("x", "w", driver="core", backing_store=False) as file:
        file["raw"] = np.zeros((4, 5, 6), np.uint8)
        file["raw"].attrs["resolution"] = [40, 8, 8]
        volume = open_volume(file["raw"])
        assert (volume.voxel_size_nm, volume.voxel_size_source) == ((40, 8, 8), "HDF5 attribute resolution")
        volume = open_volume(file["raw"], voxel_size_nm=[50, 4.6, 4.6])
        assert (volume.voxel_size_nm, volume.voxel_size_source) == ((50, 4.6, 4.6), "given by the caller")


@pytest.mark.parametrize(
    "given", [(8, 8), (40, 8, 0), (40, -8, 8), (40, 8, math.nan), (8,), (1, 2, 3, 4), ()]
)
def test_voxel_sizes_that_make_no_sense(given: tuple[float, ...]) -> None:
    with pytest.raises(
        InputError, match=r"given for memory cannot be used: write three .z, y, x. positive numbers in"
    ):
        open_volume(np.zeros((4, 5, 6), np.uint8), voxel_size_nm=given)


def test_an_image_takes_two_or_three_numbers() -> None:
    image = np.zeros((5, 6), np.uint8)
    assert open_volume(image, voxel_size_nm=(8, 9)).voxel_size_nm == (8, 8, 9)
    assert open_volume(image[None], voxel_size_nm=(30, 8, 9)).voxel_size_nm == (30, 8, 9)
    with pytest.raises(InputError, match=r"write two .y, x. or three"):
        open_volume(image, voxel_size_nm=(8,))
