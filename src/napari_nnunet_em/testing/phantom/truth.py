"""The phantom's mitochondria as connected objects, for scores."""

from __future__ import annotations

import cc3d
import numpy as np
import numpy.typing as npt

from napari_nnunet_em.config import Connectivity


def connected_truth(
    ids: npt.NDArray[np.uint32], *, connectivity: Connectivity = Connectivity.FACES, min_voxels: int = 0
) -> npt.NDArray[np.uint32]:
    """Number the connected parts of a phantom's ids, so that every object is one connected component.

    One mitochondrion may appear as several parts in a box: its cell's border cuts it, or it leaves the
    box and returns. A segmentation by connected components can only find the parts, so scores compare
    to them.

    Parameters
    ----------
    ids : array, (z, y, x), uint32
        Second result of `Phantom.block`, over the whole volume that is scored.
    connectivity : Connectivity
        Neighbours that join voxels of one id; voxels of different ids never join.
    min_voxels : int
        Smaller parts become background, as the size filter of a segmentation drops them.

    Returns
    -------
    array, (z, y, x), uint32
        1 to n without gaps, 0 elsewhere.
    """
    parts = cc3d.connected_components(ids, connectivity=int(connectivity), out_dtype=np.uint32)
    keep = np.bincount(parts.ravel()) >= max(min_voxels, 1)
    keep[0] = False
    numbers = np.where(keep, np.cumsum(keep), 0).astype(np.uint32)
    renumbered: npt.NDArray[np.uint32] = numbers[parts]
    return renumbered
