"""Where results lie: in the world that the input states, alike in images, tables and measures made later."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
import zarr
from scipy import ndimage

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.measurement import COLUMNS, Placement, measure_labels, stored_table
from napari_nnunet_em.pipeline import load_result, run
from napari_nnunet_em.pipeline.deleting import delete_objects
from napari_nnunet_em.pipeline.label_job import LabelJob
from napari_nnunet_em.pipeline.labelling import label_probability
from napari_nnunet_em.progress import finish

SIZE = np.array([20.0, 10.0, 10.0])
GEOMETRIC = [c.name for c in COLUMNS if not c.name.endswith(("_probability", "_intensity"))]


def centres(labels: np.ndarray) -> np.ndarray:
    """Mean voxel of each object, (objects, 3)."""
    ids = np.unique(labels[labels > 0])
    return np.array(ndimage.center_of_mass(labels > 0, labels, ids))


@pytest.mark.parametrize("offset", [None, (400.0, -80.0, 33.0)])
def test_a_region_has_the_places_of_the_whole(make_job, image_file, offset) -> None:
    if offset is not None:
        with h5py.File(image_file, "a") as file:
            file["raw"].attrs["offset"] = offset
    start = np.array([4, 8, 16])
    job = make_job(prediction={"region": "4:36,8:60,16:70"})
    (found,) = run(job).objects
    begin = np.array(offset or (0, 0, 0)) + start * SIZE
    labels = open_volume(found.labels)
    assert labels.origin_nm == pytest.approx(tuple(begin))
    voxels = np.asarray(labels.array[...])
    table = stored_table(job.store, found.name).frame
    got = table[[f"centroid_{axis}_nm" for axis in "zyx"]].to_numpy()
    np.testing.assert_allclose(got, centres(voxels) * SIZE + begin)
    # Bounding boxes are whole voxels: 33 nm are three voxels of 10 nm, and some.
    grid = np.rint(np.array(offset or (0, 0, 0)) / SIZE) + start
    first = np.array([s.start for s in ndimage.find_objects(voxels)[0]])
    assert table.loc[0, [f"bbox_{axis}_min" for axis in "zyx"]].tolist() == (first + grid).tolist()

    again = finish(measure_labels(labels)).frame
    assert again[GEOMETRIC].equals(table[GEOMETRIC])

    victim = int(table.loc[len(table) // 2, "id"])
    finish(delete_objects(job.store, found.name, [victim]))
    left = np.asarray(zarr.open_array(found.labels / "0", mode="r")[...])
    np.testing.assert_array_equal(left, np.where(voxels == victim, 0, voxels))


def test_objects_of_a_foreign_probability_lie_where_it_lies(tmp_path) -> None:
    noise = ndimage.gaussian_filter(np.random.default_rng(0).random((20, 90, 700)), 2).astype(np.float32)
    values = (noise - noise.min()) / np.ptp(noise)
    volume = replace(open_volume(values, voxel_size_nm=tuple(SIZE)), origin_nm=(2000.0, 40_000.0, 8000.0))
    job = LabelJob(volume, InstanceSettings(threshold=0.6), tmp_path / "out.zarr")
    finish(label_probability(job))
    (found,) = load_result(job.store).objects
    before = np.asarray(zarr.open_array(found.labels / "0", mode="r")[...])
    table = stored_table(job.store, found.name).frame
    np.testing.assert_allclose(
        table[[f"centroid_{axis}_nm" for axis in "zyx"]].to_numpy(),
        centres(before) * SIZE + (2000, 40_000, 8000),
    )
    victims = table["id"].to_numpy()[::3]
    finish(delete_objects(job.store, found.name, victims))
    after = np.asarray(zarr.open_array(found.labels / "0", mode="r")[...])
    np.testing.assert_array_equal(after, np.where(np.isin(before, victims), 0, before))


def test_the_place_of_the_first_run_stays(make_job, memory_volume) -> None:
    """A layer may be moved before its job is continued, or its objects are found again."""
    job = make_job()
    run(job, volume=replace(memory_volume, origin_nm=(0.0, 100.0, 0.0)))
    moved = make_job(instances={"threshold": 0.5})
    (found,) = run(moved, volume=replace(memory_volume, origin_nm=(0.0, 700.0, 0.0))).objects
    labels = open_volume(found.labels)
    assert labels.origin_nm == (0, 100, 0)
    assert (
        finish(measure_labels(labels))
        .frame[GEOMETRIC]
        .equals(stored_table(job.store, found.name).frame[GEOMETRIC])
    )


def test_places_of_one_volume_are_on_one_grid() -> None:
    for begin in (0.5, -2.5, 3.49, 7.0):
        origins = [Placement.at((20, 10, 10), (0, (begin + k) * 10, 0)).origin_voxels[1] for k in range(9)]
        assert np.diff(origins).tolist() == [1] * 8
    third = Placement.at((20, 10, 10), (0, 3 * 0.1 * 10 / 0.3, 0))  # 1.0000000000000002 voxels
    assert (third.origin_voxels, third.rest_nm) == ((0, 1, 0), (0, 0, 0))
    assert Placement.at(None, (1, 2, 3)) == Placement(None)
