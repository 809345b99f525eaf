"""What a person does with a running job: pause it, have it begin where they look, come back to it later."""

from __future__ import annotations

import shutil
import threading

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.engine.nearest import distance_to_column
from napari_nnunet_em.errors import Cancelled
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.pipeline import run, segment
from napari_nnunet_em.pipeline.unfinished import find_unfinished
from napari_nnunet_em.progress import CancelToken, Stage
from napari_nnunet_em.testing.runners import PointwiseRunner
from napari_nnunet_em.testing.tiny_models import make_model_folder

from .conftest import smooth_noise

SIZE = (20, 10, 10)


@pytest.fixture(scope="module")
def wide():
    """Nine columns wide."""
    return open_volume(smooth_noise((4, 600, 700)), voxel_size_nm=SIZE)


@pytest.fixture(scope="module")
def flat_model(tmp_path_factory):
    return make_model_folder(tmp_path_factory.mktemp("flat"), dim=2)


def fake(opened) -> PointwiseRunner:
    patch = opened.bundle.patch_size
    return PointwiseRunner((1,) * (3 - len(patch)) + tuple(patch), tilt=0.5)


@pytest.fixture
def wide_job(make_job, flat_model):
    def make(name: str):
        return make_job(name, model={"path": str(flat_model)}, execution={"max_ram_gb": 1e-3})

    return make


@pytest.mark.parametrize("near", [(2, 599, 699), (0, 300, 10), (9, -50, 900)])
def test_the_column_one_looks_at_comes_first_and_the_answer_is_the_same(near, wide, wide_job):
    plain, watched = wide_job("plain.zarr"), wide_job("watched.zarr")
    run(plain, volume=wide, make_runner=fake)
    events = list(segment(watched, volume=wide, make_runner=fake, near=near))
    boxes = [e.box for e in events if e.box is not None and e.stage is Stage.PREDICT]
    assert sum(box.size for box in boxes) == 4 * 600 * 700
    distances = [distance_to_column(near, [Box((0, *b.start[1:]), (4, *b.stop[1:]))]) for b in boxes]
    assert len(set(distances)) > 4
    assert distances == sorted(distances)
    for name in ("0", "labels/classes/0", "labels/mitochondria/0"):
        ours, theirs = (zarr.open_array(job.store / name, mode="r")[...] for job in (watched, plain))
        np.testing.assert_array_equal(ours, theirs)


@given(st.tuples(*[st.integers(-5, 25)] * 3), st.tuples(*[st.integers(0, 9)] * 3))
def test_distance_is_that_of_the_nearest_voxel(voxel, start):
    boxes = [Box(start, tuple(a + n for a, n in zip(start, (3, 4, 5), strict=True)))]
    boxes.append(boxes[0].shift((3, 0, 0)))
    voxels = np.concatenate([np.argwhere(np.ones(box.shape)) + box.start for box in boxes])
    nearest = np.linalg.norm(voxels - voxel, axis=1).min()
    assert distance_to_column(voxel, boxes) == pytest.approx(nearest)


def test_a_paused_job_runs_no_tile_and_ends_with_the_same_result(wide, wide_job):
    plain, paused = wide_job("plain.zarr"), wide_job("paused.zarr")
    run(plain, volume=wide, make_runner=fake)
    token, runners, begun = CancelToken(), [], threading.Event()

    def counted(opened):
        runners.append(fake(opened))
        return runners[-1]

    def work() -> None:
        for event in segment(paused, volume=wide, cancel=token, make_runner=counted):
            if event.box is not None and not begun.is_set():
                token.pause()
                begun.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(60)
    thread.join(0.3)  # the batch in hand, and no more
    tiles = runners[0].tiles
    thread.join(0.3)
    assert thread.is_alive()
    assert runners[0].tiles == tiles
    token.resume()
    thread.join(120)
    assert runners[0].tiles > tiles
    ours, theirs = (zarr.open_array(job.store / "0", mode="r")[...] for job in (paused, plain))
    np.testing.assert_array_equal(ours, theirs)


def test_an_unfinished_job_of_a_volume_is_found_where_it_lies_now(wide, wide_job, tmp_path):
    job, token = wide_job("begun.zarr"), CancelToken()
    with pytest.raises(Cancelled):  # noqa: PT012 - the loop is the job
        for event in segment(job, volume=wide, cancel=token, make_runner=fake):
            if event.stage is Stage.PREDICT and event.box is not None:
                token.cancel()
    run(wide_job("finished.zarr"), volume=wide, make_runner=fake)
    (tmp_path / "strange.zarr" / ".nnunet-em").mkdir(parents=True)
    (tmp_path / "strange.zarr" / ".nnunet-em" / "job.json").write_text("{}")
    (tmp_path / "moved").mkdir()
    store = shutil.move(job.store, tmp_path / "moved" / "begun.zarr")
    folders = [tmp_path, tmp_path / "moved", tmp_path / "missing"]

    (found,) = find_unfinished(folders, wide.fingerprint())
    assert found.job.store == store
    assert found.class_names == ("mitochondria",)
    assert 0 < found.predicted < 1
    assert found.started.startswith("20")
    other = open_volume(smooth_noise((4, 600, 700), seed=3), voxel_size_nm=SIZE)
    assert find_unfinished(folders, other.fingerprint()) == []

    unsized = wide.with_voxel_size(None, "unknown")
    run(found.job, volume=unsized, make_runner=fake)
    assert find_unfinished(folders, wide.fingerprint()) == []
    plain = zarr.open_array(tmp_path / "finished.zarr" / "0", mode="r")[...]
    np.testing.assert_array_equal(zarr.open_array(store / "0", mode="r")[...], plain)
