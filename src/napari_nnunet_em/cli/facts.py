"""Facts for people: aligned lines of name and value."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

_READ_BY_PLUGIN = (".zarr", ".n5", ".h5", ".hdf5", ".nrrd", ".nii", ".nii.gz")


def write_facts(stream: TextIO, facts: Iterable[tuple[str, str]], indent: str = "") -> None:
    """Write ``name  value`` lines with the values aligned; further lines of a value go below its first.

    In a terminal long values are wrapped at spaces; elsewhere each stays on its line.

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
    room = max(shutil.get_terminal_size().columns - len(indent) - width - 2, 20) if stream.isatty() else None
    for name, value in shown:
        for i, line in enumerate(_wrapped(value, room)):
            stream.write(f"{indent}{'' if i else name:<{width}}  {line}".rstrip() + "\n")


def _wrapped(value: str, room: int | None) -> Iterator[str]:
    for line in value.splitlines():
        if room is None or len(line) <= room:
            yield line
        else:
            yield from textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False)


def write_command(stream: TextIO, title: str, words: Sequence[str]) -> None:
    """Write a command on a line of its own, never wrapped, so that it can be copied."""
    stream.write(f"\n{title}\n  {command_line(words)}\n")


def command_line(words: Sequence[str]) -> str:
    """Words as one line that the user's shell takes apart again."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def napari_command(store: Path, source: str) -> tuple[str, ...]:
    """The command that opens a result in napari, over its input where the plugin can read that.

    In a virtual environment that is not active, a bare ``napari`` would not be found, so the program
    beside this Python is named by its path unless the shell finds that very one.
    """
    beside = shutil.which("napari", path=str(Path(sys.executable).parent))
    found = shutil.which("napari")
    if beside is None:
        program = [sys.executable, "-m", "napari"]
    else:
        program = ["napari" if found == beside else _shortened(Path(beside))]
    readable = source.lower().rstrip("/").endswith(_READ_BY_PLUGIN) and Path(source).exists()
    return (*program, "--plugin", "napari-nnunet-em", *([source] if readable else []), str(store))


def _shortened(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
