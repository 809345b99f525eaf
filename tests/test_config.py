"""Settings as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from napari_nnunet_em.config import (
    PRESETS,
    InputSettings,
    ModelSettings,
    PredictionSettings,
    Preset,
    find_preset,
    parse_region,
)
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box


@pytest.mark.parametrize(
    ("written", "meant"),
    [("56,8,8", (56, 8, 8)), ([56, 8, 8], (56, 8, 8)), (None, None)],
)
def test_voxel_sizes(written, meant):
    assert InputSettings(path="a", voxel_size_nm=written).voxel_size_nm == meant


@pytest.mark.parametrize("written", ["8", "8,8", "8,8,0", "1,2,3,4", "a,b,c", "nan,1,1"])
def test_voxel_sizes_that_are_none(written):
    with pytest.raises(ValidationError):
        InputSettings(path="a", voxel_size_nm=written)


@pytest.mark.parametrize(
    ("written", "meant"), [("xy", "yx"), ("zyx", "zyx"), ("xyz", "zyx"), ("none", "none"), ("all", "all")]
)
def test_flips_in_any_order(written, meant):
    assert PredictionSettings(tta=written).tta == meant


@pytest.mark.parametrize("written", ["", "w", "xx", "yes"])
def test_flips_that_are_none(written):
    with pytest.raises(ValidationError):
        PredictionSettings(tta=written)


def test_folds():
    assert ModelSettings(folds="0,1").folds == ("0", "1")
    assert ModelSettings(folds=[0, 1]).folds == ("0", "1")
    assert ModelSettings(folds="all").folds == ("all",)


def test_regions():
    assert parse_region("1:2, 3:4,5:6") == Box((1, 3, 5), (2, 4, 6))
    assert parse_region("3:4,5:6") == Box((0, 3, 5), (1, 4, 6))
    assert PredictionSettings(region="1:2,3:4,5:6").model_dump(mode="json")["region"] == "1:2,3:4,5:6"
    with pytest.raises(SettingsError, match="z0:z1,y0:y1,x0:x1"):
        parse_region("1-2")


@pytest.mark.parametrize("preset", list(Preset))
def test_a_preset_stands_for_flips_and_overlap(preset):
    settings = PredictionSettings(preset=preset)
    assert {name: getattr(settings, name) for name in PRESETS[preset]} == PRESETS[preset]
    assert settings.preset is preset
    assert settings == PredictionSettings.model_validate({"preset": preset.value})


def test_names_are_unambiguous_and_the_default_has_one():
    assert set(PRESETS) == set(Preset)
    assert [find_preset(**values) for values in PRESETS.values()] == list(PRESETS)
    assert PredictionSettings().preset is Preset.BALANCED
    assert find_preset("z", 0.5) is None


@given(
    st.none() | st.sampled_from(Preset),
    st.none() | st.sampled_from(["none", "all", "xy"]),
    st.none() | st.floats(0, 0.9),
)
def test_what_is_given_by_itself_wins_over_a_preset(preset, tta, overlap):
    own = {name: value for name, value in (("tta", tta), ("overlap", overlap)) if value is not None}
    settings = PredictionSettings(preset=preset, **own)
    wanted = PredictionSettings(**{**(PRESETS[preset] if preset else {}), **own})
    assert (settings.tta, settings.overlap) == (wanted.tta, wanted.overlap)
    # Equal settings are equal and have one name, however they were given, also after a round trip.
    assert settings == wanted
    assert settings.preset is find_preset(settings.tta, settings.overlap)
    assert PredictionSettings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize("preset", ["quick", ["fast"], 3, ""])
def test_presets_that_are_none(preset):
    with pytest.raises(ValidationError):
        PredictionSettings(preset=preset)
