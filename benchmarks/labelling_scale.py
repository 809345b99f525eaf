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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

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
from napari_nnunet_em.instances.found import WriteLabels
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec
from napari_nnunet_em.progress import ProgressEvent, Stage

BLOCK, CHUNK = (16, 1024, 1024), (16, 256, 256)
VOXEL_NM = (10.0, 10.0, 10.0)
KINDS = {"organelles": (Organelles, (1024, 4096, 4096)), "specks": (Specks, (432, 2244, 2244))}
SMALL = (70, 410, 390)
T = TypeVar("T")


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and of all threads of this process."""

    clock: float = 0.0
    cpu: float = 0.0

    @classmethod
    def now(cls) -> Spent:
        """Both, from some common start."""
        return cls(time.perf_counter(), time.process_time())

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.clock + other.clock, self.cpu + other.cpu)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.clock - other.clock, self.cpu - other.cpu)

    def __str__(self) -> str:
        return f"{self.cpu:.0f} CPU s ({self.clock:.0f} s by the clock)"


class Watch:
    """Resident memory, sampled ten times a second, and seconds by what they were spent on."""

    def __init__(self) -> None:
        self.peak = dict.fromkeys(("start", *Stage, "table"), 0)
        self.seconds: dict[str, Spent] = {}
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
        mask = self.time("generating", make)
        if self.stage == Stage.COMPONENTS:
            self.foreground += int(np.count_nonzero(mask))
        return mask

    def writing(self, write: WriteLabels) -> WriteLabels:
        """Time the writing of blocks."""

        def timed(box: Box, labels: Any) -> None:
            self.time("writing", lambda: write(box, labels))

        return timed

    def time(self, what: str, work: Callable[[], T]) -> T:
        """Do some work and add its time to that of others like it."""
        before = Spent.now()
        result = work()
        self.seconds[what] = self.seconds.get(what, Spent()) + (Spent.now() - before)
        return result


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
    while True:
        try:
            event = watch.time(watch.stage, lambda: next(events))
        except StopIteration as end:
            return end.value, sinks[0]
        tell(event)
        # The step after the last block joins the parts and begins to write.
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
        watch.time("table", lambda: table.to_csv(folder / "objects.csv"))
    check_large(mask, table, sink, watch)
    spent = watch.seconds
    first = spent[Stage.COMPONENTS] - spent["generating"]
    second = spent[Stage.LABELS] - spent["writing"]
    rows = {
        "voxels": f"{voxels:,} {mask.shape}",
        "objects found, and generated": f"{len(table):,}, {mask.count:,}",
        "type of the labels": str(sink.spec.dtype),
        "foreground": f"{watch.foreground / voxels:.1%}",
        "making the mask": str(spent["generating"]),
        "pass 1 without that": f"{first}, {first.cpu / voxels * 1e9:.2f} CPU ns per voxel",
        "joining, and pass 2 without writing": f"{second}, {second.cpu / voxels * 1e9:.2f} CPU ns per voxel",
        "writing labels and pyramid": str(spent["writing"]),
        "table in memory": f"{table.frame.memory_usage(index=True).sum() / 2**20:.0f} MiB",
        "table as CSV": f"{spent['table']}, {(folder / 'objects.csv').stat().st_size / 2**20:.0f} MiB",
        "label image on disk, with pyramid": f"{stored_bytes(folder / 'large.zarr') / 2**20:.0f} MiB",
        "peak RSS by stage": ", ".join(f"{s} {p / 2**20:.0f} MiB" for s, p in watch.peak.items() if p),
        "peak RSS of the process, checks included": (
            f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MiB"
        ),
    }
    print("| | |\n|---|---|\n" + "\n".join(f"| {key} | {value} |" for key, value in rows.items()))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *(int(argument) for argument in sys.argv[3:6]))
