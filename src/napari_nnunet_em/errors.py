"""Errors written for the person at the microscope.

Each message is one sentence that says what happened, with which value, why, and what to do.
Each class is also a built-in error, so that plain ``except ValueError`` keeps working, and
carries the exit code with which the command line ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class NnunetEmError(Exception):
    """Anything this package refuses to do, with a sentence that says why.

    Attributes
    ----------
    exit_code : int
        What the command line returns to the shell.
    """

    exit_code: ClassVar[int] = 1


class InputError(NnunetEmError, ValueError):
    """The input volume cannot be used as it is."""

    exit_code = 3


class ModelError(NnunetEmError, ValueError):
    """The model cannot be opened, is unsafe, or does not fit the volume."""

    exit_code = 4


class OutputError(NnunetEmError, OSError):
    """The output cannot be written, or must not be overwritten."""

    exit_code = 5


class JobMismatchError(NnunetEmError, ValueError):
    """The output belongs to another job."""

    exit_code = 6


class SettingsError(NnunetEmError, ValueError):
    """A setting, or a combination of settings, makes no sense."""

    exit_code = 2


class Cancelled(NnunetEmError, RuntimeError):
    """The job was stopped on request; what was finished is kept, and the same job continues there."""

    exit_code = 130


def refusal_reason(problem: Mapping[str, Any]) -> str:
    """Why pydantic refuses a value, to stand inside a sentence of ours.

    Parameters
    ----------
    problem : mapping
        An entry of ``ValidationError.errors()``. Its message is pydantic's own, or that of a check in Python
        behind the words "Value error,", which say nothing to anybody.
    """
    cause = problem.get("ctx", {}).get("error")
    return str(problem["msg"]).lower() if cause is None else str(cause).rstrip(".")
