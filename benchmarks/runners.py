"""Seconds per tile of each tile runner with the bundled models, and how close its probabilities come.

Run it as::

    python benchmarks/runners.py                 # every runner and precision that this machine has
    python benchmarks/runners.py --batches       # PyTorch with larger batches, too
    python benchmarks/runners.py --compile       # compiled by PyTorch, too (minutes)

Runners take turns, and the best of their turns counts, so that other work on the machine shows as little as
possible. A tile is one forward pass of one fold; without flips.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.special import softmax

from napari_nnunet_em.config import ExecutionSettings
from napari_nnunet_em.engine.devices import choose_dtype
from napari_nnunet_em.engine.ensemble import load_ensemble
from napari_nnunet_em.engine.open_runner import choose_runner
from napari_nnunet_em.engine.openvino_library import openvino_installed
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.testing.phantom import Phantom

MODELS = ("mitochondria-2d", "mitochondria-3d")


@dataclass
class Measured:
    """One row of the table: what is timed, and the times so far."""

    name: str
    tile: Callable[[], np.ndarray]
    open_seconds: float
    description: str
    seconds: list[float] = field(default_factory=list)
    logits: np.ndarray | None = None

    def turn(self) -> None:
        """Run once more."""
        started = time.perf_counter()
        self.logits = self.tile()
        self.seconds.append(time.perf_counter() - started)


def settings(arguments: argparse.Namespace) -> Iterator[tuple[str, ExecutionSettings]]:
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for device in devices:
        for precision in ("float32", "bfloat16", "float16"):
            try:
                choose_dtype(ExecutionSettings(precision=precision).precision, torch.device(device))
            except SettingsError:
                continue
            common = {"backend": "pytorch", "device": device, "precision": precision}
            for batch in (1, 2, 4, 8) if arguments.batches else (1,):
                name = f"PyTorch {device} {precision}, batch {batch}"
                yield name, ExecutionSettings(**common, compile="never", batch_size=batch)
            if arguments.compile:
                name = f"PyTorch {device} {precision}, compiled"
                yield name, ExecutionSettings(**common, compile="always", batch_size=1)
    if openvino_installed():
        for precision in ("float32", "bfloat16"):
            yield f"OpenVINO {precision}", ExecutionSettings(backend="openvino", precision=precision)


def stock(bundle: ModelBundle, rows: np.ndarray) -> Measured:
    """The network as nnUNetPredictor runs it: one tile, eager, float32."""
    ensemble = load_ensemble(bundle, ("all",), ())
    network, shape = ensemble.networks[0], (1, *ensemble.input_shape)
    tile = rows[:, :, : ensemble.patch[1], : ensemble.patch[2]].reshape(shape)

    @torch.inference_mode()
    def run() -> np.ndarray:
        logits = network(torch.from_numpy(tile)).numpy().reshape(-1, *ensemble.patch)
        return logits[1:] - logits[:1]

    return Measured("stock: PyTorch, eager", run, 0.0, "")


def through_runner(
    bundle: ModelBundle, name: str, execution: ExecutionSettings, rows: np.ndarray
) -> Measured:
    started = time.perf_counter()
    runner = choose_runner(load_ensemble(bundle, ("all",), ()), execution)
    runner.warm_up()
    opened = time.perf_counter() - started
    depth, height, width = runner.patch
    batch = runner.batch_size
    sums = runner.accumulator((height, batch * width))
    sums.load(np.ascontiguousarray(np.tile(rows[:, :, :height, :width], batch)))

    def run() -> np.ndarray:
        sums.advance(depth)
        sums.add([(0, n * width) for n in range(batch)])
        return sums.take(depth, np.s_[:height, :width])

    measured = Measured(name, run, opened, runner.description)
    measured.seconds = _PerTile(batch)
    return measured


class _PerTile(list[float]):
    """Times of turns with several tiles each."""

    def __init__(self, tiles: int) -> None:
        super().__init__()
        self._tiles = tiles

    def append(self, seconds: float) -> None:
        super().append(seconds / self._tiles)


def table(model: str, arguments: argparse.Namespace) -> None:
    bundle = ModelBundle.open(model)
    depth = bundle.patch_size[0] if len(bundle.patch_size) == 3 else 1
    image, _ = Phantom(seed=3).block(Box((0, 0, 0), (depth, 256, 256)))
    rows = ((image - image.mean()) / image.std()).astype(np.float32)[None]
    measured = [stock(bundle, rows)]
    for name, execution in settings(arguments):
        measured.append(through_runner(bundle, name, execution, rows))
    for _ in range(arguments.turns):
        for one in measured:
            one.turn()
    first = measured[0]
    print(f"\n{model}, {' x '.join(map(str, bundle.patch_size))}\n")
    print("| runner | s/tile, best | median | times stock | largest difference | same class | s to open |")
    print("|---|---|---|---|---|---|---|")
    for one in measured:
        difference, same = compare(one.logits, first.logits)
        print(
            f"| {one.name} | {min(one.seconds):.4f} | {statistics.median(one.seconds):.4f} "
            f"| {min(first.seconds) / min(one.seconds):.2f} | {difference:.1e} | {same:.4%} "
            f"| {one.open_seconds:.1f} |"
        )
    for one in measured[1:]:
        print(f"- {one.name}: {one.description}")


def compare(logits: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Largest difference in probability, and share of voxels of the same class."""

    def full(relative: np.ndarray) -> np.ndarray:
        return np.concatenate([np.zeros_like(relative[:1]), relative])

    ours, theirs = full(logits), full(reference)
    difference = np.abs(softmax(ours, axis=0) - softmax(theirs, axis=0)).max()
    return float(difference), float((ours.argmax(0) == theirs.argmax(0)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", action="store_true", help="PyTorch with larger batches, too")
    parser.add_argument("--compile", action="store_true", help="PyTorch with compiled networks, too")
    parser.add_argument("--turns", type=int, default=20, help="times that each runner is timed")
    parser.add_argument("--model", choices=MODELS, action="append", help="instead of both bundled models")
    arguments = parser.parse_args()
    for model in arguments.model or MODELS:
        table(model, arguments)


if __name__ == "__main__":
    main()
