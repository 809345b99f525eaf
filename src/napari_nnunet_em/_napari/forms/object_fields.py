"""The fields in which it is said how probabilities become objects, for all docks that ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from napari_nnunet_em._napari.forms.form import Field, SettingsForm
from napari_nnunet_em.config import InstanceSettings, SplitMethod

if TYPE_CHECKING:
    from napari_nnunet_em._napari.forms.sliders import SliderRow

_WORDS = {
    SplitMethod.NONE: "none",
    SplitMethod.DISTANCE: "distance transform",
    SplitMethod.H_MAXIMA: "h-maxima of the distance",
    SplitMethod.PROBABILITY: "intensity (probability)",
    SplitMethod.BOUNDARY: "boundary class",
}


def object_form() -> SettingsForm[InstanceSettings]:
    """A field for each setting of objects; that there are any is what the docks are for."""
    names = [name for name in InstanceSettings.model_fields if name != "enabled"]
    choices = {"split": split_choices()}
    return SettingsForm(
        InstanceSettings, [Field(InstanceSettings, name, choices=choices.get(name)) for name in names]
    )


def split_choices() -> list[tuple[str, SplitMethod]]:
    """By what the watershed splits, as (label, value of the setting ``split``)."""
    return [(words, method) for method, words in _WORDS.items()]


def used_by(method: SplitMethod) -> frozenset[str]:
    """Settings that this way of splitting makes use of, of those that not every one does."""
    if method is SplitMethod.NONE:
        return frozenset()
    return frozenset(["split_depth_nm" if method is SplitMethod.H_MAXIMA else "split_strength"])


def follow_split(
    form: SettingsForm[InstanceSettings], sliders: Mapping[str, SliderRow] | None = None
) -> None:
    """Let nobody turn a knob that does nothing: fields that the chosen way does not use are greyed out."""
    sliders = sliders or {}

    def show(chosen: SplitMethod) -> None:
        for name in ("split_strength", "split_depth_nm"):
            used = name in used_by(chosen)
            form[name].widget.enabled = used
            if name in sliders:
                sliders[name].slider.setEnabled(used)

    form["split"].widget.changed.connect(show)
    show(form["split"].value)
