"""The whole job, of all groups of settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_nnunet_em.config.base import Settings
from napari_nnunet_em.config.execution import ExecutionSettings
from napari_nnunet_em.config.input import InputSettings
from napari_nnunet_em.config.instances import InstanceSettings
from napari_nnunet_em.config.model import ModelSettings
from napari_nnunet_em.config.output import OutputSettings
from napari_nnunet_em.config.prediction import PredictionSettings


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
