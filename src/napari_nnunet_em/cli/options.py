"""Options of the command line, generated from the settings that `config` declares."""

from __future__ import annotations

import argparse
import enum
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo

from napari_nnunet_em.config import Job, Settings


@dataclass(frozen=True)
class Option:
    """One setting as the command line and job files see it.

    Attributes
    ----------
    group, field : str
        Field of `Job`, and field of that group.
    info : pydantic.fields.FieldInfo
        The declaration: title, description, default, bounds.
    """

    group: str
    field: str
    info: FieldInfo

    @property
    def key(self) -> str:
        """Name in a job file, such as ``prediction.overlap``."""
        return f"{self.group}.{self.field}"

    @property
    def extra(self) -> Mapping[str, Any]:
        """What the declaration says beyond pydantic's own fields: unit, cli, metavar."""
        extra = self.info.json_schema_extra
        return extra if isinstance(extra, dict) else {}

    @property
    def name(self) -> str:
        """Name on the command line: ``--overlap``, or ``INPUT`` for a positional argument."""
        return str(self.extra.get("cli", "--" + self.field.replace("_", "-")))

    @property
    def positional(self) -> bool:
        """Whether the value is given by its place instead of a name."""
        return not self.name.startswith("-")

    @property
    def value_type(self) -> Any:
        """Type of the value, without ``None`` and without annotations."""
        kind = self.info.annotation
        if typing.get_origin(kind) in (typing.Union, types.UnionType):
            kind = next(arg for arg in typing.get_args(kind) if arg is not type(None))
        return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind

    @property
    def choices(self) -> tuple[str, ...]:
        """Allowed values of an enum as they are written; empty for other types."""
        kind = self.value_type
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return tuple(str(member.value) for member in kind)
        return ()

    @property
    def metavar(self) -> str:
        """Placeholder of the value in the help text."""
        if self.choices:
            return "{" + ",".join(self.choices) + "}"
        names = {int: "N", float: "NUMBER"}
        return str(self.extra.get("metavar", names.get(self.value_type, "NAME")))

    @property
    def bounds(self) -> str:
        """The allowed range in words, such as ``from 0 to 0.9``; empty without bounds."""
        limits: dict[str, float] = {}
        for rule in self.info.metadata:
            for name in ("ge", "gt", "le", "lt"):
                if getattr(rule, name, None) is not None:
                    limits[name] = getattr(rule, name)
        return _bounds_in_words(limits)


def _bounds_in_words(limits: Mapping[str, float]) -> str:
    if {"ge", "le"} <= limits.keys():
        return f"from {limits['ge']:g} to {limits['le']:g}"
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return " and ".join(f"{word} {limits[name]:g}" for name, word in words.items() if name in limits)


def iter_options(job: type[Settings] = Job) -> Iterator[Option]:
    """Every setting of a job, group by group, in the order of declaration."""
    for group, info in job.model_fields.items():
        settings = typing.cast("type[Settings]", info.annotation)
        for field, declaration in settings.model_fields.items():
            yield Option(group, field, declaration)


def add_options(
    parser: argparse.ArgumentParser, job: type[Settings] = Job, only: Collection[str] | None = None
) -> None:
    """Give `parser` one option for each setting, in one section for each group.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Receives the options.
    job : type of Settings
        Whose fields are groups of settings.
    only : collection of str, optional
        Keys of the settings that are wanted; all without it.

    Notes
    -----
    Values stay text: pydantic alone reads and checks them, so that the command line and job files
    accept the same values and complain in the same words. Options that are not given leave no trace
    in the namespace; the others are found there under `Option.key`.
    """
    for group, info in job.model_fields.items():
        doc = (info.annotation.__doc__ or "").splitlines()[0] if info.annotation else ""
        options = [o for o in iter_options(job) if o.group == group and (only is None or o.key in only)]
        if not options:
            continue
        section = parser.add_argument_group(group, doc)
        for option in sorted(options, key=lambda o: not o.positional):
            _add_option(section, option)


def _add_option(section: argparse._ArgumentGroup, option: Option) -> None:
    text = help_text(option).replace("%", "%%")
    common: dict[str, Any] = {"help": text, "default": argparse.SUPPRESS}
    if option.positional:
        section.add_argument(option.key, metavar=option.name, nargs="?", **common)
    elif option.value_type is bool:
        section.add_argument(option.name, dest=option.key, action=argparse.BooleanOptionalAction, **common)
    else:
        section.add_argument(option.name, dest=option.key, metavar=option.metavar, **common)


def help_text(option: Option) -> str:
    """Description of a setting with its unit, bounds and default in parentheses."""
    facts = [str(option.extra.get("unit", "")), option.bounds]
    if not option.info.is_required() and option.info.default not in (None, ()):
        facts.append(f"default {_written(option.info.default)}")
    facts = [fact for fact in facts if fact]
    description = option.info.description or option.info.title or ""
    return f"{description} ({'; '.join(facts)})" if facts else description


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, enum.Enum):
        return str(value.value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def given_options(arguments: argparse.Namespace, job: type[Settings] = Job) -> dict[str, Any]:
    """Settings that stand on the command line, as `Option.key` -> text (or bool)."""
    values = vars(arguments)
    return {o.key: values[o.key] for o in iter_options(job) if o.key in values}
