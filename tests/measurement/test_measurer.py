"""The table of a label image: right, and the same to the last bit for any blocks in any order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import regionprops_table

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.measurement import LabelMeasurer, MeasureTask, Placement, ValueScale
from napari_nnunet_em.measurement.columns import DTYPES
from napari_nnunet_em.measurement.crofton import SurfaceEstimator
from napari_nnunet_em.testing.strategies import block_shapes

from .conftest import SHAPE, crossings_by_hand, random_labels

SIZES = [(40.0, 8.0, 8.0), (8.0, 8.0, 8.0), (30.0, 10.0, 5.0), (5.0, 20.0, 7.0)]
seeds = st.integers(0, 2**16)


def values_for(seed, dtype):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.random(SHAPE).astype(dtype)
    return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, SHAPE, dtype=dtype, endpoint=True)


@given(
    seeds,
    block_shapes(SHAPE),
    st.sampled_from(SIZES),
    st.sampled_from([np.uint8, np.float16, np.float32]),
    st.sampled_from([np.uint8, np.int16, np.float32, np.uint32]),
)
def test_everything_agrees_with_scikit_image(measure, seed, block_shape, size, kind, raw_kind):
    labels, probability, raw = random_labels(seed), values_for(seed, kind), values_for(seed + 1, raw_kind)
    frame = measure(labels, block_shape, size, probability=probability, intensity=raw).frame
    assert frame.dtypes.astype(str).to_dict() == DTYPES
    meaning = probability / 255 if kind == np.uint8 else probability.astype(np.float64)
    properties = ("intensity_mean", "intensity_min", "intensity_max")
    wanted = regionprops_table(labels, properties=("label", "area", "bbox", "centroid"))
    np.testing.assert_array_equal(frame["id"], wanted["label"])
    np.testing.assert_array_equal(frame["voxels"], wanted["area"])
    np.testing.assert_allclose(frame["volume_um3"], wanted["area"] * math.prod(size) * 1e-9, rtol=1e-12)
    for i, (axis, nm) in enumerate(zip("zyx", size, strict=True)):
        np.testing.assert_array_equal(frame[f"bbox_{axis}_min"], wanted[f"bbox-{i}"])
        np.testing.assert_array_equal(frame[f"bbox_{axis}_max"], wanted[f"bbox-{i + 3}"])
        np.testing.assert_allclose(frame[f"centroid_{axis}_nm"], wanted[f"centroid-{i}"] * nm, rtol=1e-12)
    for name, array in (("probability", meaning), ("intensity", raw.astype(np.float64))):
        wanted = regionprops_table(labels, array, properties=properties)
        for word in ("mean", "min", "max"):
            found = frame[f"{word}_{name}"]
            scale = np.abs(array).max()
            np.testing.assert_allclose(found, wanted[f"intensity_{word}"], rtol=1e-12, atol=scale * 2**-23)
    assert not frame.isna().any(axis=None)


@given(seeds, block_shapes(SHAPE), st.sampled_from(SIZES), st.booleans())
def test_blocks_and_their_order_do_not_show_in_a_single_bit(measure, seed, block_shape, size, shuffled):
    labels, raw = random_labels(seed), values_for(seed, np.float32) * 1e3 - 300
    whole = measure(labels, None, size, intensity=raw).frame
    order = np.random.default_rng(seed).permutation if shuffled else None
    assert measure(labels, block_shape, size, order=order, intensity=raw).frame.equals(whole)


@given(seeds, st.sampled_from(SIZES))
def test_crossings_are_those_of_the_whole_image(measure, seed, size):
    labels = random_labels(seed)
    estimator = SurfaceEstimator.of(size)
    expected = crossings_by_hand(labels, estimator.steps, estimator.weights)
    frame = measure(labels, (3, 5, 4), size).frame
    units = np.array([expected[i] for i in frame["id"].tolist()])
    np.testing.assert_array_equal(frame["surface_um2"], units * estimator.unit_um2)


@given(seeds, block_shapes(SHAPE))
def test_axes_are_those_of_the_inertia_tensor(measure, seed, block_shape):
    labels = random_labels(seed)
    frame = measure(labels, block_shape, (8.0, 8.0, 8.0)).frame
    wanted = regionprops_table(labels, spacing=8.0, properties=("label", "inertia_tensor"))
    for row, label in enumerate(wanted["label"].tolist()):
        tensor = np.array([[wanted[f"inertia_tensor-{i}-{j}"][row] for j in range(3)] for i in range(3)])
        # Inertia is what the variances of the other two axes add up to; a voxel is a body, not a point.
        covariance = np.eye(3) * np.trace(tensor) / 2 - tensor + np.eye(3) * 64 / 12
        axes = 2 * np.sqrt(5 * np.sort(np.linalg.eigvalsh(covariance))[::-1])
        found = frame.loc[frame["id"] == label, ["axis_major_nm", "axis_middle_nm", "axis_minor_nm"]]
        np.testing.assert_allclose(found.to_numpy()[0], axes, rtol=1e-6)
    np.testing.assert_allclose(frame["elongation"], frame["axis_major_nm"] / frame["axis_middle_nm"])


def test_axes_of_an_image_are_those_of_an_ellipse(measure):
    labels = random_labels(5, (1, 40, 50))
    frame = measure(labels, (1, 16, 16), (20.0, 5.0, 5.0)).frame
    wanted = regionprops_table(labels[0], spacing=5.0, properties=("inertia_tensor_eigvals",))
    for i, name in enumerate(("axis_major_nm", "axis_middle_nm")):
        variances = wanted[f"inertia_tensor_eigvals-{i}"]
        # Thicker than wide: then the first axis of a small object is that of its one slice.
        expected = 4 * np.sqrt(variances + 25 / 12)
        big = frame["voxels"] > 100
        np.testing.assert_allclose(frame.loc[big, name], expected[big], rtol=1e-9)


def test_a_body_of_known_axes(measure):
    grid = np.stack(np.meshgrid(*[np.arange(n) * s for n, s in zip((60, 90, 90), (40, 8, 8), strict=True)]))
    grid = np.moveaxis(grid, 0, -1).swapaxes(0, 1) - np.array([1180.0, 356.0, 356.0])
    labels = ((grid / np.array([1000.0, 300.0, 200.0])) ** 2).sum(axis=-1) < 1
    row = measure(labels.astype(np.uint16), (16, 32, 32)).frame.iloc[0]
    found = row[["axis_major_nm", "axis_middle_nm", "axis_minor_nm"]].to_numpy(dtype=float)
    np.testing.assert_allclose(found, [2000, 600, 400], rtol=0.01)
    np.testing.assert_allclose(row["elongation"], 10 / 3, rtol=0.01)
    np.testing.assert_allclose(row["volume_um3"], 4 / 3 * np.pi * 0.06, rtol=0.01)


def test_far_from_the_origin_nothing_is_lost(measure):
    labels = random_labels(3)
    near = measure(labels, (4, 9, 11), (8.0, 8.0, 8.0)).frame
    far = (200_000, 300_000, 400_000)
    shape = tuple(a + n for a, n in zip(far, labels.shape, strict=True))
    measurer = LabelMeasurer(MeasureTask(shape, Placement((8.0, 8.0, 8.0))))
    box = Box(far, shape)
    measurer.add(box, labels)
    measurer._voxels = math.prod(shape)  # the rest of this petavoxel image is empty
    there = measurer.finish().frame
    for name in ("axis_major_nm", "axis_middle_nm", "axis_minor_nm", "surface_um2"):
        np.testing.assert_allclose(there[name], near[name], rtol=1e-12)
    np.testing.assert_allclose(there["centroid_x_nm"], near["centroid_x_nm"] + far[2] * 8.0, rtol=1e-15)


@pytest.mark.parametrize("base", [2**32 - 3, 2**32 + 5, 2**63 - 30])
def test_large_ids(measure, base):
    labels = random_labels(1).astype(np.uint64)
    small = measure(labels, (3, 7, 9)).frame
    labels[labels > 0] += base
    large = measure(labels, (3, 7, 9)).frame
    np.testing.assert_array_equal(large["id"], small["id"] + base)
    assert large.drop(columns="id").equals(small.drop(columns="id"))


@pytest.mark.parametrize(("value", "dtype"), [(2**64 - 1, np.uint64), (2**63, np.uint64), (-1, np.int32)])
def test_values_that_are_no_ids_are_refused(measure, value, dtype):
    labels = np.zeros((2, 3, 4), dtype=dtype)
    labels[1, 1, 1] = value
    with pytest.raises(InputError, match=f"holds the value {value}"):
        measure(labels)


def test_nothing_in_it(measure):
    frame = measure(np.zeros(SHAPE, dtype=np.uint32), (3, 7, 9)).frame
    assert len(frame) == 0
    assert frame.dtypes.astype(str).to_dict() == DTYPES
    assert len(measure(np.zeros((0, 4, 4), dtype=np.uint32), (3, 7, 9))) == 0


def test_border():
    labels = np.zeros((6, 7, 8), dtype=np.uint8)
    cells = [(0, 3, 3), (5, 3, 3), (3, 0, 3), (3, 6, 3), (3, 3, 0), (3, 3, 7), (3, 3, 3)]
    for i, cell in enumerate(cells, start=1):
        labels[cell] = i
    measurer = LabelMeasurer(MeasureTask(labels.shape, Placement(None)))
    measurer.add(Box.whole(labels.shape), labels)
    assert measurer.finish().frame["touches_border"].tolist() == [True] * 6 + [False]


def test_an_image_has_no_border_above_and_below(measure):
    labels = np.zeros((1, 5, 5), dtype=np.uint8)
    labels[0, 2, 2] = 1
    assert not measure(labels).frame["touches_border"].any()


def test_unknown_voxel_size_leaves_physical_columns_empty(measure):
    frame = measure(random_labels(2), (3, 7, 9), size=None).frame
    physical = [name for name in frame if name.endswith(("_nm", "_um2", "_um3")) or name == "elongation"]
    assert len(physical) == 9
    assert frame[physical].isna().all(axis=None)
    assert frame.drop(columns=physical).notna()[["voxels", "bbox_z_min", "touches_border"]].all(axis=None)


def test_a_regions_origin_is_added(measure):
    labels = random_labels(4)
    here, there = measure(labels).frame, measure(labels, origin=(3, 10, 18)).frame
    moved = {f"bbox_{a}_{e}": o for a, o in zip("zyx", (3, 10, 18), strict=True) for e in ("min", "max")}
    for name, step in moved.items():
        np.testing.assert_array_equal(there[name], here[name] + step)
    np.testing.assert_allclose(there["centroid_z_nm"], here["centroid_z_nm"] + 120)
    same = [name for name in here if not name.startswith(("bbox", "centroid"))]
    assert here[same].equals(there[same])


def test_values_outside_objects_do_not_matter_and_inside_they_must_be_numbers(measure):
    labels = random_labels(6)
    raw = values_for(6, np.float32)
    raw[labels == 0] = np.nan
    frame = measure(labels, (3, 7, 9), intensity=raw).frame
    assert frame["mean_intensity"].between(0, 1).all()
    raw[labels > 0] = np.inf
    with pytest.raises(InputError, match="intensity is NaN or infinite"):
        measure(labels, (3, 7, 9), intensity=raw)


def test_large_blocks_are_cut_and_show_it_nowhere(measure, monkeypatch):
    labels = random_labels(8)
    whole = measure(labels, (4, 14, 16)).frame
    monkeypatch.setattr("napari_nnunet_em.measurement.measurer._LARGEST", (3, 5, 7))
    assert measure(labels, (4, 14, 16)).frame.equals(whole)


def test_rows_are_merged_on_the_way(measure, monkeypatch):
    labels = random_labels(9)
    whole = measure(labels).frame
    monkeypatch.setattr("napari_nnunet_em.measurement.tally._FEW_ROWS", 4)
    assert measure(labels, (2, 5, 5)).frame.equals(whole)


def test_mistakes_of_the_caller():
    measurer = LabelMeasurer(MeasureTask(SHAPE, Placement(None)))
    with pytest.raises(ValueError, match="do not fit the box"):
        measurer.add(Box.whole(SHAPE), np.zeros((1, 2, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="do not fit the box"):
        measurer.add(Box((0, 0, 0), (9, 1, 1)), np.zeros((9, 1, 1), dtype=np.uint8))
    with pytest.raises(ValueError, match="0 voxels were measured"):
        measurer.finish()
    with pytest.raises(InputError, match="Probabilities stored as int64"):
        ValueScale.of_probability(np.dtype(np.int64))


def test_an_object_too_large_for_exact_moments_has_no_axes(monkeypatch, measure):
    labels = np.ones((4, 5, 6), dtype=np.uint8)
    monkeypatch.setattr("napari_nnunet_em.measurement.shapes._LIMIT", 120 * 36)
    frame = measure(labels).frame
    assert frame[["axis_major_nm", "elongation"]].isna().all(axis=None)
    assert frame["surface_um2"].notna().all()
    monkeypatch.setattr("napari_nnunet_em.measurement.shapes._LIMIT", 120 * 36 + 1)
    assert measure(labels).frame["axis_major_nm"].notna().all()


def test_rims_are_forgotten_as_soon_as_they_can_be():
    shape, step = (12, 24, 24), 6
    labels = np.ones(shape, dtype=np.uint8)
    measurer = LabelMeasurer(MeasureTask(shape, Placement((8.0, 8.0, 8.0))))
    most = 0
    for z in range(0, 12, step):
        for y in range(0, 24, step):
            for x in range(0, 24, step):
                box = Box((z, y, x), (z + step, y + step, x + step))
                measurer.add(box, labels[box.slices])
                most = max(most, len(measurer._crossings._margins))
    # In raster order one far plane of each of 16 blocks waits, and the sides of a row of blocks.
    assert most <= 16 + 4 * 6
    assert len(measurer._crossings._margins) == 0
    frame = measurer.finish().frame
    assert frame["voxels"].tolist() == [labels.size]


def test_a_hollow_body_has_an_inner_surface_too(measure):
    cubic = (8.0, 8.0, 8.0)
    solid, hole = np.zeros((2, 14, 15, 16), dtype=np.uint8)
    solid[1:13, 1:14, 1:15] = 1
    hole[5:9, 5:10, 5:11] = 1
    outer, inner = (measure(part, size=cubic).frame["surface_um2"][0] for part in (solid, hole))
    both = measure(solid - hole, (5, 6, 7), cubic).frame["surface_um2"][0]
    np.testing.assert_allclose(both, outer + inner, rtol=1e-12)
