"""Volumes in, OME-Zarr out.

The names below are imported on first use: each format brings its own libraries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nnunet_em.lazynames import lazy_names

_LAZY = {
    "Choice": "choices",
    "ChunkCache": "chunk_cache",
    "JOB_FOLDER": "output",
    "Kind": "spec",
    "Lattice": "lattice",
    "MultiscaleSink": "sink",
    "SinkSpec": "spec",
    "Volume": "volume",
    "check_output": "output",
    "create_table_group": "tables",
    "describe": "description",
    "list_choices": "choices",
    "nearest_size": "lattice",
    "open_volume": "open",
    "regular_chunks": "chunk_cache",
    "remove_store": "output",
    "sweep_partial": "staging",
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

__getattr__, __dir__ = lazy_names(__name__, _LAZY, __all__)
