"""A model's networks, and how their answers become one: what every runner starts from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from napari_nnunet_em.engine.space import patch_shape
from napari_nnunet_em.geometry import Shape
from napari_nnunet_em.model import ModelBundle, load_networks


@dataclass(frozen=True)
class Ensemble:
    """Networks whose logits are averaged over flips and folds, as nnU-Net does.

    Attributes
    ----------
    networks : sequence of torch.nn.Module
        One per fold, in eval mode, on the CPU.
    patch : tuple of int, (z, y, x)
        Patch size; z is 1 for 2D networks.
    channels : int
        Inputs per voxel.
    outputs : int
        Outputs of the networks per voxel.
    mirror_axes : tuple of int
        Axes of the network's patch that are flipped, 0 being its first.
    relative : bool
        Whether logits are given relative to head 0; see `TileRunner`.
    """

    networks: Sequence[torch.nn.Module]
    patch: Shape
    channels: int = 1
    outputs: int = 2
    mirror_axes: tuple[int, ...] = ()
    relative: bool = True

    @property
    def heads(self) -> int:
        """Logits per voxel that are given."""
        return self.outputs - 1 if self.relative else self.outputs

    @property
    def flat(self) -> bool:
        """Whether the networks are 2D."""
        kernels = (p.ndim for n in self.networks for p in n.parameters() if p.ndim > 3)
        return next(kernels, 5) == 4

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one tile as the networks take it: (c, z, y, x), or (c, y, x) in 2D."""
        return (self.channels, *(self.patch[1:] if self.flat else self.patch))

    @property
    def flips(self) -> tuple[tuple[int, ...], ...]:
        """Sets of axes to flip, counted from the last, so that they hold for tiles with and without z."""
        dimensions = 2 if self.flat else 3
        return tuple(
            tuple(axis - dimensions for axis in axes) for axes in flip_combinations(sorted(self.mirror_axes))
        )

    @property
    def share(self) -> float:
        """Weight of one forward pass in the average."""
        return 1 / (len(self.flips) * len(self.networks))


def flip_combinations(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """All sets of axes to flip, from none to all, in nnU-Net's order."""
    return [c for n in range(len(axes) + 1) for c in itertools.combinations(axes, n)]


def load_ensemble(bundle: ModelBundle, folds: Sequence[str], mirror_axes: Sequence[int]) -> Ensemble:
    """Load a model's folds.

    Parameters
    ----------
    bundle : ModelBundle
        The model.
    folds : sequence of str
        Folds to average.
    mirror_axes : sequence of int
        Axes of the patch to flip.

    Raises
    ------
    ModelError
        If the weights cannot be loaded.
    """
    return Ensemble(
        load_networks(bundle, folds),
        patch_shape(bundle),
        len(bundle.channel_names),
        bundle.num_outputs,
        tuple(mirror_axes),
        relative=not bundle.has_regions,
    )
