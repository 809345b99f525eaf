"""Threads of the network: how many, which are fewer in a container or on a cluster; and who goes first."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psutil

from napari_nnunet_em.processors import usable_cpus

_T = TypeVar("_T")


# A third of the share that others get: enough for a window to be drawn at once, and a job that shares its
# processors with others still goes on.
_LOWER_BY = 5


def network_threads(wanted: int = 0) -> int:
    """Threads for the network.

    Parameters
    ----------
    wanted : int
        ``ExecutionSettings.threads``; 0 chooses.

    Returns
    -------
    int
        What is wanted; else the processors that may be used, but not more than ``OMP_NUM_THREADS`` allows
        and not more than there are cores, because two threads on one core compute no faster than one.
    """
    if wanted:
        return wanted
    limits = [usable_cpus(), psutil.cpu_count(logical=False)]
    named = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    limits.append(int(named) if named.isdecimal() else None)
    return max(1, min(limit for limit in limits if limit is not None))


def with_low_priority(work: Callable[[], _T]) -> _T:
    """Do some work in a thread of its own, so that all threads that it starts give way to others.

    On Linux each thread has a priority, which those that it starts inherit, and which cannot be raised again.
    On other systems threads inherit none, and nothing changes.

    Parameters
    ----------
    work : callable
        Starts threads that compute; it should not compute much itself.

    Returns
    -------
    object
        What `work` returns.
    """

    def lowered() -> _T:
        if sys.platform.startswith("linux"):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _LOWER_BY)
        return work()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(lowered).result()
