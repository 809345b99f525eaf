"""A job begins at the slice that somebody looks at, and may be stopped and continued anywhere."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_nnunet_em.errors import Cancelled
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.pipeline import run, segment
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.progress import CancelToken, Stage
from napari_nnunet_em.testing.runners import PointwiseRunner
from napari_nnunet_em.testing.tiny_models import make_model_folder

from .conftest import smooth_noise

SHAPE = (56, 24, 300)
PATCH = (8, 16, 16)
NEAR = (35, 11, 290)
BLOCKS = 14  # two columns of seven, eight rows each


@pytest.fixture(scope="module")
def deep():
    return open_volume(smooth_noise(SHAPE), voxel_size_nm=(10, 10, 10))


@pytest.fixture(scope="module")
def deep_model(tmp_path_factory):
    return make_model_folder(tmp_path_factory.mktemp("deep"), patch_size=PATCH)


@pytest.fixture
def deep_job(make_job, deep_model):
    def make(name: str):
        return make_job(name, model={"path": str(deep_model)}, execution={"max_ram_gb": 1e-3})

    return make


@pytest.fixture
def expected(deep_job, deep):
    job = deep_job("expected.zarr")
    run(job, volume=deep, make_runner=fake)
    return job.store


def fake(opened):
    return PointwiseRunner(opened.bundle.patch_size, tilt=0.5)


def same(store, other):
    for name in ("0", "labels/classes/0", "labels/mitochondria/0"):
        ours, theirs = (zarr.open_array(s / name, mode="r")[...] for s in (store, other))
        np.testing.assert_array_equal(ours, theirs)


def predicting(events):
    return [event for event in events if event.stage is Stage.PREDICT]


def test_the_slice_one_looks_at_comes_first_and_every_tile_is_counted(deep, deep_job, expected):
    runners = []

    def counted(opened):
        runners.append(fake(opened))
        return runners[-1]

    plain = predicting(segment(deep_job("plain.zarr"), volume=deep, make_runner=counted))
    job = deep_job("watched.zarr")
    watched = predicting(segment(job, volume=deep, make_runner=counted, near=NEAR))
    boxes = [event.box for event in watched if event.box is not None]
    layers = [box.start[0] for box in boxes]
    assert layers == [*range(32, 56, 8), *range(0, 32, 8), *range(0, 56, 8)]
    assert boxes[0].start == (32, 0, 256)
    for events, runner in zip((plain, watched), runners, strict=True):
        done = [event.done for event in events]
        assert done == sorted(done)
        assert done[0] == 0
        assert done[-1] == events[-1].total == runner.tiles
        assert {event.total for event in events} == {runner.tiles}
    # Tiles begin every four rows, so that those from row 28 alone reach across row 32: two by six of them.
    assert runners[1].tiles - runners[0].tiles == 2 * 6
    same(job.store, expected)


def test_a_real_network_gives_the_same_bits(make_job):
    plain, watched = (
        make_job(name, output={"probability_type": "float32"}) for name in ("plain.zarr", "near.zarr")
    )
    run(plain)
    boxes = [event.box for event in predicting(segment(watched, near=(37, 30, 35))) if event.box is not None]
    assert [box.start[0] for box in boxes] == [32, 0, 8, 16, 24]
    same(watched.store, plain.store)


@pytest.mark.parametrize("then", [None, NEAR, (5, 3, 20), (55, 3, 290)])
@pytest.mark.parametrize("stop_after", [1, 5, 9])
def test_stopped_and_continued_with_another_place_or_none(stop_after, then, deep, deep_job, expected):
    job, cancel, done = deep_job("stopped.zarr"), CancelToken(), 0
    with pytest.raises(Cancelled):  # noqa: PT012 - the loop is what raises
        for event in segment(job, volume=deep, make_runner=fake, near=NEAR, cancel=cancel):
            done += event.stage is Stage.PREDICT and event.box is not None
            if done == stop_after:
                cancel.cancel()
    finished = JobFolder(job.store).finished_blocks()
    assert stop_after <= len(finished) < BLOCKS
    events = predicting(segment(job, volume=deep, make_runner=fake, near=then))
    boxes = [event.box for event in events if event.box is not None]
    assert set(boxes).isdisjoint(finished)
    assert len(boxes) == BLOCKS - len(finished)
    assert 0 <= events[0].done < events[-1].done == events[-1].total
    same(job.store, expected)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(0, BLOCKS - 1)), st.integers(0, SHAPE[0] - 1))
def test_a_journal_may_know_any_blocks(deep, deep_job, expected, lost, z):
    """Also one of which lines were lost, as by a crash of the machine."""
    job = deep_job("lost.zarr")
    shutil.rmtree(job.store, ignore_errors=True)
    shutil.copytree(expected, job.store)
    journal = job.store / ".nnunet-em" / "journal.jsonl"
    lines = [line for line in journal.read_text().splitlines() if line]
    kept = [line for number, line in enumerate(lines) if number not in lost]
    journal.write_text("\n".join(kept) + "\n")
    durable = JobFolder(job.store).finished_blocks()
    whole = zarr.open_array(expected / "0", mode="r")[...]
    left = np.zeros_like(whole)
    for box in durable:
        left[box.slices] = whole[box.slices]
    zarr.open_array(job.store / "0")[:] = left
    events = predicting(segment(job, volume=deep, make_runner=fake, near=(z, 3, 3)))
    assert len([e for e in events if e.box is not None]) == BLOCKS - len(durable)
    np.testing.assert_array_equal(zarr.open_array(job.store / "0", mode="r")[...], whole)
