"""Everything that is looked at before anything is written, and refused there if it cannot work."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import Any

from napari_nnunet_em.config import Job
from napari_nnunet_em.engine.planes import Orientation, find_orientations
from napari_nnunet_em.engine.prepare import check_channels, mirror_axes
from napari_nnunet_em.engine.space import patch_shape, permute
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume, nearest_size, open_volume
from napari_nnunet_em.io.voxel_size import GIVEN
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.pipeline.boundary import check_boundary
from napari_nnunet_em.pipeline.identity import prediction_identity
from napari_nnunet_em.quantities import extent

_PACKAGES = ("napari-nnunet-em", "nnunetv2", "torch", "zarr", "numpy", "dask")


@dataclass(frozen=True)
class OpenJob:
    """A job with its volume and model open and checked against each other.

    Attributes
    ----------
    job : Job
        As asked for.
    volume : Volume
        With the voxel size that is used.
    bundle : ModelBundle
        The model.
    folds : tuple of str
        Folds that are averaged.
    orientations : tuple of Orientation
        In which the model is run, its own last; more than one for orthogonal planes.
    mirror_axes : tuple of int
        Axes of the patch that are flipped.
    region : Box
        Voxels of the volume that are segmented.
    device_bytes : int or None
        Memory for network and sums on a device that has its own, as it was free when the job was opened and
        the network not yet there; None where they live in RAM. See `device_memory_bytes`.
    """

    job: Job
    volume: Volume
    bundle: ModelBundle
    folds: tuple[str, ...]
    orientations: tuple[Orientation, ...]
    mirror_axes: tuple[int, ...]
    region: Box
    device_bytes: int | None

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes another job the same; see `prediction_identity`.

        Samples of the volume and the checkpoints are read for it, so it is made when it is first asked for.
        """
        return prediction_identity(self.job, self.volume, self.bundle, self.folds)

    @property
    def passes_per_tile(self) -> int:
        """Forward passes of a network that each tile takes: its flips times the folds."""
        return int(2 ** len(self.mirror_axes)) * len(self.folds)

    @property
    def voxel_size_nm(self) -> tuple[float, float, float]:
        """Voxel size used, (z, y, x)."""
        assert self.volume.voxel_size_nm is not None  # refused when the job was opened
        return self.volume.voxel_size_nm

    @property
    def origin_nm(self) -> tuple[float, float, float]:
        """Centre of the region's first voxel, (z, y, x), in the world where the volume states its place.

        Without that, it counts from the centre of the first voxel of the volume at full resolution.
        """
        begin = self.volume.origin_nm or self.volume.shift_nm
        z, y, x = (o + a * s for o, a, s in zip(begin, self.region.start, self.voxel_size_nm, strict=True))
        return z, y, x

    def notes(self) -> tuple[str, ...]:
        """What the user should know before the job runs, one sentence each."""
        size = extent(self.voxel_size_nm)
        notes = [f"Voxel size {size} nm (z, y, x), {self.volume.voxel_size_source}."]
        if len(self.orientations) > 1:
            across = [o.axis for o in self.orientations]
            notes.append(
                f"Planes across {', '.join(across)} are predicted one after the other and their "
                f"probabilities averaged: {len(across)} times the work; the result appears with the last."
            )
        notes += self._better_level()
        for orientation in self.orientations:
            notes += self._seen(orientation)
        if self.bundle.licence:
            notes.append(f"Licence of the model {self.bundle.name!r}: {self.bundle.licence}")
        return (*notes, *self.bundle.notes)

    def _better_level(self) -> list[str]:
        """Which level of the pyramid would suit the model better, if one does."""
        volume, spacing = self.volume, self.bundle.spacing_by_axis(self.job.model.spacing_unit)
        if not spacing:
            return []
        sizes = [size for level in range(len(volume.levels)) if (size := volume.size_of(level)) is not None]
        best = nearest_size(sizes, spacing)
        if best == volume.level:
            return []
        return [
            f"Level {best} of the pyramid, {extent(sizes[best])} nm, is nearer to the model than "
            f"level {volume.level}, which is segmented; choose it (--level), or leave it so."
        ]

    def _seen(self, orientation: Orientation) -> list[str]:
        """What the model makes of the volume, in one orientation."""
        notes = []
        which = f"In planes across {orientation.axis} the" if len(self.orientations) > 1 else "The"
        spacings = orientation.spacings
        if spacings.resampled:
            notes.append(
                f"{which} model sees the volume resampled from {extent(spacings.current)} nm to "
                f"{extent(spacings.target)} nm; the result has the volume's own voxels."
            )
        patch = patch_shape(self.bundle)
        shape = permute(self.volume.shape, orientation.bundle.transpose_forward)
        seen = [n * c / t for n, c, t in zip(shape, spacings.current, spacings.target, strict=True)]
        if any(round(n) < p for n, p in zip(seen, patch, strict=True)):
            notes.append(
                f"{which} volume ({extent(seen)} voxels as the model sees it) is smaller than the model's "
                f"patch ({extent(patch)}), so it is padded with zeros as nnU-Net does; expect less certain "
                "borders."
            )
        return notes


def open_job(job: Job, volume: Volume | None = None) -> OpenJob:
    """Open and check all that a job needs; writes nothing.

    Parameters
    ----------
    job : Job
        The job.
    volume : Volume, optional
        The volume, where it is open already (a napari layer, an array); else ``job.input.path`` is opened.
        Its level ``job.input.level`` is taken, unless it is one of its coarser levels already.

    Raises
    ------
    InputError, ModelError, SettingsError
        With one sentence that says what does not work, and what to do.
    """
    given = job.input.voxel_size_nm
    if volume is None:
        volume = open_volume(job.input.path, axes=job.input.axes)
    if volume.level == 0:
        volume = volume.at_level(job.input.level)
    if given is not None:
        volume = volume.with_voxel_size(given, GIVEN)
    from napari_nnunet_em.engine.devices import device_memory_bytes  # noqa: PLC0415 - torch is slow to load

    model = job.model
    bundle = ModelBundle.open(
        model.path, configuration=model.configuration, checkpoint=model.checkpoint, trust=model.trust
    )
    folds = bundle.resolve_folds(model.folds)
    check_channels(volume, bundle)
    orientations = find_orientations(volume, bundle, model, job.prediction.planes)
    axes = mirror_axes(bundle, job.prediction.tta)
    check_boundary(job.instances, bundle)
    region = _region(job, volume)
    device = device_memory_bytes(job.execution)
    return OpenJob(job, volume, bundle, folds, orientations, axes, region, device)


def _region(job: Job, volume: Volume) -> Box:
    whole = Box.whole(volume.shape)
    region = job.prediction.region
    if region is None:
        return whole
    if not whole.contains(region) or min(region.shape) < 1:
        raise SettingsError(
            f"The region {region} does not lie inside the volume, which has {extent(volume.shape)} voxels "
            "(z, y, x); a region is z0:z1,y0:y1,x0:x1 with ends that are not included."
        )
    return region


def versions() -> dict[str, str]:
    """Versions of what the answer depends on, for the provenance."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}
