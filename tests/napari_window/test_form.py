"""Fields are what the declarations say, and nothing is declared twice."""

from __future__ import annotations

import enum
from typing import Annotated

import pytest
from magicgui.widgets import CheckBox, ComboBox, FileEdit, FloatSpinBox, LineEdit, SpinBox
from pydantic import Field as Declared

from napari_nnunet_em import config
from napari_nnunet_em._napari.forms.form import Field, SettingsForm
from napari_nnunet_em._napari.segment.choices import flip_choices
from napari_nnunet_em._napari.segment.job_form import JobForm
from napari_nnunet_em.config import (
    PRESETS,
    InstanceSettings,
    ModelSettings,
    PredictionSettings,
    Preset,
    Settings,
)
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.export import ExportSettings
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.model import ModelBundle

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("qapp")]

GROUPS = [
    config.InputSettings,
    config.ModelSettings,
    config.PredictionSettings,
    config.InstanceSettings,
    config.OutputSettings,
    config.ExecutionSettings,
]
EVERY_SETTING = [(group, name) for group in GROUPS for name in group.model_fields]


class Fruit(enum.StrEnum):
    APPLE = "apple"
    PEAR = "pear"


class Sample(Settings):
    share: float = Declared(0.3, gt=0, lt=1, title="Share", description="How much.")
    volume: float = Declared(0.0, ge=0, title="Volume", json_schema_extra={"unit": "µm³"})
    count: int = Declared(7, ge=2, le=9, title="Count")
    any_number: int = Declared(0, title="Any number")
    flag: bool = Declared(True, title="Flag")
    fruit: Fruit = Declared(Fruit.PEAR, title="Fruit")
    text: str = Declared("", title="Text")
    optional: Annotated[tuple[str, ...], Declared()] | None = Declared(None, title="Optional")
    path: str = Declared(title="Path")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("share", FloatSpinBox),
        ("volume", FloatSpinBox),
        ("count", SpinBox),
        ("flag", CheckBox),
        ("fruit", ComboBox),
        ("text", LineEdit),
        ("optional", LineEdit),
    ],
)
def test_the_type_decides_the_widget(name: str, kind: type) -> None:
    assert isinstance(Field(Sample, name).widget, kind)


def test_bounds_come_from_the_declaration() -> None:
    share, count = Field(Sample, "share").widget, Field(Sample, "count").widget
    assert (share.min, share.max) == pytest.approx((0.01, 0.99))
    assert (count.min, count.max) == (2, 9)
    with pytest.raises(ValueError, match=r"range|between|allowed"):
        count.value = 10


def test_title_unit_and_description_are_shown() -> None:
    field = Field(Sample, "volume")
    assert field.label == "Volume (µm³)"
    assert Field(Sample, "share").widget.tooltip == "How much."


def test_tiny_amounts_can_be_typed() -> None:
    field = Field(Sample, "volume")
    field.value = 0.0025
    assert field.value == pytest.approx(0.0025)


def test_a_path_gets_a_file_dialog_and_nothing_else_does() -> None:
    assert isinstance(Field(Sample, "path", file_mode="w").widget, FileEdit)


@pytest.mark.parametrize(
    ("group", "name"), EVERY_SETTING, ids=lambda value: getattr(value, "__name__", value)
)
def test_every_setting_of_the_package_makes_a_field_with_its_default(group, name) -> None:
    info = group.model_fields[name]
    field = Field(group, name)
    assert field.label.startswith(info.title)
    assert field.tooltip == info.description
    if not info.is_required():
        default = info.get_default()
        assert field.value == (None if default is None else default)


def test_what_is_chosen_stays_chosen_while_it_is_offered() -> None:
    field = Field(ModelSettings, "folds", choices=[("all", ("all",)), ("0", ("0",))])
    field.value = ("0",)
    field.set_choices([("1", ("1",)), ("0", ("0",))])
    assert field.value == ("0",)
    field.set_choices([("1", ("1",)), ("2", ("2",))])
    assert field.value == ("1",)
    assert field.widget.enabled
    field.set_choices([("all", ("all",))])
    assert not field.widget.enabled
    with pytest.raises(TypeError, match="has no choices"):
        Field(Sample, "share").set_choices([])


def test_a_form_gives_validated_settings() -> None:
    form = SettingsForm(PredictionSettings, [Field(PredictionSettings, name) for name in ("tta", "overlap")])
    form["overlap"].value = 0.25
    form["tta"].value = "yx"
    region = Box((0, 0, 0), (1, 2, 3))
    assert form.settings(region=region) == PredictionSettings(tta="yx", overlap=0.25, region=region)


