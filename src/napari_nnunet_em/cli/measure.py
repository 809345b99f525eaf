"""``napari-nnunet-em measure``: a table of the objects of any label image."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nnunet_em.cli.display import write_json
from napari_nnunet_em.cli.facts import write_facts
from napari_nnunet_em.cli.grouped import build_settings
from napari_nnunet_em.cli.options import add_options
from napari_nnunet_em.cli.running import running
from napari_nnunet_em.progress import finish
from napari_nnunet_em.quantities import count, extent

if TYPE_CHECKING:
    from napari_nnunet_em.io import Volume
    from napari_nnunet_em.measurement import ObjectTable
    from napari_nnunet_em.measurement.settings import Measurement


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare one option for each setting of a measurement."""
    from napari_nnunet_em.measurement.settings import Measurement  # noqa: PLC0415

    parser.usage = "%(prog)s LABELS --output FILE [options]"
    parser.epilog = (
        "Labels are read block by block, so they may be larger than memory. The columns are explained in the "
        "documentation, under 'What is in the output'. Exit codes: 0 done, 2 settings, 3 input, 5 output, "
        "130 stopped, 1 anything else."
    )
    add_options(parser, Measurement)


def run(arguments: argparse.Namespace) -> None:
    """Measure, write the table, and say what it holds."""
    measurement = _build(arguments)
    labels, table = _run(measurement, arguments.json)
    size = labels.voxel_size_nm
    if arguments.json:
        document = {
            "event": "result",
            "labels": labels.origin,
            "table": measurement.output.path,
            "objects": len(table),
            "voxel_size_nm": size,
            "voxel_size_source": labels.voxel_size_source,
        }
        write_json(sys.stdout, document)
        return
    known = f"{extent(size)} nm (z, y, x; {labels.voxel_size_source})" if size else ""
    unknown = "unknown, so columns in nm, µm² and µm³ are empty: give --voxel-size-nm"
    facts = [
        ("Labels", labels.origin),
        ("Objects", count(len(table), "object")),
        ("Voxel size", known or unknown),
        ("Table", measurement.output.path),
    ]
    write_facts(sys.stdout, facts)


def _build(arguments: argparse.Namespace) -> Measurement:
    from napari_nnunet_em.measurement.settings import Measurement  # noqa: PLC0415

    return build_settings(arguments, Measurement)


def _run(measurement: Measurement, machine: bool) -> tuple[Volume, ObjectTable]:
    settings = measurement.input
    with running(machine) as (token, display):
        from napari_nnunet_em.io import open_volume  # noqa: PLC0415
        from napari_nnunet_em.measurement import table_suffix  # noqa: PLC0415
        from napari_nnunet_em.measurement.volumes import measure_labels, refuse_image_of_labels  # noqa: PLC0415

        table_suffix(measurement.output.path)
        refuse_image_of_labels(Path(settings.labels))
        labels = open_volume(settings.labels, axes=settings.axes, voxel_size_nm=settings.voxel_size_nm)
        steps = measure_labels(
            labels,
            intensity=open_volume(settings.intensity) if settings.intensity else None,
            probability=open_volume(settings.probability) if settings.probability else None,
            cancel=token,
        )
        table = finish(steps, display.show)
        table.write(measurement.output.path)
    return labels, table
