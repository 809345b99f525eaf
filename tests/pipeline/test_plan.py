"""What a plan says is what a run does: tiles, decodes, memory, and nothing written."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
import torch
import zarr

from napari_nnunet_em.config import Job
from napari_nnunet_em.engine import devices
from napari_nnunet_em.engine.column import Column, column_boxes
from napari_nnunet_em.engine.decodes import count_decodes
from napari_nnunet_em.engine.planes import prepare_orientations
from napari_nnunet_em.engine.reading import CachedSource, column_region
from napari_nnunet_em.engine.statistics import collect_statistics
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.pipeline import plan_job, plan_open_job, run
from napari_nnunet_em.pipeline.opening import open_job
from napari_nnunet_em.pipeline.preparing import (
    job_memory,
    layout_plane,
    network_memory,
    planned_layout,
)
from napari_nnunet_em.progress import finish
from napari_nnunet_em.testing.lazy_noise import LazyNoise
from napari_nnunet_em.testing.phantom import Phantom
from napari_nnunet_em.testing.runners import PointwiseRunner
from napari_nnunet_em.testing.tiny_models import make_model_folder


def fake_runner(opened):
    return PointwiseRunner((8, 16, 16), batch_size=5)


class CountingReads:
    """An array that counts how many of its voxels are read."""

    def __init__(self, array, chunks=None):
        self.array, self.shape, self.dtype, self.ndim = array, array.shape, array.dtype, array.ndim
        self.voxels = 0
        if chunks:
            self.chunks = chunks

    def __getitem__(self, key):
        part = self.array[key]
        self.voxels += part.size
        return part


@pytest.fixture
def open_noise():
    def make(shape, chunks):
        return open_volume(LazyNoise(shape, chunks), voxel_size_nm=(1, 1, 1))

    return make


@pytest.mark.parametrize("overlap", [0.5, 0.25])
@pytest.mark.parametrize("region", [None, "4:36,10:50,0:44"])
def test_tiles_blocks_and_passes_are_those_of_the_run(make_job, memory_volume, overlap, region):
    job = make_job(prediction={"tta": "zy", "overlap": overlap, "region": region})
    runner = PointwiseRunner((8, 16, 16))
    plan = plan_job(job, volume=memory_volume, probe_seconds=0)
    assert not job.store.exists()
    run(job, volume=memory_volume, make_runner=lambda opened: runner)
    assert plan.tiles == runner.tiles
    assert plan.overhead >= 1
    assert (plan.flips, plan.folds, plan.forward_passes) == (4, 1, 4 * plan.tiles)
    journal = (job.store / ".nnunet-em" / "journal.jsonl").read_text().split("\n")
    assert plan.blocks == len([line for line in journal if line])


def test_planning_writes_nothing_and_reads_no_voxel(make_job, image):
    counting = CountingReads(image, (8, 32, 32))
    volume = open_volume(counting, voxel_size_nm=(20, 10, 10))
    job = make_job()
    plan = plan_job(job, volume=volume, probe_seconds=0)
    assert counting.voxels == 0
    assert not job.store.exists()
    assert open_job(job, volume).identity["input"]["shape"] == list(image.shape)
    assert 0 < counting.voxels < image.size
    assert plan.seconds is None
    assert plan.batch_size is None
    assert any("No voxels were read" in note for note in plan.notes)
    assert any("The network was not tried" in note for note in plan.notes)


def test_a_job_that_was_begun_tells_where_its_volume_is_empty(make_job, image):
    hollow = np.zeros_like(image)
    hollow[10:20, 20:50, 20:60] = np.maximum(image[10:20, 20:50, 20:60], 1)
    volume = open_volume(hollow, voxel_size_nm=(20, 10, 10))
    job, runner = make_job(), PointwiseRunner((8, 16, 16))
    before = plan_job(job, volume=volume, probe_seconds=0)
    run(job, volume=volume, make_runner=lambda opened: runner)
    after = plan_job(job, volume=volume, probe_seconds=0)
    assert after.tiles == runner.tiles < before.tiles
    assert not any("No voxels were read" in note for note in after.notes)
    other = make_job(prediction={"overlap": 0.25})  # another job, so that these statistics are not its own
    assert any("No voxels" in n for n in plan_job(other, volume=volume, probe_seconds=0).notes)


def test_the_probe_measures_the_runner_that_will_run(make_job, memory_volume):
    runner = PointwiseRunner((8, 16, 16), batch_size=5)
    plan = plan_job(make_job(), volume=memory_volume, probe_seconds=0.05, make_runner=lambda _: runner)
    assert runner.warm_ups == 1
    assert plan.batch_size == 5
    assert plan.runner == runner.description
    assert plan.seconds > 0
    assert plan.voxels_per_second == pytest.approx(memory_volume.array.size / plan.seconds)
    assert not any("not tried" in note for note in plan.notes)


def test_the_summary_is_one_line_and_says_what_is_known(make_job, memory_volume):
    unknown = plan_job(make_job(), volume=memory_volume, probe_seconds=0)
    assert unknown.summary().count("about") == 0
    plan = plan_job(make_job(), volume=memory_volume, probe_seconds=0.01, make_runner=fake_runner)
    tiles, seconds, ram, disk = plan.summary().split(", ")
    assert tiles == f"{plan.tiles:,} tiles"
    assert seconds.startswith("about ")
    assert ram.endswith("B RAM")
    assert disk.endswith("disk")
    document = json.loads(json.dumps(plan.document()))
    assert document["summary"] == plan.summary()
    assert document["disk"]["most"] == plan.disk.most


def test_a_plan_takes_its_time_from_what_was_measured_before(make_job, memory_volume):
    opened = open_job(make_job(prediction={"tta": "zy"}), memory_volume)
    plan = plan_open_job(opened, seconds_per_pass=0.5)
    assert opened.passes_per_tile == 4
    assert plan.seconds == pytest.approx(plan.forward_passes * 0.5)
    assert plan.warnings == ()
    assert any("that of earlier tiles" in note for note in plan.notes)


def test_what_should_be_changed_is_told_from_what_is_not_known(make_job, memory_volume):
    plan = plan_open_job(open_job(make_job(execution={"max_ram_gb": 0.001}), memory_volume))
    assert any("cannot be kept" in warning for warning in plan.warnings)
    assert plan.notes[: len(plan.warnings)] == plan.warnings
    assert len(plan.notes) == len(plan.warnings) + 2


def test_a_gpu_is_asked_for_its_memory_once_and_before_the_network_takes_some(
    make_job, memory_volume, monkeypatch
):
    events = []

    def asked(execution):
        events.append("asked")
        return int(8e9)

    def loaded(opened):
        events.append("loaded")
        assert network_memory(opened).on_device
        return fake_runner(opened)

    monkeypatch.setattr(devices, "device_memory_bytes", asked)
    run(make_job(), volume=memory_volume, make_runner=loaded)
    assert events == ["asked", "loaded"]


def test_a_plan_is_quick_enough_to_follow_a_form(make_job, open_noise):
    volume = open_noise((2000, 30000, 30000), (64, 256, 256))
    opened = open_job(make_job(execution={"max_ram_gb": 4}), volume)
    plan_open_job(opened)
    fastest = min(_processor_seconds(lambda: plan_open_job(opened)) for _ in range(5))
    assert fastest < 0.05


def _processor_seconds(work):
    """Of this thread, so that a busy machine does not decide."""
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def test_the_output_is_never_larger_than_the_plan_says(make_job, memory_volume):
    job = make_job()
    plan = plan_job(job, volume=memory_volume, probe_seconds=0)
    run(job, volume=memory_volume, make_runner=fake_runner)
    # One level only: the volume is small.
    names = ("0", "labels/classes/0", "labels/mitochondria/0")
    assert plan.disk.most == sum(zarr.open_array(job.store / name, mode="r").nbytes for name in names)
    chunks = [f for f in job.store.rglob("*") if f.is_file() and "c" in f.relative_to(job.store).parts]
    assert sum(f.stat().st_size for f in chunks) <= plan.disk.most
    assert plan.disk.free > 0


def test_parts_that_wait_are_counted(tmp_path, open_noise):
    folder = make_model_folder(tmp_path / "model", dim=2)
    volume = open_noise((64, 64, 64), (16, 16, 16))
    job = Job(
        input={"path": "noise"},
        model={"path": str(folder), "spacing_unit": "none"},
        output={"path": str(tmp_path / "out.zarr")},
        prediction={"planes": "orthogonal"},
    )
    plan = plan_job(job, volume=volume, probe_seconds=0)
    assert plan.orientations == 3
    assert plan.disk.scratch == 2 * 2 * 64**3  # two directions wait as uint16


class Decoding(LazyNoise):
    """Noise that counts how often each of its chunks is decoded."""

    def counts(self):
        if not hasattr(self, "_counts"):
            grid = [-(-n // c) for n, c in zip(self.shape, self.chunks, strict=True)]
            object.__setattr__(self, "_counts", np.zeros(grid, np.int64))
        return self._counts

    def __getitem__(self, key):
        touched = [slice(s.start // c, -(-s.stop // c)) for s, c in zip(key, self.chunks, strict=True)]
        self.counts()[tuple(touched)] += 1
        return super().__getitem__(key)


@pytest.mark.parametrize(("cache_share", "exact"), [(2.0, True), (0.6, False), (0.3, False), (0.0, False)])
@pytest.mark.parametrize("chunks", [(16, 32, 32), (10, 24, 40)], ids=str)
def test_decodes_are_those_of_a_sweep(make_job, chunks, cache_share, exact):
    shape, column = (48, 160, 192), (8, 64, 64)
    array = Decoding(shape, chunks)
    volume = open_volume(array, voxel_size_nm=(1, 1, 1))
    opened = open_job(make_job(), volume)
    statistics = finish(collect_statistics(volume))

    def known(axis):
        return statistics
        yield

    (source,) = finish(prepare_orientations(volume, opened.orientations, known, opened.job.prediction))
    memory, layout = job_memory(opened, source.space), planned_layout(opened, source.space, None)
    layout = type(layout)((8, 32, 32), (8, 32, 32), column)
    plane = layout_plane(opened, source.space, layout)
    budget = memory.cache_bytes(plane) + int(cache_share * math.prod(shape))
    expected = count_decodes(opened.region, layout, memory, plane, budget)
    columns = [
        Column.of(source.space, boxes)
        for boxes in column_boxes(opened.region, layout.block_shape, source.space, column)
    ]
    cached = CachedSource(source, columns, budget)
    array.counts()[:] = 0
    for index, laid in enumerate(columns):
        for box in laid.reads:
            cached.at(index, box).read(box)
    assert expected.chunks == np.count_nonzero(array.counts())
    assert cached.cache.decoded == array.counts().sum()
    if exact:
        assert expected.decoded == cached.cache.decoded
    else:
        assert 0.95 * cached.cache.decoded <= expected.decoded <= 1.35 * cached.cache.decoded
    # However little there is, nothing is decoded twice for one column.
    regions = [column_region(source.space, laid) for laid in columns]
    assert cached.cache.decoded <= sum(_chunks_of(region, chunks) for region in regions)


def _chunks_of(box, chunks):
    sides = zip(box.start, box.stop, chunks, strict=True)
    return math.prod(-(-stop // chunk) - start // chunk for start, stop, chunk in sides)


def plan_of_the_bar(model, volume, ram_gb):
    job = Job(
        input={"path": "noise"},
        model={"path": model, "spacing_unit": "none"},
        output={"path": "nowhere.zarr"},
        execution={"max_ram_gb": ram_gb},
    )
    return plan_job(job, volume=volume, probe_seconds=0)


@pytest.mark.parametrize("model", ["mitochondria-2d", "mitochondria-3d"])
def test_the_bar_of_a_large_volume(model, open_noise):
    volume = open_noise((1000, 4096, 4096), (64, 128, 128))
    plan = plan_of_the_bar(model, volume, 8)
    assert plan.overhead <= 1.10
    assert plan.decodes <= 1.10
    assert plan.ram_bytes <= 8e9


def test_a_budget_that_cannot_be_kept_is_said(make_job, memory_volume, open_noise):
    job = make_job(execution={"max_ram_gb": 0.5})
    notes = plan_job(job, volume=memory_volume, probe_seconds=0).notes
    assert any("memory budget of 500 MB cannot be kept" in note for note in notes)
    result = run(job, volume=memory_volume, make_runner=fake_runner)
    assert any("cannot be kept" in note for note in result.notes)
    roomy = make_job(execution={"max_ram_gb": 4})
    assert not any("budget" in n for n in plan_job(roomy, volume=memory_volume, probe_seconds=0).notes)


def in_process(*arguments):
    command = [sys.executable, "-m", "napari_nnunet_em", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="measured where peaks are comparable between processes")
@pytest.mark.parametrize("model", ["mitochondria-2d", "mitochondria-3d"])
def test_memory_is_predicted_for_the_bundled_models(model, tmp_path):
    raw, _ = Phantom(seed=1).block(Box.whole((8, 256, 256)))
    tifffile.imwrite(tmp_path / "raw.tif", raw, photometric="minisblack")
    line = [tmp_path / "raw.tif", tmp_path / "out.zarr", "--voxel-size-nm", "40,8,8", "--model", model]
    plan = in_process("plan", *line, "--device", "cpu")
    job = Job(
        input={"path": str(tmp_path / "raw.tif"), "voxel_size_nm": (40, 8, 8)},
        model={"path": model},
        output={"path": str(tmp_path / "out.zarr")},
        execution={"device": "cpu"},
    )
    guess = plan_job(job, probe_seconds=0)
    result = in_process("segment", *line, "--device", "cpu")
    assert plan["ram_bytes"] == pytest.approx(result["peak_memory_bytes"], rel=0.25)
    assert guess.ram_bytes == pytest.approx(result["peak_memory_bytes"], rel=0.25)


LARGE = """
import json, sys
from napari_nnunet_em import Job, open_volume, run
from napari_nnunet_em.pipeline import plan_job
from napari_nnunet_em.testing.lazy_noise import LazyNoise
from napari_nnunet_em.testing.runners import PointwiseRunner
model, output, ram = sys.argv[1:]
volume = open_volume(LazyNoise((32, 2048, 2048), (16, 256, 256)), voxel_size_nm=(1, 1, 1))
job = Job(
    input={"path": "noise"}, model={"path": model}, output={"path": output},
    execution={"max_ram_gb": float(ram)}, instances={"enabled": False}, prediction={"overlap": 0.25},
)
fake = lambda opened: PointwiseRunner((16, 64, 64), batch_size=64)
plan = plan_job(job, volume=volume, probe_seconds=0.01, make_runner=fake)
peak = run(job, volume=volume, make_runner=fake).peak_memory_bytes
print(json.dumps({"planned": plan.ram_bytes, "peak": peak, "column": plan.column_shape}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="measured where peaks are comparable between processes")
def test_memory_is_predicted_and_the_budget_kept_where_buffers_dominate(tmp_path):
    folder = make_model_folder(tmp_path / "model", patch_size=(16, 64, 64))
    columns = []
    for ram in (2.5, 5):
        command = [sys.executable, "-c", LARGE, folder, tmp_path / f"{ram}.zarr", ram]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        assert found["peak"] <= ram * 1e9, found
        assert found["planned"] == pytest.approx(found["peak"], rel=0.25)
        columns.append(math.prod(found["column"]))
    assert columns[0] < columns[1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_gpu_memory_is_predicted(make_job, memory_volume):
    job = make_job(execution={"device": "cuda", "max_vram_gb": 4})
    plan = plan_job(job, volume=memory_volume, probe_seconds=0.2)
    torch.cuda.reset_peak_memory_stats()
    run(job, volume=memory_volume)
    assert plan.device_bytes == pytest.approx(torch.cuda.max_memory_allocated(), rel=0.25)
    assert plan.device_bytes <= 4e9
