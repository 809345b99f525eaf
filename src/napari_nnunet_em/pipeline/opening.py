"""Everything that is looked at before anything is written, and refused there if it cannot work."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from napari_nnunet_em.config import Job
from napari_nnunet_em.engine.prepare import Spacings, check_channels, mirror_axes, model_spacings
from napari_nnunet_em.engine.space import patch_shape, permute
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume, open_volume
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.pipeline.boundary import check_boundary
from napari_nnunet_em.pipeline.identity import prediction_identity

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
    spacings : Spacings
        Of volume and model.
    mirror_axes : tuple of int
        Axes of the patch that are flipped.
    region : Box
        Voxels of the volume that are segmented.
    identity : dict
        What makes another job the same; see `prediction_identity`.
    """

    job: Job
    volume: Volume
    bundle: ModelBundle
    folds: tuple[str, ...]
    spacings: Spacings
    mirror_axes: tuple[int, ...]
    region: Box
    identity: dict[str, Any]

    @property
    def voxel_size_nm(self) -> tuple[float, float, float]:
        """Voxel size used, (z, y, x)."""
        assert self.volume.voxel_size_nm is not None  # refused when the job was opened
        return self.volume.voxel_size_nm

    @property
    def origin_nm(self) -> tuple[float, float, float]:
        """Where the region begins in the volume, (z, y, x)."""
        z, y, x = (a * s for a, s in zip(self.region.start, self.voxel_size_nm, strict=True))
        return z, y, x

    def notes(self) -> tuple[str, ...]:
        """What the user should know before the job runs, one sentence each."""
        size = " x ".join(f"{v:g}" for v in self.voxel_size_nm)
        notes = [f"Voxel size {size} nm (z, y, x), {self.volume.voxel_size_source}."]
        if self.spacings.resampled:
            notes.append(
                f"The model sees the volume resampled from {_words(self.spacings.current)} nm to "
                f"{_words(self.spacings.target)} nm; the result has the volume's own voxels."
            )
        patch, shape = patch_shape(self.bundle), permute(self.volume.shape, self.bundle.transpose_forward)
        seen = [n * c / t for n, c, t in zip(shape, self.spacings.current, self.spacings.target, strict=True)]
        if any(round(n) < p for n, p in zip(seen, patch, strict=True)):
            notes.append(
                f"The volume ({_words(seen)} voxels as the model sees it) is smaller than the model's patch "
                f"({_words(patch)}), so it is padded with zeros as nnU-Net does; expect less certain borders."
            )
        if self.bundle.licence:
            notes.append(f"Licence of the model {self.bundle.name!r}: {self.bundle.licence}")
        return (*notes, *self.bundle.notes)


def open_job(job: Job, volume: Volume | None = None) -> OpenJob:
    """Open and check all that a job needs; writes nothing.

    Parameters
    ----------
    job : Job
        The job.
    volume : Volume, optional
        The volume, where it is open already (a napari layer, an array); else ``job.input.path`` is opened.

    Raises
    ------
    InputError, ModelError, SettingsError
        With one sentence that says what does not work, and what to do.
    """
    given = job.input.voxel_size_nm
    if volume is None:
        volume = open_volume(job.input.path, axes=job.input.axes, voxel_size_nm=given)
    elif given is not None:
        volume = volume.with_voxel_size(given, "given by the caller")
    model = job.model
    bundle = ModelBundle.open(
        model.path, configuration=model.configuration, checkpoint=model.checkpoint, trust=model.trust
    )
    folds = bundle.resolve_folds(model.folds)
    check_channels(volume, bundle)
    spacings = model_spacings(volume, bundle, model)
    axes = mirror_axes(bundle, job.prediction.tta)
    check_boundary(job.instances, bundle)
    region = _region(job, volume)
    identity = prediction_identity(job, volume, bundle, folds)
    return OpenJob(job, volume, bundle, folds, spacings, axes, region, identity)


def _region(job: Job, volume: Volume) -> Box:
    whole = Box.whole(volume.shape)
    region = job.prediction.region
    if region is None:
        return whole
    if not whole.contains(region) or min(region.shape) < 1:
        raise SettingsError(
            f"The region {region} does not lie inside the volume, which has {_words(volume.shape)} voxels "
            "(z, y, x); a region is z0:z1,y0:y1,x0:x1 with ends that are not included."
        )
    return region


def versions() -> dict[str, str]:
    """Versions of what the answer depends on, for the provenance."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}


def _words(values: tuple[float, ...] | list[float]) -> str:
    return " x ".join(f"{v:g}" for v in values)
