"""How large the objects of a preview are, as a histogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.instances.preview.request import Preview
from napari_nnunet_em.measurement.distribution import LogScale

_BINS = 24
_ROOM = 1.05


@dataclass(frozen=True, eq=False)
class SizeHistogram:
    """Objects by size, in steps of equal ratio.

    Attributes
    ----------
    scale : LogScale or None
        The axis of sizes; None without objects.
    counts : array, (bins,), int64
        Objects in each bin; empty without objects.
    unit : str
        Of the sizes: ``µm³``, or ``voxels`` where the voxel size is unknown.
    """

    scale: LogScale | None
    counts: NDArray[np.int64]
    unit: str


def size_histogram(preview: Preview, bins: int = _BINS) -> SizeHistogram:
    """Count the objects that lie wholly inside a preview by their size.

    Parameters
    ----------
    preview : Preview
        What was found.
    bins : int
        Number of bins.
    """
    volumes = preview.volumes_um3
    unit = "voxels" if volumes is None else "µm³"
    sizes = preview.voxels.astype(np.float64) if volumes is None else volumes
    if not sizes.size:
        return SizeHistogram(None, np.empty(0, dtype=np.int64), unit)
    # Objects of one size, or a single one, still fill a bin that one can see.
    scale = LogScale(float(sizes.min()) / _ROOM, float(sizes.max()) * _ROOM, bins)
    return SizeHistogram(scale, scale.count(sizes), unit)
