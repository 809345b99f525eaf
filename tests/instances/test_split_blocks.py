"""Splitting a volume: the same labels for any blocks, after a kill, and for objects larger than memory."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_nnunet_em.config import Connectivity, InstanceSettings
from napari_nnunet_em.errors import Cancelled, OutputError, SettingsError
from napari_nnunet_em.evaluation import evaluate_instances
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.instances import ClassProbability, InstanceTask, Placement, find_objects, split_object
from napari_nnunet_em.instances.splitting import large as large_objects
from napari_nnunet_em.instances.splitting.split import in_raster_order
from napari_nnunet_em.instances.splitting.store import PartStore, UnitParts
from napari_nnunet_em.progress import CancelToken, Stage

WHOLE = {"split": "distance", "min_voxels": 64}


def stored(truth, noise=0.12, seed=0):
    """A network's view of a truth: soft borders, noise, and holes."""
    rng = np.random.default_rng(seed)
    soft = ndimage.gaussian_filter((truth > 0).astype(np.float32), (0.4, 0.8, 0.8))
    soft += noise * ndimage.gaussian_filter(rng.standard_normal(truth.shape), 0.8)
    return np.rint(np.clip(soft, 0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("grid", "settings"),
    [
        ("isotropic", {"split": "distance"}),
        ("anisotropic", {"split": "distance", "drop_border": True, "max_voxels": 30_000}),
        ("image", {"split": "distance", "fill_holes": "slices", "smooth_nm": 10.0}),
        (
            "anisotropic",
            {"split": "probability", "split_strength": 0.9, "connectivity": Connectivity.CORNERS},
        ),
        ("image", {"split": "probability", "threshold_high": 0.95}),
        ("anisotropic", {"split": "h-maxima", "split_depth_nm": 30.0, "smooth_nm": 10.0}),
        ("isotropic", {"split": "distance", "fill_holes": "3d", "connectivity": Connectivity.EDGES}),
        ("anisotropic", {"split": "distance", "fill_holes": "slices", "smooth_nm": 10.0, "open_nm": 16.0}),
        ("anisotropic", {"split": "distance", "split_memory_gb": 0.003, "fill_holes": "slices"}),
        ("isotropic", {"fill_holes": "3d", "drop_border": True, "max_voxels": 30_000}),
    ],
    ids=lambda s: s if isinstance(s, str) else "-".join(str(v) for v in s.values()),
)
def test_five_layouts_of_blocks_give_the_same_labels(segmented, touching, layouts, grid, settings):
    truth, size = touching(grid)
    probability = stored(truth)
    first = None
    for block_shape in layouts(truth.shape):
        labels, found = segmented(probability, block_shape, size, min_voxels=64, **settings)
        frame = found.table.frame
        assert labels.max() == len(frame)
        np.testing.assert_array_equal(labels, in_raster_order(labels.astype(np.int64)))
        np.testing.assert_array_equal(np.bincount(labels.ravel())[1:], frame["voxels"])
        if first is None:
            first = labels, found
        np.testing.assert_array_equal(labels, first[0])
        assert frame.equals(first[1].table.frame)
        assert found.in_blocks == first[1].in_blocks


@pytest.mark.parametrize("grid", ["isotropic", "anisotropic", "image"])
def test_a_job_splits_what_the_function_splits(segmented, touching, layouts, grid):
    truth, size = touching(grid)
    probability = stored(truth)
    asked = InstanceSettings(**WHOLE)
    job, _ = segmented(probability, layouts(truth.shape)[1], size, **WHOLE)
    alone = split_object(probability > 127, probability, asked, size)
    sizes = np.bincount(alone.ravel())
    sizes[0] = 0
    np.testing.assert_array_equal(job, in_raster_order(np.where(sizes[alone] >= 64, alone, 0)))


def test_the_table_measures_parts_not_components(segmented, touching):
    truth, size = touching("anisotropic")
    probability = stored(truth)
    labels, found = segmented(probability, (11, 60, 70), size, **WHOLE)
    frame = found.table.frame
    assert len(frame) > (np.bincount(ndimage.label(probability > 127)[0].ravel())[1:] >= 64).sum()
    middle = np.array(ndimage.center_of_mass(labels > 0, labels, frame["id"]))
    np.testing.assert_allclose(frame[[f"centroid_{a}_nm" for a in "zyx"]], middle * size, rtol=1e-9)
    mean = ndimage.mean(probability / 255, labels, frame["id"])
    np.testing.assert_allclose(frame["mean_probability"], mean, rtol=1e-9)
    for number, found_at in enumerate(ndimage.find_objects(labels.astype(np.int64))):
        row = frame.iloc[number]
        assert [row[f"bbox_{a}_min"] for a in "zyx"] == [s.start for s in found_at]
        assert [row[f"bbox_{a}_max"] for a in "zyx"] == [s.stop for s in found_at]


def test_size_and_border_are_those_of_parts(segmented):
    mask = np.zeros((20, 20, 50), dtype=bool)
    axes = np.ogrid[:20, :20, :50]
    for centre in (6, 20, 34):
        mask |= sum((a - c) ** 2 for a, c in zip(axes, (10, 10, centre), strict=True)) <= 64
    mask[:, :, :1] = mask[:, :, 1:2]  # the first ball is cut by the border
    probability = (mask * 255).astype(np.uint8)
    size = (10.0, 10.0, 10.0)
    parts, _ = segmented(probability, (20, 9, 17), size, split="distance")
    assert parts.max() == 3
    inner, found = segmented(probability, (20, 9, 17), size, split="distance", drop_border=True)
    np.testing.assert_array_equal(inner, np.maximum(parts.astype(int) - 1, 0))
    assert len(found.table) == 2
    voxels = np.bincount(parts.ravel())
    limit = int(voxels[1:].max()) - 1
    small, _ = segmented(probability, (20, 9, 17), size, split="distance", max_voxels=limit)
    keep = voxels <= limit
    keep[0] = False
    np.testing.assert_array_equal(small, np.where(keep, np.cumsum(keep), 0)[parts])
    whole, _ = segmented(probability, (20, 9, 17), size, max_voxels=limit)
    assert not whole.any()


@pytest.mark.parametrize("stop_after", [0, 3, 6, 8, 10, 12, 14, 20])
def test_killed_anywhere_and_run_again_gives_the_same_labels(segmented, touching, tmp_path, stop_after):
    truth, size = touching("anisotropic")
    probability = stored(truth)
    settings = {**WHOLE, "fill_holes": "3d", "split_memory_gb": 0.01}
    block_shape = (20, 88, 88)
    expected, first = segmented(probability, block_shape, size, **settings)
    segmented(probability, block_shape, size, tmp_path, stop_after, **settings)
    labels, again = segmented(probability, block_shape, size, tmp_path, **settings)
    np.testing.assert_array_equal(labels, expected)
    assert again.table.frame.equals(first.table.frame)
    assert again.in_blocks == first.in_blocks > 0


def test_finished_units_are_not_done_again(segmented, touching, tmp_path, monkeypatch):
    truth, size = touching("anisotropic")
    probability = stored(truth)
    expected, _ = segmented(probability, (20, 88, 88), size, tmp_path, **WHOLE)

    def refuse(*_):
        raise AssertionError("an object was split again")

    monkeypatch.setattr("napari_nnunet_em.instances.splitting.run.split_piece", refuse)
    again, _ = segmented(probability, (20, 88, 88), size, tmp_path, **WHOLE)
    np.testing.assert_array_equal(again, expected)
    with pytest.raises(AssertionError, match="split again"):
        segmented(probability, (20, 88, 88), size, tmp_path, **{**WHOLE, "split_strength": 0.6})


def test_a_unit_is_there_whole_or_not_at_all(tmp_path):
    key = {"settings": 1}
    store = PartStore(tmp_path / "parts", key)
    labels = np.array([[[0, 1, 1, 2]]], dtype=np.int32)
    unit = UnitParts((1, 4, 9))
    unit.add_object(3, Box((0, 2, 5), (1, 3, 9)), labels)
    store.save("block-0", unit)
    (store.folder / "block-1.parts").write_bytes(b"cut short by a kill")
    again = PartStore(tmp_path / "parts", key)
    assert again.has("block-0")
    assert not again.has("block-1")
    parts = again.load(["block-0"])
    # The second one touches the border at x 8; along z, a single slice has none.
    assert parts.parts.tolist() == [[3, 24, 2, 0], [3, 26, 1, 1]]
    box, found = parts.read(int(parts.meeting(Box((0, 0, 8), (1, 4, 9)))[0]))
    assert str(box) == "0:1,2:3,5:9"
    assert found.tolist() == [[[0, 1, 1, 2]]]
    assert parts.meeting(Box((0, 0, 0), (1, 2, 9))).size == 0
    assert not PartStore(tmp_path / "parts", {"settings": 2}).has("block-0")


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "parts").write_text("a file, not a folder")
    with pytest.raises(OutputError, match="could not be kept"):
        PartStore(tmp_path / "parts", {})


