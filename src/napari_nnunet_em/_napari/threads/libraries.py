"""Loads what runs networks, once and all together; for the threads of a window."""

from __future__ import annotations

import importlib

from napari_nnunet_em._napari.threads.collecting import collecting_later
from napari_nnunet_em._napari.threads.graphics import load_triton_beside_opengl, map_torch_library


def prepare_torch() -> None:
    """Do what makes loading torch harmless for a window; for the thread that is about to load it."""
    load_triton_beside_opengl()
    map_torch_library()


def load_libraries() -> None:
    """Import torch, nnU-Net and what else runs a network, for the thread that needs them first.

    Each of them would be imported anyway when it is first used. All together, and without the garbage
    collector walking through ever more objects meanwhile, they keep the window from drawing for shorter.
    """
    with collecting_later():
        prepare_torch()
        importlib.import_module("napari_nnunet_em.pipeline.preview")
        importlib.import_module("napari_nnunet_em.engine.open_runner").import_backends()
