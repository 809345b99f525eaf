"""NIfTI, plain or packed as a whole: https://nifti.nimh.nih.gov/nifti-1/."""

from __future__ import annotations

from typing import Any, BinaryIO

import nibabel as nib
import numpy as np

from napari_nnunet_em.export.settings import Values
from napari_nnunet_em.export.streams import write_stream
from napari_nnunet_em.export.task import ExportTask
from napari_nnunet_em.progress import Events

_NM_PER_UM = 1e3
_LONGEST = np.iinfo(np.int16).max
"""The longest axis of NIfTI-1; longer ones need NIfTI-2."""


def write_nifti(task: ExportTask) -> Events[None]:
    """Write one volume, axes x, y, z and, for several channels, a fifth; sizes and place in µm.

    NIfTI-1 where every axis is shorter than 32768 voxels, else NIfTI-2.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    header = _header(task)
    yield from write_stream(task, lambda file: _write(header, file), packed_header=True)


def _write(header: Any, file: BinaryIO) -> None:
    header.write_to(file)
    # What nibabel leaves between the header and the first voxel.
    file.write(b"\0" * (header.get_data_offset() - file.tell()))


def _header(task: ExportTask) -> Any:
    shape = tuple(reversed(task.shape))
    kind = nib.Nifti1Header if max(*shape, task.volume.channels) <= _LONGEST else nib.Nifti2Header
    header = kind(endianness="<")
    header.set_data_dtype(task.dtype)
    header.set_data_shape((*shape, 1, task.volume.channels) if task.has_channels else shape)
    header.set_data_offset(header.single_vox_offset)
    header.set_slope_inter(1.0, 0.0)
    if task.values is Values.LABELS:
        header.set_intent("label", (), name=task.name[:15].encode("ascii", "replace").decode())
    if task.voxel_size_nm is not None and task.origin_nm is not None:
        affine = np.diag([*(v / _NM_PER_UM for v in reversed(task.voxel_size_nm)), 1.0])
        affine[:3, 3] = [o / _NM_PER_UM for o in reversed(task.origin_nm)]
        header.set_sform(affine, code="scanner")
        header.set_qform(affine, code="scanner")
        header.set_xyzt_units("micron")
    return header
