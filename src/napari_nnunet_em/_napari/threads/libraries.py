"""Loads what runs networks, once and all together; for the threads of a window."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Iterator

from napari_nnunet_em._napari.threads.collecting import collecting_later
from napari_nnunet_em._napari.threads.graphics import load_triton_beside_opengl, map_torch_library

_ONE_AT_A_TIME = threading.Lock()


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Load torch and what is built on it here, harmless for a window and for other threads.

    One thread does so at a time: packages whose modules import each other, as nnU-Net's, may fail with a
    `KeyError` where two threads import them at once, for Python takes a module out of ``sys.modules`` for a
    moment.
    """
    with _ONE_AT_A_TIME, collecting_later():
        load_triton_beside_opengl()
        map_torch_library()
        yield


def load_libraries() -> None:
    """Import torch, nnU-Net and what else runs a network, for the thread that needs them first.

    Each of them would be imported anyway when it is first used. All together, and without the garbage
    collector walking through ever more objects meanwhile, they keep the window from drawing for shorter.
    """
    with loading():
        importlib.import_module("napari_nnunet_em.pipeline.preview")
        importlib.import_module("napari_nnunet_em.engine.open_runner").import_backends()
