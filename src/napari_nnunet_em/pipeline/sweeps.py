"""The sweeps of a job: what each still has to do, how far all of them are, and how one is run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_nnunet_em.engine.column import column_boxes, tiles_run
from napari_nnunet_em.engine.encoding import BlockResult
from napari_nnunet_em.engine.layout import Layout
from napari_nnunet_em.engine.nearest import nearest_first
from napari_nnunet_em.engine.overlap import Behind
from napari_nnunet_em.engine.preprocess import Preprocessor
from napari_nnunet_em.engine.sweep import RowsDone, Sweep, TilesRun
from napari_nnunet_em.geometry import Box, Shape
from napari_nnunet_em.pipeline.clock import Clock
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.progress import CancelToken, Events, ProgressEvent, Stage

_REPORT_SECONDS = 0.2

WriteBlock = Callable[[Box, BlockResult], None]


@dataclass(frozen=True)
class SweepPlan:
    """The blocks of one sweep over the region.

    Attributes
    ----------
    part : str
        Name of the intermediate part that it makes; empty for the output.
    source : Preprocessor
        Its input.
    region : Box
        Voxels of the volume that are segmented.
    layout : Layout
        How they are cut.
    columns, pending : list of list of Box
        All blocks in voxels of the volume, column by column, and those that are not durable yet, in the order
        in which they are predicted.
    """

    part: str
    source: Preprocessor
    region: Box
    layout: Layout
    columns: list[list[Box]]
    pending: list[list[Box]]

    @classmethod
    def of(
        cls,
        folder: JobFolder,
        source: Preprocessor,
        layout: Layout,
        region: Box,
        part: str,
        near: Shape | None = None,
    ) -> SweepPlan:
        """Plan a sweep: all its blocks but those in its journal, what is nearest to a voxel first."""
        columns = column_boxes(region, layout.block_shape, source.space, layout.column_shape)
        finished = folder.finished_blocks(part)
        pending = [[box for box in boxes if box not in finished] for boxes in columns]
        if near is not None:
            pending = nearest_first(source.space, pending, near)
        return cls(part, source, region, layout, columns, pending)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return not any(self.pending)


class Work:
    """What there is to do in all sweeps of a job, and how far it is; progress counts tiles.

    Parameters
    ----------
    plans : sequence of SweepPlan
        Those of this run.
    cancel : CancelToken
        Knows for how long the job was paused.
    """

    def __init__(self, plans: Sequence[SweepPlan], cancel: CancelToken) -> None:
        left = sum(tiles_run(plan.source.space, plan.pending) for plan in plans)
        # Blocks outside the non-zero box take no tile, but are written all the same.
        left = max(left, 0 if all(plan.complete for plan in plans) else 1)
        self.total = max(sum(tiles_run(plan.source.space, plan.columns) for plan in plans), left)
        pending = sum(box.size for plan in plans for boxes in plan.pending for box in boxes)
        # A voxel is segmented once all sweeps have seen it.
        self.clock = Clock(pending // len(plans), left, paused_seconds=lambda: cancel.paused_seconds)
        self.constant_tiles = 0

    def count(self, step: TilesRun) -> None:
        """Take in what a sweep reports."""
        self.clock.add(step.count)
        self.clock.waited_seconds += step.waited_seconds
        self.constant_tiles += step.constant

    def document(self) -> dict[str, float]:
        """What this run has measured, as plain JSON values."""
        clock = self.clock
        return {
            "tiles": clock.done,
            "constant_tiles": self.constant_tiles,
            "seconds": clock.seconds,
            "waited_seconds": clock.waited_seconds,
        }

    def notes(self) -> tuple[str, ...]:
        """What the result should say, one sentence each."""
        if not self.constant_tiles:
            return ()
        return (
            f"{self.constant_tiles} of {self.clock.done} tiles hold one single value, as blank borders do; "
            "the network ran once for each such value and its answer was reused.",
        )

    def event(self, store: Path, *, message: str = "", box: Box | None = None) -> ProgressEvent:
        """How far the prediction is; `box`, in voxels of the output, has just become durable."""
        clock = self.clock
        return ProgressEvent(
            Stage.PREDICT,
            min(self.total - clock.total + clock.done, self.total),
            self.total,
            message,
            box,
            clock.eta_seconds,
            clock.voxels_per_second if clock.done else None,
            store,
        )


def run_plan(plan: SweepPlan, sweep: Sweep, folder: JobFolder, work: Work, write: WriteBlock) -> Events[None]:
    """Predict the pending blocks of one sweep.

    Parameters
    ----------
    plan : SweepPlan
        What to do.
    sweep : Sweep
        Does it.
    folder : JobFolder
        Notes each block, once it is durable.
    work : Work
        Counts tiles.
    write : callable
        Takes a box in voxels of the output, and what was predicted there.

    Yields
    ------
    ProgressEvent
        With a box only where the output itself was written.
    """
    with Behind[list[Box]]() as writer:
        for step in sweep.run(plan.pending):
            if isinstance(step, TilesRun):
                work.count(step)
                if work.clock.due(_REPORT_SECONDS):
                    yield work.event(folder.store)
            else:
                boxes = writer.submit(_finishing(plan, step, folder, write))
                yield from _written(plan, boxes, folder, work)
        yield from _written(plan, writer.finish(), folder, work)
    work.clock.waited_seconds += writer.waited_seconds


def _finishing(
    plan: SweepPlan, rows: RowsDone, folder: JobFolder, write: WriteBlock
) -> Callable[[], list[Box]]:
    """What is done in the writing thread with rows that all their tiles have seen."""

    def finish() -> list[Box]:
        boxes = []
        for block in rows.blocks():
            boxes.append(block.box.relative_to(plan.region.start))
            write(boxes[-1], block)
            folder.record(block.box, plan.part)
        return boxes

    return finish


def _written(
    plan: SweepPlan, batches: list[list[Box]], folder: JobFolder, work: Work
) -> Iterator[ProgressEvent]:
    for boxes in batches:
        for box in boxes:
            yield work.event(folder.store, box=None if plan.part else box)
