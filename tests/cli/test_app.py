"""Start-up, help, exit codes, and what a user sees of an error."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import napari_nnunet_em
from napari_nnunet_em.cli import app, main
from napari_nnunet_em.errors import (
    Cancelled,
    InputError,
    JobMismatchError,
    ModelError,
    NnunetEmError,
    OutputError,
    SettingsError,
)

HEAVY = ("torch", "zarr", "napari", "numpy", "rich", "qtpy", "nnunetv2")


@pytest.mark.parametrize("words", [["--help"], ["segment", "--help"], ["demo", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom napari_nnunet_em.cli import main\n"
        f"code = main({words!r})\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'loaded {loaded}' if loaded else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "napari-nnunet-em" in done.stdout


@pytest.mark.parametrize(
    "start", [["-m", "napari_nnunet_em"], ["-c", "from napari_nnunet_em.cli import main; main()"]]
)
def test_the_module_is_the_program(start: list[str]) -> None:
    done = subprocess.run([sys.executable, *start, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"napari-nnunet-em {napari_nnunet_em.__version__}\n"


def test_without_a_command_the_help_is_shown_as_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().out
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text and summary in text for name, summary in app.COMMANDS.items())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["segmnt"], "Unknown command 'segmnt'; did you mean segment?"),
        (["xyz"], "Unknown command 'xyz'; see napari-nnunet-em --help."),
        (["segment", "--treshold", "1"], "Unknown option --treshold; did you mean --threshold?"),
        (["segment", "--ovrlap=1"], "Unknown option --ovrlap=1; did you mean --overlap?"),
        (["segment", "--zzz"], "Unknown option --zzz; see 'napari-nnunet-em segment --help'."),
        (["segment", "a", "b", "c"], "Unexpected argument 'c'; see 'napari-nnunet-em segment --help'."),
        (
            ["segment", "a", "--overlap"],
            "Argument --overlap: expected one argument; see 'napari-nnunet-em segment --help'.",
        ),
        (["--nope"], "Unrecognized arguments: --nope; see 'napari-nnunet-em --help'."),
    ],
)
def test_mistakes_in_usage_are_one_sentence_and_exit_code_2(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err == f"napari-nnunet-em: {sentence}\n"


def test_the_arguments_of_the_process_are_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["napari-nnunet-em", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("napari-nnunet-em ")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Let the command ``models`` raise."""

    def install(error: BaseException) -> None:
        def run(arguments: argparse.Namespace) -> None:
            raise error

        monkeypatch.setattr("napari_nnunet_em.cli.models.run", run)

    return install


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError, 2),
        (InputError, 3),
        (ModelError, 4),
        (OutputError, 5),
        (JobMismatchError, 6),
        (Cancelled, 130),
    ],
)
def test_each_error_has_its_exit_code_and_only_its_message_is_shown(
    error: type[NnunetEmError],
    code: int,
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    failing(error("What happened and what to do."))
    assert main(["models"]) == code
    shown = capsys.readouterr()
    assert shown.err == "napari-nnunet-em: What happened and what to do.\n"
    assert shown.out == ""


def test_errors_are_objects_for_machines(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(InputError("No."))
    assert main(["models", "--json"]) == 3
    assert json.loads(capsys.readouterr().out) == {
        "event": "error",
        "error": "InputError",
        "message": "No.",
        "exit_code": 3,
    }


def test_a_bug_is_called_one_and_debug_shows_its_traceback(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ZeroDivisionError("division by zero"))
    assert main(["models"]) == 1
    assert capsys.readouterr().err == (
        "napari-nnunet-em: Unexpected ZeroDivisionError: division by zero. This is a bug in "
        "napari-nnunet-em; please report it with the traceback, which --debug shows.\n"
    )
    assert main(["models", "--debug"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_memory_that_ran_out_is_no_bug(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(MemoryError())
    assert main(["models"]) == 1
    assert capsys.readouterr().err.startswith("napari-nnunet-em: Memory ran out; finished blocks are kept:")


def test_debug_shows_the_traceback_of_any_error(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ModelError("No."))
    assert main(["models", "--debug"]) == 4
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_ctrl_c_ends_with_130(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(KeyboardInterrupt())
    assert main(["models"]) == 130
    assert capsys.readouterr().err == "napari-nnunet-em: Stopped at once; finished blocks are kept.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows reports a closed pipe in another way")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_ends_quietly(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "napari_nnunet_em", "segment", "a", "b", "--write-config"]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False, env=environment)
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 1
