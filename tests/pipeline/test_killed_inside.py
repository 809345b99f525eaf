"""Killed in the middle of a step of the object passes: the same command ends with the same result."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import zarr

from napari_nnunet_em.pipeline import run

# Where it dies, and at which call. Calls count once the objects are begun; `os.replace` is what makes a
# table or a document of the job whole.
MOMENTS = (
    ("napari_nnunet_em.components.finder:label_block", 2),
    ("napari_nnunet_em.components.front:touching", 1),
    ("napari_nnunet_em.components.faces:FaceStore.write", 1),
    ("napari_nnunet_em.components.run_store:RunStore.keep", 2),
    ("napari_nnunet_em.components.finder:join", 1),
    ("napari_nnunet_em.components.table:ComponentTable.recall", 1),
    ("zarr:Array.__setitem__", 1),
    ("zarr:Array.__setitem__", 3),
    ("os:replace", 1),
    ("os:replace", 2),
)

SPLIT = {"split": "distance", "split_strength": 0.9, "fill_holes": "3d", "split_memory_gb": 0.00005}
SPLIT_MOMENTS = (
    ("napari_nnunet_em.instances.splitting.run:split_piece", 3),
    ("napari_nnunet_em.instances.splitting.large:cut_at_necks", 2),
    ("napari_nnunet_em.instances.splitting.store:PartStore.save", 2),
    ("numpy:savez", 2),
    ("napari_nnunet_em.instances.splitting.store:PartStore.load", 1),
    ("napari_nnunet_em.instances.splitting.store:SplitParts.read", 2),
    ("zarr:Array.__setitem__", 2),
    ("os:replace", 3),
)

# One interpreter loads everything and forks for each death, because loading takes longer than the jobs.
SCRIPT = """
import functools, importlib, json, os, signal, sys
import torch
from napari_nnunet_em import Job, segment
from napari_nnunet_em.components.faces import FaceStore

def die_at(name, nth):
    module, path = name.split(":")
    *owners, last = path.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    inner, calls = getattr(owner, last), []
    @functools.wraps(inner)
    def deadly(*args, **kwargs):
        calls.append(1)
        if len(calls) == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*args, **kwargs)
    setattr(owner, last, deadly)

init = FaceStore.__init__
FaceStore.__init__ = lambda self, slots, voxels, scratch, memory: init(self, slots, voxels, scratch, 1)
torch.set_num_threads(1)
for job, name, nth in json.load(sys.stdin):
    child = os.fork()
    if child == 0:
        for event in segment(Job.model_validate(job)):
            if event.stage == "components" and event.done == 1:
                die_at(name, nth)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture
def predicted(make_job):
    """The store of a job that has predicted, and looked for no objects yet."""
    job = make_job("predicted.zarr", instances={"enabled": False})
    run(job)
    return job.store


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither SIGKILL nor fork")
@pytest.mark.parametrize(
    ("settings", "moments"), [({}, MOMENTS), (SPLIT, SPLIT_MOMENTS)], ids=["plain", "split"]
)
def test_killed_inside_the_passes(make_job, predicted, settings, moments):
    whole = make_job("whole.zarr", instances=settings)
    shutil.copytree(predicted, whole.store)
    found = run(whole).objects[0]
    assert found.count > 20
    assert (found.in_blocks > 0) is bool(settings)
    jobs = [make_job(f"{number}.zarr", instances=settings) for number in range(len(moments))]
    for job in jobs:
        shutil.copytree(predicted, job.store)
    deaths = [(job.model_dump(mode="json"), *moment) for job, moment in zip(jobs, moments, strict=True)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        input=json.dumps(deaths),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout.split() == [str(-signal.SIGKILL)] * len(moments)
    for job, moment in zip(jobs, moments, strict=True):
        assert not (job.store / ".nnunet-em/result.json").exists(), moment
        run(job)
        mine, expected = (
            zarr.open_array(store / "labels/mitochondria/0", mode="r")[:]
            for store in (job.store, whole.store)
        )
        np.testing.assert_array_equal(mine, expected, err_msg=str(moment))
        mine, expected = (
            (store / "tables/mitochondria.csv").read_text() for store in (job.store, whole.store)
        )
        assert mine == expected, moment
        left = {path.name for path in job.store.rglob("*") if ".partial" in path.name or "tmp" in path.name}
        assert not left, moment
        assert not (job.store / ".nnunet-em/scratch").exists(), moment
