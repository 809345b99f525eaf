"""What a preview is asked for, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.geometry import Box, Shape
from napari_nnunet_em.instances.sizes import voxel_volume_um3
from napari_nnunet_em.instances.source import ClassProbability

if TYPE_CHECKING:
    from napari_nnunet_em.instances.preview.evidence import SplitEvidence

MARGIN: Shape = (2, 32, 32)
"""Voxels along z, y, x beyond the view that are looked at: an object that ends there is whole."""


@dataclass(frozen=True, eq=False)
class PreviewRequest:
    """What to look at, and how objects are made of it.

    Attributes
    ----------
    source : ClassProbability
        Stored probabilities; they are taken not to change, so that parts read once are kept.
    settings : InstanceSettings
        As a job would have them.
    view : Box
        Voxels of the volume, (z, y, x), that are wanted; inside the volume.
    voxel_size_nm : tuple of float, (z, y, x), or None
        None where it is unknown.
    margin : tuple of int, (z, y, x)
        Voxels beyond the view that are looked at too.
    shown : int or None
        Slice of the volume to be answered first, where splitting the whole view takes longer.
    explain : bool
        Whether to give the evidence by which objects were split.
    """

    source: ClassProbability
    settings: InstanceSettings
    view: Box
    voxel_size_nm: tuple[float, float, float] | None = None
    margin: Shape = MARGIN
    shown: int | None = None
    explain: bool = False

    @property
    def region(self) -> Box:
        """The view with its margin, as far as the volume reaches."""
        return self.view.grow(self.margin).intersect(Box.whole(self.source.shape))


@dataclass(frozen=True, eq=False)
class Preview:
    """Objects in a view.

    Attributes
    ----------
    box : Box
        The view, in voxels of the volume.
    labels : array, (z, y, x) of the box, uint32
        Numbers of the objects, which stay with them from one preview to the next; 0 elsewhere.
    voxels : array, (n,), int64
        Size of each object that has voxels in the view and lies wholly inside the view and its margin.
    cut : int
        Objects in the view that go on beyond the margin. Their size is unknown, so no minimum drops them.
    voxel_size_nm : tuple of float, (z, y, x), or None
        As asked.
    complete : bool
        False for a first answer: objects are split in the slice that is shown only, and there as an image.
    notes : tuple of str
        What a job would do otherwise, one sentence each.
    evidence : SplitEvidence or None
        Why objects were split, where it was asked for.
    """

    box: Box
    labels: NDArray[np.uint32]
    voxels: NDArray[np.int64]
    cut: int
    voxel_size_nm: tuple[float, float, float] | None
    complete: bool = True
    notes: tuple[str, ...] = ()
    evidence: SplitEvidence | None = None

    @property
    def count(self) -> int:
        """Objects in the view."""
        return len(self.voxels) + self.cut

    @property
    def volumes_um3(self) -> NDArray[np.float64] | None:
        """Volumes of the objects in `voxels`; None where the voxel size is unknown."""
        if self.voxel_size_nm is None:
            return None
        return np.asarray(self.voxels * voxel_volume_um3(self.voxel_size_nm), dtype=np.float64)
