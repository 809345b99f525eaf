"""What a job will take, said before it begins: tiles, memory, disk and, after a short trial, time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_nnunet_em.config import Job
from napari_nnunet_em.engine.moments import VolumeStatistics
from napari_nnunet_em.engine.planes import Orientation
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume
from napari_nnunet_em.pipeline.clock import peak_memory_bytes
from napari_nnunet_em.pipeline.disk import DiskUse, disk_use
from napari_nnunet_em.pipeline.identity import differences
from napari_nnunet_em.pipeline.job_plan import JobPlan
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.pipeline.opening import OpenJob, open_job
from napari_nnunet_em.pipeline.preparing import (
    budget_notes,
    network_memory,
)
from napari_nnunet_em.pipeline.running import RunnerFactory, open_job_runner
from napari_nnunet_em.pipeline.sweep_count import SweepCount, count_parts, count_sweep, mean_decodes
from napari_nnunet_em.quantities import memory

if TYPE_CHECKING:
    from napari_nnunet_em.engine.probe import Probe

# What finding and measuring objects holds for each voxel of a block.
_OBJECTS_BYTES_PER_VOXEL = 20


def plan_job(
    job: Job,
    *,
    volume: Volume | None = None,
    probe_seconds: float = 2.0,
    make_runner: RunnerFactory | None = None,
) -> JobPlan:
    """Say what a job will take; nothing is written, and no voxels are read but those that opening samples.

    Parameters
    ----------
    job : Job
        What is to be done.
    volume : Volume, optional
        The volume, where it is open already; else ``job.input.path`` is opened.
    probe_seconds : float
        How long the network is tried on tiles of noise; 0 does not load it, and then memory is estimated from
        the model's files and time stays unknown.
    make_runner : callable, optional
        Makes what runs the network, from the `OpenJob`; what the settings say without it.

    Raises
    ------
    InputError, ModelError, SettingsError
        As `segment`, where it can be known without reading the volume.
    """
    opened = open_job(job, volume)
    return plan_open_job(opened, probe_seconds=probe_seconds, make_runner=make_runner)


def plan_open_job(
    opened: OpenJob,
    *,
    probe_seconds: float = 0.0,
    make_runner: RunnerFactory | None = None,
    seconds_per_pass: float | None = None,
) -> JobPlan:
    """Say what a job will take that is open already; see `plan_job`.

    Parameters
    ----------
    opened : OpenJob
        The job.
    probe_seconds, make_runner
        As of `plan_job`.
    seconds_per_pass : float, optional
        What a forward pass of a network takes, where it was measured before: it gives the time of a plan
        for which the network is not tried.
    """
    folder = _begun(opened)
    box, known = _nonzero_box(opened, folder)
    sweeps = [count_sweep(opened, o, box, _stored_layout(opened, folder, o)) for o in opened.orientations]
    own = sweeps[-1]
    # After the layout is chosen: a network that has been tried leaves less of a GPU free.
    trial = _try_runner(opened, probe_seconds, make_runner or open_job_runner) if probe_seconds > 0 else None
    tiles = sum(sweep.tiles for sweep in sweeps)
    disk = disk_use(opened, own.layout)
    ram, device = _memory(opened, sweeps, trial)
    inside = opened.region.shape
    seconds = None if seconds_per_pass is None else tiles * opened.passes_per_tile * seconds_per_pass
    warnings = (*_budget_notes(opened, sweeps), *_disk_notes(disk))
    return JobPlan(
        shape=inside,
        grid_tiles=sum(sweep.grid_tiles for sweep in sweeps),
        tiles=tiles,
        orientations=len(sweeps),
        flips=2 ** len(opened.mirror_axes),
        folds=len(opened.folds),
        columns=own.columns,
        blocks=count_parts(inside, own.layout.block_shape),
        column_shape=own.layout.column_shape,
        block_shape=own.layout.block_shape,
        chunk_shape=own.layout.chunk_shape,
        batch_size=trial.batch_size if trial else None,
        decodes=mean_decodes(sweeps),
        ram_bytes=ram,
        device_bytes=device,
        disk=disk,
        seconds=tiles * trial.probe.seconds_per_tile if trial else seconds,
        runner=trial.description if trial else "",
        warnings=warnings,
        notes=(*warnings, *_limits(known, trial is not None, seconds is not None)),
    )


@dataclass(frozen=True)
class _Trial:
    """A runner, and what trying it has shown."""

    description: str
    batch_size: int
    probe: Probe
    loading_bytes: int


def _try_runner(opened: OpenJob, seconds: float, make_runner: RunnerFactory) -> _Trial:
    from napari_nnunet_em.engine.probe import probe_runner  # noqa: PLC0415 - only with a network

    runner = make_runner(opened)
    probe = probe_runner(runner, opened.volume.channels, seconds)
    return _Trial(runner.description, runner.batch_size, probe, peak_memory_bytes())


def _memory(opened: OpenJob, sweeps: Sequence[SweepCount], trial: _Trial | None) -> tuple[int, int | None]:
    """Highest RAM of the process, and highest memory of the device."""
    network = network_memory(opened)
    process = trial.probe.ram_bytes if trial else network.host_bytes
    block = min(math.prod(sweeps[-1].layout.block_shape), opened.region.size)
    objects = _OBJECTS_BYTES_PER_VOXEL * block if opened.job.instances.enabled else 0
    ram = process + max(*(sweep.host_bytes for sweep in sweeps), objects)
    ram = max(ram, trial.loading_bytes if trial else 0)
    if not network.on_device:
        return ram, None
    on_device = network.weights_bytes + network.feature_bytes
    if trial and trial.probe.device_bytes is not None:
        on_device = trial.probe.device_bytes
    return ram, on_device + max(sweep.device_bytes for sweep in sweeps)


def _begun(opened: OpenJob) -> JobFolder | None:
    """The folder of this very job, where it was begun."""
    folder = JobFolder(opened.job.store)
    begun = folder.load("job")
    return folder if begun and not differences(begun["identity"], opened.identity) else None


def _nonzero_box(opened: OpenJob, folder: JobFolder | None) -> tuple[Box, bool]:
    """The non-zero box of the volume and whether it is known; else the whole volume."""
    for name in ("statistics", *(f"statistics-{axis}" for axis in "zyx")):
        stored = folder.load(name) if folder else None
        box = VolumeStatistics.from_document(stored).bbox if stored else None
        if box is not None:
            return box, True
    return Box.whole(opened.volume.shape), False


def _stored_layout(
    opened: OpenJob, folder: JobFolder | None, orientation: Orientation
) -> dict[str, Any] | None:
    own = orientation is opened.orientations[-1]
    return folder.load("layout" if own else f"layout-{orientation.axis}") if folder else None


def _budget_notes(opened: OpenJob, sweeps: Sequence[SweepCount]) -> tuple[str, ...]:
    notes = (note for sweep in sweeps for note in budget_notes(opened, sweep.space, sweep.layout))
    return tuple(dict.fromkeys(notes))


def _disk_notes(disk: DiskUse) -> tuple[str, ...]:
    if disk.expected + disk.scratch <= disk.free:
        return ()
    return (
        f"The output is expected to take {memory(disk.expected)} and the job another {memory(disk.scratch)} "
        f"for a while, but only {memory(disk.free)} are free there; free space, or write to another disk.",
    )


def _limits(known: bool, tried: bool, timed: bool) -> tuple[str, ...]:
    """What this plan does not know."""
    notes = []
    if not known:
        notes.append(
            "No voxels were read: the whole volume was taken to hold something; empty borders take less."
        )
    if not tried:
        time = "the time is that of earlier tiles" if timed else "the time is not known"
        notes.append(f"The network was not tried: its memory is estimated from its files, and {time}.")
    return tuple(notes)
