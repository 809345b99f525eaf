"""``napari-nnunet-em models``: the models that can be used by name, installed and removed."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from napari_nnunet_em.cli.display import write_json
from napari_nnunet_em.cli.facts import write_facts
from napari_nnunet_em.cli.model_facts import spacing_words
from napari_nnunet_em.config import ModelSettings
from napari_nnunet_em.errors import SettingsError

if TYPE_CHECKING:
    from napari_nnunet_em.model import ModelBundle, ModelSummary

_WHAT = {"install": "PATH", "remove": "NAME"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is done, and to which model."""
    parser.usage = "%(prog)s [install PATH [--name NAME] | remove NAME] [options]"
    parser.add_argument(
        "action",
        nargs="?",
        choices=("list", "install", "remove"),
        default="list",
        help="list the models (without a word), install one, or remove one that was installed",
    )
    parser.add_argument(
        "model",
        nargs="?",
        help="to install: a zip from nnUNetv2_export_model_to_zip, or a folder; to remove: a name",
    )
    parser.add_argument("--name", help="name under which a model is installed")


def run(arguments: argparse.Namespace) -> None:
    """List the models, the default first; or install or remove one."""
    if arguments.action == "list":
        if arguments.model is not None or arguments.name is not None:
            raise SettingsError(
                "The list of models takes no further words; see 'napari-nnunet-em models --help'."
            )
        _write_list(arguments.json)
        return
    if arguments.model is None:
        what = _WHAT[arguments.action]
        raise SettingsError(f"'models {arguments.action}' needs a {what}: models {arguments.action} {what}.")
    _change(arguments)


def _change(arguments: argparse.Namespace) -> None:
    from napari_nnunet_em.model import install_model, remove_model  # noqa: PLC0415

    if arguments.action == "install":
        name, done = install_model(arguments.model, arguments.name), "installed"
    elif arguments.name is not None:
        raise SettingsError("--name is for models that are installed; name the one to remove without it.")
    else:
        remove_model(arguments.model)
        name, done = arguments.model, "removed"
    if arguments.json:
        write_json(sys.stdout, {"kind": done, "name": name})
    else:
        sys.stdout.write(f"{done.capitalize()} {name}\n")


def _write_list(as_json: bool) -> None:
    from napari_nnunet_em.model import describe, list_models  # noqa: PLC0415

    for i, (summary, bundle) in enumerate((s, b) for s in list_models() for b in _bundles(s)):
        if as_json:
            write_json(sys.stdout, {"kind": "model", **describe(bundle), "name": summary.name})
            continue
        default = " (default)" if summary.name == ModelSettings().path else ""
        sys.stdout.write(f"{chr(10) if i else ''}{summary.name}{default}\n")
        write_facts(sys.stdout, _facts(summary, bundle), indent="  ")


def _bundles(summary: ModelSummary) -> list[ModelBundle]:
    """The model, or each of several that were installed together."""
    from napari_nnunet_em.model import ModelBundle, find_models  # noqa: PLC0415

    return [
        ModelBundle.open(summary.name, configuration=choice.full_name) for choice in find_models(summary.root)
    ]


def _facts(summary: ModelSummary, bundle: ModelBundle) -> list[tuple[str, str]]:
    return [
        ("Segments", bundle.target),
        ("About", summary.description),
        ("Configuration", bundle.configuration),
        ("Voxel size", spacing_words(bundle)),
        ("Folds", ", ".join(bundle.folds)),
        ("Licence", summary.licence),
    ]
