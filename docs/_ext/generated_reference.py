"""Sphinx extension: pages that are written from the code at every build, so that they cannot drift from it.

``reference/generated/settings.md`` comes from the one declaration of each setting in `config`, and
``reference/generated/commands.md`` from the help texts of the command line, and
``reference/generated/columns.md`` from the declaration of the object table.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from napari_nnunet_em.cli.app import COMMANDS, PROGRAM, main
from napari_nnunet_em.cli.options import Option, help_text, iter_options
from napari_nnunet_em.config import Job
from napari_nnunet_em.measurement import COLUMNS as TABLE_COLUMNS

COLUMNS = "| Command line | Job file | What it does |\n|---|---|---|\n"


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "reference" / "generated"))
    return {"parallel_read_safe": True}


def write_pages(folder: Path) -> None:
    """Write all pages; an unchanged page is left alone, so that Sphinx does not read it again."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"settings.md": settings_page(), "commands.md": commands_page(), "columns.md": columns_page()}
    for name, text in pages.items():
        page = folder / name
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def settings_page() -> str:
    """Every setting as Markdown: one table for each group of `Job`."""
    return "\n".join("".join(_group(name)) for name in Job.model_fields)


def _group(name: str) -> Iterator[str]:
    doc = (Job.model_fields[name].annotation.__doc__ or "").splitlines()[0]
    yield f"## {name}\n\n{doc}\n\n{COLUMNS}"
    yield from (_row(option) for option in iter_options() if option.group == name)


def _row(option: Option) -> str:
    text = help_text(option)
    if option.choices:
        text += f" One of: {', '.join(option.choices)}."
    return f"| `{option.name}` | `{option.key}` | {_escaped(text)} |\n"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def columns_page() -> str:
    """The columns of the object table as Markdown."""
    rows = (f"| `{c.name}` | {c.dtype} | {c.unit} | {_escaped(c.description)} |\n" for c in TABLE_COLUMNS)
    return "| Column | Type | Unit | Meaning |\n|---|---|---|---|\n" + "".join(rows)


def commands_page() -> str:
    """The help text of every command as Markdown."""
    return "\n".join(f"## {name}\n\n```text\n{help_of(name)}```\n" for name in COMMANDS)


def help_of(command: str) -> str:
    """What ``napari-nnunet-em COMMAND --help`` prints, 100 columns wide."""
    out = io.StringIO()
    with mock.patch.dict(os.environ, {"COLUMNS": "100", "NO_COLOR": "1"}), contextlib.redirect_stdout(out):
        code = main([command, "--help"])
    if code:
        raise RuntimeError(f"{PROGRAM} {command} --help ended with exit code {code}.")
    return out.getvalue()
