"""Every setting, declared once: default, bounds, unit and text.

From these frozen models come the Python keywords, the options of the command line, the keys of
``job.yaml`` and the fields of the form in napari. Nothing else declares a setting.

``json_schema_extra`` of a field may hold ``unit``; ``cli``, the option's name where it is not that of
the field (without dashes: a positional argument); and ``metavar``, the form in which a value is written.
"""

from __future__ import annotations

from napari_nnunet_em.config.base import Settings
from napari_nnunet_em.config.execution import Backend, Compile, Device, ExecutionSettings, Precision
from napari_nnunet_em.config.input import InputSettings
from napari_nnunet_em.config.instances import Connectivity, FillHoles, InstanceSettings, Linking, SplitMethod
from napari_nnunet_em.config.job import Job
from napari_nnunet_em.config.model import ModelSettings, SpacingUnit
from napari_nnunet_em.config.output import OmeZarrVersion, OutputSettings, ProbabilityType
from napari_nnunet_em.config.prediction import PRESETS, Planes, PredictionSettings, Preset, find_preset
from napari_nnunet_em.config.values import Flips, Folds, Nanometer, Region, VoxelSize, parse_region

__all__ = [
    "PRESETS",
    "Backend",
    "Compile",
    "Connectivity",
    "Device",
    "ExecutionSettings",
    "FillHoles",
    "Flips",
    "Folds",
    "InputSettings",
    "InstanceSettings",
    "Job",
    "Linking",
    "ModelSettings",
    "Nanometer",
    "OmeZarrVersion",
    "OutputSettings",
    "Planes",
    "Precision",
    "PredictionSettings",
    "Preset",
    "ProbabilityType",
    "Region",
    "Settings",
    "SpacingUnit",
    "SplitMethod",
    "VoxelSize",
    "find_preset",
    "parse_region",
]
