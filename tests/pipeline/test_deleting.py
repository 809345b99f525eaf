"""Deleting objects from a result: NumPy on the whole label image is the oracle, wherever it is cut short."""

from __future__ import annotations

import contextlib
import itertools
import shutil

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_nnunet_em.errors import Cancelled, InputError, OutputError
from napari_nnunet_em.geometry import Box, iter_blocks
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec
from napari_nnunet_em.measurement import LabelMeasurer, MeasureTask, ObjectTable, store_table, table_files
from napari_nnunet_em.pipeline import load_result, run, segment
from napari_nnunet_em.pipeline.deleting import (
    begun_deletion,
    blocks_meeting,
    delete_objects,
    deleted_objects,
    label_placement,
)
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.progress import CancelToken, finish

SHAPE, BLOCK = (6, 150, 600), (4, 64, 128)


def objects(seed=0) -> np.ndarray:
    """Some dozens of objects, (z, y, x) uint32, several of them in many blocks."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(SHAPE), (1, 4, 4))
    return ndimage.label(noise > np.quantile(noise, 0.75))[0].astype(np.uint32)


@pytest.fixture
def stored(tmp_path):
    """Labels of a region in the middle of a volume, with their table, and the labels themselves."""
    labels = objects()
    spec = SinkSpec(
        shape=SHAPE,
        dtype=np.dtype(np.uint32),
        voxel_size_nm=(40, 8, 8),
        origin_nm=(120, 80, 8000),
        chunk_shape=(4, 64, 64),
        block_shape=BLOCK,
        kind=Kind.LABELS,
    )
    store = tmp_path / "out.zarr"
    sink = MultiscaleSink.create(store, "labels/mito", spec)
    sink.write(Box.whole(SHAPE), labels)
    measurer = LabelMeasurer(MeasureTask(SHAPE, label_placement(sink)))
    measurer.add(Box.whole(SHAPE), labels)
    store_table(store, "mito", measurer.finish())
    assert len(sink.levels) > 1
    return store, labels


def check(store, labels, ids) -> None:
    """The store holds everything but `ids`, on every level and in both tables."""
    left = np.where(np.isin(labels, ids), 0, labels)
    sink = MultiscaleSink.open(store, "labels/mito")
    for array, level in zip(sink.levels, sink.plan, strict=True):
        steps = tuple(slice(None, None, factor) for factor in level.factor)
        assert np.array_equal(array[:], left[steps])
    for path in table_files(store, "mito"):
        assert ObjectTable.read(path).frame["id"].tolist() == np.unique(left)[1:].tolist()
    assert deleted_objects(store, "mito").tolist() == sorted(ids)
    assert not len(begun_deletion(store, "mito"))


def test_deleted_objects_are_gone_from_every_level_and_table(stored) -> None:
    store, labels = stored
    before = ObjectTable.read(table_files(store, "mito")[0]).frame.set_index("id")
    doomed = [5, int(np.bincount(labels.ravel())[1:].argmax()) + 1]
    events = delete_objects(store, "mito", doomed)
    written = [event.box for event in events]
    check(store, labels, doomed)
    # Only the blocks that they are in are touched, and only those.
    blocks = [block.write for block in iter_blocks(SHAPE, BLOCK)]
    assert set(written) >= {box for box in blocks if np.isin(labels[box.slices], doomed).any()}
    assert len(written) < len(blocks)
    left = ObjectTable.read(table_files(store, "mito")[0]).frame.set_index("id")
    assert left.equals(before.drop(index=doomed))
    finish(delete_objects(store, "mito", [7]))
    check(store, labels, [*doomed, 7])
    assert list(delete_objects(store, "mito", [])) == []


class Crash(BaseException):
    """The end of the process, as far as the code can tell."""


def test_a_deletion_that_was_cut_short_is_finished_later(stored, tmp_path, monkeypatch) -> None:
    """Killed before every single write, of notes, levels of blocks and tables; then begun again."""
    original, labels = stored
    doomed = [few_blocks(labels)]
    for place in itertools.count():
        store = tmp_path / f"killed{place}.zarr"
        shutil.copytree(original, store)
        with monkeypatch.context() as patch:
            writes = count_writes(patch, last=place)
            with contextlib.suppress(Crash):
                finish(delete_objects(store, "mito", doomed))
            if len(writes) <= place:
                break
        assert begun_deletion(store, "mito").tolist() == (doomed if place else [])
        finish(delete_objects(store, "mito", [] if place else doomed))
        check(store, labels, doomed)
    # Two notes, a count, one taken back, two tables, and each level of at least one block.
    assert place >= 7


def few_blocks(labels) -> int:
    """An object that two blocks share, so that not too many writes are tried."""
    blocks = [np.unique(labels[block.write.slices]) for block in iter_blocks(SHAPE, BLOCK)]
    ids, counts = np.unique(np.concatenate(blocks), return_counts=True)
    return int(ids[(counts == 2) & (ids > 0)][0])


def count_writes(patch, last: int) -> list[str]:
    """Let the process end before the write after the `last` one; tells what was written."""
    writes: list[str] = []

    def counted(owner, name):
        original = getattr(owner, name)

        def write(*args, **kwargs):
            writes.append(name)
            if len(writes) > last:
                raise Crash
            return original(*args, **kwargs)

        patch.setattr(owner, name, write)

    for owner, name in (
        (JobFolder, "save"),
        (JobFolder, "discard"),
        (ObjectTable, "write"),
        (zarr.Array, "__setitem__"),
    ):
        counted(owner, name)
    return writes


def test_a_stopped_deletion_goes_on_with_more_objects(stored) -> None:
    store, labels = stored
    token = CancelToken()
    events = delete_objects(store, "mito", [1, 2, 3], token)
    next(events)
    token.cancel()
    with pytest.raises(Cancelled):
        next(events)
    assert begun_deletion(store, "mito").tolist() == [1, 2, 3]
    finish(delete_objects(store, "mito", [9]))
    check(store, labels, [1, 2, 3, 9])


def test_what_cannot_be_deleted_is_said_before_anything_changes(stored, tmp_path) -> None:
    store, labels = stored
    with pytest.raises(InputError, match="has no object 99999"):
        finish(delete_objects(store, "mito", [1, 99999]))
    check(store, labels, [])
    JobFolder(store).save("job", {})
    with pytest.raises(OutputError, match="not finished"):
        finish(delete_objects(store, "mito", [1]))
    JobFolder(store).discard("job")
    for path in table_files(store, "mito"):
        path.unlink()
    with pytest.raises(InputError, match="has no table"):
        finish(delete_objects(store, "mito", [1]))
    with pytest.raises(OutputError, match="no image written by this program"):
        finish(delete_objects(tmp_path, "mito", [1]))


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_blocks_are_those_that_the_boxes_meet(data) -> None:
    sides = st.tuples(*[st.integers(1, 12)] * 3)
    shape, block = data.draw(sides), data.draw(sides)
    corners = [sorted(data.draw(st.sets(st.integers(0, n), min_size=2, max_size=2))) for n in shape * 3]
    boxes = [Box(*zip(*corners[i : i + 3], strict=True)) for i in range(0, 9, 3)]
    lower, upper = np.array([box.start for box in boxes]), np.array([box.stop for box in boxes])
    expected = [
        b.write for b in iter_blocks(shape, block) if any(b.write.intersect(box).size for box in boxes)
    ]
    assert blocks_meeting(lower, upper, shape, block) == expected


def test_a_job_keeps_what_was_deleted_until_it_finds_objects_anew(make_job) -> None:
    job = make_job(prediction={"region": "4:36,8:60,6:70"})
    found = run(job).objects[0]
    assert found.count > 2
    name = found.labels.name
    frame = ObjectTable.read(found.table).frame
    ids = frame["id"].tolist()[1:3]
    finish(delete_objects(job.store, name, ids))
    assert load_result(job.store).objects[0].count == len(frame) - 2
    assert run(job).objects[0].count == len(frame) - 2
    labels = MultiscaleSink.open(job.store, f"labels/{name}").levels[0]
    assert np.unique(labels[:]).tolist() == [0, *sorted(set(frame["id"]) - set(ids))]

    JobFolder(job.store).save(f"deleting-{name}", {"ids": ids})
    other = make_job(prediction={"region": "4:36,8:60,6:70"}, instances={"min_voxels": 6})
    for _ in segment(other):
        pass
    again = load_result(job.store).objects[0]
    assert not len(begun_deletion(job.store, name))
    assert not len(deleted_objects(job.store, name))
    assert np.unique(labels[:]).tolist() == [0, *ObjectTable.read(again.table).frame["id"]]