def test_what_cannot_be_used_is_named_by_its_title() -> None:
    form = SettingsForm(PredictionSettings, [Field(PredictionSettings, "tta")])
    form["tta"].value = "diagonal"
    with pytest.raises(SettingsError, match=r"^Flips: 'diagonal' cannot be used"):
        form.settings()


def test_a_check_of_ours_is_said_in_its_own_words() -> None:
    form = SettingsForm(ExportSettings, [Field(ExportSettings, "region")])
    form["region"].value = "all of it"
    with pytest.raises(
        SettingsError, match=r"^Region: 'all of it' cannot be used \(The region 'all of it' ca"
    ):
        form.settings()


def test_an_untouched_job_form_gives_the_defaults_of_the_package() -> None:
    form = JobForm()
    form.input["voxel_size_nm"].value = "40, 8, 8"
    form.output["path"].value = "out.zarr"
    job = form.job("em", {"path": "mitochondria-2d"}, None)
    assert job.instances == InstanceSettings()
    assert job.prediction == PredictionSettings()
    assert job.execution == config.ExecutionSettings(background=True)  # the window goes first
    assert job.model == ModelSettings(path="mitochondria-2d")
    assert job.input.voxel_size_nm == (40.0, 8.0, 8.0)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("", "voxel size is missing"), ("40, 8", "too few entries for a volume of 5 slices")],
)
def test_a_voxel_size_is_required_and_complete(typed: str, sentence: str) -> None:
    form = JobForm()
    form.input["voxel_size_nm"].value = typed
    with pytest.raises(SettingsError, match=sentence):
        form.check_voxel_size((5, 64, 64))


def test_a_slice_may_have_a_pixel_size() -> None:
    form = JobForm()
    form.input["voxel_size_nm"].value = "8, 9"
    form.output["path"].value = "out.zarr"
    form.check_voxel_size((1, 64, 64))
    assert form.job("em", {"path": "mitochondria-2d"}, None).input.voxel_size_nm == (8.0, 8.0, 9.0)


@pytest.mark.parametrize("typed", ["a, b, c", "40, 0, 8", "40, 8, -8"])
def test_a_voxel_size_is_checked(typed: str) -> None:
    form = JobForm()
    form.input["voxel_size_nm"].value = typed
    form.output["path"].value = "out.zarr"
    with pytest.raises(SettingsError, match=r"^Voxel size"):
        form.job("em", {"path": "mitochondria-2d"}, None)


QUALITY = ("preset", "tta", "overlap")


def in_form(form: JobForm) -> tuple[object, ...]:
    return tuple(form.prediction[name].value for name in QUALITY)


def job_form() -> JobForm:
    """A form for the bundled 3D model, which allows every flip."""
    form = JobForm()
    form.follow_model(ModelBundle.open("mitochondria-3d"))
    return form


@pytest.mark.parametrize("preset", list(Preset))
def test_a_quality_fills_in_flips_and_overlap(preset) -> None:
    form = job_form()
    assert in_form(form)[0] is PredictionSettings().preset
    form.prediction["preset"].value = preset
    assert in_form(form) == (preset, *PRESETS[preset].values())
    assert form.prediction.settings() == PredictionSettings(preset=preset)


@pytest.mark.parametrize(("field", "value"), [("tta", "zx"), ("overlap", 0.3)])
def test_other_flips_or_another_overlap_are_custom_until_they_have_a_name_again(field, value) -> None:
    form = job_form()
    before = in_form(form)
    form.prediction[field].value = value
    assert form.prediction["preset"].value is None
    assert form.prediction["preset"].widget.native.currentText() == "custom"
    assert form.prediction.settings() == PredictionSettings(**{field: value})
    form.prediction[field].value = PredictionSettings.model_fields[field].default
    assert in_form(form) == before


def test_choosing_custom_changes_nothing() -> None:
    form = job_form()
    before = in_form(form)
    form.prediction["preset"].value = None
    assert in_form(form)[1:] == before[1:]
    assert form.prediction.settings() == PredictionSettings()


def test_a_quality_is_kept_when_the_model_changes_and_flips_only_where_it_may() -> None:
    form = job_form()
    form.prediction["preset"].value = Preset.BEST
    form.follow_model(ModelBundle.open("mitochondria-2d"))
    assert in_form(form) == (Preset.BEST, "all", 0.5)
    form.prediction["tta"].set_choices(flip_choices((), 3))
    form.prediction["preset"].value = Preset.BEST
    assert in_form(form)[1] == "none"
