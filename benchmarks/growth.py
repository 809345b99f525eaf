"""Time and memory of whole jobs as the volume grows, with a network that costs almost nothing.

``python benchmarks/growth.py steps FOLDER`` runs jobs of 1, 8 and 64 times the same volume. ``python
benchmarks/growth.py simulated FOLDER`` begins a job of 1000 x 4096 x 4096 voxels, and one of eight times
as many (2000 x 8192 x 8192), and stops both early (see `Growth.rows`); ``whole`` runs the first to its
end. The volume is made when it is read, and the answer of the network is its input, so that what is
measured is the engine: statistics, reading, tiles, sums, writing, objects. Tiles, layout and memory are
those of the model mitochondria-3d. Each job has a process of its own.

FOLDER is for the outputs, which are deleted; ``whole`` needs about 10 GB there. Seconds by the clock are
worth something on a quiet machine only; CPU seconds, of all threads, are worth more.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _report import answer, machine, markdown, run_in_process

from napari_nnunet_em import Job, open_volume
from napari_nnunet_em.geometry import Box, Shape, as_shape
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.progress import ProgressEvent, Stage
from napari_nnunet_em.testing.lazy_noise import LazyNoise

if TYPE_CHECKING:
    from napari_nnunet_em.io import Volume

BASE = (64, 1024, 1024)
SIMULATED = (1000, 4096, 4096)
LARGER = (2000, 8192, 8192)
VOXEL_SIZE_NM = (50.0, 8.0, 8.0)
PATCH = (8, 224, 224)
CHUNKS = (16, 256, 256)
_PARTS = {
    "statistics": {Stage.OPEN, Stage.STATISTICS},
    "prediction": {Stage.PREDICT},
    "objects": {Stage.COMPONENTS, Stage.SPLIT, Stage.LABELS, Stage.FINISHED},
}
HEAD = ["voxels", "tiles", "clock s", "CPU s", *(f"{part}, CPU s" for part in _PARTS), "peak RSS, MB"]


@dataclass(frozen=True)
class Growth:
    """One job.

    Attributes
    ----------
    shape : tuple of int, (z, y, x)
        Voxels of the volume.
    store : str
        The output, which is deleted.
    max_ram_gb : float
        Memory budget of the job; columns are as wide as it allows.
    rows : int
        Stop as soon as a block is finished that ends at this z or after it; 0: run the whole job. Then the
        statistics of a small part of the volume stand for those of the whole, which are not gathered. Input,
        sums and output of a sweep are one patch deep wherever it is; but decoded chunks that the next column
        shares are kept as it goes on, up to the budget, and only a whole job has them all.
    """

    shape: Shape
    store: str
    max_ram_gb: float
    rows: int = 0


def measure(growth: Growth) -> dict[str, Any]:
    """Run the job in this process: seconds and CPU seconds by stage, tiles, voxels that were finished."""
    volume = waves(growth.shape)
    job = Job.model_validate(
        {
            "input": {"path": "waves"},
            "model": {"path": "mitochondria-3d"},
            "output": {"path": growth.store},
            "execution": {"max_ram_gb": growth.max_ram_gb},
        }
    )
    if growth.rows:
        assume_statistics(job, volume)
    clock: dict[str, float] = defaultdict(float)
    cpu: dict[str, float] = defaultdict(float)
    last = time.perf_counter(), time.process_time()
    voxels = tiles = 0
    for event in steps(job, volume):
        now = time.perf_counter(), time.process_time()
        clock[event.stage] += now[0] - last[0]
        cpu[event.stage] += now[1] - last[1]
        last = now
        if event.stage is Stage.PREDICT:
            tiles = event.done
            voxels += event.box.size if event.box is not None else 0
            if growth.rows and event.box is not None and event.box.stop[0] >= growth.rows:
                break
    return {"clock": clock, "cpu": cpu, "tiles": tiles, "voxels": voxels}


def waves(shape: Shape) -> Volume:
    """The volume."""
    return open_volume(LazyNoise(shape, CHUNKS), voxel_size_nm=VOXEL_SIZE_NM)


def steps(job: Job, volume: Volume) -> Iterator[ProgressEvent]:
    """The job with the network whose answer is its input."""
    from napari_nnunet_em import segment  # noqa: PLC0415 - only the child needs it
    from napari_nnunet_em.testing.runners import PointwiseRunner  # noqa: PLC0415

    return segment(job, volume=volume, make_runner=lambda _: PointwiseRunner(PATCH))


def assume_statistics(job: Job, volume: Volume) -> None:
    """Begin the job, and leave it the statistics of a part of the volume as those of the whole."""
    from napari_nnunet_em.engine.statistics import collect_statistics  # noqa: PLC0415
    from napari_nnunet_em.progress import finish  # noqa: PLC0415

    begun = steps(job, volume)
    while next(begun).stage is not Stage.STATISTICS:
        pass
    begun.close()  # type: ignore[attr-defined]
    known = finish(collect_statistics(waves((64, 256, 256))))
    whole = dataclasses.replace(known, any_count=int(np.prod(volume.shape)), bbox=Box.whole(volume.shape))
    JobFolder(job.store).save("statistics", whole.document())


def run(growth: Growth) -> dict[str, Any]:
    """Run the job in a process of its own, and delete what it wrote."""
    try:
        return run_in_process(Path(__file__), dataclasses.asdict(growth))
    finally:
        shutil.rmtree(growth.store, ignore_errors=True)


def row(growth: Growth, found: dict[str, Any]) -> list[str]:
    """Cells of the table."""
    part = "" if not growth.rows else f", of them {found['voxels'] / np.prod(growth.shape):.1%}"
    return [
        " x ".join(map(str, growth.shape)) + part,
        f"{found['tiles']}",
        f"{sum(found['clock'].values()):.1f}",
        f"{sum(found['cpu'].values()):.1f}",
        *(f"{sum(found['cpu'].get(stage, 0.0) for stage in stages):.1f}" for stages in _PARTS.values()),
        f"{found['peak_rss'] / 1e6:.0f}",
    ]


def grow(folder: Path) -> None:
    """1, 8 and 64 times the volume, and the ratios from step to step."""
    rows: list[list[str]] = []
    before: dict[str, Any] = {}
    for factor in (1, 2, 4):
        growth = Growth(as_shape([factor * n for n in BASE]), str(folder / f"x{factor**3}.zarr"), 1.5)
        found = run(growth)
        rows.append([*row(growth, found), *ratios(before, found)])
        before = found
        print(rows[-1], file=sys.stderr, flush=True)
    print(markdown([*HEAD, "tiles, times", "clock, times", "CPU, times"], rows))


def ratios(before: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """How much more tiles and seconds than in the smaller job."""
    if not before:
        return ["", "", ""]
    spent = [sum(found[kind].values()) / sum(before[kind].values()) for kind in ("clock", "cpu")]
    return [f"{value:.2f}" for value in (found["tiles"] / before["tiles"], *spent)]


def simulate(folder: Path) -> None:
    """The beginning of the large job, and of one that is larger still."""
    parts = (SIMULATED, "part.zarr"), (LARGER, "larger.zarr")
    show([Growth(shape, str(folder / name), 4.0, rows=48) for shape, name in parts])


def simulate_whole(folder: Path) -> None:
    """The large job from its beginning to its end."""
    show([Growth(SIMULATED, str(folder / "simulated.zarr"), 4.0)])


def show(jobs: Sequence[Growth]) -> None:
    """Run jobs and print a table."""
    rows = []
    for growth in jobs:
        rows.append(row(growth, run(growth)))
        print(rows[-1], file=sys.stderr, flush=True)
    print(markdown(HEAD, rows))


def main(arguments: Sequence[str]) -> None:
    """Run what is asked for, or, as a child, one job."""
    if arguments[:1] == ["--child"]:
        request = json.loads(arguments[1])
        answer(measure(Growth(**{**request, "shape": as_shape(request["shape"])})))
        return
    kinds = {"steps": grow, "simulated": simulate, "whole": simulate_whole}
    kind, folder = kinds[arguments[0]], Path(arguments[1])
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{machine()}\n", flush=True)
    kind(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
