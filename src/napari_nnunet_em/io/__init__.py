"""Volumes in, OME-Zarr out.

The names below are imported on first use: each format brings its own libraries.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_LAZY = {
    "Choice": "napari_nnunet_em.io.choices",
    "ChunkCache": "napari_nnunet_em.io.chunk_cache",
    "JOB_FOLDER": "napari_nnunet_em.io.output",
    "Kind": "napari_nnunet_em.io.spec",
    "Lattice": "napari_nnunet_em.io.lattice",
    "MultiscaleSink": "napari_nnunet_em.io.sink",
    "SinkSpec": "napari_nnunet_em.io.spec",
    "Volume": "napari_nnunet_em.io.volume",
    "check_output": "napari_nnunet_em.io.output",
    "create_table_group": "napari_nnunet_em.io.tables",
    "describe": "napari_nnunet_em.io.description",
    "list_choices": "napari_nnunet_em.io.choices",
    "nearest_size": "napari_nnunet_em.io.lattice",
    "open_volume": "napari_nnunet_em.io.open",
    "regular_chunks": "napari_nnunet_em.io.chunk_cache",
    "remove_store": "napari_nnunet_em.io.output",
    "sweep_partial": "napari_nnunet_em.io.staging",
}

__all__ = [
    "JOB_FOLDER",
    "Choice",
    "ChunkCache",
    "Kind",
    "Lattice",
    "MultiscaleSink",
    "SinkSpec",
    "Volume",
    "check_output",
    "create_table_group",
    "describe",
    "list_choices",
    "nearest_size",
    "open_volume",
    "regular_chunks",
    "remove_store",
    "sweep_partial",
]

if TYPE_CHECKING:
    from napari_nnunet_em.io.choices import Choice, list_choices
    from napari_nnunet_em.io.chunk_cache import ChunkCache, regular_chunks
    from napari_nnunet_em.io.description import describe
    from napari_nnunet_em.io.lattice import Lattice, nearest_size
    from napari_nnunet_em.io.open import open_volume
    from napari_nnunet_em.io.output import JOB_FOLDER, check_output, remove_store
    from napari_nnunet_em.io.sink import MultiscaleSink
    from napari_nnunet_em.io.spec import Kind, SinkSpec
    from napari_nnunet_em.io.staging import sweep_partial
    from napari_nnunet_em.io.tables import create_table_group
    from napari_nnunet_em.io.volume import Volume


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
