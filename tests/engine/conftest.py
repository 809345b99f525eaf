"""nnU-Net itself as the oracle, and this engine run the same way, both on arrays in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from napari_nnunet_em.config import ExecutionSettings, ModelSettings, PredictionSettings, ProbabilityType
from napari_nnunet_em.engine.column import column_boxes
from napari_nnunet_em.engine.open_runner import open_runner
from napari_nnunet_em.engine.output import Encoder
from napari_nnunet_em.engine.prepare import mirror_axes, model_spacings, prepare, profile_axis
from napari_nnunet_em.engine.statistics import collect_statistics
from napari_nnunet_em.engine.sweep import Sweep
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.progress import CancelToken, finish

from ..nnunet_oracle import Float32Predictor


@dataclass(frozen=True)
class Answer:
    """Probabilities of the foreground (classes, z, y, x), float32, and classes (z, y, x)."""

    probabilities: np.ndarray
    classes: np.ndarray


def ask_nnunet(
    folder: Path,
    image: np.ndarray,
    spacing,
    *,
    folds=("0",),
    flips: bool = False,
    overlap: float = 0.5,
    stock: bool = False,
) -> Answer:
    """Let nnU-Net predict an image, (c, z, y, x); `stock` leaves its float16 sums."""
    kind = nnUNetPredictor if stock else Float32Predictor
    predictor = kind(
        tile_step_size=1 - overlap, use_mirroring=flips, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(folder), folds, "checkpoint_final.pth")
    classes, probabilities = predictor.predict_single_npy_array(
        image.copy(), {"spacing": list(spacing)}, None, None, save_or_return_probabilities=True
    )
    foreground = probabilities if predictor.label_manager.has_regions else probabilities[1:]
    return Answer(np.asarray(foreground, np.float32), np.asarray(classes))


def ask_engine(
    folder: Path,
    image: np.ndarray,
    spacing,
    *,
    folds=("0",),
    flips: bool = False,
    overlap: float = 0.5,
    block=(16, 1 << 20, 1 << 20),
    region: Box | None = None,
    execution: ExecutionSettings | None = None,
) -> Answer:
    """Let this engine predict an image, (c, z, y, x), cut into blocks, with PyTorch unless told otherwise."""
    volume = Volume(image, "czyx", tuple(spacing), "given by the caller")
    bundle = ModelBundle.open(folder)
    spacings = model_spacings(volume, bundle, ModelSettings(spacing_unit="nm"))
    statistics = finish(collect_statistics(volume, profile_axis=profile_axis(volume, bundle, spacings)))
    source = finish(prepare(volume, bundle, statistics, spacings, PredictionSettings(overlap=overlap)))
    axes = mirror_axes(bundle, "all" if flips else "none")
    runner = open_runner(bundle, folds, axes, execution or ExecutionSettings(backend="pytorch"))
    encoder = Encoder.of(bundle, ProbabilityType.FLOAT32)
    sweep = Sweep(source, runner, encoder, CancelToken())
    region = region or Box.whole(volume.shape)
    probabilities, classes = encoder.empty(region.shape)
    for boxes in column_boxes(region, block, source.space):
        for result in sweep.results(boxes):
            where = result.box.relative_to(region.start).slices
            probabilities[(slice(None), *where)] = result.probabilities
            classes[where] = result.classes
    return Answer(np.asarray(probabilities, np.float32), classes)


@pytest.fixture(autouse=True)
def _stock_setting_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """nnU-Net prints a line about devices each time it predicts on a CPU."""
    monkeypatch.setattr("builtins.print", lambda *a, **k: None)


@pytest.fixture
def nnunet() -> Callable[..., Answer]:
    """`ask_nnunet`, as a fixture."""
    return ask_nnunet


@pytest.fixture
def engine() -> Callable[..., Answer]:
    """`ask_engine`, as a fixture."""
    return ask_engine
