"""Which voxels of two images lie at the same place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_nnunet_em.errors import InputError, SettingsError
from napari_nnunet_em.geometry import Box, Shape, as_shape
from napari_nnunet_em.io import Volume
from napari_nnunet_em.quantities import extent

_SAME_SIZE = 1e-3
_WHOLE_VOXEL = 0.05


@dataclass(frozen=True)
class Placement:
    """The part that two images have in common.

    Attributes
    ----------
    pred, truth : Box
        The same voxels, counted in each image from its own first voxel.
    notes : tuple of str
        What one should know about it, a sentence each.
    """

    pred: Box
    truth: Box
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """Voxels along z, y and x."""
        return self.truth.shape


def place(pred: Volume, truth: Volume, region: Box | None, offset: Shape | None) -> Placement:
    """Lay a prediction over a truth.

    Parameters
    ----------
    pred, truth : Volume
        The images.
    region : Box or None
        Part of `truth` to compare.
    offset : tuple of int, (z, y, x), or None
        Voxel of `truth` at which `pred` begins. Without it they begin together where their shapes are
        equal; else the places that OME-Zarr states decide, or `region` where it has the shape of `pred`.

    Raises
    ------
    InputError
        When nothing says how they lie, or they have nothing in common.
    SettingsError
        When the region reaches beyond the truth.
    """
    if region is not None and (region.size == 0 or not Box.whole(truth.shape).contains(region)):
        raise SettingsError(
            f"The region {region} does not lie inside the truth of {extent(truth.shape)} voxels: "
            "give z0:z1,y0:y1,x0:x1 in voxels of the truth, each end larger than its start."
        )
    notes = _voxel_size_notes(pred, truth)
    if offset is None:
        offset, more = _find_offset(pred, truth, region)
        notes += more
    common = Box.whole(pred.shape).shift(offset).intersect(Box.whole(truth.shape))
    if region is not None:
        common = common.intersect(region)
    if common.size == 0:
        raise InputError(
            f"The prediction of {extent(pred.shape)} voxels, which begins at voxel {_listed(offset)} of the "
            f"truth of {extent(truth.shape)}, has no voxel in common with what is to be compared: "
            "choose the truth of the same place, or say where it lies (--offset, --region)."
        )
    if common != Box.whole(truth.shape):
        notes.append(f"Only the part {common} of the truth was compared; objects are cut at its border.")
    return Placement(common.relative_to(offset), common, tuple(notes))


def _find_offset(pred: Volume, truth: Volume, region: Box | None) -> tuple[Shape, list[str]]:
    stated = _stated_offset(pred, truth)
    if pred.shape == truth.shape:
        if stated is None or np.abs(stated).max() < _WHOLE_VOXEL:
            return (0, 0, 0), []
        return (0, 0, 0), [
            f"The shapes are equal, so the images were compared voxel by voxel, although their OME-Zarr "
            f"metadata place them {_listed(stated)} voxels (z, y, x) apart; --offset can say otherwise."
        ]
    if stated is not None:
        nearest = np.round(stated)
        if np.abs(stated - nearest).max() > _WHOLE_VOXEL:
            raise InputError(
                f"By the places that both state, the prediction begins at voxel {_listed(stated)} of the "
                "truth, which is not a whole one: say with --offset Z,Y,X where it begins."
            )
        start = as_shape(nearest.tolist())
        return start, [
            f"By the places that both state, the prediction begins at voxel {_listed(start)} of the truth."
        ]
    if region is not None and region.shape == pred.shape:
        return region.start, [f"The prediction was taken to be the region {region} of the truth."]
    raise InputError(
        f"A prediction of {extent(pred.shape)} voxels cannot be laid over a truth of {extent(truth.shape)}: "
        f"nothing says where it begins{_hint(pred)}; give --offset Z,Y,X, or two images of the same shape."
    )


def _stated_offset(pred: Volume, truth: Volume) -> np.ndarray | None:
    """Where the prediction begins in voxels of the truth, (3,), by the metadata of both."""
    if pred.origin_nm is None or truth.origin_nm is None or truth.voxel_size_nm is None:
        return None
    if _differing_sizes(pred, truth):
        return None
    apart = np.array(pred.origin_nm) - np.array(truth.origin_nm)
    return np.asarray(apart / np.array(truth.voxel_size_nm))


def _differing_sizes(pred: Volume, truth: Volume) -> bool:
    if pred.voxel_size_nm is None or truth.voxel_size_nm is None:
        return False
    ours, theirs = np.array(pred.voxel_size_nm), np.array(truth.voxel_size_nm)
    return bool((np.abs(ours / theirs - 1) > _SAME_SIZE).any())


def _voxel_size_notes(pred: Volume, truth: Volume) -> list[str]:
    if not _differing_sizes(pred, truth):
        return []
    return [
        f"The voxel sizes differ: {extent(pred.voxel_size_nm or ())} nm in the prediction and "
        f"{extent(truth.voxel_size_nm or ())} nm in the truth; voxels were compared as they are, "
        "none was resampled."
    ]


def _hint(pred: Volume) -> str:
    """What the prediction itself says about its place, for a truth that says nothing."""
    if pred.origin_nm is None or pred.voxel_size_nm is None:
        return ""
    start = np.array(pred.origin_nm) / np.array(pred.voxel_size_nm)
    return f" (its own metadata say at voxel {_listed(np.round(start, 2))} of the volume it comes from)"


def _listed(values: Sequence[float] | np.ndarray) -> str:
    return ",".join(f"{value:g}" for value in values)
