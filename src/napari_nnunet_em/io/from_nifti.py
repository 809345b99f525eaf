"""NIfTI-1 and NIfTI-2 in one file, plain or packed: https://nifti.nimh.nih.gov/."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io.finding import Finding
from napari_nnunet_em.io.raw import RawArray, RawLayout, begins_with_gzip
from napari_nnunet_em.io.voxel_size import StoredVoxelSize, nm_per_unit, positive_length

_SIZES = {348: 1, 540: 2}
"""Length of the header, its first number, and the version it tells."""

_MAGIC = {1: (344, b"n+1"), 2: (4, b"n+2")}
_LETTERS = "xyztc"
_UNITS = {"meter": "m", "mm": "mm", "micron": "um"}
_OFF_AXIS = 1e-6


def is_nifti(path: Path) -> bool:
    """Whether a file holds a NIfTI header with the voxels behind it."""
    try:
        with _opened(path) as (file, _):
            return _version(file.read(352)) is not None
    except (OSError, EOFError, zlib.error):
        return False


def find_nifti(path: Path) -> Finding:
    """Find the volume in a NIfTI file; axes x, y, z, t and c as the format has them.

    Plain files are read in place; packed ones are unpacked to a temporary file at the first read.

    Raises
    ------
    InputError
        When the header is damaged, or the file is cut short.
    """
    # nibabel is slow to import, and most volumes are something else.
    import nibabel as nib  # noqa: PLC0415
    from nibabel.spatialimages import HeaderDataError  # noqa: PLC0415

    with _opened(path) as (file, packed):
        version = _version(file.read(352))
        file.seek(0)
        kind = nib.Nifti1Header if version == 1 else nib.Nifti2Header
        try:
            header = kind.from_fileobj(file)
            dtype, shape = header.get_data_dtype(), tuple(int(n) for n in header.get_data_shape())
        except (HeaderDataError, ValueError, KeyError, struct.error) as error:
            raise InputError(
                f"{path} cannot be opened as NIfTI: {error}; the file may be damaged or incomplete."
            ) from error
    if len(shape) < 2 or len(shape) > len(_LETTERS):
        raise InputError(
            f"{path} has {len(shape)} axes, and a volume has two to five (x, y, z, t, c): save one part."
        )
    layout = RawLayout(path, shape[::-1], dtype, int(header.get_data_offset()), 0 if packed else None)
    axes = _LETTERS[: len(shape)][::-1]
    return Finding(
        RawArray(layout, _scale(header)),
        str(path),
        axes,
        voxel_size=_voxel_size(header, axes),
        origin_nm=_origin(header, axes),
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, bool]]:
    """The bytes of the header and whether they are packed."""
    with path.open("rb") as file:
        if not begins_with_gzip(file):
            yield file, False
            return
        with gzip.GzipFile(fileobj=file, mode="rb") as packed:
            yield cast("BinaryIO", packed), True


def _version(head: bytes) -> int | None:
    for order in "<>":
        version = _SIZES.get(struct.unpack(f"{order}i", head[:4])[0]) if len(head) >= 348 else None
        if version is not None:
            at, magic = _MAGIC[version]
            return version if head[at : at + 3] == magic else None
    return None


def _scale(header: Any) -> tuple[float, float] | None:
    slope, intercept = header.get_slope_inter()
    if slope is None or (slope, intercept) == (1.0, 0.0):
        return None
    return float(slope), float(intercept or 0.0)


def _factor(header: Any) -> float | None:
    return nm_per_unit(_UNITS.get(header.get_xyzt_units()[0]))


def _shortest(value: Any) -> float:
    """The decimal number that was meant: NIfTI-1 keeps 0.008 in 32 bits, which is 0.00800000038."""
    return float(str(value.item() if value.dtype.itemsize > 4 else np.float32(value)))


def _voxel_size(header: Any, axes: str) -> StoredVoxelSize | None:
    factor = _factor(header)
    if factor is None:
        return None
    sizes = dict(zip(_LETTERS, (_shortest(z) for z in np.abs(header["pixdim"][1:6])), strict=True))
    named = [
        None
        if axis not in "zyx" or not positive_length(sizes[axis])
        else float(f"{sizes[axis] * factor:.12g}")
        for axis in axes
    ]
    return StoredVoxelSize(tuple(named), "NIfTI pixdim")


def _origin(header: Any, axes: str) -> tuple[float | None, ...] | None:
    """The first voxel's place, where the volume lies along the axes of the world and not mirrored."""
    factor = _factor(header)
    if factor is None or not header["sform_code"]:
        return None
    rows = np.array([header["srow_x"], header["srow_y"], header["srow_z"]])
    linear = rows[:, :3]
    sizes = np.abs(np.asarray(header["pixdim"][1:4], float))
    if np.abs(linear - np.diag(sizes)).max() > _OFF_AXIS * max(float(sizes.max()), _OFF_AXIS):
        return None
    places = dict(zip("xyz", (float(f"{_shortest(p) * factor:.12g}") for p in rows[:, 3]), strict=True))
    return tuple(places.get(axis) for axis in axes)
