"""Fixtures of the model room: the shared models, tiny random ones, and stock nnU-Net to compare with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from napari_nnunet_em.testing.tiny_models import make_model_folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNUNET_EM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("nnUNet_extTrainer", raising=False)


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny model below the test's own folder."""
    return lambda **changes: make_model_folder(tmp_path / "results" / "Dataset999_Tiny", **changes)


@pytest.fixture
def shared_models(shared_dir: Path) -> Path:
    return shared_dir / "models" / "Dataset901_EMMito"


@pytest.fixture
def stock() -> Callable[[Path, str], torch.nn.Module]:
    """The network as nnU-Net's own predictor loads it."""

    def load(folder: Path, fold: str) -> torch.nn.Module:
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

        predictor = nnUNetPredictor(device=torch.device("cpu"))
        predictor.initialize_from_trained_model_folder(str(folder), (fold,))
        return predictor.network.float().eval()

    return load
