"""Keeps torch out of the way of the graphics driver, and of the window that is open."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import sys
from pathlib import Path


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


def map_torch_library() -> bool:
    """Let the system load torch's largest library while the window goes on.

    ``import torch`` does so too, but holds Python's lock for as long as it takes, a tenth of a second or two.
    A C function called through ctypes does not hold it, and what is loaded already is not loaded again.

    Returns
    -------
    bool
        Whether the library was loaded by this call; only Linux is asked.
    """
    found = None if "torch" in sys.modules else importlib.util.find_spec("torch")
    if not sys.platform.startswith("linux") or found is None or found.origin is None:
        return False
    library = Path(found.origin).parent / "lib" / "libtorch_cpu.so"
    open_library = ctypes.CDLL(None).dlopen
    open_library.argtypes, open_library.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    return bool(open_library(os.fsencode(library), os.RTLD_NOW | os.RTLD_LOCAL))
