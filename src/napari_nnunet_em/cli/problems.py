"""What is wrong with a job, in one sentence for each problem."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from napari_nnunet_em.cli.options import Option, iter_options
from napari_nnunet_em.config import Job, Settings
from napari_nnunet_em.errors import SettingsError


def explain(
    error: ValidationError,
    document: Mapping[str, Mapping[str, Any]],
    written: Mapping[str, str],
    job: type[Settings] = Job,
) -> SettingsError:
    """Turn pydantic's findings into sentences.

    Parameters
    ----------
    error : pydantic.ValidationError
        Raised while a `Job` was built.
    document : mapping of str to mapping
        What the job was built from: group -> field -> value.
    written : mapping of str to str
        For each key such as ``prediction.overlap`` that was given: how the user wrote its name.
    job : type of Settings
        What was built, whose fields are groups of settings.

    Returns
    -------
    SettingsError
        With one line for each setting that is wrong.
    """
    options = {option.key: option for option in iter_options(job)}
    place = " or as {} in a job file" if job is Job else ""
    sentences: dict[str, str] = {}
    for problem in error.errors():
        # An entry of a tuple has a longer path; the sentence is about the whole setting.
        key = ".".join(str(part) for part in problem["loc"][:2])
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, SettingsError):
            sentences.setdefault(key, str(cause))
        elif key in written:
            option = options[key]
            value = document[option.group][option.field]
            sentences.setdefault(key, _sentence(written[key], option, value))
        else:
            name = options[key].name if key in options else key
            sentences.setdefault(key, f"{name} is missing; give it on the command line{place.format(key)}.")
    return SettingsError("\n".join(sentences.values()))


def _sentence(name: str, option: Option, value: object) -> str:
    if option.value_type is str:
        return f"{name} cannot be {value!r}. {option.info.description}"
    return f"{name} must be {expectation(option)}, but is {value!r}."


def expectation(option: Option) -> str:
    """What a value must look like, to follow "must be"."""
    if option.choices:
        return f"one of {listed(option.choices)}"
    if option.value_type is bool:
        return "true or false"
    if option.value_type in (int, float):
        kind = "a whole number" if option.value_type is int else "a number"
        return f"{kind} ({option.bounds})" if option.bounds else kind
    unit = f" in {option.extra['unit']}" if "unit" in option.extra else ""
    return f"given as {option.metavar}{unit}"


def listed(values: Sequence[str]) -> str:
    """Words for alternatives: ``a, b or c``."""
    return " or ".join([", ".join(values[:-1]), values[-1]]) if len(values) > 1 else values[0]


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a person most likely meant by `word`, if one is close."""
    found = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return found[0] if found else None
