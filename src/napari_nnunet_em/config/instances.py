"""How probabilities become objects."""

from __future__ import annotations

import enum

from pydantic import Field, ValidationInfo, field_validator

from napari_nnunet_em.config.base import Settings
from napari_nnunet_em.errors import SettingsError


class Connectivity(enum.IntEnum):
    """Which neighbours belong to the same object."""

    FACES = 6
    EDGES = 18
    CORNERS = 26


class Linking(enum.StrEnum):
    """What makes one object of voxels in different slices."""

    CONTACT = "contact"
    OVERLAP = "overlap"


class FillHoles(enum.StrEnum):
    """Which holes of objects are filled."""

    NONE = "none"
    VOLUME = "3d"
    SLICES = "slices"


class SplitMethod(enum.StrEnum):
    """By what objects that touch are told apart."""

    NONE = "none"
    DISTANCE = "distance"
    H_MAXIMA = "h-maxima"
    PROBABILITY = "probability"
    BOUNDARY = "boundary"


class InstanceSettings(Settings):
    """How probabilities become objects."""

    enabled: bool = Field(
        True,
        title="Objects",
        description="Find objects after the prediction.",
        json_schema_extra={"cli": "--instances"},
    )
    threshold: float = Field(
        0.5,
        gt=0.0,
        lt=1.0,
        title="Threshold",
        description="A voxel belongs to an object where its probability is above this.",
    )
    threshold_high: float = Field(
        0.0,
        ge=0.0,
        lt=1.0,
        title="High threshold",
        description="Objects without any voxel above this are dropped; 0 keeps them.",
    )
    smooth_nm: float = Field(
        0.0,
        ge=0.0,
        le=1000.0,
        title="Smooth outlines",
        description="Sigma over which outlines are smoothed; 0 leaves them.",
        json_schema_extra={"unit": "nm"},
    )
    open_nm: float = Field(
        0.0,
        ge=0.0,
        le=1000.0,
        title="Remove thin parts",
        description="Parts into which a ball of this radius does not fit are removed; 0 keeps them.",
        json_schema_extra={"unit": "nm"},
    )
    connectivity: Connectivity = Field(
        Connectivity.FACES,
        title="Connectivity",
        description="Voxels join across faces (6), edges (18) or corners (26).",
    )
    linking: Linking = Field(
        Linking.CONTACT,
        title="Across slices",
        description="What joins slices across z: contact of voxels, or overlap, which finds objects slice by "
        "slice and links those that overlap most (for slices much thicker than a pixel is wide).",
    )
    link_iou: float = Field(
        0.25,
        gt=0.0,
        le=1.0,
        title="Least overlap",
        description="With overlap: smallest intersection over union of two linked cross-sections.",
    )
    link_gap: int = Field(
        0,
        ge=0,
        le=16,
        title="Missing slices",
        description="With overlap: slices in a row that an object may miss and still be one.",
    )
    min_voxels: int = Field(
        64,
        ge=0,
        title="Minimum size",
        description="Smaller objects are dropped.",
        json_schema_extra={"unit": "voxel"},
    )
    min_volume_um3: float = Field(
        0.0,
        ge=0.0,
        title="Minimum volume",
        description="Smaller objects are dropped.",
        json_schema_extra={"unit": "µm³"},
    )
    max_voxels: int = Field(
        0,
        ge=0,
        title="Maximum size",
        description="Larger objects are dropped; 0 sets no limit.",
        json_schema_extra={"unit": "voxel"},
    )
    max_volume_um3: float = Field(
        0.0,
        ge=0.0,
        title="Maximum volume",
        description="Larger objects are dropped; 0 sets no limit.",
        json_schema_extra={"unit": "µm³"},
    )
    drop_border: bool = Field(
        False,
        title="Drop cut objects",
        description="Drop objects that touch the border of the segmented volume; an image has none along z.",
    )
    fill_holes: FillHoles = Field(
        FillHoles.NONE,
        title="Fill holes",
        description="Fill holes inside objects: those closed in 3d, or in each of the slices.",
    )
    split: SplitMethod = Field(
        SplitMethod.NONE,
        title="Split",
        description="Cut touching objects apart by their shape (distance, or h-maxima of it), by the "
        "probability, or by the model's boundary class.",
    )
    split_strength: float = Field(
        0.7,
        gt=0.0,
        le=1.0,
        title="Split strength",
        description="Cut where a neck is below this share of the thinner (or less probable) part.",
    )
    split_depth_nm: float = Field(
        40.0,
        gt=0.0,
        le=10000.0,
        title="Split depth",
        description="With h-maxima, in place of the strength: cut where a neck is thinner than the thinner "
        "part by more than this on either side.",
        json_schema_extra={"unit": "nm"},
    )
    split_memory_gb: float = Field(
        4.0,
        gt=0.0,
        title="Memory for splitting",
        description="Objects that need more are split in overlapping blocks, and counted.",
        json_schema_extra={"unit": "GB"},
    )

    @field_validator("split")
    @classmethod
    def _not_of_links(cls, value: SplitMethod, info: ValidationInfo) -> SplitMethod:
        """Refuse to split in space what was linked slice by slice."""
        if value is not SplitMethod.NONE and info.data.get("linking") is Linking.OVERLAP:
            raise SettingsError(
                f"The setting split is {value.value} and linking is overlap, but objects that are linked "
                "slice by slice need not be connected in space, so that they cannot be split there: set one "
                "of both back (split none, or linking contact)."
            )
        return value

    @field_validator("threshold_high", "max_voxels", "max_volume_um3")
    @classmethod
    def _not_below_its_partner(cls, value: float, info: ValidationInfo) -> float:
        """Refuse an upper limit below the lower one; 0 sets none."""
        name = info.field_name or ""
        partner = "threshold" if name == "threshold_high" else name.replace("max", "min")
        lower = info.data.get(partner, 0)
        if 0 < value < lower:
            raise SettingsError(
                f"The setting {name} is {value:g}, below the {lower:g} of {partner}, so that no object could "
                "stay: raise it, or set it to 0."
            )
        return value
