"""From stored probabilities to labels and a table: the right ones, for any blocks, also after a kill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import regionprops_table

from napari_nnunet_em.config import Connectivity, InstanceSettings
from napari_nnunet_em.errors import Cancelled, InputError, SettingsError
from napari_nnunet_em.instances import (
    ClassProbability,
    InstanceTask,
    Placement,
    find_objects,
    segment_instances,
    write_labels,
)
from napari_nnunet_em.instances.final import FinalObjects
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec
from napari_nnunet_em.progress import CancelToken, Stage
from napari_nnunet_em.testing.strategies import block_shapes

SHAPE = (8, 20, 24)
SIZE = (40.0, 8.0, 8.0)


def blobs(seed, dtype=np.uint8, shape=SHAPE):
    """A smooth random probability, (z, y, x), with objects of many sizes."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 1.0)
    scaled = (noise - noise.min()) / np.ptp(noise)
    return np.rint(scaled * 255).astype(np.uint8) if dtype == np.uint8 else scaled.astype(dtype)


def task_for(source, block_shape=(3, 7, 9), placement=None, **settings):
    if not isinstance(source, ClassProbability):
        source = ClassProbability(source)
    settings = {"min_voxels": 0, **settings}
    return InstanceTask(source, InstanceSettings(**settings), placement or Placement(SIZE), block_shape)


def drive(steps, events=None):
    """Run a generator to its end and give what it returns."""
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            return end.value
        if events is not None:
            events.append(event)


def segment(task, events=None):
    """Labels and table in memory."""
    labels = {}

    def create(dtype):
        labels["image"] = np.full(task.source.shape, 77, dtype=dtype)  # what an earlier run left behind

        def write(box, part):
            assert part.dtype == dtype
            labels["image"][box.slices] = part

        return write

    table = drive(segment_instances(task, create), events).table
    return labels["image"], table


def oracle(probability, threshold, connectivity, smallest):
    """The same on the whole volume, by SciPy."""
    meaning = probability / 255 if probability.dtype == np.uint8 else probability.astype(np.float64)
    rank = {6: 1, 18: 2, 26: 3}[connectivity]
    labels, count = ndimage.label(meaning > threshold, ndimage.generate_binary_structure(3, rank))
    keep = np.bincount(labels.ravel(), minlength=count + 1) >= smallest
    keep[0] = False
    return np.where(keep, np.cumsum(keep), 0)[labels], meaning


@given(
    st.integers(0, 2**16),
    block_shapes(SHAPE),
    st.sampled_from([np.uint8, np.float16, np.float32]),
    st.sampled_from(list(Connectivity)),
    st.sampled_from([(0.5, 0), (0.6, 12), (0.65, 3)]),
)
def test_labels_and_table_equal_the_whole_volumes(seed, block_shape, dtype, connectivity, limits):
    threshold, smallest = limits
    probability = blobs(seed, dtype)
    task = task_for(
        probability, block_shape, threshold=threshold, connectivity=connectivity, min_voxels=smallest
    )
    labels, table = segment(task)
    expected, meaning = oracle(probability, threshold, connectivity, smallest)
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype == np.uint32
    wanted = regionprops_table(
        expected, meaning, properties=("label", "area", "bbox", "centroid", "intensity_mean")
    )
    frame = table.frame
    np.testing.assert_array_equal(frame["id"], wanted["label"])
    np.testing.assert_array_equal(frame["voxels"], wanted["area"])
    np.testing.assert_allclose(frame["volume_um3"], wanted["area"] * 2.56e-6, rtol=1e-12)
    np.testing.assert_allclose(frame["mean_probability"], wanted["intensity_mean"], rtol=1e-6)
    for number, (axis, nm) in enumerate(zip("zyx", SIZE, strict=True)):
        np.testing.assert_array_equal(frame[f"bbox_{axis}_min"], wanted[f"bbox-{number}"])
        np.testing.assert_array_equal(frame[f"bbox_{axis}_max"], wanted[f"bbox-{number + 3}"])
        np.testing.assert_allclose(
            frame[f"centroid_{axis}_nm"], wanted[f"centroid-{number}"] * nm, rtol=1e-12
        )


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32])
def test_blocks_show_neither_in_the_labels_nor_in_the_table(dtype):
    probability = blobs(3, dtype)
    results = [segment(task_for(probability, b)) for b in [(8, 20, 24), (1, 1, 24), (3, 5, 4), (2, 20, 7)]]
    for labels, table in results[1:]:
        np.testing.assert_array_equal(labels, results[0][0])
        assert table.frame.equals(results[0][1].frame)


def test_a_region_lies_where_it_was_cut_out():
    whole = np.zeros((10, 30, 30), dtype=np.uint8)
    whole[4:6, 12:15, 20:25] = 200
    origin = (3, 10, 18)
    task = task_for(whole[3:8, 10:20, 18:28], placement=Placement(SIZE, origin))
    (row,) = segment(task)[1].frame.to_dict("records")
    assert (row["bbox_z_min"], row["bbox_z_max"]) == (4, 6)
    assert (row["bbox_y_min"], row["bbox_y_max"]) == (12, 15)
    assert (row["bbox_x_min"], row["bbox_x_max"]) == (20, 25)
    centroid = [row[f"centroid_{axis}_nm"] for axis in "zyx"]
    np.testing.assert_allclose(centroid, [4.5 * 40, 13 * 8, 22 * 8])
    assert row["mean_probability"] == 200 / 255


