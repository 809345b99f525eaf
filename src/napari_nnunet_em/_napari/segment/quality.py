"""The choice of quality in a form: it fills in flips and overlap, and names those that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nnunet_em.config import PRESETS, PredictionSettings, Preset, find_preset

if TYPE_CHECKING:
    from napari_nnunet_em._napari.forms.form import SettingsForm


def follow_preset(form: SettingsForm[PredictionSettings]) -> None:
    """Keep the fields ``preset``, ``tta`` and ``overlap`` of a form true to each other.

    Where flips or overlap are changed by themselves the quality says "custom", unless they have a name. A
    model that allows no flips has none in any quality.
    """
    preset, fields = form["preset"], [form["tta"], form["overlap"]]

    def name() -> None:
        with preset.widget.changed.blocked():
            preset.value = find_preset(*(field.value for field in fields))

    def fill(chosen: Preset | None) -> None:
        values = {} if chosen is None else PRESETS[chosen]
        for field in fields:
            if field.name in values and field.offers(values[field.name]):
                field.value = values[field.name]
        name()

    preset.widget.changed.connect(fill)
    for field in fields:
        field.widget.changed.connect(name)
    name()
