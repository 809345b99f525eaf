"""The streaming comparison equals the one in memory, and says what it took for what."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_nnunet_em.errors import Cancelled, InputError, OutputError, SettingsError
from napari_nnunet_em.evaluation import (
    ComparisonSettings,
    LabelImage,
    blockwise,
    counting,
    evaluate,
    evaluate_instances,
    evaluate_masks,
    evaluation_document,
    open_labels,
    write_objects,
)
from napari_nnunet_em.evaluation.blockwise import block_shape
from napari_nnunet_em.evaluation.comparing import compare
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec, open_volume
from napari_nnunet_em.progress import CancelToken, Stage

from .test_scores import label_images

SIZE = (40.0, 8.0, 8.0)


def image(array, chunks=None, **placed) -> LabelImage:
    source = da.from_array(array, chunks=chunks) if chunks else array
    return LabelImage(replace(open_volume(source), **placed))


def settings(**values) -> ComparisonSettings:
    return ComparisonSettings(**values)


def said(evaluation, word: str) -> str:
    return next(note for note in evaluation.notes if word in note)


@given(
    st.integers(0, 2**16),
    st.tuples(*[st.integers(1, 12)] * 3),
    st.tuples(*[st.integers(1, 12)] * 3),
    st.integers(20, 400),
)
def test_streaming_equals_memory_for_any_blocks(seed, ours, theirs, voxels):
    pred, truth = label_images(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockwise, "BLOCK_VOXELS", voxels)
        found = evaluate(image(pred, ours), image(truth, theirs), settings(relabel="never", iou=0.25))
    assert found.masks["foreground"] == evaluate_masks(pred, truth)
    assert found.objects.matched == evaluate_instances(pred, truth, iou=0.25)
    for scores in found.objects.thresholds:
        assert scores == evaluate_instances(pred, truth, iou=scores.iou_threshold)
    mean = np.mean([scores.accuracy for scores in found.objects.thresholds])
    assert found.objects.mean_accuracy == pytest.approx(mean)
    assert found.voxels == pred.size
    assert found.notes == ()


@given(
    st.integers(0, 2**16), st.sampled_from([1, 255, True]), st.sampled_from([6, 18, 26]), st.integers(0, 9)
)
def test_the_components_of_a_mask_are_scipys(seed, value, connectivity, min_voxels):
    pred, mask = label_images(seed)
    mask = mask > 0
    truth, count = ndimage.label(
        mask, ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    )
    stored = mask if value is True else mask.astype(np.uint8) * value
    wanted = settings(connectivity=connectivity, min_voxels=min_voxels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockwise, "BLOCK_VOXELS", 50)
        pred[0, 0, 0] = 77  # surely no mask
        found = evaluate(image(pred), image(stored, (2, 5, 3)), wanted)
    expected = evaluate(image(pred), image(truth), wanted.model_copy(update={"relabel": "never"}))
    assert found.objects.matched == expected.objects.matched
    assert found.objects.variation.total == pytest.approx(expected.objects.variation.total)
    assert f"the {count} connected components (connectivity {connectivity})" in said(found, "truth is a mask")
    pd.testing.assert_frame_equal(found.objects.table, expected.objects.table, check_dtype=False)


@pytest.mark.parametrize(
    ("pred_type", "truth_type", "first", "expected"),
    [
        (np.uint32, np.int32, 1, "Int64"),  # pandas alone would make floats of these two
        (np.uint64, np.uint64, 2**63, "UInt64"),
    ],
)
def test_ids_are_whole_numbers_whatever_types_the_labels_have(pred_type, truth_type, first, expected) -> None:
    pred, truth = np.zeros((1, 4, 8), pred_type), np.zeros((1, 4, 8), truth_type)
    pred[0, 1:3, 1:3], truth[0, 1:3, 1:3] = first, 5
    truth[0, 1:3, 5:7] = 7
    table = evaluate(image(pred), image(truth), settings(relabel="never")).objects.table
    assert {str(table[name].dtype) for name in ("id", "matched_id", "best_id")} == {expected}
    assert table["id"].tolist() == [first, 5, 7]
    assert table["matched_id"].fillna(0).tolist() == [5, first, 0]


def two_halves(dtype=np.uint8):
    """Two blobs with one number."""
    labels = np.zeros((2, 6, 6), dtype)
    labels[:, :2], labels[:, 4:] = 1, 1
    return labels


def test_what_is_taken_for_a_mask_can_be_said():
    ids = two_halves() * 5
    auto = evaluate(image(ids), image(two_halves()))
    assert (auto.objects.matched.false_positives, auto.objects.matched.false_negatives) == (1, 2)
    never = evaluate(image(two_halves()), image(two_halves()), settings(relabel="never"))
    assert never.objects.matched.true_positives == 1
    always = evaluate(image(ids), image(ids), settings(relabel="always"))
    assert always.objects.matched.true_positives == 2
    assert len(always.notes) == 2
    # An output of segment holds objects, also where it holds but one.
    known = replace(image(two_halves()), objects=True)
    assert evaluate(known, image(two_halves())).objects.matched.false_positives == 1


def test_floats_serve_as_a_mask_and_not_as_labels():
    mask = two_halves(np.float32)
    assert evaluate(image(mask), image(mask)).objects.matched.true_positives == 2
    for broken in (mask * 0.5, mask * np.nan, mask * 1.5):
        with pytest.raises(InputError, match="holds float32, which cannot be labels"):
            evaluate(image(broken), image(two_halves()))
    with pytest.raises(InputError, match="cannot be labels"):
        evaluate(image(mask), image(two_halves()), settings(relabel="never"))


def test_one_value_of_many_is_a_mask_of_its_own():
    truth = two_halves() * 3
    truth[:, 2:4] = 2
    found = evaluate(image(two_halves()), image(truth), settings(truth_value=3))
    assert found.objects.matched.f1 == found.masks["foreground"].dice == 1
    assert "was taken for a mask where it is 3: the 2 connected" in said(found, "truth")
    whole = evaluate(image(truth), image(truth), settings(pred_value=2, truth_value=2, relabel="never"))
    assert (whole.objects.matched.true_positives, whole.masks["foreground"].true_positives) == (1, 24)
    with pytest.raises(ValueError, match="scores every class"):
        settings(meaning="classes", truth_value=3)


@pytest.mark.parametrize("relabel", ["auto", "never"])
def test_ignored_voxels_count_nowhere(relabel):
    truth = two_halves()
    truth[:, 4:] = 255
    pred = two_halves()
    found = evaluate(image(pred), image(truth), settings(ignore="255", relabel=relabel))
    assert found.masks["foreground"].dice == 1
    assert found.objects.matched.f1 == 1
    assert found.voxels == 48
    assert "24 of 72 voxels were left out" in said(found, "left out")
    assert evaluate(image(pred), image(truth), settings(relabel="never")).masks["foreground"].dice == 1
    masked = evaluate(
        image(pred), image(truth), settings(ignore=255, relabel="never", truth_value=1, pred_value=1)
    )
    assert (masked.voxels, masked.objects.matched.f1) == (48, 1)


def test_classes_are_scored_for_themselves():
    truth = two_halves()
    truth[:, 4:] = 2
    pred = truth.copy()
    pred[:, 5:] = 3
    found = evaluate(image(pred), image(truth), settings(meaning="classes"))
    assert found.objects is None
    assert {name: scores.iou for name, scores in found.masks.items()} == {"1": 1.0, "2": 0.5, "3": 0.0}
    assert evaluation_document(found)["objects"] is None


def test_every_object_is_in_the_table_with_its_partner(tmp_path: Path):
    pred, truth = label_images(11, shape=(6, 20, 20), objects=15)
    found = evaluate(image(pred), image(truth), settings(relabel="never"))
    table = found.objects.table
    matched = found.objects.matched
    ids = {name: np.unique(a[a > 0]).tolist() for name, a in (("pred", pred), ("truth", truth))}
    for name, array, other in (("pred", pred, truth), ("truth", truth, pred)):
        rows = table[table["image"] == name]
        assert rows["id"].tolist() == ids[name]
        for row in rows.itertuples():
            mine = array == row.id
            assert row.voxels == mine.sum()
            centroid = (row.centroid_z, row.centroid_y, row.centroid_x)
            assert centroid == pytest.approx(ndimage.center_of_mass(mine))
            met = [i for i in np.unique(other[mine]) if i]
            ious = [(mine & (other == i)).sum() / (mine | (other == i)).sum() for i in met]
            assert pd.isna(row.best_id) == (not met)
            if met:
                assert row.best_iou == max(ious)
                assert row.best_id == met[int(np.argmax(ious))]
            assert pd.isna(row.matched_id) == (not met or max(ious) <= 0.5)
    pairs = table[table["image"] == "pred"].dropna(subset="matched_id")
    assert pairs["matched_id"].tolist() == matched.matched_truth_ids.tolist()
    write_objects(table, tmp_path / "objects.csv")
    again = pd.read_csv(
        tmp_path / "objects.csv", dtype={"id": "Int64", "matched_id": "Int64", "best_id": "Int64"}
    )
    again["image"] = again["image"].astype(table["image"].dtype)
    pd.testing.assert_frame_equal(again, table, check_dtype=False)
    with pytest.raises(OutputError, match="could not be written"):
        write_objects(table, tmp_path / "nowhere" / "objects.csv")
    assert list(tmp_path.iterdir()) == [tmp_path / "objects.csv"]


def test_a_region_is_the_same_part_of_both():
    pred, truth = label_images(3, shape=(6, 20, 20))
    region = Box((1, 2, 3), (5, 17, 18))
    found = evaluate(image(pred), image(truth), settings(region=str(region), relabel="never"))
    assert found.objects.matched == evaluate_instances(pred[region.slices], truth[region.slices])
    assert f"Only the part {region} of the truth" in said(found, "part")
    cut = image(pred[region.slices])
    again = evaluate(cut, image(truth), settings(region=region, relabel="never"))
    assert again.objects.matched == found.objects.matched
    assert "was taken to be the region" in said(again, "region")
    pd.testing.assert_frame_equal(again.objects.table, found.objects.table)
    told = evaluate(cut, image(truth), settings(offset="1,2,3", relabel="never"))
    assert told.objects.matched == found.objects.matched
    for outside in ("0:7,0:20,0:20", "2:2,0:20,0:20"):
        with pytest.raises(SettingsError, match="does not lie inside the truth of 6 × 20 × 20"):
            evaluate(image(pred), image(truth), settings(region=outside))
    with pytest.raises(InputError, match="no voxel in common"):
        evaluate(image(pred), image(truth), settings(offset="0,0,20"))
    with pytest.raises(InputError, match=r"nothing says where it begins; give --offset"):
        evaluate(cut, image(truth))


def test_places_that_both_images_state_are_followed():
    pred, truth = label_images(4, shape=(6, 20, 20))
    region = Box((1, 2, 3), (5, 20, 18))
    placed = {"voxel_size_nm": SIZE, "origin_nm": (1040.0, 16.0, 24.0)}
    whole = image(truth, voxel_size_nm=SIZE, origin_nm=(1000.0, 0.0, 0.0))
    found = evaluate(image(pred[region.slices], **placed), whole, settings(relabel="never"))
    assert found.placement.truth == region
    assert found.objects.matched == evaluate_instances(pred[region.slices], truth[region.slices])
    assert "begins at voxel 1,2,3" in said(found, "both state")
    shifted = image(pred[region.slices], **placed | {"origin_nm": (1040.0, 18.0, 24.0)})
    with pytest.raises(InputError, match=r"voxel 1,2\.25,3 of the truth, which is not a whole one"):
        evaluate(shifted, whole)
    # Without a place of the truth, the message says what the prediction knows.
    with pytest.raises(InputError, match="say at voxel 26,2,3 of the volume"):
        evaluate(image(pred[region.slices], **placed), image(truth))
    # Where the sizes of voxels differ, places in nm mean nothing.
    other = image(truth, voxel_size_nm=(50.0, 8.0, 8.0), origin_nm=(1000.0, 0.0, 0.0))
    with pytest.raises(InputError, match="nothing says where"):
        evaluate(image(pred[region.slices], **placed), other)


def test_equal_shapes_are_compared_voxel_by_voxel_and_doubts_are_said():
    pred, truth = label_images(4)
    one = image(pred, voxel_size_nm=SIZE, origin_nm=(0.0, 0.0, 0.0))
    other = image(truth, voxel_size_nm=SIZE, origin_nm=(0.0, 80.0, 0.0))
    found = evaluate(one, other, settings(relabel="never"))
    assert found.objects.matched == evaluate_instances(pred, truth)
    assert "place them 0,-10,0 voxels" in said(found, "equal")
    larger = image(truth, voxel_size_nm=(40.0, 8.1, 8.0))
    assert "40 × 8 × 8 nm in the prediction and 40 × 8.1 × 8 nm" in said(
        evaluate(one, larger), "sizes differ"
    )
    assert not evaluate(one, image(truth), settings(relabel="never")).notes


def label_store(path: Path, labels, origin_nm=(0.0, 0.0, 0.0), names=("mitochondria",)):
    """A store as segment writes it: an image with labels below."""
    spec = SinkSpec(
        shape=labels.shape,
        dtype=np.uint8,
        voxel_size_nm=SIZE,
        chunk_shape=labels.shape,
        block_shape=labels.shape,
        origin_nm=origin_nm,
    )
    MultiscaleSink.create(path, "", spec).write(Box.whole(labels.shape), (labels > 0).astype(np.uint8))
    for name in names:
        sink = MultiscaleSink.create(path, f"labels/{name}", replace(spec, kind=Kind.LABELS, dtype=np.uint32))
        sink.write(Box.whole(labels.shape), labels.astype(np.uint32) + (name == "classes"))
    return path


def test_the_labels_of_a_store_are_meant_and_placed(tmp_path: Path):
    pred, truth = label_images(4, shape=(6, 20, 20))
    region = Box((1, 2, 3), (5, 20, 18))
    store = label_store(tmp_path / "out.zarr", pred[region.slices], (40.0, 16.0, 24.0), ("mito", "classes"))
    whole = label_store(tmp_path / "truth.zarr", truth, names=("truth",))
    with pytest.raises(InputError, match=r"2 label images .*\(classes, mito\): name one with --class"):
        open_labels(store)
    (store / ".nnunet-em" / "job.json").write_text("{}")
    opened = open_labels(store)
    assert (opened.name, opened.objects) == ("mito", True)
    found = evaluate(opened, open_labels(whole))
    assert found.objects.matched == evaluate_instances(pred[region.slices], truth[region.slices])
    assert set(found.masks) == {"truth"}
    classes = open_labels(store, meaning=settings(meaning="classes").meaning)
    assert (classes.name, classes.objects) == ("classes", False)
    assert open_labels(store, class_name="classes").objects is False
    with pytest.raises(InputError, match="holds no labels 'nucleus'; it holds classes, mito"):
        open_labels(store, class_name="nucleus")
    level = open_labels(store / "labels" / "mito" / "0")
    assert level.volume.origin_nm == (40.0, 16.0, 24.0)
    (whole / "labels" / "zarr.json").write_text("{")
    assert open_labels(whole).volume.shape == truth.shape


def test_ome_zarr_04_and_transformations_of_the_whole_place_an_image(tmp_path: Path):
    group = zarr.open_group(tmp_path / "old.zarr", mode="w", zarr_format=2)
    group.create_array("0", shape=(2, 3, 4), dtype="uint8", chunks=(2, 3, 4))
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    own = [
        {"type": "scale", "scale": [0.04, 0.008, 0.008]},
        {"type": "translation", "translation": [0.4, 0.0, 0.08]},
    ]
    whole = [{"type": "scale", "scale": [2, 1, 1]}, {"type": "translation", "translation": [1, 0, 0]}]
    group.attrs["multiscales"] = [
        {
            "version": "0.4",
            "axes": axes,
            "datasets": [{"path": "0", "coordinateTransformations": own}],
            "coordinateTransformations": whole,
        }
    ]
    volume = open_volume(tmp_path / "old.zarr")
    assert volume.voxel_size_nm == pytest.approx((80, 8, 8))
    assert volume.origin_nm == pytest.approx((1800, 0, 80))
    group.attrs["multiscales"] = [
        {
            "version": "0.4",
            "axes": axes,
            "datasets": [{"path": "0", "coordinateTransformations": own[:1]}],
        }
    ]
    assert open_volume(tmp_path / "old.zarr").origin_nm == (0, 0, 0)
    assert open_volume(np.zeros((2, 3, 4), np.uint8)).origin_nm is None


def test_channels_are_refused():
    with pytest.raises(InputError, match="has 2 channels, but labels have one"):
        evaluate(image(np.zeros((2, 3, 4, 5), np.uint8)), image(np.zeros((3, 4, 5), np.uint8)))


def test_stopping_takes_effect_before_the_next_block(monkeypatch):
    monkeypatch.setattr(blockwise, "BLOCK_VOXELS", 20)
    pred, truth = label_images(1)
    token = CancelToken()
    steps = compare(image(pred), image(truth), settings(relabel="never"), token)
    first = next(steps)
    assert first.stage is Stage.COMPARE
    assert first.done == 1 < first.total
    token.cancel()
    with pytest.raises(Cancelled):
        list(steps)


def test_blocks_follow_chunks_and_stay_small():
    assert block_shape((1000, 4096, 4096), (16, 256, 256), (16, 256, 256)) == (16, 256, 1024)
    assert block_shape((10, 100, 100), (1, 100, 100), (10, 50, 50)) == (10, 100, 100)
    assert block_shape((1000, 30_000, 30_000), (1, 30_000, 30_000), (1, 1, 30_000)) == (1, 2142, 30_000)
    assert block_shape((7, 10**6, 10**6), (7, 10**6, 10**6), (1, 1, 1))[0] == 1


class Planks:
    """Bars without end along z, made where they are read; the second image is moved a little."""

    dtype = np.dtype(np.uint32)
    chunks = (16, 64, 64)

    def __init__(self, shape, shift):
        self.shape, self.shift = shape, shift

    def __getitem__(self, key):
        z, y, x = np.ogrid[key]
        bars = ((y + self.shift) // 16 * 4 + x // 16 + 1) * ((y % 16 < 10) & (x % 16 < 10))
        return np.broadcast_to(bars, (z.shape[0], *bars.shape[1:])).astype(np.uint32)


def peak_bytes(shape):
    pair = [LabelImage(open_volume(Planks(shape, shift), axes="zyx")) for shift in (0, 3)]
    tracemalloc.start()
    try:
        found = evaluate(*pair)
        return tracemalloc.get_traced_memory()[1], found
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_voxels(monkeypatch):
    monkeypatch.setattr(blockwise, "BLOCK_VOXELS", 1 << 16)
    monkeypatch.setattr(counting, "_PENDING_ROWS", 100)
    evaluate_masks(np.ones(3), np.ones(3))  # MONAI is imported
    monkeypatch.setattr(blockwise.os, "cpu_count", lambda: 1)
    small, few = peak_bytes((256, 64, 64))
    large, many = peak_bytes((2560, 64, 64))
    assert large < 1.3 * small
    assert many.voxels == 10 * few.voxels
    assert many.objects.matched.true_positives == few.objects.matched.true_positives > 0


def test_the_document_is_strict_json():
    nothing = image(np.zeros((2, 3, 4), np.uint8))
    document = evaluation_document(evaluate(nothing, nothing))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["objects"]["adapted_rand"] == {"error": None, "precision": None, "recall": None}
    assert document["objects"]["mean_accuracy"] == 1
    assert document["masks"]["foreground"]["dice"] == 1


def test_scores_of_the_sbem_truth_against_itself_moved(shared_dir: Path):
    path = shared_dir / "data" / "sbem_mito" / "val_z050-059_mito.tif"
    mask = tifffile.imread(path) > 0
    moved = np.roll(mask, 2, axis=2)
    truth, count = ndimage.label(mask)
    pred, _ = ndimage.label(moved)
    found = evaluate(image(moved.astype(np.uint8) * 255), open_labels(path))
    assert found.objects.matched == evaluate_instances(pred, truth)
    assert len(found.objects.matched.matched_iou) <= count
