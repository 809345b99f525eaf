"""Threads of the network: how many, which are fewer in a container or on a cluster; and who goes first."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TypeVar

import psutil

_T = TypeVar("_T")

_PROCESS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")

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


def usable_cpus(process: Path = _PROCESS, mount: Path = _MOUNT) -> int:
    """Processors that this process may use.

    Parameters
    ----------
    process, mount : Path
        The file that says in which control groups the process is, and the folder where they are mounted.

    Returns
    -------
    int
        At least 1: those of its affinity, and not more than the quota of its control groups (version 1 and 2)
        pays for.
    """
    available = _affinity()
    quotas = [quota for folder in _groups(process, mount) if (quota := _quota(folder)) is not None]
    return max(1, min([available, *(math.ceil(quota) for quota in quotas)]))


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


def _affinity() -> int:
    affinity = getattr(psutil.Process(), "cpu_affinity", None)  # not on macOS
    return len(affinity()) if affinity is not None else os.cpu_count() or 1


def _groups(process: Path, mount: Path) -> Iterator[Path]:
    """Folders of the process's control groups and of those around them, where the outer quotas stand."""
    try:
        lines = process.read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Version 2 has no controllers here and one tree; version 1 a tree for each set of controllers.
        root = mount / controllers
        inner = root / PurePosixPath(path).relative_to("/")
        yield from (inner, *(outer for outer in inner.parents if outer.is_relative_to(root)))


def _quota(folder: Path) -> float | None:
    """Processors a control group pays for; None where it sets no limit."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        # "max" in version 2 and -1 in version 1 mean no limit.
        return int(quota) / int(period) if quota.strip() not in ("max", "-1") else None
    except (OSError, ValueError):
        return None
