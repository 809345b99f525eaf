"""Every setting, declared once: default, bounds, unit and text.

From these frozen models come the Python keywords, the options of the command line, the keys of
``job.yaml`` and the fields of the form in napari. Nothing else declares a setting.

``json_schema_extra`` of a field may hold ``unit``; ``cli``, the option's name where it is not that of
the field (without dashes: a positional argument); and ``metavar``, the form in which a value is written.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    field_validator,
    model_validator,
)

from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box, as_shape


class Device(enum.StrEnum):
    """Where the network runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class Backend(enum.StrEnum):
    """What runs the network."""

    AUTO = "auto"
    PYTORCH = "pytorch"
    OPENVINO = "openvino"


class Precision(enum.StrEnum):
    """Numbers with which the network computes; sums are in float32 always."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


class Compile(enum.StrEnum):
    """Whether PyTorch compiles the network before it runs."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class ProbabilityType(enum.StrEnum):
    """How probabilities are stored."""

    UINT8 = "uint8"
    FLOAT16 = "float16"
    FLOAT32 = "float32"


class OmeZarrVersion(enum.StrEnum):
    """Version of the OME-Zarr specification: 0.4 is Zarr v2, 0.5 is Zarr v3."""

    V04 = "0.4"
    V05 = "0.5"


class SpacingUnit(enum.StrEnum):
    """What the numbers of a model's spacing mean; nnU-Net itself stores no unit."""

    AUTO = "auto"
    NANOMETER = "nm"
    MICROMETER = "um"
    MILLIMETER = "mm"
    NONE = "none"


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
    PROBABILITY = "probability"
    BOUNDARY = "boundary"


_RANGE = re.compile(r"^\s*(\d+)\s*:\s*(\d+)\s*$")


def parse_region(value: object) -> object:
    """Read ``z0:z1,y0:y1,x0:x1`` (or y and x alone for an image) as a `Box`."""
    if not isinstance(value, str):
        return value
    ranges = [_RANGE.match(part) for part in value.split(",")]
    if len(ranges) not in (2, 3) or not all(ranges):
        raise SettingsError(
            f"The region {value!r} cannot be read: write it in voxels as z0:z1,y0:y1,x0:x1, "
            "for example 0:10,512:1024,512:1024."
        )
    pairs = [(int(m[1]), int(m[2])) for m in ranges if m]
    pairs = [(0, 1)] * (3 - len(pairs)) + pairs
    return Box(as_shape([a for a, _ in pairs]), as_shape([b for _, b in pairs]))


def _split(value: object) -> object:
    """Read ``a,b,c`` as a tuple; a single number stays one entry."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, int | float):
        return (value,)
    return value


def _text(value: object) -> object:
    """Take the number 0.5, as YAML reads it without quotes, for the text "0.5"."""
    return str(value) if isinstance(value, int | float) else value


def _sorted_axes(value: object) -> object:
    """Letters of axes in the order z, y, x, so that ``xy`` is ``yx``."""
    if isinstance(value, str) and value and set(value) <= set("zyx"):
        return "".join(sorted(value, reverse=True))
    return value


def _strings(value: object) -> object:
    return tuple(str(v) for v in value) if isinstance(value, list | tuple) else value


Nanometer = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Region = Annotated[Box, BeforeValidator(parse_region), PlainSerializer(str)]
VoxelSize = Annotated[tuple[Nanometer, Nanometer, Nanometer], BeforeValidator(_split)]
Flips = Annotated[str, BeforeValidator(_sorted_axes), Field(pattern=r"^(none|all|z?y?x?)$")]
Folds = Annotated[tuple[str, ...], BeforeValidator(lambda v: _strings(_split(v)))]


class Settings(BaseModel):
    """Base of all groups of settings: immutable, and no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class InputSettings(Settings):
    """The volume to segment."""

    path: str = Field(
        title="Input",
        description="OME-Zarr, Zarr, HDF5 (file.h5:/dataset), TIFF, or a folder of 2D slices.",
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
        description="Cut touching objects apart by their shape (distance), by the probability, or by the "
        "model's boundary class.",
    )
    split_strength: float = Field(
        0.7,
        gt=0.0,
        le=1.0,
        title="Split strength",
        description="Cut where a neck is below this share of the thinner (or less probable) part.",
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


class ExecutionSettings(Settings):
    """Where and with how much memory the job runs.

    None of these changes the answer beyond the rounding of float32, but `precision`, which says by how much.
    """

    device: Device = Field(Device.AUTO, title="Device", description="Where the network runs.")
    backend: Backend = Field(
        Backend.AUTO,
        title="Backend",
        description="What runs the network; auto: OpenVINO on a CPU where it is installed, else PyTorch.",
    )
    precision: Precision = Field(
        Precision.AUTO,
        title="Precision",
        description="Numbers of the network; auto: float16 on CUDA, else float32. bfloat16 takes about half "
        "the time on CPUs that have it; probabilities differ by up to 0.02, at one voxel in 1000 by more.",
    )
    compile: Compile = Field(
        Compile.AUTO,
        title="Compile",
        description="PyTorch compiles the network first; auto: where the run is long enough to repay it.",
    )
    batch_size: int = Field(
        0, ge=0, title="Batch size", description="Tiles per forward pass; 0 chooses for the device."
    )
    reuse_constant: bool = Field(
        True,
        title="Blank tiles",
        description="Predict tiles that hold one single value once and reuse the answer.",
    )
    threads: int = Field(
        0, ge=0, title="Threads", description="CPU threads of the network; 0 uses all this process may use."
    )
    background: bool = Field(
        False,
        title="Let others go first",
        description="Other programs, and the window, get the processor before the network does "
        "(OpenVINO on Linux; elsewhere it changes nothing).",
    )
    max_ram_gb: float = Field(
        4.0,
        gt=0.0,
        title="Memory",
        description="Budget for the working buffers; it decides the size of columns and blocks.",
        json_schema_extra={"unit": "GB", "cli": "--max-ram"},
    )
    max_vram_gb: float = Field(
        0.0,
        ge=0.0,
        title="GPU memory",
        description="Budget for the network and its sums on a GPU; 0 uses what is free.",
        json_schema_extra={"unit": "GB", "cli": "--max-vram"},
    )


class Job(Settings):
    """A whole job: the one value that Python, the command line, YAML and napari hand to the pipeline."""

    input: InputSettings
    model: ModelSettings = ModelSettings()
    prediction: PredictionSettings = PredictionSettings()
    instances: InstanceSettings = InstanceSettings()
    output: OutputSettings
    execution: ExecutionSettings = ExecutionSettings()

    @property
    def store(self) -> Path:
        """Where the output goes."""
        return Path(self.output.path)

    def document(self) -> dict[str, Any]:
        """The job as plain JSON values, for YAML, provenance and identity."""
        return self.model_dump(mode="json")
