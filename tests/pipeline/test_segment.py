"""A job from end to end: what it writes, and that it is the same however it is run."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import ndimage

from napari_nnunet_em import Job
from napari_nnunet_em.errors import Cancelled, JobMismatchError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.pipeline import load_result, run, segment
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.progress import CancelToken, Stage

BLOCKS = 5  # of 8 slices each, since the 40 slices are few


def arrays(store):
    return {
        name: zarr.open_array(store / name / "0", mode="r")[:]
        for name in ("", "labels/classes", "labels/mitochondria")
    }


def same(store, other):
    mine, theirs = arrays(store), arrays(other)
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name])
    assert (store / "tables/mitochondria.csv").read_text() == (other / "tables/mitochondria.csv").read_text()


def run_until(stop, job):
    """Ask a job to stop once `stop` says so of an event."""
    cancel = CancelToken()
    with pytest.raises(Cancelled):  # noqa: PT012 - the loop is what raises
        for event in segment(job, cancel=cancel):
            if stop(event):
                cancel.cancel()


def test_what_a_job_leaves_behind(make_job, image):
    job = make_job()
    result = run(job)
    found = arrays(job.store)
    labels, count = ndimage.label(found[""] > 0.6 * 255)
    sizes = ndimage.sum_labels(np.ones_like(labels), labels, np.arange(1, count + 1))
    kept = np.flatnonzero(sizes >= 5) + 1
    expected = np.searchsorted(kept, labels) + 1
    expected[~np.isin(labels, kept)] = 0
    np.testing.assert_array_equal(found["labels/mitochondria"], expected)
    np.testing.assert_array_equal(found["labels/classes"], found[""] > 127)
    (objects,) = result.objects
    table = pd.read_csv(objects.table)
    assert objects.count == len(table) == len(kept) > 3
    np.testing.assert_array_equal(table["voxels"], sizes[kept - 1])
    np.testing.assert_allclose(table["volume_um3"], sizes[kept - 1] * 20 * 10 * 10 * 1e-9)
    where = found["labels/mitochondria"], table["id"]
    np.testing.assert_allclose(table["mean_intensity"], ndimage.mean(image, *where))
    np.testing.assert_array_equal(table["max_intensity"], ndimage.maximum(image, *where))
    np.testing.assert_allclose(table["min_probability"], ndimage.minimum(found[""], *where) / 255)
    assert (table["surface_um2"] > 0).all()
    stored = pd.read_parquet(job.store / "tables/mitochondria/table.parquet")
    pd.testing.assert_frame_equal(stored, table, rtol=1e-14, check_dtype=False)
    assert result.voxel_size_nm == (20, 10, 10)
    assert "resolution" in result.voxel_size_source
    assert any("20 × 10 × 10 nm" in note for note in result.notes)
    assert result.voxels == labels.size
    assert result.peak_memory_bytes > 1e8
    assert result.voxels_per_second > 0
    assert load_result(job.store) == result


def test_the_store_says_what_made_it(make_job):
    job = make_job()
    run(job)
    document = json.loads((job.store / ".nnunet-em/job.json").read_text())
    assert Job.model_validate(document["job"]) == job
    assert document["versions"]["nnunetv2"]
    assert document["identity"]["model"]["folds"] == ["0"]
    attributes = zarr.open_group(job.store, mode="r").attrs.asdict()
    assert attributes["napari_nnunet_em"]["job"] == document["digest"]
    volume = open_volume(job.store)
    assert volume.voxel_size_nm == (20, 10, 10)


def test_running_again_does_nothing_twice(make_job):
    job = make_job()
    first = run(job)
    before = {p: p.stat().st_mtime_ns for p in job.store.rglob("c/*") if p.is_file()}
    stages = [e.stage for e in segment(job, make_runner=None)]
    assert Stage.LABELS not in stages
    assert {p: p.stat().st_mtime_ns for p in job.store.rglob("c/*") if p.is_file()} == before
    again = load_result(job.store)
    assert again.objects == first.objects
    assert again.voxels_per_second == first.voxels_per_second


@pytest.mark.parametrize("ram", [1e-3, 64])
def test_memory_budget_batches_and_voxel_order_do_not_change_the_answer(ram, make_job):
    job = make_job()
    run(job)
    other = make_job("other.zarr", execution={"max_ram_gb": ram, "batch_size": 3})
    run(other)
    np.testing.assert_allclose(arrays(job.store)[""].astype(int), arrays(other.store)[""].astype(int), atol=1)


@pytest.mark.parametrize("stop_after", [1, 2])
def test_stopped_and_continued_is_the_same(stop_after, make_job):
    whole, job = make_job("whole.zarr"), make_job()
    run(whole)
    done = 0

    def stop(event):
        nonlocal done
        done += event.stage is Stage.PREDICT and event.box is not None
        return done == stop_after

    run_until(stop, job)
    assert not (job.store / ".nnunet-em/result.json").exists()
    events = [e for e in segment(job) if e.stage is Stage.PREDICT]
    assert sum(e.box is not None for e in events) == BLOCKS - stop_after
    assert 0 < events[0].done < events[0].total == events[-1].done
    same(job.store, whole.store)


def test_closing_the_iterator_keeps_finished_blocks(make_job):
    job = make_job()
    events = segment(job)
    for event in events:
        if event.stage is Stage.PREDICT and event.box is not None:
            break
    events.close()
    assert len(JobFolder(job.store).finished_blocks()) == 1
    assert next(e for e in segment(job) if e.stage is Stage.PREDICT).done > 0


@pytest.mark.parametrize("stage", [Stage.COMPONENTS, Stage.LABELS])
def test_stopped_between_or_inside_passes_of_objects(stage, make_job):
    whole, job = make_job("whole.zarr"), make_job()
    run(whole)
    run_until(lambda event: event.stage is stage, job)
    run(job)
    same(job.store, whole.store)


def test_other_object_settings_do_not_predict_again(make_job):
    run(make_job())
    changed = make_job(instances={"threshold": 0.7, "min_voxels": 0})
    events = list(segment(changed))
    assert not [e for e in events if e.stage is Stage.PREDICT and e.box is not None]
    fresh = make_job("fresh.zarr", instances={"threshold": 0.7, "min_voxels": 0})
    run(fresh)
    same(changed.store, fresh.store)


def test_times_are_those_of_all_runs_whatever_ended_them(make_job):
    job = make_job()
    run_until(lambda event: event.stage is Stage.COMPONENTS, job)
    stopped = JobFolder(job.store).load("time")["seconds"]
    assert stopped > 0
    first = run(job)
    assert first.seconds > stopped
    assert first.voxels_per_second > 0
    changed = run(make_job(instances={"threshold": 0.7}))
    assert changed.seconds > first.seconds
    assert changed.voxels_per_second == first.voxels_per_second


def test_objects_can_be_left_out(make_job):
    job = make_job(instances={"enabled": False}, output={"classes": False})
    assert run(job).objects == ()
    assert not (job.store / "labels").exists()


def test_another_job_is_refused_and_named(make_job):
    job = make_job()
    run(job)
    other = make_job(prediction={"overlap": 0.25})
    with pytest.raises(JobMismatchError, match=r"prediction.overlap \(0.5 there, 0.25 now\)"):
        run(other)
    same(job.store, job.store)
    run(make_job(prediction={"overlap": 0.25}, output={"overwrite": True}))
    document = json.loads((job.store / ".nnunet-em/job.json").read_text())
    assert document["identity"]["prediction"]["overlap"] == 0.25


def test_overwriting_does_not_begin_anew_when_the_job_is_the_same(make_job):
    run(make_job())
    events = list(segment(make_job(output={"overwrite": True})))
    assert not [e for e in events if e.stage is Stage.PREDICT and e.box is not None]


def test_a_moved_output_and_input_go_on(make_job, tmp_path, image_file):
    whole = make_job("whole.zarr")
    run(whole)
    job = make_job()
    run_until(lambda event: event.box is not None, job)
    job.store.rename(tmp_path / "moved.zarr")
    image_file.rename(tmp_path / "renamed.h5")
    moved = make_job("moved.zarr", input={"path": str(tmp_path / "renamed.h5")})
    assert next(e for e in segment(moved) if e.stage is Stage.PREDICT).done > 0
    run(moved)
    same(moved.store, whole.store)


def test_a_region_is_a_part_of_the_whole(make_job, image):
    whole, job = make_job("whole.zarr"), make_job(prediction={"region": "5:33,7:50,11:66"})
    run(whole)
    run(job)
    region = Box((5, 7, 11), (33, 50, 66))
    expected = arrays(whole.store)[""][region.slices].astype(int)
    np.testing.assert_allclose(arrays(job.store)[""].astype(int), expected, atol=1)
    table = pd.read_csv(job.store / "tables/mitochondria.csv")
    first = table.iloc[0]
    assert first["bbox_z_min"] >= 5
    assert first["bbox_y_min"] >= 7
    inside = arrays(job.store)["labels/mitochondria"], table["id"]
    np.testing.assert_allclose(table["mean_intensity"], ndimage.mean(image[region.slices], *inside))
    multiscales = zarr.open_group(job.store, mode="r").attrs["ome"]["multiscales"][0]
    transforms = multiscales["datasets"][0]["coordinateTransformations"]
    assert transforms[1]["translation"] == [100, 70, 110]


@pytest.mark.parametrize("kind", ["uint8", "float16", "float32"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_stored_types_and_versions(kind, version, make_job):
    job = make_job(output={"probability_type": kind, "ome_zarr_version": version})
    result = run(job)
    stored = zarr.open_array(job.store / "0", mode="r")
    assert stored.dtype == kind
    assert stored.metadata.zarr_format == (2 if version == "0.4" else 3)
    assert result.objects[0].count > 0


def test_several_exclusive_classes_and_regions(make_job, tmp_path):
    from napari_nnunet_em.testing.tiny_models import make_model_folder

    labels = {"background": 0, "cell": 1, "classes": 2}
    folder = make_model_folder(tmp_path / "several", labels=labels)
    job = make_job(
        model={"path": str(folder)},
        output={"classes": False},
        instances={"threshold": 0.01, "min_voxels": 0},
    )
    result = run(job)
    assert [o.name for o in result.objects] == ["cell", "classes"]
    cell, other = (zarr.open_array(o.labels / "0", mode="r")[:] for o in result.objects)
    assert result.objects[1].labels.name == "classes_objects"
    assert not ((cell > 0) & (other > 0)).any()
    assert zarr.open_array(job.store / "0", mode="r").shape[0] == 2
    regions = {"background": 0, "cell": (1, 2), "mito?chondria": 2}
    folder = make_model_folder(tmp_path / "regions", labels=regions, regions_class_order=(1, 2))
    job = make_job("regions.zarr", model={"path": str(folder)})
    assert [o.labels.name for o in run(job).objects] == ["cell", "mito_chondria"]


@pytest.mark.parametrize("kind", [np.float32, np.uint32])
def test_voxels_that_are_no_small_integers_are_measured(make_job, image, kind):
    raw = (image * 3.7 - (200 if kind == np.float32 else 0)).astype(kind)
    job = make_job(input={"path": "a layer", "voxel_size_nm": (20, 10, 10)})
    run(job, volume=open_volume(raw))
    table = pd.read_csv(job.store / "tables/mitochondria.csv")
    expected = ndimage.mean(raw, arrays(job.store)["labels/mitochondria"], table["id"])
    np.testing.assert_allclose(table["mean_intensity"], expected, atol=1e-4)


def test_a_volume_in_memory(make_job, memory_volume, image):
    from_file, from_memory = make_job("file.zarr"), make_job(input={"path": "a layer"})
    run(from_file)
    run(from_memory, volume=memory_volume)
    same(from_file.store, from_memory.store)
    again = make_job("given.zarr", input={"path": "a layer", "voxel_size_nm": (30, 10, 10)})
    assert run(again, volume=open_volume(image)).voxel_size_nm == (30, 10, 10)
