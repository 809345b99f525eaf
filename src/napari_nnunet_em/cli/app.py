"""The command ``napari-nnunet-em``: finds the command, runs it, and turns errors into exit codes."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import NoReturn, Protocol, cast

from napari_nnunet_em import __version__
from napari_nnunet_em.errors import Cancelled, NnunetEmError, SettingsError

PROGRAM = "napari-nnunet-em"
COMMANDS = {
    "demo": "make a sample volume, segment it and compare with the truth",
    "segment": "segment a volume into objects, as OME-Zarr and a table",
    "plan": "say what a segmentation will take: tiles, memory, disk and time",
    "measure": "measure the objects of any label image, as a table",
    "evaluate": "compare a segmentation with a truth: voxels and objects",
    "info": "say what a volume, a model or a result holds",
    "models": "list the installed models",
}


class Command(Protocol):
    """What a module of a command offers; it is imported only when the command is used."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's options."""
        ...

    def run(self, arguments: argparse.Namespace) -> None:
        """Do the work; errors are raised."""
        ...


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are `SettingsError`, so that every error takes one way out."""

    def error(self, message: str) -> NoReturn:
        """Raise argparse's complaint.

        Raises
        ------
        SettingsError
            Always.
        """
        raise SettingsError(f"{message[:1].upper()}{message[1:]}; see '{self.prog} --help'.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process without it.

    Returns
    -------
    int
        0 when all went well, else the exit code of the error: 2 settings, 3 input, 4 model, 5 output,
        6 output of another job, 130 stopped, 1 anything unforeseen.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        _dispatch(words)
        sys.stdout.flush()  # here, where a closed pipe is understood, and not at exit
    except SystemExit as done:  # argparse leaves this way after --help and --version
        return int(done.code or 0)
    except BrokenPipeError:
        # The reader of our output has gone. What is still buffered must not raise again at exit.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the outermost door
        return _report(words, error)
    return 0


def _dispatch(words: list[str]) -> None:
    if words and words[0] in COMMANDS:
        name, *rest = words
        command = cast("Command", importlib.import_module(f"napari_nnunet_em.cli.{name}"))
        command.run(_parse(name, command, rest))
        return
    if words and not words[0].startswith("-"):
        raise SettingsError(
            f"Unknown command {words[0]!r}; {_suggest(words[0], COMMANDS) or f'see {PROGRAM} --help.'}"
        )
    parser = _top_parser()
    parser.parse_args(words)
    parser.print_help()
    if not words:
        raise SystemExit(SettingsError.exit_code)


def _top_parser() -> Parser:
    parser = Parser(
        prog=PROGRAM,
        description="Segment electron-microscopy volumes larger than memory with nnU-Net v2 models.",
        epilog=f"'{PROGRAM} COMMAND --help' explains a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for name, summary in COMMANDS.items():
        commands.add_parser(name, help=summary)
    return parser


def _parse(name: str, command: Command, words: list[str]) -> argparse.Namespace:
    summary = COMMANDS[name]
    parser = Parser(
        prog=f"{PROGRAM} {name}",
        description=f"{summary[:1].upper()}{summary[1:]}.",
        allow_abbrev=False,
        add_help=False,
    )
    command.add_arguments(parser)
    shared = parser.add_argument_group("general")
    shared.add_argument("-h", "--help", action="help", help="Show this help.")
    shared.add_argument("--json", action="store_true", help="Write JSON to stdout, one object on each line.")
    shared.add_argument("--debug", action="store_true", help="Show the traceback of an error.")
    # Intermixed, so that INPUT and OUTPUT may stand on both sides of the options.
    arguments, unknown = parser.parse_known_intermixed_args(words)
    if unknown:
        raise SettingsError(_unknown(parser, unknown[0]))
    return arguments


def _unknown(parser: Parser, word: str) -> str:
    if not word.startswith("-"):
        return f"Unexpected argument {word!r}; see '{parser.prog} --help'."
    known = [name for action in parser._actions for name in action.option_strings]
    hint = _suggest(word.partition("=")[0], known) or f"see '{parser.prog} --help'."
    return f"Unknown option {word}; {hint}"


def _suggest(word: str, known: Iterable[str]) -> str:
    # difflib is not worth its import when nothing is wrong.
    from difflib import get_close_matches  # noqa: PLC0415

    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""


def _report(words: list[str], error: BaseException) -> int:
    sentence, exit_code = _explain(error)
    if "--debug" in words:
        traceback.print_exception(error)
    if "--json" in words:
        from napari_nnunet_em.cli.display import write_json  # noqa: PLC0415

        kind = type(error).__name__
        document = {"event": "error", "error": kind, "message": sentence, "exit_code": exit_code}
        write_json(sys.stdout, document)
    for line in sentence.splitlines():
        sys.stderr.write(f"{PROGRAM}: {line}\n")
    return exit_code


def _explain(error: BaseException) -> tuple[str, int]:
    if isinstance(error, NnunetEmError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "Stopped at once; finished blocks are kept.", Cancelled.exit_code
    if isinstance(error, MemoryError):
        sentence = (
            "Memory ran out; finished blocks are kept: run the same command again with a smaller "
            "--max-ram, or with --batch-size 1."
        )
        return sentence, 1
    words = f"{type(error).__name__}: {error}".strip(": ")
    sentence = (
        f"Unexpected {words}. This is a bug in {PROGRAM}; "
        "please report it with the traceback, which --debug shows."
    )
    return sentence, 1
