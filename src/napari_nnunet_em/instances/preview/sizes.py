"""How large the objects of a preview are, as a histogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em.instances.preview.request import Preview

_BINS = 24


@dataclass(frozen=True, eq=False)
class SizeHistogram:
    """Objects by size, in steps of equal ratio.

    Attributes
    ----------
    edges : array, (bins + 1,), float64
        Bounds of the bins, ascending; empty without objects.
    counts : array, (bins,), int64
        Objects in each bin.
    unit : str
        Of the edges: ``µm³``, or ``voxels`` where the voxel size is unknown.
    """

    edges: NDArray[np.float64]
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
        return SizeHistogram(np.empty(0), np.empty(0, dtype=np.int64), unit)
    low, high = float(sizes.min()), float(sizes.max())
    # Objects of one size, or a single one, still fill a bin that one can see.
    edges = np.geomspace(low / 1.05, high * 1.05, bins + 1)
    counts, _ = np.histogram(sizes, edges)
    return SizeHistogram(edges, counts.astype(np.int64), unit)
