"""One orientation of a job, counted before it runs: its grids, how it is cut, and what that takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_nnunet_em.engine.decodes import Decodes, count_decodes
from napari_nnunet_em.engine.layout import Layout, tile_rows
from napari_nnunet_em.engine.planes import Orientation
from napari_nnunet_em.engine.space import ModelSpace, make_space, permute, permute_box
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.pipeline.opening import OpenJob
from napari_nnunet_em.pipeline.preparing import job_budget, job_memory, layout_plane, planned_layout


@dataclass(frozen=True)
class SweepCount:
    """What one orientation takes.

    Attributes
    ----------
    space : ModelSpace
        Its grids.
    layout : Layout
        How it is cut.
    grid_tiles, tiles : int
        Tiles of nnU-Net's grid, and those that are run: at the seams between columns some are run twice.
    columns : int
        Parts that are swept one after the other.
    decodes : Decodes or None
        How often chunks of the volume are decoded; None where it is not stored in chunks.
    host_bytes, device_bytes : int
        Memory of the sweep, in RAM and on the device.
    """

    space: ModelSpace
    layout: Layout
    grid_tiles: int
    tiles: int
    columns: int
    decodes: Decodes | None
    host_bytes: int
    device_bytes: int


def count_sweep(
    opened: OpenJob, orientation: Orientation, box: Box, stored: dict[str, Any] | None
) -> SweepCount:
    """Cut one orientation of a job and count it.

    Parameters
    ----------
    opened : OpenJob
        The job.
    orientation : Orientation
        One of its own.
    box : Box
        The non-zero box of the volume, as far as it is known.
    stored : dict or None
        The layout with which the job was begun, if it was.
    """
    spacings = orientation.spacings.current, orientation.spacings.target
    overlap = opened.job.prediction.overlap
    space = make_space(orientation.bundle, opened.volume.shape, box, spacings, overlap)
    layout = planned_layout(opened, space, stored)
    sweep, plane = job_memory(opened, space), layout_plane(opened, space, layout)
    budget = job_budget(opened).cache_bytes(sweep, plane)
    decodes = count_decodes(opened.region, layout, sweep, plane, budget) if sweep.chunk_shape[0] else None
    inside, widths = permute_box(opened.region, space.forward), permute(layout.column_shape, space.forward)
    return SweepCount(
        space,
        layout,
        _tiles(space, inside, inside.shape),
        _tiles(space, inside, (inside.shape[0], *widths[1:])),
        count_parts(inside.shape[1:], widths[1:]),
        decodes,
        sweep.usual_bytes(plane) + (decodes.kept_bytes if decodes else 0),
        sweep.device_bytes(plane),
    )


def count_parts(shape: Sequence[int], part: Sequence[int]) -> int:
    """How many parts cover a shape."""
    return math.prod(-(-n // p) for n, p in zip(shape, part, strict=True))


def mean_decodes(sweeps: Sequence[SweepCount]) -> float | None:
    """How often a chunk is decoded on average; None where that is not known."""
    counted = [sweep.decodes for sweep in sweeps if sweep.decodes is not None and sweep.decodes.chunks]
    return sum(d.decoded for d in counted) / sum(d.chunks for d in counted) if counted else None


def _tiles(space: ModelSpace, region: Box, widths: Sequence[int]) -> int:
    return math.prod(tile_rows(space, axis, region, widths[axis]) for axis in range(3))
