"""Settings of a comparison, declared once: the options of the command line and the form in napari follow."""

from __future__ import annotations

import enum
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from napari_nnunet_em.config import Connectivity, Region, Settings
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import as_shape


class Meaning(enum.StrEnum):
    """What the numbers in the label images mean."""

    INSTANCES = "instances"
    CLASSES = "classes"


class Relabel(enum.StrEnum):
    """Whether the connected components of what is not 0 are taken for the objects."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def _integers(value: object) -> object:
    """Read ``a,b,c`` as integers; pydantic says the rest."""
    if not isinstance(value, str):
        return (value,) if isinstance(value, int) else value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return tuple(int(part) for part in parts)
    except ValueError:
        raise SettingsError(
            f"{value!r} cannot be read: write whole numbers, for example 0,512,512."
        ) from None


def _place(value: object) -> object:
    numbers = _integers(value)
    if not isinstance(numbers, tuple | list):
        return numbers
    if len(numbers) not in (2, 3):
        raise SettingsError(
            f"The offset {value!r} has {len(numbers)} numbers: write z,y,x in voxels, for example 0,512,512."
        )
    return as_shape([*(0,) * (3 - len(numbers)), *numbers])


Integers = Annotated[tuple[int, ...], BeforeValidator(_integers)]
Offset = Annotated[tuple[int, int, int], BeforeValidator(_place)]


class LabelImages(Settings):
    """The two label images: OME-Zarr, Zarr, N5, HDF5 (file.h5:/dataset), TIFF, or a folder of slices."""

    pred: str = Field(
        title="Prediction",
        description="What is judged; of an output of segment, its objects.",
        json_schema_extra={"cli": "PRED"},
    )
    truth: str = Field(
        title="Truth",
        description="What it is judged by.",
        json_schema_extra={"cli": "TRUTH"},
    )
    class_name: str | None = Field(
        None,
        title="Class",
        description="Which label image to take where an OME-Zarr holds several: labels/NAME.",
        json_schema_extra={"cli": "--class"},
    )
    pred_axes: str | None = Field(
        None,
        pattern=r"^[czyx]{2,4}$",
        title="Axes of the prediction",
        description="Order of the axes of PRED as stored, where the file does not say.",
        json_schema_extra={"metavar": "ZYX"},
    )
    truth_axes: str | None = Field(
        None,
        pattern=r"^[czyx]{2,4}$",
        title="Axes of the truth",
        description="The same of TRUTH.",
        json_schema_extra={"metavar": "ZYX"},
    )


class ComparisonSettings(Settings):
    """What is compared, and how."""

    meaning: Meaning = Field(
        Meaning.INSTANCES,
        title="Values mean",
        description="instances: each value is an object; classes: each value is a class, scored for itself.",
        json_schema_extra={"cli": "--values"},
    )
    pred_value: int | None = Field(
        None,
        title="Value in the prediction",
        description="Only voxels of PRED with this value, as a mask, such as one class of several.",
    )
    truth_value: int | None = Field(
        None,
        title="Value in the truth",
        description="Only voxels of TRUTH with this value, as a mask.",
    )
    relabel: Relabel = Field(
        Relabel.AUTO,
        title="Components as objects",
        description="Take the connected components of a mask as its objects; auto: where an image holds only "
        "0 and 1, or 0 and 255.",
    )
    connectivity: Connectivity = Field(
        Connectivity.FACES,
        title="Connectivity",
        description="For these components: voxels join across faces (6), edges (18) or corners (26).",
    )
    min_voxels: int = Field(
        0,
        ge=0,
        title="Minimum size",
        description="Smaller objects, on both sides, count as background for the scores of objects.",
        json_schema_extra={"unit": "voxel"},
    )
    iou: float = Field(
        0.5,
        ge=0.0,
        lt=1.0,
        title="IoU",
        description="Two objects match when their intersection over union is above this.",
    )
    ignore: Integers = Field(
        (),
        title="Ignore",
        description="Values of TRUTH, such as 255: voxels that have them are left out of everything.",
        json_schema_extra={"metavar": "VALUE,..."},
    )
    region: Region | None = Field(
        None,
        title="Region",
        description="Part of TRUTH to compare, as z0:z1,y0:y1,x0:x1.",
        json_schema_extra={"unit": "voxel", "metavar": "Z0:Z1,Y0:Y1,X0:X1"},
    )
    offset: Offset | None = Field(
        None,
        title="Offset",
        description="Voxel of TRUTH at which PRED begins, where the files do not say it.",
        json_schema_extra={"unit": "voxel", "metavar": "Z,Y,X"},
    )

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if self.meaning is Meaning.CLASSES and (self.pred_value is not None or self.truth_value is not None):
            raise SettingsError(
                "--values classes scores every class, and --pred-value and --truth-value make a mask of one: "
                "give either."
            )
        return self


class Comparison(Settings):
    """A whole comparison, as the command line hands it over."""

    images: LabelImages
    comparison: ComparisonSettings = ComparisonSettings()
