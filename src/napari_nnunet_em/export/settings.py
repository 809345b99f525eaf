"""Settings of an export, declared once: the options of the command line and the form in napari follow."""

from __future__ import annotations

import enum

from pydantic import Field

from napari_nnunet_em.config import OmeZarrVersion, Region, Settings, VoxelSize


class Format(enum.StrEnum):
    """Kind of file that is written."""

    AUTO = "auto"
    OME_ZARR = "ome-zarr"
    TIFF = "tiff"
    HDF5 = "hdf5"
    NRRD = "nrrd"
    NIFTI = "nifti"


class Compression(enum.StrEnum):
    """How voxels are packed, always without loss."""

    AUTO = "auto"
    NONE = "none"
    GZIP = "gzip"
    LZF = "lzf"
    ZSTD = "zstd"


class Values(enum.StrEnum):
    """What the numbers mean."""

    AUTO = "auto"
    LABELS = "labels"
    IMAGE = "image"


class ExportFiles(Settings):
    """What is exported, and where to."""

    source: str = Field(
        title="Source",
        description="Labels or an image: OME-Zarr (out.zarr/labels/mitochondria), Zarr, N5, HDF5, TIFF, "
        "NRRD, NIfTI, or a folder of slices.",
        json_schema_extra={"cli": "SOURCE"},
    )
    destination: str = Field(
        title="Destination",
        description="File or .zarr folder to write; its ending decides the format.",
        json_schema_extra={"cli": "DESTINATION"},
    )
    axes: str | None = Field(
        None,
        pattern=r"^[czyx]{2,4}$",
        title="Axes",
        description="Order of the axes of SOURCE as stored, where the file does not say.",
        json_schema_extra={"metavar": "ZYX"},
    )
    voxel_size_nm: VoxelSize | None = Field(
        None,
        title="Voxel size",
        description="Voxel size along z, y, x (y, x for an image); overrides what SOURCE says.",
        json_schema_extra={"unit": "nm", "metavar": "Z,Y,X"},
    )


class ExportSettings(Settings):
    """How it is written."""

    format: Format = Field(
        Format.AUTO,
        title="Format",
        description="auto: what the destination ends in, .zarr, .tif, .h5, .nrrd, .nii or .nii.gz.",
    )
    values: Values = Field(
        Values.AUTO,
        title="Values mean",
        description="labels are never averaged, images are; auto: fractions, several channels and images of "
        "OME-Zarr are images.",
    )
    region: Region | None = Field(
        None,
        title="Region",
        description="Part to export, as z0:z1,y0:y1,x0:x1; it keeps its place in the world. All without it.",
        json_schema_extra={"unit": "voxel", "metavar": "Z0:Z1,Y0:Y1,X0:X1"},
    )
    compression: Compression = Field(
        Compression.AUTO,
        title="Compression",
        description="auto is zstd for OME-Zarr, gzip for TIFF, HDF5, NRRD and .nii.gz, none for .nii.",
    )
    compression_level: int = Field(
        1,
        ge=1,
        le=9,
        title="Compression level",
        description="Of gzip and zstd: 1 is fast, 9 is small.",
    )
    name: str | None = Field(
        None,
        min_length=1,
        title="Name",
        description="Of the labels in OME-Zarr, or of the dataset in HDF5; that of the source without it, "
        "else labels or image.",
    )
    ome_zarr_version: OmeZarrVersion = Field(
        OmeZarrVersion.V05,
        title="OME-Zarr version",
        description="0.5 is Zarr v3, 0.4 is Zarr v2.",
    )
    overwrite: bool = Field(
        False,
        title="Overwrite",
        description="Replace a destination that exists. Of folders, only what an export wrote, not the "
        "output of a job.",
    )


class Export(Settings):
    """A whole export, as the command line hands it over."""

    files: ExportFiles
    export: ExportSettings = ExportSettings()
