"""Killed without warning, anywhere: the same command ends with the same result."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_nnunet_em.geometry import Box
from napari_nnunet_em.pipeline import run, segment
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.progress import Stage

SCRIPT = """
import os, signal, sys, threading, time
from napari_nnunet_em import Job, segment
seen = {}
for event in segment(Job.model_validate_json(sys.argv[1])):
    if event.box is not None or event.stage == "components":
        seen[event.stage] = seen.get(event.stage, 0) + 1
        if f"{event.stage} {seen[event.stage]}" == sys.argv[2]:
            # Somewhere inside the next block.
            threading.Timer(0.31, os.kill, (os.getpid(), signal.SIGKILL)).start()
        time.sleep(0.3)
"""


def same(store, other):
    for name in ("", "labels/classes", "labels/mitochondria"):
        mine, theirs = (zarr.open_array(s / name / "0", mode="r")[:] for s in (store, other))
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL; the journal is tested below")
@pytest.mark.parametrize("moment", ["predict 1", "predict 2", "components 2", "labels 2"])
def test_kill_9(moment, make_job):
    whole, job = make_job("whole.zarr"), make_job()
    run(whole)
    killed = subprocess.run([sys.executable, "-c", SCRIPT, job.model_dump_json(), moment], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (job.store / ".nnunet-em/result.json").exists()
    run(job)
    same(job.store, whole.store)
    assert not list(job.store.rglob("*.partial"))


def test_a_block_written_but_not_journalled_is_written_again(make_job):
    whole, job = make_job("whole.zarr"), make_job()
    run(whole)
    events = segment(job)
    next(e for e in events if e.stage is Stage.PREDICT and e.box is not None)
    next(e for e in events if e.stage is Stage.PREDICT and e.box is not None)
    events.close()
    journal = job.store / ".nnunet-em/journal.jsonl"
    lines = [line for line in journal.read_text().splitlines() if line]
    journal.write_text("\n".join(lines[:-1]) + "\n[[16, 0, 0], [3")  # the last line cut short
    assert len(JobFolder(job.store).finished_blocks()) == len(lines) - 1 >= 1
    run(job)
    same(job.store, whole.store)


boxes = st.builds(
    lambda a, n: Box(tuple(a), tuple(x + y for x, y in zip(a, n, strict=True))),
    st.lists(st.integers(0, 999), min_size=3, max_size=3),
    st.lists(st.integers(1, 99), min_size=3, max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(boxes, unique=True, min_size=1), data=st.data())
def test_a_journal_cut_anywhere_loses_at_most_its_last_block(written, data, tmp_path_factory):
    folder = JobFolder(tmp_path_factory.mktemp("store"))
    folder.save("job", {})
    for box in written:
        folder.record(box)
    assert folder.finished_blocks() == set(written)
    file = folder.path / "journal.jsonl"
    content = file.read_bytes()
    last = len(content) - content.rindex(b"\n", 0, -1)
    cut = data.draw(st.integers(0, last - 1))
    file.write_bytes(content[: len(content) - cut])
    assert set(written[:-1]) <= folder.finished_blocks() <= set(written)
    folder.record(written[-1])
    assert folder.finished_blocks() == set(written)
