"""Sample data: a phantom of brain tissue with known mitochondria."""

from __future__ import annotations

from typing import Any

SHAPE = (32, 512, 512)
CHUNKS = (8, 256, 256)
VOXEL_SIZE_NM = (40.0, 8.0, 8.0)


def phantom() -> list[tuple[Any, dict[str, Any], str]]:
    """Grey values and true mitochondria, (z, y, x) dask arrays that are computed where they are looked at.

    Returns
    -------
    list of layer data
        A uint8 image and uint32 labels, 40 x 8 x 8 nm.
    """
    from napari_nnunet_em.testing.phantom import Phantom  # noqa: PLC0415 - File > Open Sample lists us at start

    source = Phantom(seed=0, voxel_size_nm=VOXEL_SIZE_NM)
    place = {"scale": VOXEL_SIZE_NM, "units": ("nanometer",) * 3, "axis_labels": ("z", "y", "x")}
    raw, truth = source.raw(SHAPE, CHUNKS).as_dask(), source.truth(SHAPE, CHUNKS).as_dask()
    return [
        (raw, {"name": "EM phantom", "contrast_limits": (0, 255), **place}, "image"),
        (truth, {"name": "true mitochondria", "visible": False, **place}, "labels"),
    ]
