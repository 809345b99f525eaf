"""Settings as people write them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_nnunet_em.config import InputSettings, ModelSettings, PredictionSettings, parse_region
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
