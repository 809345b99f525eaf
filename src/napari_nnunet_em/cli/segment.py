"""``napari-nnunet-em segment``: run a job and say what came out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nnunet_em.cli.display import write_json
from napari_nnunet_em.cli.facts import napari_command, write_command, write_facts
from napari_nnunet_em.cli.jobfile import build_job, write_job
from napari_nnunet_em.cli.options import add_options, given_options
from napari_nnunet_em.cli.result_facts import result_facts
from napari_nnunet_em.cli.running import running
from napari_nnunet_em.config import Job

if TYPE_CHECKING:
    from napari_nnunet_em.pipeline import SegmentationResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare one option for each setting, and the job file."""
    parser.usage = "%(prog)s INPUT OUTPUT [options]\n       %(prog)s --config job.yaml [options]"
    parser.epilog = (
        "Ctrl-C stops after the work in hand; the same command continues there. Exit codes: 0 done, "
        "2 settings, 3 input, 4 model, 5 output, 6 output of another job, 130 stopped, 1 anything else."
    )
    add_options(parser)
    files = parser.add_argument_group("job file")
    files.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="Read settings from YAML or JSON; the options above win over it.",
    )
    files.add_argument(
        "--write-config", action="store_true", help="Print the whole job as YAML instead of running it."
    )


def run(arguments: argparse.Namespace) -> None:
    """Build the job and run it, or print it."""
    job = build_job(arguments.config, given_options(arguments))
    if arguments.write_config:
        sys.stdout.write(write_job(job))
        return
    result = _run_job(job, arguments.json)
    command = napari_command(result.store, job.input.path)
    if arguments.json:
        # Paths of labels and tables are relative to the store.
        document = {"event": "result", "store": result.store, **result.document(), "open_command": command}
        write_json(sys.stdout, document)
    else:
        write_facts(sys.stdout, result_facts(result))
        write_command(sys.stdout, "Open it in napari:", command)


def _run_job(job: Job, machine: bool) -> SegmentationResult:
    with running(machine) as (token, display):
        from napari_nnunet_em.pipeline import load_result, segment  # noqa: PLC0415

        for event in segment(job, cancel=token):
            display.show(event)
    return load_result(job.store)
