"""A 2D model run through a volume along all three axes: the same sweep, over the volume turned around.

Each orientation is the model with another ``transpose_forward``, so everything that holds for one sweep holds
for all three: tiles and statistics of the whole volume, resampling of the planes to the model's own spacing,
any blocks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from napari_nnunet_em.config import ModelSettings, Planes, PredictionSettings
from napari_nnunet_em.engine.moments import VolumeStatistics
from napari_nnunet_em.engine.prepare import Spacings, model_spacings, prepare, profile_axis
from napari_nnunet_em.engine.preprocess import MaskReader, Preprocessor
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import as_shape
from napari_nnunet_em.io import Volume
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.progress import Steps
from napari_nnunet_em.quantities import extent

_AXES = "zyx"
_LARGEST_ANISOTROPY = 3.0


@dataclass(frozen=True)
class Orientation:
    """One way to look through a volume.

    Attributes
    ----------
    bundle : ModelBundle
        The model, with the axes in the order of this orientation.
    spacings : Spacings
        Of volume and model in that order.
    """

    bundle: ModelBundle
    spacings: Spacings

    @property
    def axis(self) -> str:
        """Letter of the axis of the volume across which the model's slices lie, or along its first axis."""
        return _AXES[self.bundle.transpose_forward[0]]


def find_orientations(
    volume: Volume, bundle: ModelBundle, settings: ModelSettings, planes: Planes
) -> tuple[Orientation, ...]:
    """Orientations in which a model is run; the model's own is the last.

    Parameters
    ----------
    volume : Volume
        The volume.
    bundle : ModelBundle
        The model.
    settings : ModelSettings
        Unit of the model's spacing.
    planes : Planes
        What is asked for.

    Raises
    ------
    InputError, ModelError
        As `model_spacings`, for any of the orientations.
    SettingsError
        If planes along all axes make no sense for this model or this volume.
    """
    own = Orientation(bundle, model_spacings(volume, bundle, settings))
    if planes is Planes.SLICES:
        return (own,)
    _check(volume, bundle, planes)
    first, *others = bundle.transpose_forward
    turned = [_turned(bundle, (axis, first, *(a for a in others if a != axis))) for axis in others]
    return (*(Orientation(b, model_spacings(volume, b, settings)) for b in turned), own)


def _turned(bundle: ModelBundle, forward: Sequence[int]) -> ModelBundle:
    backward = [list(forward).index(axis) for axis in range(3)]
    return dataclasses.replace(
        bundle, transpose_forward=as_shape(forward), transpose_backward=as_shape(backward)
    )


def _check(volume: Volume, bundle: ModelBundle, planes: Planes) -> None:
    if len(bundle.patch_size) != 2:
        raise SettingsError(
            f"Orthogonal planes were asked for, but the model {bundle.name!r} is 3D and sees all three "
            "directions at once; choose a 2D model, or planes of the kind 'slices'."
        )
    if min(volume.shape) == 1:
        raise SettingsError(
            f"Orthogonal planes were asked for, but {volume.origin} has only one voxel along "
            f"{_AXES[volume.shape.index(1)]}, so there are no planes to see in other directions; "
            "choose planes of the kind 'slices'."
        )
    assert volume.voxel_size_nm is not None  # refused with the spacings
    size = volume.voxel_size_nm
    ratio = max(size) / min(size)
    if planes is Planes.ORTHOGONAL and ratio > _LARGEST_ANISOTROPY:
        raise SettingsError(
            f"Orthogonal planes were asked for, but voxels of {extent(size)} nm are "
            f"{ratio:.3g} times as long as they are wide (at most {_LARGEST_ANISOTROPY:g} makes sense): the "
            "model would see planes that are mostly interpolated; choose 'slices', or "
            f"{Planes.FORCED.value!r} to do it all the same."
        )


def prepare_orientations(
    volume: Volume,
    orientations: Sequence[Orientation],
    statistics_of: Callable[[int | None], Steps[VolumeStatistics]],
    prediction: PredictionSettings,
) -> Steps[tuple[Preprocessor, ...]]:
    """Fix grids and normalisation of each orientation, with as few passes over the volume as they need.

    Parameters
    ----------
    volume : Volume
        The volume.
    orientations : sequence of Orientation
        From `find_orientations`.
    statistics_of : callable
        Gathers statistics of the volume, given the axis across which planes are measured, if any.
    prediction : PredictionSettings
        Overlap.

    Yields
    ------
    tuple of int
        Blocks done and in all, pass by pass.

    Returns
    -------
    tuple of Preprocessor
        In the order of the orientations.

    Raises
    ------
    InputError, ModelError
        As `prepare`.
    """
    axes = [profile_axis(volume, o.bundle, o.spacings) for o in orientations]
    # Whoever needs no planes is served by statistics that have some.
    spare = next((axis for axis in axes if axis is not None), None)
    known: dict[int | None, tuple[VolumeStatistics, MaskReader | None]] = {}
    result = []
    for orientation, own in zip(orientations, axes, strict=True):
        axis = spare if own is None else own
        if axis not in known:
            known[axis] = (yield from statistics_of(axis)), None
        statistics, mask = known[axis]
        source = yield from prepare(
            volume, orientation.bundle, statistics, orientation.spacings, prediction, mask
        )
        known[axis] = statistics, source.mask
        result.append(source)
    return tuple(result)