def test_unknown_voxel_size_leaves_physical_columns_empty():
    frame = segment(task_for(blobs(1), placement=Placement(None)))[1].frame
    assert len(frame) > 0
    assert frame[["volume_um3", "centroid_z_nm", "centroid_y_nm", "centroid_x_nm"]].isna().all(axis=None)
    assert (frame["voxels"] > 0).all()
    with pytest.raises(SettingsError, match="voxel size"):
        segment(task_for(blobs(1), placement=Placement(None), min_volume_um3=0.1))


def test_minimum_volume_drops_objects():
    probability = blobs(2)
    everything = segment(task_for(probability))[1].frame
    limit = float(everything["volume_um3"].median())
    kept = segment(task_for(probability, min_volume_um3=limit))[1].frame
    assert kept["voxels"].tolist() == everything["voxels"][everything["volume_um3"] >= limit].tolist()
    assert 0 < len(kept) < len(everything)


def test_nothing_found_is_an_empty_table_and_empty_labels():
    labels, table = segment(task_for(np.zeros(SHAPE, dtype=np.uint8)))
    assert len(table) == 0
    assert not labels.any()


def test_each_class_has_its_own_objects():
    rng = np.random.default_rng(5)
    logits = ndimage.gaussian_filter(rng.random((3, *SHAPE)), (0, 1, 1, 1)) * 40
    softmax = np.exp(logits) / np.exp(logits).sum(axis=0)
    classes = softmax.argmax(axis=0).astype(np.uint8)
    stored = np.rint(softmax[1:] * 255).astype(np.uint8)
    images = []
    for channel in (0, 1):
        source = ClassProbability(stored, channel=channel, classes=classes, class_value=channel + 1)
        labels, _ = segment(task_for(source, threshold=0.3))
        inside = (stored[channel] / 255 > 0.3) & (classes == channel + 1)
        np.testing.assert_array_equal(labels, ndimage.label(inside)[0])
        images.append(labels)
    assert ((stored[0] / 255 > 0.3) & (stored[1] / 255 > 0.3)).any()
    assert not ((images[0] > 0) & (images[1] > 0)).any()


def test_classes_of_another_prediction_are_refused():
    with pytest.raises(InputError, match="do not belong to the same prediction"):
        ClassProbability(blobs(0), classes=np.zeros((8, 20, 23), dtype=np.uint8), class_value=1)


def test_progress_tells_what_is_done_and_what_became_durable():
    events = []
    labels, _ = segment(task_for(blobs(0), block_shape=(4, 20, 24)), events)
    told = [(event.stage, event.done, event.total) for event in events]
    assert told == [
        (Stage.COMPONENTS, 1, 2),
        (Stage.COMPONENTS, 2, 2),
        (Stage.LABELS, 1, 2),
        (Stage.LABELS, 2, 2),
    ]
    assert sum(event.box.size for event in events[2:]) == labels.size


@pytest.fixture
def stored(tmp_path):
    """A probability on disk, and what makes the sink of its labels."""
    probability = zarr.create_array(tmp_path / "p.zarr", shape=SHAPE, chunks=(4, 8, 8), dtype="uint8")
    probability[...] = blobs(9)

    def create(folder):
        def sink(dtype):
            spec = SinkSpec(
                shape=SHAPE,
                channels=0,
                dtype=dtype,
                voxel_size_nm=SIZE,
                chunk_shape=(4, 8, 8),
                block_shape=(4, 8, 16),
                kind=Kind.LABELS,
            )
            path = tmp_path / folder
            exists = (path / "labels" / "mito").exists()
            opened = (
                MultiscaleSink.open(path, "labels/mito")
                if exists
                else MultiscaleSink.create(path, "labels/mito", spec)
            )
            return opened.write

        return sink

    return probability, create, tmp_path


@pytest.mark.parametrize("steps", [1, 11, 12, 13, 20])
def test_killed_anywhere_and_run_again_gives_the_same_store(stored, steps):
    probability, create, folder = stored
    task = task_for(probability, (4, 8, 16), min_voxels=5)
    table = drive(segment_instances(task, create("once"))).table
    interrupted = segment_instances(task, create("twice"))
    for _ in range(steps):
        next(interrupted)
    interrupted.close()
    again = drive(segment_instances(task, create("twice"))).table
    once, twice = (MultiscaleSink.open(folder / name, "labels/mito").levels for name in ("once", "twice"))
    assert again.frame.equals(table.frame)
    for first, second in zip(once, twice, strict=True):
        np.testing.assert_array_equal(first[...], second[...])
    np.testing.assert_array_equal(once[0][...], oracle(probability[...], 0.5, 6, 5)[0])


@pytest.mark.parametrize("stage", [Stage.COMPONENTS, Stage.LABELS])
def test_stopping_takes_effect_before_the_next_block(stage):
    cancel = CancelToken()
    steps = segment_instances(task_for(blobs(0)), lambda dtype: lambda box, part: None, cancel)
    while next(steps).stage != stage:
        pass
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(steps)


def test_labels_are_uint64_where_ids_need_it():
    found = drive(find_objects(task_for(blobs(4))))
    objects = found.objects
    few = replace(objects.components, uint32_limit=0)
    wide = replace(found, objects=FinalObjects.of(objects.foreground, few, objects.parts, None))
    written = np.zeros(SHAPE, dtype=np.uint64)

    def write(box, part):
        assert part.dtype == np.uint64
        written[box.slices] = part

    drive(write_labels(wide, write))
    np.testing.assert_array_equal(written, oracle(blobs(4), 0.5, 6, 0)[0])
