"""What the Export dock says of formats, without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nnunet_em._napari.segment.words import voxel_size_note
from napari_nnunet_em._napari.words import as_text, error_note
from napari_nnunet_em.export import Format
from napari_nnunet_em.export.formats import FORMATS

if TYPE_CHECKING:
    from napari_nnunet_em._napari.layers.voxels import KnownSize

_EXPORTS = {
    Format.OME_ZARR: "A folder with a pyramid, and colours of labels. For napari and other viewers.",
    Format.TIFF: "One BigTIFF file in tiles with OME metadata. For Fiji (Bio-Formats).",
    Format.HDF5: "One file in chunks with axes and voxel size. For ilastik, Fiji, Python.",
    Format.NRRD: "One file, sizes in nm. For 3D Slicer, ITK.",
    Format.NIFTI: "One file, sizes in µm. For ITK-SNAP, nibabel.",
}


def size_note(known: KnownSize, typed: str | None, kind: Format) -> str:
    """Where the voxel size that is written comes from, or what follows where there is none, as rich text.

    Parameters
    ----------
    known : KnownSize
        What the layer states.
    typed : str or None
        What stands in the form; where nothing does, the layer's own counts.
    kind : Format
        The format that is chosen.
    """
    typed = typed or (as_text(known.voxel_size_nm) if known.voxel_size_nm else None)
    if typed:
        return voxel_size_note(known, typed)
    if kind is Format.OME_ZARR:
        return error_note(
            "The layer states no voxel size, and OME-Zarr stores one. Enter it as z, y, x, such as 40, 8, 8."
        )
    return "The layer states no voxel size, and without one the file will state none."


def export_note(kind: Format) -> str:
    """What a format is and who reads it."""
    return f"<b>{FORMATS[kind].title}</b>: {_EXPORTS[kind]}"
