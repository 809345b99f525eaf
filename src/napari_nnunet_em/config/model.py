"""The model, and which parts of it are used."""

from __future__ import annotations

import enum

from pydantic import Field

from napari_nnunet_em.config.base import Settings
from napari_nnunet_em.config.values import Folds


class SpacingUnit(enum.StrEnum):
    """What the numbers of a model's spacing mean; nnU-Net itself stores no unit."""

    AUTO = "auto"
    NANOMETER = "nm"
    MICROMETER = "um"
    MILLIMETER = "mm"
    NONE = "none"


class ModelSettings(Settings):
    """The nnU-Net v2 model, and which parts of it are used."""

    path: str = Field(
        "mitochondria-3d",
        title="Model",
        description="Name of an installed model, or path of a trained-model folder, zip or checkpoint.",
        json_schema_extra={"cli": "--model", "metavar": "NAME|PATH"},
    )
    configuration: str | None = Field(
        None,
        title="Configuration",
        description="Configuration such as 2d or 3d_fullres, where the path holds several.",
    )
    folds: Folds | None = Field(
        None,
        title="Folds",
        description="Folds to average, such as 0,1 or all; without it every numbered fold, else all.",
        json_schema_extra={"metavar": "0,1,..."},
    )
    checkpoint: str = Field(
        "checkpoint_final.pth",
        title="Checkpoint",
        description="File name of the weights inside each fold.",
    )
    spacing_unit: SpacingUnit = Field(
        SpacingUnit.AUTO,
        title="Unit of the model's spacing",
        description="auto: nm, or none where the plans hold no real spacing (1 or 999 everywhere).",
    )
    trust: bool = Field(
        False,
        title="Trust this model",
        description="Run code stored in the checkpoint; only for files whose origin you know.",
    )
