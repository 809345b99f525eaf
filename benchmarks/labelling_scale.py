"""Labelling at a size that no memory holds: a generated mask through both passes, label image and table.

``python benchmarks/labelling_scale.py KIND FOLDER [planes rows columns]``, where KIND is ``organelles`` (1024
x 4096 x 4096 voxels unless told otherwise: 16 gigavoxels) or ``specks`` (432 x 2244 x 2244: 10 million
objects).

First a small volume of the same kind is compared with SciPy, label for label. Then the large one runs through
`segment_instances`, as in a job, and what it wrote is checked against what the generator knows: number of
objects, voxels, ids, and labels at places of known objects. FOLDER is for the output; it is left for you
to look at and to delete. Prints Markdown.
"""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from scipy import ndimage
from synthetic import AsProbability, Mask, Organelles, Specks

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.geometry import Box, Shape
from napari_nnunet_em.instances import (
    ClassProbability,
    InstanceTask,
    ObjectTable,
    Placement,
    segment_instances,
)
from napari_nnunet_em.instances.segment import WriteLabels
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec
from napari_nnunet_em.progress import ProgressEvent, Stage

BLOCK, CHUNK = (16, 1024, 1024), (16, 256, 256)
VOXEL_NM = (10.0, 10.0, 10.0)
KINDS = {"organelles": (Organelles, (1024, 4096, 4096)), "specks": (Specks, (432, 2244, 2244))}
SMALL = (70, 410, 390)


class Watch:
    """Resident memory of this process, sampled ten times a second, and seconds by what they were spent on."""

    def __init__(self) -> None:
        self.peak = dict.fromkeys(("start", *Stage, "table"), 0)
        self.seconds = {"generating": 0.0, "writing": 0.0}
        self.stage = "start"
        self.foreground = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.1):
            self.peak[self.stage] = max(self.peak[self.stage], process.memory_info().rss)

    def generate(self, make: Callable[[], Mask]) -> Mask:
        """Time the making of a block of the mask, and count its voxels."""
        start = time.perf_counter()
        mask = make()
        self.seconds["generating"] += time.perf_counter() - start
        if self.stage == Stage.COMPONENTS:
            self.foreground += int(np.count_nonzero(mask))
        return mask

    def writing(self, write: WriteLabels) -> WriteLabels:
        """Time the writing of blocks."""

        def timed(box: Box, labels: Any) -> None:
            start = time.perf_counter()
            write(box, labels)
            self.seconds["writing"] += time.perf_counter() - start

        return timed


def label(
    mask: Organelles | Specks, folder: Path, watch: Watch, block: Shape = BLOCK
) -> tuple[ObjectTable, MultiscaleSink]:
    """Find, measure and write the objects of a mask; tell how long each pass took."""
    sinks: list[MultiscaleSink] = []

    def create(dtype: np.dtype[Any]) -> WriteLabels:
        spec = SinkSpec(
            shape=mask.shape,
            dtype=dtype,
            voxel_size_nm=VOXEL_NM,
            chunk_shape=as_chunk(block),
            block_shape=block,
            kind=Kind.LABELS,
        )
        sinks.append(MultiscaleSink.create(folder, "labels/objects", spec))
        return watch.writing(sinks[0].write)

    settings = InstanceSettings(threshold=0.5, min_voxels=1)
    source = ClassProbability(AsProbability(mask, watch.generate))
    task = InstanceTask(source, settings, Placement(VOXEL_NM), block, folder.parent)
    watch.stage = Stage.COMPONENTS
    events = segment_instances(task, create)
    started = time.perf_counter()
    while True:
        try:
            event = next(events)
        except StopIteration as end:
            watch.seconds[Stage.LABELS] = time.perf_counter() - started
            return end.value, sinks[0]
        if event.done == event.total and event.stage is Stage.COMPONENTS:
            watch.seconds[Stage.COMPONENTS] = time.perf_counter() - started
            started = time.perf_counter()
        tell(event)
        watch.stage = event.stage if event.done < event.total else Stage.LABELS


def as_chunk(block: Shape) -> Shape:
    """Chunks of a job, or smaller ones in smaller blocks."""
    z, y, x = (min(c, b) for c, b in zip(CHUNK, block, strict=True))
    return z, y, x


