"""What a preview knows of a volume before its first tile, kept from one preview to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from napari_nnunet_em.engine.moments import VolumeStatistics
from napari_nnunet_em.engine.planes import prepare_orientations
from napari_nnunet_em.engine.prepare import needs_mask, prepare, profile_axis
from napari_nnunet_em.engine.preprocess import Preprocessor
from napari_nnunet_em.engine.sampled_statistics import PlainMask, sample_statistics
from napari_nnunet_em.engine.statistics import collect_statistics
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.pipeline.opening import OpenJob
from napari_nnunet_em.pipeline.preparing import progress_of
from napari_nnunet_em.progress import CancelToken, Events, Stage, Steps

PATIENT_BYTES = 256 << 20
"""Volumes up to this size are read as a whole for their statistics, which takes a second or two."""


@dataclass(frozen=True)
class PreparedInput:
    """Prepared input of a job.

    Attributes
    ----------
    key : tuple
        What decides it.
    sources : tuple of Preprocessor
        One for each orientation.
    provisional : bool
        Whether the statistics are an estimate.
    """

    key: tuple[Any, ...]
    sources: tuple[Preprocessor, ...]
    provisional: bool


class InputCache:
    """Prepares the input of jobs; remembers statistics of volumes by their content, and the last grids.

    Parameters
    ----------
    patient_bytes : int
        Volumes larger than this get estimated statistics, unless their own are known.
    """

    def __init__(self, patient_bytes: int = PATIENT_BYTES) -> None:
        self._patient_bytes = patient_bytes
        self._statistics: dict[tuple[str, int | None], VolumeStatistics] = {}
        self._prepared: PreparedInput | None = None

    def prepare(self, opened: OpenJob, cancel: CancelToken) -> Events[PreparedInput]:
        """The input of a job, with the statistics of the whole volume or, where that is large, an estimate.

        Parameters
        ----------
        opened : OpenJob
            The job.
        cancel : CancelToken
            Polled between blocks that are read.
        """
        known = self._prepared
        key = _grid_key(opened)
        if known is not None and known.key == key and not (known.provisional and self._known(opened)):
            # The same voxels, perhaps in another array: the layer may have been closed and opened again.
            sources = tuple(replace(source, volume=opened.volume) for source in known.sources)
            return replace(known, sources=sources)
        steps = self._exact(opened) if self._patient(opened) else self._estimated(opened)
        self._prepared = yield from progress_of(steps, Stage.STATISTICS, cancel)
        return self._prepared

    def _patient(self, opened: OpenJob) -> bool:
        """Whether the statistics of the whole volume are there, or soon will be."""
        volume = opened.volume
        size = math.prod(volume.shape) * volume.channels * volume.dtype.itemsize
        if size <= self._patient_bytes:
            return True
        return not needs_mask(opened.bundle) and self._known(opened)

    def _known(self, opened: OpenJob) -> bool:
        return all(self._stored(opened, axis) is not None for axis in _profile_axes(opened))

    def _exact(self, opened: OpenJob) -> Steps[PreparedInput]:
        def statistics_of(axis: int | None) -> Steps[VolumeStatistics]:
            found = self._stored(opened, axis)
            if found is None:
                found = yield from collect_statistics(opened.volume, profile_axis=axis)
                self._statistics[_content(opened), axis] = found
            return found

        sources = yield from prepare_orientations(
            opened.volume, opened.orientations, statistics_of, opened.job.prediction
        )
        return PreparedInput(_grid_key(opened), sources, provisional=False)

    def _stored(self, opened: OpenJob, axis: int | None) -> VolumeStatistics | None:
        """Statistics gathered by an earlier preview, or by the full run of the same job."""
        content = _content(opened)
        if (content, axis) not in self._statistics:
            folder = JobFolder(opened.job.store)
            there = folder.load("job") or {}
            document = folder.load("statistics") if len(opened.orientations) == 1 else None
            if document is None or there.get("identity", {}).get("input", {}).get("content") != content:
                return None
            found = VolumeStatistics.from_document(document)
            if axis != (None if found.profile is None else found.profile.axis):
                return None
            self._statistics[content, axis] = found
        return self._statistics[content, axis]

    def _estimated(self, opened: OpenJob) -> Steps[PreparedInput]:
        volume, sources = opened.volume, []
        for orientation, axis in zip(opened.orientations, _profile_axes(opened), strict=True):
            statistics = yield from sample_statistics(volume, profile_axis=axis)
            if statistics is None:
                return (yield from self._exact(opened))
            mask = PlainMask(0 if axis is None else volume.shape[axis])
            bundle, spacings = orientation.bundle, orientation.spacings
            source = yield from prepare(
                volume,
                bundle,
                statistics,
                spacings,
                opened.job.prediction,
                mask if needs_mask(bundle) else None,
            )
            sources.append(source)
        return PreparedInput(_grid_key(opened), tuple(sources), provisional=True)


def _content(opened: OpenJob) -> str:
    return str(opened.identity["input"]["content"])


def _profile_axes(opened: OpenJob) -> list[int | None]:
    return [profile_axis(opened.volume, o.bundle, o.spacings) for o in opened.orientations]


def _grid_key(opened: OpenJob) -> tuple[Any, ...]:
    """What decides statistics, grids and normalisation."""
    model = opened.identity["model"]
    plain = opened.job.prediction.model_copy(update={"region": None})
    return (_content(opened), opened.voxel_size_nm, model["content"], model["spacing_unit"], plain)
