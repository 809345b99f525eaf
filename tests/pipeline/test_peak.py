"""Peak memory of a process is its own."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from napari_nnunet_em.pipeline.clock import peak_memory_bytes

SCRIPT = "from napari_nnunet_em.pipeline.clock import peak_memory_bytes; print(peak_memory_bytes())"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows starts no process by fork")
def test_a_process_does_not_inherit_the_peak_of_the_one_that_started_it() -> None:
    held = np.ones(400 << 20, np.uint8)
    child = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert peak_memory_bytes() > held.nbytes
    assert 1 << 20 < int(child.stdout) < held.nbytes
