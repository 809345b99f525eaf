"""What flips and overlap buy, and cost: the table by which the presets were named.

``python benchmarks/presets.py [MODEL ...]`` runs both bundled models over the SBEM validation volume of
``../shared`` with every choice of flips and overlap, and prints a Markdown table for each: Dice of the
voxels, F1 of the objects (IoU above 0.5, connected components of 64 voxels and more, as in
``../shared/models``), forward passes of the network, and voxels per CPU second of the prediction, both
relative to all flips and half overlap. Scores and passes do not depend on the machine's load, and CPU
seconds little. With ``--keep FILE`` what was measured is kept there, one JSON object in a line, and not
measured again; several processes may share the work (``--flips``, ``--overlap``) and the file.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from _report import machine, markdown
from accuracy import RAW, TRUTH, VOXEL_SIZE_NM

from napari_nnunet_em import Job, segment
from napari_nnunet_em.evaluation import ComparisonSettings, Relabel, evaluate, open_labels
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.pipeline.journal import JobFolder
from napari_nnunet_em.progress import Stage

MODELS = ("mitochondria-2d", "mitochondria-3d")
FLIPS = {2: ("none", "x", "all"), 3: ("none", "yx", "all")}
OVERLAPS = (0.0, 0.25, 0.5)
HEAD = ("flips", "overlap", "Dice", "F1", "passes", "of the full", "Mvoxel per CPU s", "of the full")


@dataclass(frozen=True)
class Choice:
    """One choice of flips and overlap for a model."""

    model: str
    flips: str
    overlap: float


@dataclass(frozen=True)
class Measured:
    """What came of it."""

    choice: Choice
    dice: float
    f1: float
    passes: int
    voxels_per_cpu_second: float

    def row(self, full: Measured) -> list[str]:
        """Cells of the table; `full` is what passes and speed are relative to."""
        return [
            self.choice.flips,
            f"{self.choice.overlap:g}",
            f"{self.dice:.3f}",
            f"{self.f1:.3f}",
            f"{self.passes}",
            f"{self.passes / full.passes:.2f}",
            f"{self.voxels_per_cpu_second / 1e6:.3f}",
            f"{self.voxels_per_cpu_second / full.voxels_per_cpu_second:.1f}",
        ]


def measure(choice: Choice, threads: int) -> Measured:
    """Predict the volume and compare it with the truth."""
    with tempfile.TemporaryDirectory() as folder:
        job = Job.model_validate(
            {
                "input": {"path": str(RAW), "voxel_size_nm": VOXEL_SIZE_NM},
                "model": {"path": choice.model},
                "prediction": {"tta": choice.flips, "overlap": choice.overlap},
                "instances": {"enabled": False},
                "output": {"path": str(Path(folder) / "out.zarr")},
                "execution": {"precision": "float32", "threads": threads},
            }
        )
        seconds = predict(job)
        tiles = (JobFolder(job.store).load("prediction") or {})["tiles"]
        found = evaluate(
            open_labels(job.store / "labels" / "classes"),
            open_labels(TRUTH),
            ComparisonSettings(relabel=Relabel.ALWAYS, min_voxels=64),
        )
    assert found.objects is not None
    allowed = len(ModelBundle.open(choice.model).mirror_axes)
    axes = {"none": 0, "all": allowed}.get(choice.flips, len(choice.flips))
    (mask,) = found.masks.values()
    # One fold, and no blank tiles in this volume: a pass for each tile and flip.
    f1 = found.objects.matched.f1
    return Measured(choice, mask.dice, f1, int(tiles) * 2**axes, found.voxels / seconds)


def predict(job: Job) -> float:
    """Run the job; CPU seconds from its first tile to its last."""
    started = 0.0
    seconds = 0.0
    for event in segment(job):
        if event.stage is Stage.PREDICT:
            # The event with a message says what runs the network, which is ready by then.
            started = time.process_time() if event.message else started
            seconds = time.process_time() - started
    return seconds


def choices(models: list[str]) -> Iterator[Choice]:
    """Every choice, the full setting of each model last."""
    for model in models:
        for flips in FLIPS[len(ModelBundle.open(model).patch_size)]:
            yield from (Choice(model, flips, overlap) for overlap in OVERLAPS)


def known(kept: Path | None) -> dict[Choice, Measured]:
    """What was measured before."""
    if kept is None or not kept.exists():
        return {}
    lines = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    found = [Measured(**{**line, "choice": Choice(**line["choice"])}) for line in lines]
    return {one.choice: one for one in found}


def main() -> None:
    """Measure what is not known, and print a table for each model that is complete."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--keep", type=Path, metavar="FILE")
    parser.add_argument("--flips", help="only these")
    parser.add_argument("--overlap", type=float, help="only this")
    parser.add_argument("--threads", type=int, default=0, help="of the network; 0: all")
    options = parser.parse_args()
    print(f"{machine()}\n", flush=True)
    measured = known(options.keep)
    for choice in choices(options.models):
        wanted = options.flips in (None, choice.flips) and options.overlap in (None, choice.overlap)
        if wanted and choice not in measured:
            measured[choice] = measure(choice, options.threads)
            print(measured[choice], flush=True)
            if options.keep:
                with options.keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(dataclasses.asdict(measured[choice])) + "\n")
    for model in options.models:
        rows = [measured.get(choice) for choice in choices([model])]
        if all(rows):
            print(f"\n{model}\n\n{markdown(HEAD, [one.row(rows[-1]) for one in rows])}", flush=True)


if __name__ == "__main__":
    main()
