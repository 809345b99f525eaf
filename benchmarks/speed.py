"""Side by side: this engine, nnUNetPredictor and MONAI's SlidingWindowInferer.

``python benchmarks/speed.py`` runs them one after the other with the same weights on the same volume,
with half overlap and Gaussian weights, without and with all flips: both bundled models, and nnU-Net's
default architectures with random weights. Each has a process of its own, so that peaks of memory are its
own. It prints Markdown tables. ``--quick`` takes small volumes; ``--cases`` and ``--only`` choose models
and contenders by parts of their names. It runs on CUDA where PyTorch finds it, unless told ``--device
cpu``.

"File to file" is from a stored volume (TIFF for nnUNetPredictor, which reads nothing else that all can,
Zarr for the others) to a stored result (classes; and uint8 probabilities, but for nnUNetPredictor),
loading of the weights included, imports not. "Engine" is the part that cuts tiles, runs the network and
blends, after the network was made ready; here it also reads, encodes and writes, which happens
meanwhile. A pass is one tile through one network in one orientation. The measured rate is that of a
product of matrices or of a convolution in the same numbers, whichever is higher.

On a CPU rates are counted in CPU seconds, those of all threads. Where the machine has other work, only
these are worth something, and they only with ``--threads 1``: threads that wait for each other use them
up.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _cases import CASES, Case, Files
from _report import answer, machine, markdown, run_in_process

STOCK = "nnUNetPredictor"
MONAI = ("MONAI SlidingWindowInferer", "MONAI SlidingWindowInferer, buffered")
CONTENDERS = {
    "cpu": (
        STOCK,
        *MONAI,
        "this engine, PyTorch float32",
        "this engine, OpenVINO float32",
        "this engine, PyTorch bfloat16",
        "this engine, OpenVINO bfloat16",
    ),
    "cuda": (
        STOCK,
        *MONAI,
        "this engine, PyTorch float16",
        "this engine, PyTorch float16, compiled",
        "this engine, PyTorch bfloat16",
    ),
}
HEAD = (
    "",
    "file to file, Mvoxel/s",
    f"x {STOCK}",
    "CPU s",
    f"x {STOCK}",
    "engine, Mvoxel/s",
    "passes",
    "passes/s",
    "of measured rate",
    "peak RSS, MB",
    "peak VRAM, MB",
    "read / volume",
)
# Large enough that nothing but the multiplication counts.
_MATMUL_SIDE = {"cpu": 2048, "cuda": 8192}


def child(request: dict[str, Any]) -> dict[str, Any]:
    """Measure one thing in this process."""
    if request["kind"] == "device":
        return measure_device(request["device"])
    if request["kind"] == "flop":
        return {"flop": flop_per_pass(request["model"])}
    import torch  # noqa: PLC0415
    from _contenders import Request, run  # noqa: PLC0415

    spent = run(Request(**{k: v for k, v in request.items() if k != "kind"}))
    vram = torch.cuda.max_memory_allocated() if request["device"] == "cuda" else 0
    return {**dataclasses.asdict(spent), "vram": vram}


def measure_device(device: str) -> dict[str, Any]:
    """Name of the device, and its measured rate: operations per CPU second, or per second of a GPU."""
    import time  # noqa: PLC0415

    import torch  # noqa: PLC0415

    device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    # Seconds of all threads do not depend on what else a CPU has to do.
    clock = time.perf_counter if device == "cuda" else time.process_time
    rates = {}
    for kind in (torch.float32, torch.bfloat16, *([torch.float16] if device == "cuda" else [])):
        rates[str(kind).removeprefix("torch.")] = max(
            _best(clock, multiply) for multiply in _multiplications(device, kind)
        )
    name = torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} threads"
    return {"device": device, "name": name, "rates": rates, "torch": torch.__version__}


def _multiplications(device: str, kind: Any) -> Iterator[tuple[int, Callable[[], Any]]]:
    """A product of matrices and a convolution, with their operations."""
    import torch  # noqa: PLC0415

    side = _MATMUL_SIDE[device]
    a = torch.randn(side, side, device=device).to(kind)
    yield 2 * side**3, lambda: a @ a
    # The libraries differ: MKL, which multiplies matrices, leaves half of a CPU of AMD unused.
    image = torch.randn(1, 512, side // 32, side // 32, device=device).to(kind)
    weights = torch.randn(512, 512, 3, 3, device=device).to(kind)
    operations = 2 * weights.numel() * image[0, 0].numel()
    yield operations, lambda: torch.nn.functional.conv2d(image, weights, padding=1)


def _best(clock: Callable[[], float], work: tuple[int, Callable[[], Any]]) -> float:
    operations, multiply = work
    best = 0.0
    for _ in range(8):
        begun = clock()
        float(multiply().flatten()[0])  # waits for the device
        best = max(best, operations / (clock() - begun))
    return best


def flop_per_pass(model: str) -> int:
    """Floating-point operations of one tile through one network."""
    import torch  # noqa: PLC0415
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415

    from napari_nnunet_em.model import ModelBundle, load_networks  # noqa: PLC0415

    bundle = ModelBundle.open(model)
    (network,) = load_networks(bundle, bundle.folds)
    # Shapes suffice: nothing is computed.
    with FlopCounterMode(display=False) as counter:
        network.to("meta")(torch.zeros(1, 1, *bundle.patch_size, device="meta"))
    return int(counter.get_total_flops())


def compare(
    case: Case, flips: bool, device: dict[str, Any], options: argparse.Namespace
) -> Iterator[list[str]]:
    """Run all contenders; a row for each."""
    shape = case.shape(device["device"], quick=options.quick)
    script, stock = Path(__file__), None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files, model = Files.write(case, shape, folder), str(case.model_folder(folder))
        flop = run_in_process(script, {"kind": "flop", "model": model})["flop"]
        for contender in CONTENDERS[device["device"]]:
            if options.only not in contender:
                continue
            request = {
                "kind": "run",
                "contender": contender,
                "model": model,
                **dataclasses.asdict(files),
                "output": str(folder / "output"),
                "voxel_size_nm": case.voxel_size_nm,
                "flips": flips,
                "device": device["device"],
            }
            try:
                spent = run_in_process(script, request, options.threads)
            except subprocess.CalledProcessError as error:
                yield [contender, f"failed ({error.returncode})", *[""] * (len(HEAD) - 2)]
                continue
            finally:
                shutil.rmtree(folder / "output", ignore_errors=True)
            stock = spent if contender == STOCK else stock
            yield row(contender, spent, int(np.prod(shape)), flop / device["rates"][spent["numbers"]], stock)


def row(
    contender: str, spent: dict[str, Any], voxels: int, least: float, stock: dict[str, Any] | None
) -> list[str]:
    """Cells of the table; `least` is how long a pass takes where nothing but its multiplications counts."""
    whole, engine = spent["whole"], spent["engine"]
    seconds = engine["clock" if spent["vram"] else "cpu"]
    times = [f"{stock['whole'][kind] / whole[kind]:.2f}" if stock else "" for kind in ("clock", "cpu")]
    return [
        contender,
        f"{voxels / whole['clock'] / 1e6:.3f}",
        times[0],
        f"{whole['cpu']:.1f}",
        times[1],
        f"{voxels / engine['clock'] / 1e6:.3f}",
        f"{spent['passes']}",
        f"{spent['passes'] / engine['clock']:.2f}",
        f"{spent['passes'] * least / seconds:.0%}",
        f"{spent['peak_rss'] / 1e6:.0f}",
        f"{spent['vram'] / 1e6:.0f}" if spent["vram"] else "",
        f"{spent['bytes_read'] / voxels:.2f}",
    ]


def main() -> None:
    """Print a table for each model, without and with flips."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small volumes, on a CPU")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--cases", default="", help="part of the names of the models")
    parser.add_argument("--only", default="", help="part of the names of the contenders")
    parser.add_argument("--flips", choices=("none", "all", "both"), default="both")
    parser.add_argument("--threads", type=int, default=0, help="of the network on a CPU; 0: all")
    options = parser.parse_args()
    request = {"kind": "device", "device": options.device}
    device = run_in_process(Path(__file__), request, options.threads)
    unit = "GFLOP/s" if device["device"] == "cuda" else "GFLOP per CPU s"
    rates = ", ".join(f"{rate / 1e9:.0f} {unit} in {kind}" for kind, rate in device["rates"].items())
    print(
        f"{machine()}; {device['device']} ({device['name']}), torch {device['torch']}, measured rate {rates}"
    )
    for case in (case for case in CASES if options.cases in case.name):
        for flips in {"none": (False,), "all": (True,), "both": (False, True)}[options.flips]:
            shape = " x ".join(map(str, case.shape(device["device"], quick=options.quick)))
            print(f"\n{case.name}, {'all' if flips else 'no'} flips, {shape} voxels\n", flush=True)
            print(markdown(HEAD, list(compare(case, flips, device, options))), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        answer(child(json.loads(sys.argv[2])))
    else:
        main()