def test_stopping_takes_effect_between_objects(touching):
    truth, size = touching("anisotropic")
    for settings in (WHOLE, {**WHOLE, "split_memory_gb": 0.003}):
        task = InstanceTask(
            ClassProbability(stored(truth)), InstanceSettings(**settings), Placement(size), truth.shape
        )
        cancel = CancelToken()
        steps = find_objects(task, cancel)
        assert next(steps).stage is Stage.COMPONENTS
        cancel.cancel()
        with pytest.raises(Cancelled):
            next(steps)


def test_objects_beyond_the_budget_are_counted_and_nearly_as_if_split_whole(segmented, touching, layouts):
    truth, size = touching("anisotropic")
    probability = ((truth > 0) * 255).astype(np.uint8)
    block_shape = layouts(truth.shape)[1]
    whole, exact = segmented(probability, block_shape, size, **WHOLE)
    labels, found = segmented(probability, block_shape, size, **WHOLE, split_memory_gb=0.008)
    assert exact.in_blocks == 0
    assert exact.notes == ()
    boxes = ndimage.find_objects(ndimage.label(truth > 0)[0])
    grown = [
        [(max(s.start - 1, 0), min(s.stop + 1, n)) for s, n in zip(b, truth.shape, strict=True)]
        for b in boxes
    ]
    limit = large_objects.most_voxels(0.008)
    large = sum(np.prod([b - a for a, b in box]) > limit for box in grown)
    assert found.in_blocks == large > 1
    assert f"{large} objects are too large to be split or filled whole within 0.008 GB" in found.notes[0]
    np.testing.assert_array_equal(labels > 0, whole > 0)
    assert evaluate_instances(labels, whole).f1 > 0.9


