"""The volume to segment."""

from __future__ import annotations

from pydantic import Field

from napari_nnunet_em.config.base import Settings
from napari_nnunet_em.config.values import VoxelSize


class InputSettings(Settings):
    """The volume to segment."""

    path: str = Field(
        title="Input",
        description="OME-Zarr, Zarr, N5, HDF5 (file.h5:/dataset), TIFF, or a folder of 2D slices.",
        json_schema_extra={"cli": "INPUT"},
    )
    axes: str | None = Field(
        None,
        pattern=r"^[czyx]{2,4}$",
        title="Axes",
        description="Order of the axes as stored, such as zyx or czyx, where the file does not say.",
        json_schema_extra={"metavar": "ZYX"},
    )
    voxel_size_nm: VoxelSize | None = Field(
        None,
        title="Voxel size",
        description="Voxel size along z, y, x; overrides what the file says.",
        json_schema_extra={"unit": "nm", "metavar": "Z,Y,X"},
    )
    level: int = Field(
        0,
        ge=0,
        title="Pyramid level",
        description="Level of the volume's pyramid that is segmented: 0 is the full resolution. Voxel size, "
        "region and result are in voxels of that level.",
    )
