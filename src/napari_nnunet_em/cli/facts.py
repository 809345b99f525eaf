"""Facts for people: aligned lines of name and value."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO


def write_facts(stream: TextIO, facts: Iterable[tuple[str, str]], indent: str = "") -> None:
    """Write ``name  value`` lines with the values aligned; further lines of a value go below its first.

    Parameters
    ----------
    stream : text file
        Where to write.
    facts : iterable of (str, str)
        Names and values; empty values are left out.
    indent : str
        Begins each line.
    """
    shown = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        for i, line in enumerate(value.splitlines()):
            stream.write(f"{indent}{'' if i else name:<{width}}  {line}\n")


def command_line(words: Sequence[str]) -> str:
    """Words as one line that the user's shell takes apart again."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def napari_command(store: Path) -> tuple[str, ...]:
    """The command that opens a result in napari.

    Inside a virtual environment that is not activated, a bare ``napari`` would not be found, so the
    program beside this Python is named by its path unless the shell finds that very one.
    """
    # shutil is only needed where a result is shown.
    from shutil import which  # noqa: PLC0415

    folder = Path(sys.executable).parent
    beside = which("napari", path=str(folder))
    found = which("napari")
    program = "napari" if beside is None or found == beside else _shortened(Path(beside))
    return program, "--plugin", "napari-nnunet-em", str(store)


def _shortened(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
