"""Settings of a command that has no job file, from what was typed."""

from __future__ import annotations

import argparse
from typing import Any, TypeVar

from pydantic import ValidationError

from napari_nnunet_em.cli.options import given_options, iter_options
from napari_nnunet_em.cli.problems import explain
from napari_nnunet_em.config import Settings

S = TypeVar("S", bound=Settings)


def build_settings(arguments: argparse.Namespace, kind: type[S]) -> S:
    """Check the options of a command as the settings they stand for.

    Parameters
    ----------
    arguments : argparse.Namespace
        What was typed.
    kind : type
        Settings made of groups, from which the options were generated.

    Raises
    ------
    SettingsError
        With a sentence for each option that cannot be used.
    """
    given = given_options(arguments, kind)
    document: dict[str, dict[str, Any]] = {group: {} for group in kind.model_fields}
    for key, value in given.items():
        group, _, field = key.partition(".")
        document[group][field] = value
    written = {option.key: option.name for option in iter_options(kind) if option.key in given}
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise explain(error, document, written, kind) from error
