"""One writer per output: refused at once, released by any death, and never in the way of readers."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from filelock import FileLock

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.export import ExportSettings, export_labels
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.io.locking import Writer, only_writer
from napari_nnunet_em.io.output import empty_store, is_ours
from napari_nnunet_em.measurement import stored_table
from napari_nnunet_em.pipeline import load_result, run, segment
from napari_nnunet_em.pipeline.apply import apply_objects
from napari_nnunet_em.pipeline.deleting import delete_objects
from napari_nnunet_em.pipeline.label_job import LabelJob
from napari_nnunet_em.pipeline.labelling import label_probability
from napari_nnunet_em.pipeline.unfinished import find_unfinished
from napari_nnunet_em.progress import Stage, finish

HOLDER = """
import sys
from pathlib import Path
from napari_nnunet_em.io.locking import only_writer
with only_writer(Path(sys.argv[1])):
    print("holds", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold():
    """Another process that writes a store, until it is told to end or killed."""
    begun = []

    def start(store: Path) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(store)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        assert process.stdout.readline() == "holds\n"
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def note(store: Path) -> Path:
    return store / ".nnunet-em" / "writer.json"


def write(store: Path) -> None:
    with only_writer(store):
        pass


@pytest.mark.parametrize("end", ["kill", "normal"])
def test_another_process_is_waited_for_until_it_ends_however_that_is(end, tmp_path, hold):
    store = tmp_path / "out.zarr"
    process = hold(store)
    with pytest.raises(OutputError, match=f"by process {process.pid} on this computer, since 2.*let that"):
        write(store)
    write(tmp_path / "other.zarr")
    if end == "kill":
        process.kill()
        process.wait()
        assert note(store).is_file()  # what it left behind blocks nobody
    else:
        process.communicate()
        assert not store.exists()
    with only_writer(store):
        assert json.loads(note(store).read_text())["pid"] == os.getpid()
    assert not store.exists()


def refused(writer, sentence: str) -> None:
    with pytest.raises(OutputError, match=sentence):
        finish(writer)


def test_a_job_is_not_continued_by_two_and_is_read_meanwhile(make_job, hold):
    job, other = make_job(), make_job("other.zarr")
    events = segment(job)
    next(e for e in events if e.stage is Stage.PREDICT and e.box is not None)
    refused(segment(job), "by this same program, perhaps for another window, since 2")
    run(other)  # another output is another matter
    finish(events)
    found, alone = load_result(job.store).objects, load_result(other.store).objects
    assert [(o.name, o.count) for o in found] == [(o.name, o.count) for o in alone]
    assert found[0].count > 1
    assert not note(job.store).exists()

    process = hold(job.store)
    busy = f"{job.store} is being written by process {process.pid}"
    refused(segment(job), busy)
    refused(apply_objects(job.store, InstanceSettings()), busy)
    refused(delete_objects(job.store, found[0].name, [1]), busy)
    assert load_result(job.store).objects == found
    assert len(stored_table(job.store, found[0].name)) == found[0].count
    assert open_volume(found[0].labels).read(Box((0, 0, 0), (1, 1, 1))).shape == (1, 1, 1, 1)
    process.kill()
    process.wait()
    finish(delete_objects(job.store, found[0].name, [1]))
    assert len(stored_table(job.store, found[0].name)) == found[0].count - 1


def test_labels_of_a_foreign_probability_are_made_by_one(tmp_path, hold):
    probability = open_volume(np.zeros((2, 8, 8), np.float32), voxel_size_nm=(40, 8, 8))
    job = LabelJob(probability, InstanceSettings(), tmp_path / "out.zarr")
    hold(job.store)
    refused(label_probability(job), "is being written by process")


def test_an_iterator_that_is_dropped_lets_go(make_job, image_file):
    job = make_job()
    events = segment(job)
    next(e for e in events if e.stage is Stage.PREDICT)
    fingerprint = open_volume(image_file).fingerprint()
    assert find_unfinished([job.store.parent], fingerprint) == []  # it runs
    events.close()
    assert [found.job.store for found in find_unfinished([job.store.parent], fingerprint)] == [job.store]
    run(job)


def test_the_mark_of_an_image_without_a_job_stays(tmp_path):
    source = open_volume(np.ones((2, 8, 8), np.uint8), voxel_size_nm=(40, 8, 8))
    finish(export_labels(source, tmp_path / "out.zarr"))
    assert is_ours(tmp_path / "out.zarr")
    write(tmp_path / "out.zarr")
    assert is_ours(tmp_path / "out.zarr")


def test_an_export_replaces_no_output_that_is_being_written(tmp_path, hold):
    source = open_volume(np.ones((2, 8, 8), np.uint8), voxel_size_nm=(40, 8, 8))
    store, again = tmp_path / "out.zarr", ExportSettings(overwrite=True)
    finish(export_labels(source, store))
    process = hold(store)
    before = sorted(store.rglob("*"))
    refused(export_labels(source, store, again), "is being written by process")
    assert sorted(store.rglob("*")) == before
    assert list(tmp_path.iterdir()) == [store]
    process.kill()
    process.wait()
    events = export_labels(source, store, again)
    next(events)
    hold(store)
    refused(events, "is being written by process")
    assert sorted(store.rglob("*")) == before


def test_a_lock_alone_does_not_make_a_folder_ours(tmp_path):
    store = tmp_path / "theirs.zarr"
    store.mkdir()
    (store / "zarr.json").write_text("{}")
    write(store)
    assert [path.name for path in store.rglob("*")] == ["zarr.json"]


def test_a_writer_that_has_only_just_begun_has_no_name(tmp_path):
    with only_writer(tmp_path / "out.zarr"):
        note(tmp_path / "out.zarr").unlink()
        with pytest.raises(OutputError, match="is being written by another process: let that"):
            write(tmp_path / "out.zarr")


@pytest.fixture
def without_locks(monkeypatch):
    """A file system that was mounted without locks."""

    def no_lock(self, **_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", no_lock)


def test_without_locks_the_note_tells(tmp_path, hold, monkeypatch, request):
    store = tmp_path / "out.zarr"
    process = hold(store)
    request.getfixturevalue("without_locks")
    with pytest.raises(OutputError, match=f"process {process.pid} on this computer"):
        write(store)
    process.kill()
    process.wait()
    for changes in ({}, {"pid": os.getpid()}):  # gone; or its number was given again
        left = json.loads(note(store).read_text()) | changes
        with only_writer(store), pytest.raises(OutputError, match="this same program"):
            write(store)
        note(store).parent.mkdir(parents=True, exist_ok=True)
        note(store).write_text(json.dumps(left))
    note(store).write_text(json.dumps(left | {"host": "node17"}))
    with pytest.raises(OutputError, match=r"on node17, since .*; if it runs no more, delete .*writer\.json"):
        write(store)


def test_a_process_that_may_not_be_asked_is_taken_to_run(tmp_path, monkeypatch):
    me = Writer.me()
    assert not me.gone
    assert replace(me, born=0.0).gone

    def hidden(self):
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "create_time", hidden)
    assert not me.gone


def test_other_failures_of_the_disk_are_told(tmp_path, monkeypatch):
    def denied(self, **_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(FileLock, "acquire", denied)
    with pytest.raises(OutputError, match="cannot be written because this user may not"):
        write(tmp_path / "out.zarr")


def test_emptying_a_store_leaves_the_lock(make_job):
    job = make_job()
    run(job)
    with only_writer(job.store):
        empty_store(job.store)
        assert sorted(p.name for p in job.store.rglob("*")) == [".nnunet-em", "writer.json", "writer.lock"]
        with pytest.raises(OutputError):
            write(job.store)
    assert not job.store.exists()


@pytest.mark.parametrize("victim", ["0", "labels"])
def test_a_store_that_was_emptied_by_half_is_predicted_anew(make_job, monkeypatch, victim):
    """Nothing may tell the next run that voxels are done which are gone."""
    job = make_job()
    (whole,) = run(job).objects

    class Killed(Exception):
        pass

    def remove(path):
        shutil_rmtree(path)
        if Path(path).name == victim:
            raise Killed

    shutil_rmtree = shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", remove)
    with pytest.raises(Killed):
        empty_store(job.store)
    monkeypatch.undo()
    folder = job.store / ".nnunet-em"
    assert {path.name for path in folder.iterdir()} == {"job.json", "writer.lock"}
    assert victim not in {path.name for path in job.store.iterdir()}
    empty_store(job.store)
    assert [path.name for path in folder.iterdir()] == ["writer.lock"]
    (again,) = run(job).objects
    assert again.count == whole.count
