"""What a run needs is loaded by its thread, not by the window that opens a dock."""

from __future__ import annotations

import subprocess
import sys
import threading

from napari_nnunet_em._napari.threads.libraries import loading

SCRIPT = """
import sys
import napari_nnunet_em._napari.segment.dock
print(sorted({"torch", "nnunetv2", "openvino", "zarr", "h5py", "cc3d"} & set(sys.modules)))
from napari_nnunet_em._napari.threads.libraries import load_libraries
load_libraries()
print(sorted({"torch", "nnunetv2", "zarr"} & set(sys.modules)))
"""


def test_the_segment_dock_opens_without_the_libraries_of_a_run() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout.splitlines() == ["[]", "['nnunetv2', 'torch', 'zarr']"], done.stderr[-2000:]


def test_one_thread_loads_at_a_time() -> None:
    """Two that import nnU-Net at once may take its modules from each other."""
    inside, most = [], []

    def load() -> None:
        with loading():
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.01)
            inside.pop()

    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6
