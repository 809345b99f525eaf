"""What the Export dock says of formats, without a window."""

from __future__ import annotations

from napari_nnunet_em.export import Format
from napari_nnunet_em.export.formats import FORMATS

_EXPORTS = {
    Format.OME_ZARR: "A folder with a pyramid, and colours of labels. For napari and other viewers.",
    Format.TIFF: "One BigTIFF file in tiles with OME metadata. For Fiji (Bio-Formats).",
    Format.HDF5: "One file in chunks with axes and voxel size. For ilastik, Fiji, Python.",
    Format.NRRD: "One file, sizes in nm. For 3D Slicer, ITK.",
    Format.NIFTI: "One file, sizes in µm. For ITK-SNAP, nibabel.",
}


def export_note(kind: Format) -> str:
    """What a format is and who reads it."""
    return f"<b>{FORMATS[kind].title}</b>: {_EXPORTS[kind]}"
