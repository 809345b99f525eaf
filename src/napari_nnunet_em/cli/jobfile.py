"""Job files: settings as YAML or JSON, read, merged with the command line, and written."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from napari_nnunet_em.cli.options import help_text, iter_options
from napari_nnunet_em.cli.problems import explain, nearest
from napari_nnunet_em.config import PRESETS, Job
from napari_nnunet_em.errors import SettingsError

PRESET_FIELDS = frozenset(field for values in PRESETS.values() for field in values)


def read_job_file(path: Path) -> dict[str, dict[str, Any]]:
    """Read a job file as group -> field -> value; the values are not checked yet.

    Raises
    ------
    SettingsError
        If the file cannot be read, is neither YAML nor JSON, or has a key that no setting has.
    """
    try:
        text = path.read_text(encoding="utf-8")
        # JSON is YAML but for its escapes beyond the basic plane, so it gets its own parser.
        document = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SettingsError(f"The job file {path} cannot be read: {reason}.") from error
    except (ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"The job file {path} is not valid YAML or JSON{_place(error)}.") from error
    return _checked_keys({} if document is None else document, path)


def _place(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f" in line {error.lineno}, column {error.colno}: {error.msg[:1].lower()}{error.msg[1:]}"
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None)
    if mark is None or not problem:
        return ""
    return f" in line {mark.line + 1}, column {mark.column + 1}: {problem}"


def _checked_keys(document: object, path: Path) -> dict[str, dict[str, Any]]:
    if not isinstance(document, dict):
        raise SettingsError(
            f"The job file {path} must hold groups of settings such as 'input:' and 'output:', "
            f"but holds {type(document).__name__} {document!r:.40}."
        )
    keys = {option.key for option in iter_options()}
    groups = {key.split(".")[0] for key in keys}
    checked: dict[str, dict[str, Any]] = {}
    for group, settings in document.items():
        if group not in groups:
            raise _unknown(str(group), groups | keys, path)
        if not isinstance(settings, dict | None):
            raise SettingsError(
                f"{group} in {path} must hold settings as 'name: value', but is {settings!r:.40}."
            )
        for field in settings or {}:
            if f"{group}.{field}" not in keys:
                raise _unknown(f"{group}.{field}", keys, path)
        checked[str(group)] = dict(settings or {})
    return checked


def _unknown(key: str, known: set[str], path: Path) -> SettingsError:
    field = key.rpartition(".")[2]
    same = [k for k in sorted(known) if k.rpartition(".")[2] == field]
    by_field = {k.rpartition(".")[2]: k for k in sorted(known)}
    guess = same[0] if same else nearest(key, known) or by_field.get(nearest(field, by_field) or "")
    hint = f"; did you mean {guess}?" if guess else "; 'segment --write-config' prints every key there is."
    return SettingsError(f"The job file {path} has the unknown key {key}{hint}")


def build_job(
    config: Path | None, given: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> Job:
    """Build the job from a job file and the options of the command line, which win.

    Parameters
    ----------
    config : pathlib.Path or None
        A job file.
    given : mapping of str to object
        Settings of the command line by key, as from `options.given_options`.
    defaults : mapping of str to object, optional
        By key, for what neither of them says.

    Raises
    ------
    SettingsError
        If the file cannot be read, or with one line for each setting that is wrong.
    """
    document = read_job_file(config) if config else {}
    written = {f"{g}.{f}": f"{g}.{f} in {config}" for g, fields in document.items() for f in fields}
    written |= {option.key: option.name for option in iter_options() if option.key in given}
    if "prediction.preset" in given:
        for field in PRESET_FIELDS:
            document.get("prediction", {}).pop(field, None)
    for key, value in given.items():
        group, _, field = key.partition(".")
        document.setdefault(group, {})[field] = value
    for key, value in (defaults or {}).items():
        group, _, field = key.partition(".")
        document.setdefault(group, {}).setdefault(field, value)
    for group in Job.model_fields:
        document.setdefault(group, {})
    try:
        return Job.model_validate(document)
    except ValidationError as error:
        raise explain(error, document, written) from error


def _one_line(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf"))
    return text.removesuffix("...\n").strip("\n")


def write_job(job: Job) -> str:
    """The job as YAML that `read_job_file` reads, with each setting explained.

    What a preset sets stands there as comments, so that another name can be written in its place.
    """
    document = job.document()
    named = PRESET_FIELDS if job.prediction.preset else frozenset()
    lines: list[str] = []
    for option in iter_options():
        if f"{option.group}:" not in lines:
            lines += ["", f"{option.group}:"]
        lines += textwrap.wrap(help_text(option), 96, initial_indent="  # ", subsequent_indent="  # ")
        mark = "# " if option.group == "prediction" and option.field in named else ""
        lines.append(f"  {mark}{option.field}: {_one_line(document[option.group][option.field])}")
    return "\n".join(lines[1:]) + "\n"
