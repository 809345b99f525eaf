"""Dice on the SBEM validation volume: this package, stock nnU-Net, and the widget in a real window.

Run it as::

    python benchmarks/accuracy.py                       # both bundled models, headless, beside stock nnU-Net
    xvfb-run -a python benchmarks/accuracy.py --window  # the 3D model through the Segment widget

The volume is in ``../shared`` (or ``$NNUNET_EM_SHARED``); its licence allows no copy in this repository.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
import zarr

SHARED = Path(os.environ.get("NNUNET_EM_SHARED") or Path(__file__).resolve().parents[2] / "shared")
FOLDER = SHARED / "data" / "sbem_mito"
RAW, TRUTH = FOLDER / "val_z050-059_raw.tif", FOLDER / "val_z050-059_mito.tif"
VOXEL_SIZE_NM = (56.0, 8.0, 8.0)
CASES = (("mitochondria-3d", "none"), ("mitochondria-2d", "all"))


def dice(prediction, truth) -> float:
    """Overlap of two masks."""
    prediction, truth = prediction > 0, truth > 0
    return float(2 * np.count_nonzero(prediction & truth) / (prediction.sum() + truth.sum()))


def headless(model: str, tta: str, store: Path) -> np.ndarray:
    """Classes as the pipeline stores them."""
    from napari_nnunet_em import Job, run  # noqa: PLC0415

    job = Job.model_validate(
        {
            "input": {"path": str(RAW), "voxel_size_nm": VOXEL_SIZE_NM},
            "model": {"path": model},
            "prediction": {"tta": tta},
            "output": {"path": str(store)},
        }
    )
    run(job)
    return zarr.open_array(store / "labels/classes/0", mode="r")[:]


def stock(model: str, tta: str) -> np.ndarray:
    """Classes as nnUNetPredictor gives them."""
    import torch  # noqa: PLC0415
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: PLC0415

    from napari_nnunet_em.model import ModelBundle  # noqa: PLC0415

    predictor = nnUNetPredictor(
        use_mirroring=tta == "all", device=torch.device("cpu"), allow_tqdm=False, verbose=False
    )
    predictor.initialize_from_trained_model_folder(str(ModelBundle.open(model).root), ("all",))
    image = tifffile.imread(RAW)[None].astype(np.float32)
    return predictor.predict_single_npy_array(image, {"spacing": list(VOXEL_SIZE_NM)})


def window(model: str, store: Path) -> np.ndarray:
    """Classes after pressing the button in a napari window."""
    import napari  # noqa: PLC0415
    from qtpy.QtWidgets import QApplication  # noqa: PLC0415

    viewer = napari.Viewer(show=True)
    viewer.add_image(tifffile.imread(RAW), name="SBEM", scale=VOXEL_SIZE_NM, units=("nanometer",) * 3)
    _, widget = viewer.window.add_plugin_dock_widget("napari-nnunet-em", "Segment")

    def wait(condition) -> None:
        while not condition():
            QApplication.processEvents()
            time.sleep(0.01)

    widget.models.choose(model)
    wait(lambda: widget.models.chosen.bundle is not None)
    widget.form.output["path"].value = str(store)
    widget.start()
    wait(lambda: not widget.busy)
    layers = [layer.name for layer in viewer.layers]
    viewer.close()
    print("layers:", layers)
    return zarr.open_array(store / "labels/classes/0", mode="r")[:]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--window", action="store_true", help="press the button in a real window instead")
    options = parser.parse_args()
    truth = tifffile.imread(TRUTH)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        for model, tta in CASES[:1] if options.window else CASES:
            store = Path(folder) / f"{model}.zarr"
            started = time.perf_counter()
            ours = window(model, store) if options.window else headless(model, tta, store)
            seconds = time.perf_counter() - started
            line = f"{model}, flips {tta}: Dice {dice(ours, truth):.4f} in {seconds:.0f} s"
            if not options.window:
                started = time.perf_counter()
                theirs = stock(model, tta)
                line += f"; stock {dice(theirs, truth):.4f} in {time.perf_counter() - started:.0f} s"
                line += f"; equal voxels {np.mean(theirs == ours):.6f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
