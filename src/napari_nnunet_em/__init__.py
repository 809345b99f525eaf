"""Segment electron-microscopy volumes larger than memory with nnU-Net v2 models.

Importing this package loads neither torch nor Qt; the public names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nnunet_em.lazynames import lazy_names

__version__ = "0.1.0"

_LAZY = {
    "Job": "config",
    "ModelBundle": "model",
    "Volume": "io",
    "open_volume": "io",
    "predict": "pipeline",
    "run": "pipeline",
    "segment": "pipeline",
}

__all__ = ["Job", "ModelBundle", "Volume", "__version__", "open_volume", "predict", "run", "segment"]

if TYPE_CHECKING:
    from napari_nnunet_em.config import Job
    from napari_nnunet_em.io import Volume, open_volume
    from napari_nnunet_em.model import ModelBundle
    from napari_nnunet_em.pipeline import predict, run, segment

__getattr__, __dir__ = lazy_names(__name__, _LAZY, __all__)
