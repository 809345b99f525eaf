"""Lines of facts and commands."""

from __future__ import annotations

import io
import shlex
import sys
from pathlib import Path

import pytest

from napari_nnunet_em.cli import facts
from napari_nnunet_em.cli.facts import command_line, napari_command, write_command, write_facts


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_values_are_aligned_and_empty_ones_left_out() -> None:
    stream = io.StringIO()
    write_facts(stream, [("A", "1"), ("Longer", "2\n\n3"), ("None", "")], indent="> ")
    assert stream.getvalue() == "> A       1\n> Longer  2\n>\n>         3\n"


def test_long_values_are_wrapped_in_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = "word " * 20 + "/a-path/that/is-longer/than-the-line/itself"
    terminal, file = Terminal(), io.StringIO()
    write_facts(terminal, [("Note", text)])
    write_facts(file, [("Note", text)])
    lines = terminal.getvalue().splitlines()
    assert all(len(line) <= 40 for line in lines[:-1])
    assert lines[-1].strip() == "/a-path/that/is-longer/than-the-line/itself"
    assert " ".join(terminal.getvalue().split()) == " ".join(file.getvalue().split())
    assert len(file.getvalue().splitlines()) == 1


def test_commands_survive_the_shell() -> None:
    stream = io.StringIO()
    write_command(stream, "Open:", ["napari", "a b.zarr"])
    assert stream.getvalue() == f"\nOpen:\n  {command_line(['napari', 'a b.zarr'])}\n"


def test_windows_quotes_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert command_line(["napari", "C:\\a b"]) == 'napari "C:\\a b"'


def make_program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="programs have another suffix there")
def test_napari_is_named_so_that_the_shell_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / ".venv" / "bin"
    python = make_program(here, "python")
    monkeypatch.setattr(facts.sys, "executable", str(python))
    monkeypatch.setenv("PATH", str(tmp_path))
    store = Path("o.zarr")
    assert napari_command(store, "")[:3] == (str(python), "-m", "napari")
    program = make_program(here, "napari")
    assert napari_command(store, "")[0] == str(program)
    monkeypatch.chdir(tmp_path)
    assert shlex.join(napari_command(store, "")) == ".venv/bin/napari --plugin napari-nnunet-em o.zarr"
    monkeypatch.setenv("PATH", str(here))
    assert napari_command(store, "")[0] == "napari"


@pytest.mark.parametrize(("name", "opened"), [("raw.nii.gz", True), ("raw.NRRD", True), ("raw.tif", False)])
def test_napari_gets_the_input_where_the_plugin_opens_it(tmp_path: Path, name: str, opened: bool) -> None:
    source = tmp_path / name
    assert str(source) not in napari_command(Path("o.zarr"), str(source))  # it is gone
    source.touch()
    assert (str(source) in napari_command(Path("o.zarr"), str(source))) == opened
