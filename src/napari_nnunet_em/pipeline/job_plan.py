"""What a job will take, as one value."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from napari_nnunet_em.geometry import Shape
from napari_nnunet_em.pipeline.disk import DiskUse
from napari_nnunet_em.quantities import count, duration, memory


@dataclass(frozen=True)
class JobPlan:
    """What a job will take. Shapes are (z, y, x) in voxels of the volume.

    Attributes
    ----------
    shape : tuple of int
        What is segmented.
    grid_tiles, tiles : int
        Tiles of nnU-Net's grid that touch it, and tiles that are run: more, where columns share some. For
        orthogonal planes the sum of all orientations.
    orientations, flips, folds : int
        Directions in which the volume is seen, orientations of each tile, networks.
    columns, blocks : int
        Into how many parts the output is cut; of the model's own orientation.
    column_shape, block_shape, chunk_shape : tuple of int
        Their shapes; columns reach through the whole region along the model's first axis.
    batch_size : int or None
        Tiles that the network takes at once; None where it was not tried.
    decodes : float or None
        How often a chunk of the input is decoded on average while predicting; None where the input is not
        stored in chunks.
    ram_bytes : int
        Highest memory of the process.
    device_bytes : int or None
        Highest memory of the GPU; None without one.
    disk : DiskUse
        What is written.
    seconds : float or None
        Of the prediction, without finding objects; None where nothing was tried.
    runner : str
        What runs the network; empty where it was not tried.
    warnings : tuple of str
        What should be changed before the job is run, one sentence each: too little memory or disk.
    notes : tuple of str
        The warnings, and what this plan does not know, one sentence each.
    """

    shape: Shape
    grid_tiles: int
    tiles: int
    orientations: int
    flips: int
    folds: int
    columns: int
    blocks: int
    column_shape: Shape
    block_shape: Shape
    chunk_shape: Shape
    batch_size: int | None
    decodes: float | None
    ram_bytes: int
    device_bytes: int | None
    disk: DiskUse
    seconds: float | None
    runner: str
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def overhead(self) -> float:
        """Tiles run for each tile of the grid; 1 where none is run twice."""
        return self.tiles / max(self.grid_tiles, 1)

    @property
    def forward_passes(self) -> int:
        """Tiles times flips times folds."""
        return self.tiles * self.flips * self.folds

    @property
    def voxels_per_second(self) -> float | None:
        """Speed of the prediction; None where nothing was tried."""
        return math.prod(self.shape) / self.seconds if self.seconds else None

    def summary(self) -> str:
        """One line, such as ``320 tiles, about 2 min, 1.9 GB RAM, 0.4 GB disk``."""
        parts = [count(self.tiles, "tile")]
        if self.seconds is not None:
            parts.append(f"about {duration(self.seconds)}")
        parts.append(f"{memory(self.ram_bytes)} RAM")
        if self.device_bytes is not None:
            parts.append(f"{memory(self.device_bytes)} GPU memory")
        return ", ".join([*parts, f"{memory(self.disk.expected)} disk"])

    def document(self) -> dict[str, Any]:
        """The plan as plain JSON values."""
        derived = ("overhead", "forward_passes", "voxels_per_second")
        return {**asdict(self), **{name: getattr(self, name) for name in derived}, "summary": self.summary()}
