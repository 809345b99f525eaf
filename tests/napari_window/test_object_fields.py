"""The fields of objects: what can be chosen, and what the choice makes use of."""

from __future__ import annotations

import pytest

from napari_nnunet_em._napari.forms.object_fields import follow_split, object_form, split_choices, used_by
from napari_nnunet_em._napari.forms.sliders import SliderRow
from napari_nnunet_em.config import InstanceSettings, SplitMethod
from napari_nnunet_em.instances.splitting.joining import NeckRule


def test_every_way_of_splitting_is_offered_and_each_in_words_of_its_own() -> None:
    words, methods = zip(*split_choices(), strict=True)
    assert list(methods) == list(SplitMethod)
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("method", [m for m in SplitMethod if m is not SplitMethod.NONE])
def test_a_field_is_used_where_it_changes_what_a_neck_is(method: SplitMethod) -> None:
    default = InstanceSettings(split=method)
    for name, value in (("split_strength", 0.3), ("split_depth_nm", 3.0)):
        changed = default.model_copy(update={name: value})
        assert (NeckRule.of(changed) != NeckRule.of(default)) == (name in used_by(method))


@pytest.mark.gui
def test_what_is_not_used_is_greyed_out(qtbot) -> None:
    form = object_form()
    slider = SliderRow(form["split_strength"])
    qtbot.addWidget(slider)
    follow_split(form, {"split_strength": slider})
    for method, strength, depth in (
        ("none", False, False),
        ("h-maxima", False, True),
        ("boundary", True, False),
        ("distance", True, False),
    ):
        form["split"].value = method
        assert form["split_strength"].widget.enabled is strength
        assert slider.slider.isEnabled() is strength
        assert form["split_depth_nm"].widget.enabled is depth
    assert form.settings().split is SplitMethod.DISTANCE
