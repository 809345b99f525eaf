"""How the network is run over the volume."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from napari_nnunet_em.config.base import Settings
from napari_nnunet_em.config.values import Flips, Region


class Preset(enum.StrEnum):
    """Quality by name: how much time flips and overlap may take."""

    FAST = "fast"
    BALANCED = "balanced"
    BEST = "best"


PRESETS: Mapping[Preset, Mapping[str, Any]] = {
    Preset.FAST: {"tta": "none", "overlap": 0.25},
    Preset.BALANCED: {"tta": "none", "overlap": 0.5},
    Preset.BEST: {"tta": "all", "overlap": 0.5},
}
"""The settings of the prediction that each name stands for; benchmarks/presets.py measures what they buy."""


def find_preset(tta: object, overlap: object) -> Preset | None:
    """The name of these flips and this overlap; None where they have none."""
    return next(
        (name for name, values in PRESETS.items() if values == {"tta": tta, "overlap": overlap}), None
    )


def _presets_in_words() -> str:
    return ", ".join(
        f"{name} ({', '.join(f'{v}' for v in values.values())})" for name, values in PRESETS.items()
    )


class Planes(enum.StrEnum):
    """Through which planes a 2D model sees a volume."""

    SLICES = "slices"
    ORTHOGONAL = "orthogonal"
    FORCED = "orthogonal-forced"


class PredictionSettings(Settings):
    """How the network is run over the volume. These decide the probabilities."""

    region: Region | None = Field(
        None,
        title="Region",
        description="Part to segment, as z0:z1,y0:y1,x0:x1; the whole volume without it.",
        json_schema_extra={"unit": "voxel", "metavar": "Z0:Z1,Y0:Y1,X0:X1"},
    )
    tta: Flips = Field(
        "none",
        min_length=1,
        title="Flips",
        description="Axes flipped and averaged: none, all (that the model allows), or some of zyx, as yx.",
        json_schema_extra={"metavar": "AXES"},
    )
    overlap: float = Field(
        0.5,
        ge=0.0,
        le=0.9,
        title="Overlap",
        description="Share of a patch by which neighbouring tiles overlap; nnU-Net uses 0.5.",
    )
    preset: Preset | None = Field(
        None,
        validate_default=True,
        title="Quality",
        description=f"Flips and overlap by name: {_presets_in_words()}. Either of them, where it is given as "
        "well, wins.",
    )
    planes: Planes = Field(
        Planes.SLICES,
        title="Planes",
        description="For 2D models: slices, or orthogonal: the planes across all three axes, their "
        "probabilities averaged; orthogonal-forced does so for any voxel size.",
    )

    @model_validator(mode="before")
    @classmethod
    def _take_preset(cls, values: Any) -> Any:
        """Fill in what a preset stands for and was not given by itself."""
        if not isinstance(values, Mapping) or values.get("preset") not in tuple(Preset):
            return values
        return {**PRESETS[Preset(values["preset"])], **values}

    @field_validator("preset")
    @classmethod
    def _name_settings(cls, _: Preset | None, info: ValidationInfo) -> Preset | None:
        """Name the settings that there are, however they were given, so that equal settings are equal."""
        return find_preset(info.data.get("tta"), info.data.get("overlap"))
