"""Segment electron-microscopy volumes larger than memory with nnU-Net v2 models.

Importing this package loads neither torch nor Qt; the public names below are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_LAZY = {
    "Job": "napari_nnunet_em.config",
    "ModelBundle": "napari_nnunet_em.model",
    "Volume": "napari_nnunet_em.io",
    "open_volume": "napari_nnunet_em.io",
    "predict": "napari_nnunet_em.pipeline",
    "run": "napari_nnunet_em.pipeline",
    "segment": "napari_nnunet_em.pipeline",
}

__all__ = ["Job", "ModelBundle", "Volume", "__version__", "open_volume", "predict", "run", "segment"]

if TYPE_CHECKING:
    from napari_nnunet_em.config import Job
    from napari_nnunet_em.io import Volume, open_volume
    from napari_nnunet_em.model import ModelBundle
    from napari_nnunet_em.pipeline import predict, run, segment


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
