"""The settings that the Segment dock shows, and the job that they make."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from napari_nnunet_em._napari.forms.form import Field, SettingsForm
from napari_nnunet_em._napari.forms.object_fields import follow_split, object_form
from napari_nnunet_em._napari.layers.voxels import with_thickness
from napari_nnunet_em._napari.segment.choices import (
    flip_choices,
    fold_choices,
    planes_choices,
    preset_choices,
)
from napari_nnunet_em._napari.segment.quality import follow_preset
from napari_nnunet_em.config import (
    ExecutionSettings,
    InputSettings,
    Job,
    ModelSettings,
    OutputSettings,
    PredictionSettings,
)
from napari_nnunet_em.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_nnunet_em.geometry import Box, Shape
    from napari_nnunet_em.model import ModelBundle


class JobForm:
    """Fields for a job, group by group as `config` declares them.

    Attributes
    ----------
    input, model, prediction, instances, output, execution : SettingsForm
        What is shown of each group.
    """

    def __init__(self) -> None:
        self.input = SettingsForm(
            InputSettings,
            [Field(InputSettings, "voxel_size_nm"), Field(InputSettings, "level", choices=[("0", 0)])],
        )
        self.model = SettingsForm(
            ModelSettings,
            [Field(ModelSettings, "folds", choices=fold_choices(())), Field(ModelSettings, "trust")],
        )
        self.prediction = SettingsForm(
            PredictionSettings,
            [
                Field(PredictionSettings, "preset", choices=preset_choices()),
                Field(PredictionSettings, "tta", choices=flip_choices((), 3)),
                Field(PredictionSettings, "overlap"),
                Field(PredictionSettings, "planes", choices=planes_choices(3)),
            ],
        )
        follow_preset(self.prediction)
        self.instances = object_form()
        follow_split(self.instances)
        self.output = SettingsForm(
            OutputSettings,
            [Field(OutputSettings, "path", file_mode="w"), Field(OutputSettings, "overwrite")],
        )
        self.execution = SettingsForm(
            ExecutionSettings,
            [Field(ExecutionSettings, name) for name in ("device", "precision", "max_ram_gb")],
        )

    def fields(self) -> Iterator[Field]:
        """Every field, group by group."""
        groups = (self.input, self.model, self.prediction, self.instances, self.output, self.execution)
        yield from itertools.chain(*groups)

    def follow_model(self, bundle: ModelBundle) -> None:
        """Offer the folds, flips and planes that a model has."""
        self.model["folds"].set_choices(fold_choices(bundle.folds))
        dimensions = len(bundle.patch_size)
        self.prediction["tta"].set_choices(flip_choices(bundle.mirror_axes, dimensions))
        self.prediction["planes"].set_choices(planes_choices(dimensions))

    def check_voxel_size(self, shape: Shape) -> None:
        """Refuse a voxel size that is missing, or that has two entries for more than one slice.

        A single slice may have two entries; it is then as thick as a pixel is high.

        Parameters
        ----------
        shape : tuple of int, (z, y, x)
            Voxels of the volume.

        Raises
        ------
        SettingsError
        """
        typed = self.input["voxel_size_nm"].value
        if typed is None:
            raise SettingsError(
                "The voxel size is missing and the layer does not state one: enter it as z, y, x in nm, "
                "such as 40, 8, 8; objects are measured with it and the model is matched to it."
            )
        with_thickness(typed, shape)

    def complete_voxel_size(self) -> None:
        """Show the thickness of a single slice whose voxel size was entered without it."""
        self.input["voxel_size_nm"].value = self._voxel_size()

    def _voxel_size(self) -> str | None:
        return with_thickness(self.input["voxel_size_nm"].value)

    def job(self, input_path: str, model: dict[str, Any], region: Box | None) -> Job:
        """The job on screen.

        Parameters
        ----------
        input_path : str
            Where the volume came from, for the provenance.
        model : dict
            Values of the settings ``path`` and ``configuration`` of the model.
        region : Box or None
            The part to segment, (z, y, x); None for everything.

        Raises
        ------
        SettingsError
            If a field holds what cannot be used.
        """
        return Job(
            input=self.input.settings(path=input_path, voxel_size_nm=self._voxel_size()),
            model=self.model.settings(**model),
            prediction=self.prediction.settings(region=region),
            instances=self.instances.settings(),
            output=self.output.settings(),
            execution=self.execution.settings(background=True),  # the window goes first
        )