def test_filling_alone_keeps_a_large_object_in_one_piece(segmented):
    ring = np.zeros((20, 60, 60), dtype=bool)
    ring[2:18, 5:55, 5:55] = True
    ring[6:14, 20:26, 20:26] = False
    probability = (ring * 255).astype(np.uint8)
    for block_shape in ((20, 60, 60), (7, 23, 60)):
        labels, found = segmented(probability, block_shape, fill_holes="3d", split_memory_gb=0.002)
        assert found.in_blocks == 1
        np.testing.assert_array_equal(labels, ndimage.binary_fill_holes(ring))


@pytest.mark.parametrize("volume", [(1, 5000, 5000), (40, 3000, 3000), (2000, 2000, 2000), (3, 7, 9)])
def test_blocks_of_large_objects_fit_the_budget(volume):
    limit = large_objects.most_voxels(0.2)
    assert limit * large_objects.BYTES_PER_VOXEL <= 0.2e9
    side = large_objects.block_shape(volume, limit)
    held = [min(s + 2 * (s // 4), n) for s, n in zip(side, volume, strict=True)]
    assert np.prod(held) <= limit
    assert all(s <= n for s, n in zip(side, volume, strict=True))
    assert np.prod(held) > 0.4 * min(limit, np.prod(volume))


def test_splitting_needs_a_voxel_size_and_a_boundary_class(segmented):
    with pytest.raises(SettingsError, match="voxel size is unknown"):
        segmented(np.zeros((3, 4, 5), np.uint8), (3, 4, 5), None, split="distance")
    with pytest.raises(SettingsError, match="no boundary class"):
        segmented(np.zeros((3, 4, 5), np.uint8), (3, 4, 5), split="boundary")


def test_boundaries_come_from_their_channel(segmented):
    mask = np.zeros((8, 20, 50), dtype=bool)
    mask[1:-1, 2:-2, 2:-2] = True
    stack = np.zeros((2, *mask.shape), dtype=np.uint8)
    stack[0] = mask * np.uint8(250)
    stack[1, :, :, 24:26] = 140
    source = ClassProbability(stack, channel=0, boundary=1)
    results = [segmented(source, b, split="boundary", min_voxels=8)[0] for b in [(8, 20, 50), (3, 7, 11)]]
    np.testing.assert_array_equal(results[0], results[1])
    assert results[0].max() == 2
    assert set(np.unique(results[0][:, :, :24])) == {0, 1}
    assert set(np.unique(results[0][:, :, 26:])) == {0, 2}
