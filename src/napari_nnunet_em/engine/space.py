"""From the voxels of the volume to the voxels the model sees, and back: boxes only, no data.

The order is nnU-Net's: transpose, crop to non-zero, (normalise,) resample, pad. Four grids follow:

- *volume*: as stored;
- *transposed*: axes permuted by ``transpose_forward``; blocks and columns live here;
- *cropped*, then *resampled* to the model's spacing;
- *padded*: at least one patch along each axis; tiles live here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from napari_nnunet_em.engine.resample import Resampling, make_resampling, resampled_shape
from napari_nnunet_em.geometry import Box, Shape, TileGrid, as_shape
from napari_nnunet_em.model import ModelBundle


def permute(values: Sequence[int], order: Sequence[int]) -> Shape:
    """Values in the order given."""
    return as_shape([values[i] for i in order])


def permute_box(box: Box, order: Sequence[int]) -> Box:
    """Box with its axes in the order given."""
    return Box(permute(box.start, order), permute(box.stop, order))


@dataclass(frozen=True)
class ModelSpace:
    """How a whole volume lies in the model's voxels.

    Attributes
    ----------
    forward, backward : tuple of int
        Permutations of the axes: volume to transposed, and back.
    shape : tuple of int
        Shape of the transposed volume.
    crop : Box
        Non-zero box in the transposed volume.
    forth, back : Resampling
        From cropped to resampled for images, and from resampled to cropped for logits.
    pad_low : tuple of int
        Voxels of padding before the resampled volume.
    grid : TileGrid
        nnU-Net's tiles over the padded volume.
    """

    forward: Shape
    backward: Shape
    shape: Shape
    crop: Box
    forth: Resampling
    back: Resampling
    pad_low: Shape
    grid: TileGrid

    @property
    def model_shape(self) -> Shape:
        """Shape of the resampled volume, before padding."""
        return self.forth.target

    @property
    def data_box(self) -> Box:
        """Where the resampled volume lies in the padded one."""
        return Box.whole(self.model_shape).shift(self.pad_low)

    def to_padded(self, box: Box) -> Box:
        """Padded voxels whose logits a box of cropped voxels depends on."""
        bounds = [m.support(a, b) for m, a, b in zip(self.back.axes, box.start, box.stop, strict=True)]
        return _box(bounds).shift(self.pad_low)

    def to_cropped(self, box: Box) -> Box:
        """Cropped voxels on which a box of resampled voxels depends."""
        bounds = [m.support(a, b) for m, a, b in zip(self.forth.axes, box.start, box.stop, strict=True)]
        return _box(bounds)

    def tiles_for(self, axis: int, start: int, stop: int) -> tuple[int, ...]:
        """Tile starts along an axis that voxels of the transposed volume need; none outside the crop.

        Parameters
        ----------
        axis : int
            Axis of the transposed volume.
        start, stop : int
            Range of voxels along it.
        """
        offset = self.crop.start[axis]
        low, high = max(start - offset, 0), min(stop - offset, self.crop.shape[axis])
        if low >= high:
            return ()
        first, last = self.back.axes[axis].support(low, high)
        return self.grid.overlapping(axis, first + self.pad_low[axis], last + self.pad_low[axis])


def _box(bounds: Sequence[tuple[int, int]]) -> Box:
    return Box(as_shape([a for a, _ in bounds]), as_shape([b for _, b in bounds]))


def transposed_spacings(
    bundle: ModelBundle, voxel_size: Sequence[float], model_spacing: Sequence[float] | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Spacing of the transposed volume, and the spacing it is resampled to.

    A 2D configuration has no spacing across its slices and leaves it as it is, as nnU-Net does; a model
    without spacing (``None``) is run on the voxels as they are.
    """
    current = tuple(float(voxel_size[i]) for i in bundle.transpose_forward)
    if model_spacing is None:
        return current, current
    target = tuple(float(v) for v in model_spacing)
    return current, (current[: 3 - len(target)] + target)


def patch_shape(bundle: ModelBundle) -> Shape:
    """Patch as (z, y, x); a 2D patch is one slice deep."""
    patch = tuple(bundle.patch_size)
    return as_shape((1,) * (3 - len(patch)) + patch)


def make_space(
    bundle: ModelBundle,
    shape: Shape,
    bbox: Box,
    spacings: tuple[Sequence[float], Sequence[float]],
    overlap: float,
) -> ModelSpace:
    """Lay a volume out in the model's voxels.

    Parameters
    ----------
    bundle : ModelBundle
        The model.
    shape : tuple of int, (z, y, x)
        Shape of the volume as stored.
    bbox : Box
        Its non-zero box, in the volume's axes.
    spacings : tuple of sequence of float
        From `transposed_spacings`.
    overlap : float
        Overlap of tiles as a share of the patch; nnU-Net's ``tile_step_size`` is ``1 - overlap``.
    """
    forward = as_shape(bundle.transpose_forward)
    backward = as_shape(bundle.transpose_backward)
    crop = permute_box(bbox, forward)
    current, target = spacings
    plan = bundle.resampling
    resampled = resampled_shape(crop.shape, current, target)
    forth = make_resampling(plan.data_function, plan.data_kwargs, (crop.shape, resampled), (current, target))
    back = make_resampling(
        plan.probabilities_function, plan.probabilities_kwargs, (forth.target, crop.shape), (target, current)
    )
    patch = patch_shape(bundle)
    padded = as_shape([max(n, p) for n, p in zip(forth.target, patch, strict=True)])
    pad_low = as_shape([(p - n) // 2 for p, n in zip(padded, forth.target, strict=True)])
    return ModelSpace(
        forward,
        backward,
        permute(shape, forward),
        crop,
        forth,
        back,
        pad_low,
        TileGrid.of(padded, patch, 1.0 - overlap),
    )
