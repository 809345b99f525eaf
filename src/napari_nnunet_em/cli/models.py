"""``napari-nnunet-em models``: the models that can be used by name."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from napari_nnunet_em.cli.display import write_json
from napari_nnunet_em.cli.facts import write_facts
from napari_nnunet_em.cli.model_facts import spacing_words
from napari_nnunet_em.config import ModelSettings

if TYPE_CHECKING:
    from napari_nnunet_em.model import ModelBundle, ModelSummary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare nothing: the list has no options of its own."""
    parser.usage = "%(prog)s [options]"


def run(arguments: argparse.Namespace) -> None:
    """List the models, the default first."""
    from napari_nnunet_em.model import ModelBundle, describe, list_models  # noqa: PLC0415

    for i, summary in enumerate(list_models()):
        bundle = ModelBundle.open(summary.name)
        if arguments.json:
            write_json(sys.stdout, {"kind": "model", **describe(bundle)})
            continue
        default = " (default)" if summary.name == ModelSettings().path else ""
        sys.stdout.write(f"{chr(10) if i else ''}{summary.name}{default}\n")
        write_facts(sys.stdout, _facts(summary, bundle), indent="  ")


def _facts(summary: ModelSummary, bundle: ModelBundle) -> list[tuple[str, str]]:
    return [
        ("Segments", bundle.target),
        ("About", summary.description),
        ("Configuration", bundle.configuration),
        ("Voxel size", spacing_words(bundle)),
        ("Licence", summary.licence),
    ]
