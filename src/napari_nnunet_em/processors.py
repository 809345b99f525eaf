"""How many processors this process may use: fewer than the machine's in a container or on a cluster."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil

_PROCESS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


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
