"""Objects split as a job does it: from the stored probability, with what is not exact said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import zarr

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.instances import split_object
from napari_nnunet_em.instances.splitting.split import in_raster_order
from napari_nnunet_em.pipeline import load_result, run, segment
from napari_nnunet_em.progress import Stage
from napari_nnunet_em.testing.tiny_models import make_model_folder

SPLIT = {"split": "distance", "split_strength": 0.9, "threshold": 0.5, "min_voxels": 8}


def stored(job, name):
    return zarr.open_array(job.store / name, mode="r")[:]


def test_splitting_takes_no_second_prediction_and_is_what_the_function_gives(make_job):
    job = make_job(instances=SPLIT)
    run(make_job())
    stages = [(event.stage, event.box) for event in segment(job)]
    assert not [box for stage, box in stages if stage is Stage.PREDICT and box is not None]
    assert Stage.SPLIT in {stage for stage, _ in stages}
    labels, probability = stored(job, "labels/mitochondria/0"), stored(job, "0")
    mask = probability > 127
    alone = split_object(mask, probability, InstanceSettings(**SPLIT), (20, 10, 10))
    sizes = np.bincount(alone.ravel())
    sizes[0] = 0
    np.testing.assert_array_equal(labels, in_raster_order(np.where(sizes[alone] >= 8, alone, 0)))
    table = pd.read_csv(job.store / "tables/mitochondria.csv")
    np.testing.assert_array_equal(np.bincount(labels.ravel())[1:], table["voxels"])
    assert not (job.store / ".nnunet-em/scratch").exists()


def test_objects_beyond_the_budget_are_counted_in_the_result_and_in_the_log(make_job):
    job = make_job(instances={**SPLIT, "split_memory_gb": 0.0001})
    messages = [event.message for event in segment(job) if event.message]
    result = load_result(job.store)
    (found,) = result.objects
    assert found.in_blocks > 1
    said = f"{found.in_blocks} objects are too large to be split or filled whole within 0.0001 GB"
    assert sum(said in message for message in messages) == 1
    assert next(note for note in result.notes if said in note).startswith("mitochondria: ")
    exact = make_job("exact.zarr", instances=SPLIT)
    assert run(exact).objects[0].in_blocks == 0
    assert not [note for note in load_result(exact.store).notes if "too large" in note]


def test_stopped_while_splitting_goes_on_there(make_job):
    whole = make_job("whole.zarr", instances=SPLIT, execution={"max_ram_gb": 0.01})
    units = sum(event.stage is Stage.SPLIT for event in segment(whole))
    assert units > 1
    job = make_job(instances=SPLIT, execution={"max_ram_gb": 0.01})
    events = segment(job)
    assert next(event for event in events if event.stage is Stage.SPLIT).total == units
    events.close()
    assert (job.store / ".nnunet-em/scratch/mitochondria/parts").is_dir()
    run(job)
    name = "labels/mitochondria/0"
    np.testing.assert_array_equal(stored(job, name), stored(whole, name))


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory):
    labels = {"background": 0, "mitochondria": 1, "Mito boundary": 2}
    return make_model_folder(tmp_path_factory.mktemp("two"), labels=labels, seed=3)


def test_the_boundary_class_splits_the_others_and_not_itself(make_job, two_classes):
    asked = {"split": "boundary", "split_strength": 0.95, "threshold": 0.35, "min_voxels": 4}
    model = {"path": str(two_classes), "spacing_unit": "none"}
    job = make_job(instances=asked, model=model)
    run(job)
    probability, classes = stored(job, "0"), stored(job, "labels/classes/0")
    settings = InstanceSettings(**asked)
    mask = (probability[0] / 255 > 0.35) & (classes == 1)
    alone = split_object(mask, probability[0], settings, (20, 10, 10), probability[1])
    sizes = np.bincount(alone.ravel())
    sizes[0] = 0
    expected = in_raster_order(np.where(sizes[alone] >= 4, alone, 0))
    np.testing.assert_array_equal(stored(job, "labels/mitochondria/0"), expected)
    plain = make_job("plain.zarr", instances={**asked, "split": "none"}, model=model)
    run(plain)
    name = "labels/Mito boundary/0"
    np.testing.assert_array_equal(stored(job, name), stored(plain, name))


def test_a_model_without_a_boundary_class_is_refused_before_anything_is_written(make_job):
    job = make_job(instances={"split": "boundary"})
    with pytest.raises(SettingsError, match=r"no class named boundary.* has mitochondria"):
        run(job)
    assert not job.store.exists()
