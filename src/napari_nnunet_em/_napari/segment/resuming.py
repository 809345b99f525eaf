"""Looks for unfinished jobs of a layer, in a thread: telling volumes apart reads some of their voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nnunet_em._napari.layers.levels import layer_levels
from napari_nnunet_em._napari.segment.request import Request, layer_channels, layer_volume, source_path
from napari_nnunet_em.errors import NnunetEmError

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_nnunet_em.config import Job
    from napari_nnunet_em.geometry import Shape
    from napari_nnunet_em.pipeline.unfinished import UnfinishedJob


@dataclass(frozen=True)
class Search:
    """What a search has found.

    Attributes
    ----------
    layer : napari.layers.Image
        Whose jobs were looked for.
    jobs : tuple of UnfinishedJob
        They, the latest first.
    """

    layer: Image
    jobs: tuple[UnfinishedJob, ...] = ()


def search_unfinished(layer: Image, folders: Sequence[Path]) -> Search:
    """Look for the unfinished jobs of a layer's volume in some folders."""
    # The pipeline brings torch along: where there are no jobs, nothing is loaded.
    from napari_nnunet_em.io import JOB_FOLDER  # noqa: PLC0415

    if not any(next(folder.glob(f"*/{JOB_FOLDER}/job.json"), None) for folder in folders if folder.is_dir()):
        return Search(layer)
    from napari_nnunet_em.pipeline.unfinished import find_unfinished  # noqa: PLC0415

    found: list[UnfinishedJob] = []
    try:
        for level in layer_levels(layer):
            volume = layer_volume(layer, layer_channels(layer), None, level.number)
            jobs = find_unfinished(folders, volume.fingerprint())
            found += [replace(job, job=_at_level(job.job, level.number)) for job in jobs]
    except (NnunetEmError, OSError):
        return Search(layer)  # the layer is none that could be segmented
    return Search(layer, tuple(sorted(found, key=lambda job: job.started, reverse=True)))


def _at_level(job: Job, level: int) -> Job:
    """The job, naming the level of the layer whose content it was begun on."""
    return job.model_copy(update={"input": job.input.model_copy(update={"level": level})})


def resumed(layer: Image, found: UnfinishedJob, near: Shape | None = None) -> Request:
    """The request that continues a job on a layer.

    What is near a voxel of the layer's full resolution, (z, y, x), comes first.
    """
    given = found.job.input
    volume = layer_volume(layer, layer_channels(layer), given.voxel_size_nm, given.level)
    own = None if near is None else volume.lattice(volume.level).nearest(near, volume.shape)
    return Request(found.job, volume, layer, found.class_names, own)


def folders_to_search(layer: Image, proposed: Sequence[Path]) -> list[Path]:
    """Where jobs of a layer may lie: beside its file, and in the folders given; each once."""
    source = source_path(layer)
    beside = [Path(source).absolute().parent] if source else []
    return list(dict.fromkeys([*beside, *(folder.absolute() for folder in proposed)]))
