"""``napari-nnunet-em export``: labels or an image as a file of another format."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from napari_nnunet_em.cli.display import write_json
from napari_nnunet_em.cli.facts import write_facts
from napari_nnunet_em.cli.grouped import build_settings
from napari_nnunet_em.cli.options import add_options
from napari_nnunet_em.cli.running import running
from napari_nnunet_em.progress import finish
from napari_nnunet_em.quantities import extent

if TYPE_CHECKING:
    from napari_nnunet_em.export import Export
    from napari_nnunet_em.io import Volume


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare one option for each setting of an export."""
    from napari_nnunet_em.export import Export  # noqa: PLC0415

    parser.usage = "%(prog)s SOURCE DESTINATION [options]"
    parser.epilog = (
        "Voxels are copied block by block, so volumes may be larger than memory. The destination appears "
        "when it is complete. Exit codes: 0 done, 2 settings, 3 input, 5 output, 130 stopped, "
        "1 anything else."
    )
    add_options(parser, Export)


def run(arguments: argparse.Namespace) -> None:
    """Export, and say what was written."""
    from napari_nnunet_em.export import Export  # noqa: PLC0415

    export = build_settings(arguments, Export)
    written = _run(export, arguments.json)
    size = written.voxel_size_nm
    if arguments.json:
        document = {
            "event": "result",
            "source": export.files.source,
            "written": written.origin,
            "shape": written.shape,
            "dtype": written.dtype.name,
            "voxel_size_nm": size,
            "origin_nm": written.origin_nm,
        }
        write_json(sys.stdout, document)
        return
    facts = [
        ("Written", written.origin),
        ("Voxels", f"{extent(written.shape)} (z, y, x), {written.dtype.name}"),
        ("Voxel size", f"{extent(size)} nm (z, y, x)" if size else "unknown: --voxel-size-nm states it"),
    ]
    write_facts(sys.stdout, facts)


def _run(export: Export, machine: bool) -> Volume:
    """Export to the end, and open what was written."""
    files = export.files
    with running(machine) as (token, display):
        from napari_nnunet_em.export import export_labels, open_source  # noqa: PLC0415
        from napari_nnunet_em.io import open_volume  # noqa: PLC0415

        source = open_source(files.source, files.axes, files.voxel_size_nm)
        steps = export_labels(source, files.destination, export.export, token)
        return open_volume(finish(steps, display.show))
