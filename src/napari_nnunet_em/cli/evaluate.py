"""``napari-nnunet-em evaluate``: how good a prediction is, against a truth."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nnunet_em.cli.display import write_json
from napari_nnunet_em.cli.grouped import build_settings
from napari_nnunet_em.cli.options import add_options
from napari_nnunet_em.cli.running import running
from napari_nnunet_em.progress import finish

if TYPE_CHECKING:
    from napari_nnunet_em.evaluation import Comparison, Evaluation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare one option for each setting of a comparison, and the table."""
    from napari_nnunet_em.evaluation.settings import Comparison  # noqa: PLC0415

    parser.usage = "%(prog)s PRED TRUTH [options]"
    parser.epilog = (
        "Voxels, objects and their IoU are counted block by block, so volumes may be larger than memory. "
        "Exit codes: 0 done, 2 settings, 3 input, 5 output, 130 stopped, 1 anything else."
    )
    add_options(parser, Comparison)
    files = parser.add_argument_group("table")
    files.add_argument(
        "--csv",
        type=Path,
        metavar="FILE",
        help="Write a table of all objects: id, partner and IoU, centroid.",
    )


def run(arguments: argparse.Namespace) -> None:
    """Compare, and say how good it is."""
    comparison = _build(arguments)
    evaluation = _run(comparison, arguments.json)
    from napari_nnunet_em.cli.evaluation_facts import write_evaluation  # noqa: PLC0415
    from napari_nnunet_em.evaluation import evaluation_document, write_objects  # noqa: PLC0415

    if arguments.csv is not None and evaluation.objects is not None:
        write_objects(evaluation.objects.table, arguments.csv)
    if arguments.json:
        images = {"pred": comparison.images.pred, "truth": comparison.images.truth}
        write_json(sys.stdout, {"event": "result", "images": images, **evaluation_document(evaluation)})
    else:
        write_evaluation(sys.stdout, evaluation)


def _build(arguments: argparse.Namespace) -> Comparison:
    from napari_nnunet_em.evaluation.settings import Comparison, Meaning  # noqa: PLC0415

    comparison = build_settings(arguments, Comparison)
    if arguments.csv is not None and comparison.comparison.meaning is Meaning.CLASSES:
        from napari_nnunet_em.errors import SettingsError  # noqa: PLC0415

        raise SettingsError("--csv writes a table of objects, and --values classes finds none: give either.")
    return comparison


def _run(comparison: Comparison, machine: bool) -> Evaluation:
    images, settings = comparison.images, comparison.comparison
    with running(machine) as (token, display):
        from napari_nnunet_em.evaluation import compare, open_labels  # noqa: PLC0415

        pred, truth = (
            open_labels(path, class_name=images.class_name, meaning=settings.meaning, axes=axes)
            for path, axes in ((images.pred, images.pred_axes), (images.truth, images.truth_axes))
        )
        return finish(compare(pred, truth, settings, token), display.show)
