"""``napari-nnunet-em plan``: what a job will take, before it is run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nnunet_em.cli.display import write_json
from napari_nnunet_em.cli.facts import write_facts
from napari_nnunet_em.cli.jobfile import build_job
from napari_nnunet_em.cli.options import add_options, given_options
from napari_nnunet_em.quantities import count, duration, extent, memory, rate

if TYPE_CHECKING:
    from napari_nnunet_em.pipeline import JobPlan

# Only where it would lie matters, and that is the current folder.
_DEFAULTS = {"output.path": "segmentation.zarr"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``segment``, and whether the network is tried."""
    parser.usage = "%(prog)s INPUT [OUTPUT] [options]\n       %(prog)s --config job.yaml [options]"
    parser.epilog = (
        "Takes the options of segment. Nothing is written, and of the volume at most samples are read."
    )
    add_options(parser)
    trial = parser.add_argument_group("plan")
    trial.add_argument("--config", type=Path, metavar="FILE", help="Read settings from YAML or JSON.")
    trial.add_argument(
        "--probe",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="Load the network and run it for 2 s, to know its time and memory (default yes).",
    )


def run(arguments: argparse.Namespace) -> None:
    """Plan the job and say what it takes."""
    job = build_job(arguments.config, given_options(arguments), _DEFAULTS)
    from napari_nnunet_em.pipeline import plan_job  # noqa: PLC0415 - brings zarr and torch

    plan = plan_job(job) if arguments.probe else plan_job(job, probe_seconds=0)
    if arguments.json:
        write_json(sys.stdout, {"event": "plan", **plan.document()})
        return
    write_facts(sys.stdout, plan_facts(plan))
    for note in plan.notes:
        sys.stdout.write(f"\n{note}")
    sys.stdout.write("\n")


def plan_facts(plan: JobPlan) -> list[tuple[str, str]]:
    """What a job will take, as lines of name and value.

    Parameters
    ----------
    plan : JobPlan
        The plan.
    """
    passes = [count(plan.flips, "flip"), count(plan.folds, "fold")]
    if plan.orientations > 1:
        passes.insert(0, count(plan.orientations, "direction"))
    batch = f", {plan.batch_size} at once" if plan.batch_size else ""
    return [
        ("Volume", f"{extent(plan.shape)} (z, y, x)"),
        ("Tiles", f"{plan.tiles:,}: {plan.overhead:.2f} × the {plan.grid_tiles:,} of nnU-Net's grid{batch}"),
        ("Passes", f"{plan.forward_passes:,} ({', '.join(passes)})"),
        ("Columns", f"{plan.columns:,} of {extent(plan.column_shape)}; {count(plan.blocks, 'block')}"),
        ("Reading", "" if plan.decodes is None else f"each chunk is decoded {plan.decodes:.2f} times"),
        ("Memory", memory(plan.ram_bytes)),
        ("GPU memory", "" if plan.device_bytes is None else memory(plan.device_bytes)),
        ("Disk", _disk(plan)),
        ("Time", "" if plan.seconds is None else f"about {duration(plan.seconds)}, then objects are found"),
        ("Speed", rate(plan.voxels_per_second) if plan.voxels_per_second else ""),
        ("Network", plan.runner),
    ]


def _disk(plan: JobPlan) -> str:
    disk = plan.disk
    text = f"about {memory(disk.expected)}, at most {memory(disk.most)}; {memory(disk.free)} free"
    return f"{text}\n{memory(disk.scratch)} more until the job has finished" if disk.scratch else text
