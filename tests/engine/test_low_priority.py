"""Threads that give way to others."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest

from napari_nnunet_em.config import Backend, ExecutionSettings
from napari_nnunet_em.engine.ensemble import Ensemble
from napari_nnunet_em.engine.openvino_runner import OpenVINORunner
from napari_nnunet_em.engine.threads import with_low_priority
from napari_nnunet_em.testing.tiny_models import TinyModel, tiny_network

LINUX = sys.platform.startswith("linux")


def priority() -> int:
    """Of this thread; only Linux gives each thread one of its own."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) if LINUX else 0


def child_priority() -> int:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(priority).result()


def test_threads_of_the_work_give_way_and_the_caller_does_not() -> None:
    before = priority()
    inherited = with_low_priority(child_priority)
    assert (inherited > before) == LINUX
    assert priority() == before
    assert child_priority() == before


def test_errors_of_the_work_come_through() -> None:
    with pytest.raises(ZeroDivisionError):
        with_low_priority(lambda: 1 // 0)


def test_openvino_computes_in_threads_that_give_way() -> None:
    ensemble = Ensemble([tiny_network(TinyModel(), 0).eval()], (8, 16, 16))
    tile = np.random.default_rng(0).normal(size=(ensemble.channels, 8, 16, 16)).astype(np.float32)
    known = {thread.id for thread in psutil.Process().threads()}

    def answer(background: bool) -> np.ndarray:
        execution = ExecutionSettings(backend=Backend.OPENVINO, threads=2, background=background)
        runner = OpenVINORunner(ensemble, execution)
        (logits,) = runner.predict(tile, [(0, 0)])
        runners.append(runner)
        return np.array(logits)

    runners: list[OpenVINORunner] = []
    first = answer(background=True)
    lowered = [
        t.id
        for t in psutil.Process().threads()
        if LINUX and t.id not in known and os.getpriority(os.PRIO_PROCESS, t.id) > priority()
    ]
    assert bool(lowered) == LINUX
    np.testing.assert_allclose(answer(background=False), first, atol=1e-5)
