"""Where, and with how much memory, a job runs."""

from __future__ import annotations

import enum

from pydantic import Field

from napari_nnunet_em.config.base import Settings


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
