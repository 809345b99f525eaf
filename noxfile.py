"""Tests on other Pythons, and with the oldest dependencies that pyproject.toml allows: `nox -s lowest`."""

from __future__ import annotations

import nox

nox.options.sessions = ["tests"]
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "uv|virtualenv"

NO_WINDOW = ("-m", "not gui")


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Everything but the windows, with the pinned versions; pass further arguments of pytest after --."""
    session.install("--constraint", "constraints.txt", "--editable", ".[all,test]")
    session.run("pytest", *NO_WINDOW, *session.posargs)


@nox.session(python="3.11", venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """The lower bounds of pyproject.toml are honest: install exactly those, and run the headless tests.

    Warnings are not errors here: old releases use what newer ones of others have since deprecated.
    """
    session.install("--resolution", "lowest-direct", "--editable", ".[all,test]")
    session.run("pytest", "-W", "default", *NO_WINDOW, *session.posargs)
