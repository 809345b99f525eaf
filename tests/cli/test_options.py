"""Options come from the declarations in `config`, and all of them do."""

from __future__ import annotations

import argparse
import enum
import re
from typing import Annotated

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field

from napari_nnunet_em.cli.options import Option, add_options, given_options, help_text, iter_options
from napari_nnunet_em.config import Job, Settings


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="t", allow_abbrev=False)
    add_options(parser)
    return parser


def test_every_setting_of_a_job_has_exactly_one_option() -> None:
    declared = {
        f"{group}.{field}"
        for group, info in Job.model_fields.items()
        for field in info.annotation.model_fields  # type: ignore[union-attr]
    }
    assert [o.key for o in iter_options()] == list(dict.fromkeys(o.key for o in iter_options()))
    assert {o.key for o in iter_options()} == declared
    names = [o.name for o in iter_options()]
    assert len(names) == len(set(names))


def test_options_of_the_issue_exist() -> None:
    names = {o.name: o.key for o in iter_options()}
    assert names["INPUT"] == "input.path"
    assert names["OUTPUT"] == "output.path"
    assert names["--model"] == "model.path"
    assert names["--instances"] == "instances.enabled"
    expected = {"--tta", "--folds", "--overlap", "--preset", "--region", "--threshold", "--min-volume-um3"}
    assert expected | {"--voxel-size-nm"} <= names.keys()


def test_values_stay_text_and_absent_options_leave_no_trace() -> None:
    arguments = make_parser().parse_args(["in.tif", "out.zarr", "--overlap", "0.25", "--no-instances"])
    assert given_options(arguments) == {
        "input.path": "in.tif",
        "output.path": "out.zarr",
        "prediction.overlap": "0.25",
        "instances.enabled": False,
    }
    assert given_options(make_parser().parse_args([])) == {}


def test_positionals_may_surround_options() -> None:
    arguments = make_parser().parse_intermixed_args(["in.tif", "--tta", "yx", "out.zarr"])
    assert given_options(arguments) == {
        "input.path": "in.tif",
        "prediction.tta": "yx",
        "output.path": "out.zarr",
    }


def test_help_holds_every_description_and_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = make_parser().format_help()
    # argparse may break a line after a hyphen; take all white space out before comparing.
    flat = re.sub(r"\s+", "", text)
    for option in iter_options():
        assert option.info.description
        assert re.sub(r"\s+", "", option.info.description) in flat
        assert option.name in text
    body = text.partition("\n\n")[2]  # without argparse's own usage, which breaks at spaces only
    assert max(len(line) for line in body.splitlines()) <= 80


class Taste(enum.StrEnum):
    SWEET = "sweet"
    SOUR = "sour"


class Fruit(Settings):
    """Something to eat. More words."""

    weight_g: float = Field(10.0, gt=1, lt=99.5, description="Weight.", json_schema_extra={"unit": "g"})
    share: float = Field(0.25, ge=0, le=1, description="100 % is all.")
    pieces: int = Field(1, ge=1, description="Pieces.")
    spare: int | None = Field(None, le=7, description="Spare ones.")
    taste: Taste = Field(Taste.SOUR, description="Taste.")
    ripe: bool = Field(False, description="Ripe or not.")
    label: Annotated[str, Field(description="Words.")] | None = None
    box: str = Field(description="Where.", json_schema_extra={"cli": "BOX"})


class Meal(Settings):
    fruit: Fruit


OPTIONS = {o.field: o for o in iter_options(Meal)}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("weight_g", "Weight. (g; above 1 and below 99.5; default 10)"),
        ("share", "100 % is all. (from 0 to 1; default 0.25)"),
        ("pieces", "Pieces. (at least 1; default 1)"),
        ("spare", "Spare ones. (at most 7)"),
        ("taste", "Taste. (default sour)"),
        ("ripe", "Ripe or not. (default no)"),
        ("box", "Where."),
    ],
)
def test_help_gives_unit_bounds_and_default(field: str, text: str) -> None:
    assert help_text(OPTIONS[field]) == text


@pytest.mark.parametrize(
    ("field", "name", "metavar"),
    [
        ("weight_g", "--weight-g", "NUMBER"),
        ("spare", "--spare", "N"),
        ("taste", "--taste", "{sweet,sour}"),
        ("label", "--label", "NAME"),
        ("box", "BOX", "NAME"),
    ],
)
def test_names_and_placeholders_follow_the_types(field: str, name: str, metavar: str) -> None:
    assert (OPTIONS[field].name, OPTIONS[field].metavar) == (name, metavar)


def test_percent_signs_and_group_texts_survive_argparse() -> None:
    parser = argparse.ArgumentParser(prog="t")
    add_options(parser, Meal)
    text = parser.format_help()
    assert "100 % is all." in text
    assert "Something to eat." in text
    assert given_options(parser.parse_args(["--ripe", "here"]), Meal) == {
        "fruit.ripe": True,
        "fruit.box": "here",
    }


def test_bounds_are_read_from_annotated_types() -> None:
    assert {type(rule) for o in iter_options() for rule in o.info.metadata} >= {Ge, Gt, Le, Lt}
    option = next(o for o in iter_options() if o.key == "prediction.overlap")
    assert isinstance(option, Option)
    assert option.bounds == "from 0 to 0.9"
