"""torch's compiler and the graphics driver share one process."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from napari_nnunet_em._napari.threads.graphics import load_triton_beside_opengl

SCRIPT = """
import numpy as np, napari, sys
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer(show=True)
viewer.add_image(np.zeros((8, 8)))
for _ in range(20):
    QApplication.processEvents()
assert "triton" not in sys.modules
from napari_nnunet_em._napari.threads.graphics import load_triton_beside_opengl
flags = sys.getdlopenflags()
loaded = load_triton_beside_opengl()
assert sys.getdlopenflags() == flags
assert not load_triton_beside_opengl()
from napari_nnunet_em._napari.threads.graphics import map_torch_library
assert map_torch_library() == (sys.platform == "linux")
assert "torch" not in sys.modules
import torch
assert float(torch.ones(3).sum()) == 3.0
assert not map_torch_library()
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
viewer.close()
print("alive", loaded)
"""


@pytest.mark.gui
def test_nnunet_can_be_imported_after_a_window_was_opened() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300, check=False
    )
    has_triton = sys.platform == "linux" and importlib.util.find_spec("triton") is not None
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split()[-2:] == ["alive", str(has_triton)]


def test_nothing_happens_where_there_is_no_triton(monkeypatch) -> None:
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not load_triton_beside_opengl()
