"""A small volume and a tiny model with random weights, on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nnunet_em.testing.tiny_models import make_model_folder

SHAPE = (6, 40, 48)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a 2D model."""
    return make_model_folder(tmp_path_factory.mktemp("model"), dim=2)


@pytest.fixture(scope="session")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TIFF of `SHAPE`, (z, y, x), uint8, that states no voxel size."""
    path = tmp_path_factory.mktemp("volume") / "volume.tif"
    tifffile.imwrite(path, np.random.default_rng(1).integers(0, 256, SHAPE, dtype=np.uint8))
    return path
