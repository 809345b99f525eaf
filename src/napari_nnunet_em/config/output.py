"""The OME-Zarr that is written."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import BeforeValidator, Field

from napari_nnunet_em.config.base import Settings


class ProbabilityType(enum.StrEnum):
    """How probabilities are stored."""

    UINT8 = "uint8"
    FLOAT16 = "float16"
    FLOAT32 = "float32"


class OmeZarrVersion(enum.StrEnum):
    """Version of the OME-Zarr specification: 0.4 is Zarr v2, 0.5 is Zarr v3."""

    V04 = "0.4"
    V05 = "0.5"


def _text(value: object) -> object:
    """Take the number 0.5, as YAML reads it without quotes, for the text "0.5"."""
    return str(value) if isinstance(value, int | float) else value


class OutputSettings(Settings):
    """The OME-Zarr that is written."""

    path: str = Field(
        title="Output",
        description="Folder of the OME-Zarr to write, such as out.zarr.",
        json_schema_extra={"cli": "OUTPUT"},
    )
    probability_type: ProbabilityType = Field(
        ProbabilityType.UINT8,
        title="Probability type",
        description="uint8 stores 0..1 as 0..255; float16 and float32 store it as it is.",
    )
    classes: bool = Field(
        True,
        title="Classes",
        description="Also write the most probable class of each voxel. Where several classes exclude each "
        "other it is written anyway: it tells their objects apart.",
    )
    ome_zarr_version: Annotated[OmeZarrVersion, BeforeValidator(_text)] = Field(
        OmeZarrVersion.V05, title="OME-Zarr version", description="0.5 (Zarr v3) or 0.4 (Zarr v2)."
    )
    overwrite: bool = Field(
        False,
        title="Overwrite",
        description="Delete an output of ours that belongs to another job, and start anew.",
    )
