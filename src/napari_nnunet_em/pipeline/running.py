"""What runs the network of a job."""

from __future__ import annotations

from collections.abc import Callable

from napari_nnunet_em.engine.column import Column
from napari_nnunet_em.engine.planes import Orientation
from napari_nnunet_em.engine.runner import TileRunner
from napari_nnunet_em.engine.space import make_space
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.pipeline.opening import OpenJob

RunnerFactory = Callable[[OpenJob], TileRunner]


def open_job_runner(opened: OpenJob) -> TileRunner:
    """Load the networks of a job into what its settings say."""
    from napari_nnunet_em.engine.open_runner import open_runner  # noqa: PLC0415 - torch is slow to load

    execution, axes = opened.job.execution, opened.mirror_axes
    return open_runner(opened.bundle, opened.folds, axes, execution, tiles=expected_tiles(opened))


def expected_tiles(opened: OpenJob) -> int:
    """Tiles of a job before the volume has been read: as if none of it were empty, and it were one column."""
    return sum(_tiles(opened, orientation) for orientation in opened.orientations)


def _tiles(opened: OpenJob, orientation: Orientation) -> int:
    spacings = orientation.spacings
    whole, shape = Box.whole(opened.volume.shape), opened.volume.shape
    both = spacings.current, spacings.target
    space = make_space(orientation.bundle, shape, whole, both, opened.job.prediction.overlap)
    return Column.of(space, [opened.region]).tiles
