"""The settings of a measurement, declared once as those of a job are."""

from __future__ import annotations

from pydantic import Field

from napari_nnunet_em.config import Settings, VoxelSize


class MeasureInput(Settings):
    """The label image, and what is measured inside its objects."""

    labels: str = Field(
        title="Labels",
        description="Label image: OME-Zarr (out.zarr/labels/mitochondria), Zarr, N5, HDF5, TIFF, "
        "or a folder.",
        json_schema_extra={"cli": "LABELS"},
    )
    intensity: str | None = Field(
        None,
        title="Intensity",
        description="Volume of the same voxels whose mean, smallest and largest value are measured.",
        json_schema_extra={"metavar": "RAW"},
    )
    probability: str | None = Field(
        None,
        title="Probability",
        description="The same for probabilities: uint8 or uint16 (the largest value means 1), or floats.",
        json_schema_extra={"metavar": "PATH"},
    )
    axes: str | None = Field(
        None,
        pattern=r"^[czyx]{2,4}$",
        title="Axes",
        description="Order of the axes of the label image, where the file does not say.",
        json_schema_extra={"metavar": "ZYX"},
    )
    voxel_size_nm: VoxelSize | None = Field(
        None,
        title="Voxel size",
        description="Voxel size along z, y, x (y, x for an image); overrides what the label image says.",
        json_schema_extra={"unit": "nm", "metavar": "Z,Y,X"},
    )


class MeasureOutput(Settings):
    """The table that is written."""

    path: str = Field(
        title="Output",
        description="Table to write, .csv or .parquet; it replaces one that is there.",
        json_schema_extra={"cli": "--output", "metavar": "FILE"},
    )


class Measurement(Settings):
    """A whole measurement, as the command line hands it over."""

    input: MeasureInput
    output: MeasureOutput
