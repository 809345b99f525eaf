"""What the demo found."""

from __future__ import annotations

import dataclasses
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class DemoReport:
    """A finished demo.

    Attributes
    ----------
    sample, segmentation, overlay : pathlib.Path
        The OME-Zarr of the sample volume (with ``labels/truth``), that of the result, and a PNG that
        shows both beside each other.
    model : str
        The model, by name or path.
    objects_found, objects_true : int
        Objects in the result and in the truth.
    f1, precision, recall : float
        Of the objects, 0 to 1; two objects match where their IoU is above 0.5.
    voxels_per_second : float
        Of the prediction; in an earlier run, where that had finished it.
    peak_memory_bytes : int
        Highest resident memory of the process.
    seconds : float
        Time of this run, from making the sample to drawing the overlay.
    """

    sample: Path
    segmentation: Path
    overlay: Path
    model: str
    objects_found: int
    objects_true: int
    f1: float
    precision: float
    recall: float
    voxels_per_second: float
    peak_memory_bytes: int
    seconds: float

    @property
    def open_command(self) -> tuple[str, ...]:
        """Program and arguments that open sample and result in napari."""
        return (*_napari(), str(self.sample), str(self.segmentation), "--plugin", "napari-nnunet-em")

    def document(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        values = {k: str(v) if isinstance(v, Path) else v for k, v in dataclasses.asdict(self).items()}
        return {**values, "open_command": list(self.open_command)}


def _napari() -> tuple[str, ...]:
    """The napari of this environment, as short as it works from here even where none is active."""
    python = Path(sys.executable)
    program = python.with_name("napari.exe" if os.name == "nt" else "napari")
    command = (program,) if program.is_file() else (python, "-m", "napari")
    here = Path.cwd()
    return tuple(
        str(part.relative_to(here)) if isinstance(part, Path) and part.is_relative_to(here) else str(part)
        for part in command
    )