def tell(event: ProgressEvent) -> None:
    """Say now and then how far it got."""
    if event.total and event.done % max(event.total // 10, 1) == 0:
        print(f"  {event.stage} {event.done} of {event.total}", file=sys.stderr, flush=True)


def check_small(kind: type[Organelles | Specks], folder: Path) -> None:
    """Labels equal SciPy's, all of them, for a volume of the same kind."""
    mask = kind(SMALL)
    _, sink = label(mask, folder / "small.zarr", Watch(), (16, 128, 128))
    whole = Box.whole(SMALL)
    expected, count = ndimage.label(mask.read(whole))
    assert count == mask.count
    np.testing.assert_array_equal(sink.read(whole), expected)
    print(f"{SMALL} voxels, {count} objects: every label equals SciPy's.\n")


def check_large(mask: Organelles | Specks, table: ObjectTable, sink: MultiscaleSink, watch: Watch) -> None:
    """Number, ids and voxels are what the generator knows, and blocks read back agree with the table."""
    assert len(table) == mask.count, (len(table), mask.count)
    frame = table.frame
    np.testing.assert_array_equal(frame["id"], np.arange(1, mask.count + 1))
    assert int(frame["voxels"].sum()) == watch.foreground
    rng = np.random.default_rng(0)
    rows = frame.iloc[np.unique(rng.integers(0, len(frame), 300))]
    sizes = rows[[f"bbox_{axis}_{end}" for end in ("min", "max") for axis in "zyx"]].to_numpy()
    for number, voxels, corners in zip(rows["id"], rows["voxels"], sizes, strict=True):
        box = Box(tuple(corners[:3].tolist()), tuple(corners[3:].tolist()))
        inside = sink.read(box)
        assert int(np.count_nonzero(inside == number)) == voxels
        np.testing.assert_array_equal(inside > 0, mask.read(box))


def stored_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main(name: str, folder: Path, *shape: int) -> None:
    """Run one kind of volume and print what was measured."""
    kind, default = KINDS[name]
    folder.mkdir(parents=True, exist_ok=True)
    check_small(kind, folder)
    mask = kind(shape or default)
    voxels = int(np.prod(mask.shape, dtype=np.int64))
    with Watch() as watch:
        table, sink = label(mask, folder / "large.zarr", watch)
        watch.stage = "table"
        started = time.perf_counter()
        table.to_csv(folder / "objects.csv")
        csv_seconds = time.perf_counter() - started
    check_large(mask, table, sink, watch)
    labelling = watch.seconds[Stage.COMPONENTS] + watch.seconds[Stage.LABELS] - watch.seconds["generating"]
    rows = {
        "voxels": f"{voxels:,} {mask.shape}",
        "objects, of which expected": f"{len(table):,}, {mask.count:,}",
        "type of the labels": str(sink.spec.dtype),
        "foreground": f"{watch.foreground / voxels:.1%}",
        "making the mask": f"{watch.seconds['generating']:.0f} s",
        "pass 1 without it": f"{watch.seconds[Stage.COMPONENTS] - watch.seconds['generating']:.0f} s",
        "pass 2": f"{watch.seconds[Stage.LABELS]:.0f} s, of which writing {watch.seconds['writing']:.0f} s",
        "both passes, without making and writing": f"{labelling - watch.seconds['writing']:.0f} s, "
        f"{(labelling - watch.seconds['writing']) / voxels * 1e9:.2f} ns per voxel",
        "CPU seconds in all": f"{time.process_time():.0f}",
        "table in memory": f"{table.frame.memory_usage(index=True).sum() / 2**20:.0f} MiB",
        "table as CSV": f"{csv_seconds:.0f} s, {(folder / 'objects.csv').stat().st_size / 2**20:.0f} MiB",
        "label image on disk, with pyramid": f"{stored_bytes(folder / 'large.zarr') / 2**20:.0f} MiB",
        "peak RSS by stage": ", ".join(f"{s} {p / 2**20:.0f} MiB" for s, p in watch.peak.items() if p),
        "peak RSS of the process, checks included": (
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MiB"
        ),
    }
    print("| | |\n|---|---|\n" + "\n".join(f"| {key} | {value} |" for key, value in rows.items()))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *(int(argument) for argument in sys.argv[3:6]))
