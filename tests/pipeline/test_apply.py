"""Objects of a stored probability: ours with new settings and no prediction, any other in a new output."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from scipy import ndimage

from napari_nnunet_em.config import InstanceSettings, SplitMethod
from napari_nnunet_em.errors import Cancelled, InputError, JobMismatchError, OutputError, SettingsError
from napari_nnunet_em.instances import InstanceTask, Placement, segment_instances
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.measurement import ObjectTable
from napari_nnunet_em.pipeline import load_result, run, segment
from napari_nnunet_em.pipeline.apply import apply_objects
from napari_nnunet_em.pipeline.label_job import LabelJob, volume_probability
from napari_nnunet_em.pipeline.labelling import label_probability
from napari_nnunet_em.pipeline.stored import stored_class
from napari_nnunet_em.progress import CancelToken, Stage
from napari_nnunet_em.testing.tiny_models import make_model_folder

SIZE = (40.0, 8.0, 8.0)


def blobs(seed: int, shape=(70, 40, 44)) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 2)
    return np.rint(255 * (noise - noise.min()) / np.ptp(noise)).astype(np.uint8)


def job_for(probability, store: Path, size=SIZE, **settings) -> LabelJob:
    volume = open_volume(probability, voxel_size_nm=size)
    return LabelJob(volume, InstanceSettings(**settings), store)


def test_a_foreign_probability_becomes_labels_and_a_table(tmp_path: Path) -> None:
    probability = blobs(0)
    store = tmp_path / "objects.zarr"
    events = list(label_probability(job_for(probability, store, threshold=0.6, min_voxels=30)))
    assert events[-1].stage is Stage.FINISHED
    expected, _ = ndimage.label(probability / 255 > 0.6)
    keep = np.bincount(expected.ravel()) >= 30
    keep[0] = False
    (found,) = load_result(store).objects
    labels = zarr.open_group(found.labels, mode="r")
    np.testing.assert_array_equal(labels["0"][...], np.where(keep, np.cumsum(keep), 0)[expected])
    assert found.count == np.count_nonzero(keep) == len(ObjectTable.read(found.table).frame)
    assert labels.attrs["napari_nnunet_em"]["instances"]["threshold"] == 0.6
    np.testing.assert_array_equal(zarr.open_array(store / "0", mode="r")[...], labels["0"][...] > 0)

    # The same probability with other settings takes the place of what was there; another one is refused.
    list(label_probability(job_for(probability, store, threshold=0.5, min_voxels=30, split="distance")))
    again = zarr.open_group(found.labels, mode="r")
    assert again.attrs["napari_nnunet_em"]["instances"]["split"] == "distance"
    assert again["0"][...].max() == load_result(store).objects[0].count != found.count
    with pytest.raises(JobMismatchError, match=r"probability\.content"):
        list(label_probability(job_for(blobs(1), store)))
    assert not (store / ".nnunet-em" / "scratch").exists()


def test_a_stopped_job_has_no_result_and_goes_on(tmp_path: Path) -> None:
    job = job_for(blobs(2), tmp_path / "out.zarr", threshold=0.55)
    token = CancelToken()
    for event in (steps := label_probability(job, token)):
        if event.stage is Stage.LABELS:
            token.cancel()
            break
    with pytest.raises(Cancelled):
        next(steps)
    with pytest.raises(OutputError):
        load_result(job.store)
    list(label_probability(job))
    assert load_result(job.store).objects[0].count > 0


def test_what_cannot_become_objects_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    with pytest.raises(SettingsError, match="voxel size"):
        list(label_probability(job_for(blobs(0), store, size=None)))
    with pytest.raises(InputError, match="uint16"):
        list(label_probability(job_for(blobs(0).astype(np.uint16), store)))
    with pytest.raises(InputError, match="2 channels"):
        volume_probability(open_volume(np.zeros((2, 3, 4, 5), np.uint8), axes="czyx"))
    assert not store.exists()


def test_our_own_output_gets_new_objects_without_predicting_again(make_job, tmp_path: Path) -> None:
    store = run(make_job()).store
    moved = store.rename(tmp_path / "moved.zarr")
    asked = InstanceSettings(threshold=0.7, min_voxels=20, connectivity=26)
    events = list(apply_objects(moved, asked))
    assert not [event for event in events if event.stage is Stage.PREDICT and event.box is not None]
    expected = run(make_job("fresh.zarr", instances=asked.model_dump(mode="json")))
    (ours,), (theirs,) = load_result(moved).objects, expected.objects
    labels = [zarr.open_group(found.labels, mode="r") for found in (ours, theirs)]
    np.testing.assert_array_equal(labels[0]["0"][...], labels[1]["0"][...])
    for group in labels:
        assert group.attrs["napari_nnunet_em"]["instances"] == asked.model_dump(mode="json")
    with pytest.raises(OutputError, match="no prediction"):
        list(apply_objects(tmp_path, asked))


def test_objects_asked_for_later_are_those_asked_for_at_once(make_job, tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "model", labels={"background": 0, "mito": 1, "vesicle": 2})
    model, asked = {"path": str(folder)}, {"threshold": 0.3, "min_voxels": 5}
    at_once = run(make_job(model=model, output={"classes": False}, instances=asked))
    later = run(make_job("later.zarr", model=model, output={"classes": False}, instances={"enabled": False}))
    assert later.objects == ()
    list(apply_objects(later.store, InstanceSettings(**asked)))
    for ours, theirs in zip(load_result(later.store).objects, at_once.objects, strict=True):
        labels = [zarr.open_group(found.labels, mode="r")["0"][...] for found in (ours, theirs)]
        np.testing.assert_array_equal(*labels)
    assert sum(found.count for found in at_once.objects) > 5


@pytest.mark.parametrize("finished", [True, False])
def test_a_store_without_the_classes_gives_no_empty_objects(make_job, tmp_path: Path, finished: bool) -> None:
    """Versions before 8d4c4af wrote none where neither classes nor objects were asked for."""
    folder = make_model_folder(tmp_path / "model", labels={"background": 0, "mito": 1, "vesicle": 2})
    job = make_job(
        model={"path": str(folder)}, output={"classes": False}, instances={"threshold": 0.3, "enabled": False}
    )
    events = segment(job)
    next(event for event in events if event.box is not None)
    if finished:
        list(events)
    events.close()
    shutil.rmtree(job.store / "labels")
    settings = job.instances
    with pytest.raises(OutputError, match=r"no image of classes.*to another output, or delete"):
        list(apply_objects(job.store, settings))
    with pytest.raises(OutputError, match="no image of classes"):
        stored_class(job.store, 0)
    assert run(job).objects == ()  # what does not need them is finished, and leaves none that look complete
    assert not (job.store / "labels").exists()


def labelled(stored, settings: InstanceSettings) -> np.ndarray:
    out = np.zeros(stored.source.shape, dtype=np.uint32)

    def write(box, labels) -> None:
        out[box.slices] = labels

    task = InstanceTask(stored.source, settings, Placement(stored.voxel_size_nm), stored.source.shape)
    for _ in segment_instances(task, lambda dtype: write):
        pass
    return out


def test_a_stored_class_is_what_the_job_makes_objects_of(make_job, tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path / "model", labels={"background": 0, "mito": 1, "membrane": 2})
    job = make_job(model={"path": str(folder)}, instances={"threshold": 0.3, "split": "boundary"})
    result = run(job)
    for channel, found in enumerate(result.objects):
        stored = stored_class(result.store, channel)
        assert stored.name == found.name
        settings = job.instances
        if channel == stored.source.boundary:
            settings = settings.model_copy(update={"split": SplitMethod.NONE})
        labels = zarr.open_group(found.labels, mode="r")["0"][...]
        np.testing.assert_array_equal(labelled(stored, settings), labels)


def test_info_tells_of_a_foreign_output_as_of_any_volume(tmp_path: Path, capsys) -> None:
    from napari_nnunet_em.cli import main

    store = tmp_path / "objects.zarr"
    list(label_probability(job_for(blobs(0), store, threshold=0.6)))
    assert main(["info", str(store)]) in (0, None)
    assert "70 × 40 × 44" in capsys.readouterr().out
