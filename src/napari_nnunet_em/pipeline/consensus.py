"""One answer from the orientations of a 2D model: the mean of their probabilities.

All orientations but the model's own are swept first, each into an array of its own inside the job's folder;
the last sweep adds them to its blocks and writes the mean, and then they are deleted. So no tile runs twice,
memory stays what one sweep takes, and each part has its own journal to be continued by.

Probabilities are averaged, not logits, as nnU-Net does where it joins different predictions
(``nnUNetv2_ensemble``). Flips and folds see the same plane and share one scale of logits. Planes in another
direction may look unlike all that the model was trained on, and there its logits can become as large as they
like; as probabilities, no orientation has more than one vote of three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.config import ProbabilityType
from napari_nnunet_em.engine.encoding import BlockResult
from napari_nnunet_em.engine.layout import CHUNK_ROWS, Layout
from napari_nnunet_em.engine.output import Encoder
from napari_nnunet_em.geometry import Box, Shape, as_shape
from napari_nnunet_em.io.scratch import ScratchArray, remove_scratch
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.pipeline.opening import OpenJob

_UINT16_ONE = 65535


def part_path(folder: JobFolder, axis: str) -> Path:
    """Where the probabilities of one orientation wait for the others."""
    return folder.path / f"planes-{axis}.zarr"


def part_layout(layout: Layout, own_axis: int) -> Layout:
    """The same blocks in chunks that the last sweep reads without waste: it goes along another axis.

    Parameters
    ----------
    layout : Layout
        Of the orientation.
    own_axis : int
        Axis of the volume along which the last sweep goes.
    """
    chunk = list(layout.chunk_shape)
    chunk[own_axis] = min(chunk[own_axis], CHUNK_ROWS)
    return Layout(as_shape(chunk), layout.block_shape, layout.column_shape)


def scratch_dtype(probability_type: ProbabilityType) -> np.dtype[Any]:
    """Type in which probabilities wait: finer than what will be stored, and exact where that is float32."""
    return np.dtype(np.float32 if probability_type is ProbabilityType.FLOAT32 else np.uint16)


@dataclass(frozen=True)
class WaitingPart:
    """Probabilities of one orientation, kept until they are averaged.

    Attributes
    ----------
    array : ScratchArray, (c, z, y, x), uint16 or float32
        Voxels of the output; uint16 ``v`` means ``v / 65535``.
    dtype : numpy.dtype
        Of the array.
    """

    array: ScratchArray
    dtype: np.dtype[Any]

    @classmethod
    def open(cls, path: Path, opened: OpenJob, chunk_shape: Shape) -> WaitingPart:
        """Continue a part, or begin it; raises `OutputError`."""
        dtype = scratch_dtype(opened.job.output.probability_type)
        classes, shape = len(opened.bundle.classes), opened.region.shape
        return cls(ScratchArray.open(path, classes, shape, chunk_shape, dtype), dtype)

    def write(self, box: Box, result: BlockResult) -> None:
        """Keep a block of float32 probabilities; `box` is in voxels of the output."""
        data = np.asarray(result.probabilities, np.float32)
        if self.dtype == np.uint16:
            self.array.write(box, np.rint(data * np.float32(_UINT16_ONE)).astype(np.uint16))
        else:
            self.array.write(box, data)

    def add_to(self, sums: NDArray[np.float32], box: Box) -> None:
        """Add the probabilities of a box to `sums`, (c, z, y, x)."""
        for channel in range(len(sums)):
            kept = self.array.read(box, channel)
            sums[channel] += kept / np.float32(_UINT16_ONE) if self.dtype == np.uint16 else kept


def averaged(encoder: Encoder, parts: Sequence[WaitingPart], box: Box, own: BlockResult) -> BlockResult:
    """Mean of a block of the last sweep and of those that waited for it.

    Parameters
    ----------
    encoder : Encoder
        How the result is stored.
    parts : sequence of WaitingPart
        The other orientations.
    box : Box
        The block in voxels of the output.
    own : BlockResult
        With float32 probabilities.
    """
    sums = np.array(own.probabilities, np.float32)
    for part in parts:
        part.add_to(sums, box)
    sums /= np.float32(len(parts) + 1)
    probabilities, classes = encoder.encode_probabilities(sums)
    return replace(own, probabilities=probabilities, classes=classes)


def discard_parts(folder: JobFolder, axes: Sequence[str]) -> None:
    """Delete what waited, once it has been averaged.

    Raises
    ------
    OutputError
        If it cannot be deleted.
    """
    for axis in axes:
        remove_scratch(part_path(folder, axis))
        folder.discard_part(axis)
        folder.discard(f"layout-{axis}")
