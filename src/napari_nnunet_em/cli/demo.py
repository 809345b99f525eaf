"""``napari-nnunet-em demo``: the whole chain on a sample volume whose truth is known."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nnunet_em.cli.display import write_json
from napari_nnunet_em.cli.facts import write_command, write_facts
from napari_nnunet_em.cli.running import running
from napari_nnunet_em.quantities import duration, memory, rate

if TYPE_CHECKING:
    from napari_nnunet_em.demo import DemoReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the demo writes, and whether napari is opened."""
    parser.usage = "%(prog)s [options]"
    section = parser.add_argument_group("demo")
    section.add_argument(
        "--output",
        type=Path,
        default=Path("demo-output"),
        metavar="FOLDER",
        help="Folder for the sample, the result and a picture. (default demo-output)",
    )
    section.add_argument("--open", action="store_true", help="Open sample and result in napari at the end.")


def run(arguments: argparse.Namespace) -> None:
    """Run the demo, say how good the result is, and open it where asked to."""
    report = _run_demo(arguments.output, arguments.json)
    if arguments.json:
        write_json(sys.stdout, {"event": "result", **report.document()})
    else:
        write_facts(sys.stdout, demo_facts(report))
        write_command(sys.stdout, "Open it in napari:", report.open_command)
        sys.stdout.flush()
    if arguments.open:
        subprocess.run(report.open_command, check=False)  # noqa: S603  # our own words, no shell


def _run_demo(output: Path, machine: bool) -> DemoReport:
    with running(machine) as (token, display):
        from napari_nnunet_em.demo import run_demo  # noqa: PLC0415

        return run_demo(output, report=display.say, progress=display.show, cancel=token)


def demo_facts(report: DemoReport) -> list[tuple[str, str]]:
    """What the demo found, as lines of name and value."""
    quality = f"{report.f1:.3f} (precision {report.precision:.3f}, recall {report.recall:.3f}; at IoU 0.5)"
    return [
        ("Objects found", f"{report.objects_found:,} ({report.objects_true:,} in the truth)"),
        ("F1", quality),
        ("Speed", rate(report.voxels_per_second)),
        ("Time", duration(report.seconds)),
        ("Peak memory", memory(report.peak_memory_bytes)),
        ("Sample", str(report.sample)),
        ("Result", str(report.segmentation)),
        ("Picture", str(report.overlay)),
    ]
