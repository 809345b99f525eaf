"""Seconds and agreement on the SBEM validation volume: this engine beside nnUNetPredictor.

``python benchmarks/real_volume.py`` runs, one after the other and each in a process of its own, stock
nnU-Net, OpenVINO in float32 and in bfloat16: the 3D model without flips and the 2D model with all of
them, the two ways in which ``../shared/models/README.md`` gives stock's accuracy. It prints Markdown
tables. Leave the machine alone meanwhile: the ratios are what counts, and another process changes them.

Seconds are from the opened program to the stored result: weights, statistics, prediction and, here,
writing; imports are not in them. Objects are not looked for.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from _report import answer, machine, markdown, run_in_process
from accuracy import CASES, RAW, VOXEL_SIZE_NM

STOCK = "nnUNetPredictor"
PRECISIONS = ("float32", "bfloat16")
HEAD = ("", "seconds", "faster", "same class, %", "within 0.02, %", "network waited, %")
# Ours are stored as uint8.
_ROUNDING = 0.5 / 255


def stock(model: str, tta: str, folder: Path) -> dict[str, Any]:
    """Let nnU-Net predict, and keep its probabilities."""
    import torch  # noqa: PLC0415
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: PLC0415

    from napari_nnunet_em.model import ModelBundle  # noqa: PLC0415

    started = time.perf_counter()
    predictor = nnUNetPredictor(use_mirroring=tta == "all", device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(
        str(ModelBundle.open(model).root), ("all",), "checkpoint_final.pth"
    )
    image = tifffile.imread(RAW)[None]
    classes, probabilities = predictor.predict_single_npy_array(
        image, {"spacing": list(VOXEL_SIZE_NM)}, None, None, save_or_return_probabilities=True
    )
    tifffile.imwrite(folder / "classes.tif", classes)
    seconds = time.perf_counter() - started
    np.save(folder / f"{model}.npy", probabilities[1])
    return {"seconds": seconds}


def ours(model: str, tta: str, precision: str, folder: Path) -> dict[str, Any]:
    """Let this engine predict, and compare with what nnU-Net gave."""
    import nnunetv2.inference.predict_from_raw_data  # noqa: F401, PLC0415 - not in the seconds of stock either

    from napari_nnunet_em import Job, run  # noqa: PLC0415

    store = folder / f"{model}-{precision}.zarr"
    job = Job.model_validate(
        {
            "input": {"path": str(RAW), "voxel_size_nm": VOXEL_SIZE_NM},
            "model": {"path": model},
            "prediction": {"tta": tta},
            "instances": {"enabled": False},
            "output": {"path": str(store)},
            "execution": {"precision": precision, "device": "cpu"},
        }
    )
    started = time.perf_counter()
    result = run(job)
    seconds = time.perf_counter() - started
    measured = json.loads((store / ".nnunet-em/prediction.json").read_text(encoding="utf-8"))
    found = zarr.open_array(store / "0", mode="r")[:] / 255
    expected = np.load(folder / f"{model}.npy")
    return {
        "seconds": seconds,
        "runner": result.runner,
        "same": float(((found > 0.5) == (expected > 0.5)).mean()),
        "close": float((np.abs(found - expected) <= 0.02 + _ROUNDING).mean()),
        "waited": measured["waited_seconds"] / measured["seconds"],
    }


def child(request: dict[str, Any]) -> None:
    """One measurement, in this process."""
    warnings.simplefilter("ignore")
    folder, precision = Path(request["folder"]), request.get("precision")
    if precision is None:
        answer(stock(request["model"], request["tta"], folder))
    else:
        answer(ours(request["model"], request["tta"], precision, folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        child(options.child)
        return
    print(f"{machine()}\n", flush=True)
    script = Path(__file__)
    for model, tta in CASES:
        with tempfile.TemporaryDirectory() as folder:
            request = {"model": model, "tta": tta, "folder": folder}
            base = run_in_process(script, request)["seconds"]
            rows = [[STOCK, f"{base:.1f}", "1.0", "", "", ""]]
            for precision in PRECISIONS:
                got = run_in_process(script, {**request, "precision": precision})
                shares = [f"{100 * got[name]:.3f}" for name in ("same", "close")]
                waited = f"{100 * got['waited']:.1f}"
                seconds = got["seconds"]
                name = got["runner"].partition(", compiled")[0]
                rows.append([name, f"{seconds:.1f}", f"{base / seconds:.1f}", *shares, waited])
        print(f"{model}, flips: {tta}\n\n{markdown(HEAD, rows)}\n", flush=True)


if __name__ == "__main__":
    main()
