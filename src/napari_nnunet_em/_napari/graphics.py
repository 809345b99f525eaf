"""Keeps torch and the graphics driver out of each other's way."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys


def load_triton_beside_opengl() -> bool:
    """Load triton, if torch brought it, so that it does not bind to the graphics driver's LLVM.

    Mesa's OpenGL drivers (software rendering under Xvfb, in virtual machines and remote desktops, and those
    for AMD cards) bring libLLVM into the process. nnU-Net imports triton through ``torch._dynamo``,
    and triton's own copy of LLVM, loaded after a window is open, takes some of its functions from Mesa's:
    the process dies with a segmentation fault. ``RTLD_DEEPBIND`` makes a library prefer its own
    functions. Elsewhere than on Linux there is no triton, and without a window this does no harm.

    libtriton exports its LLVM since triton 3.7 (https://github.com/tensorflow/tensorflow/issues/124205
    tells the same story with another library in Mesa's place).

    Returns
    -------
    bool
        Whether triton was loaded by this call.
    """
    deep = getattr(os, "RTLD_DEEPBIND", 0)
    if not deep or "triton" in sys.modules or importlib.util.find_spec("triton") is None:
        return False
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_NOW | deep)
    try:
        importlib.import_module("triton")
    finally:
        sys.setdlopenflags(flags)
    return True
