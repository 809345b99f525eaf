"""Processors that may be used, read from control groups of both versions."""

from __future__ import annotations

import psutil
import pytest

from napari_nnunet_em import processors
from napari_nnunet_em.engine import threads
from napari_nnunet_em.engine.threads import network_threads
from napari_nnunet_em.processors import usable_cpus


@pytest.fixture(autouse=True)
def _eight_processors(monkeypatch):
    monkeypatch.setattr(processors, "_affinity", lambda: 8)


def groups(tmp_path, lines, files):
    process, mount = tmp_path / "cgroup", tmp_path / "fs"
    process.write_text("".join(f"{line}\n" for line in lines))
    for name, text in files.items():
        path = mount / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return process, mount


def version_1(folder, quota, period=100000):
    return {f"{folder}/cpu.cfs_quota_us": str(quota), f"{folder}/cpu.cfs_period_us": str(period)}


CASES = {
    "no limit, version 2": (["0::/a/b"], {"a/b/cpu.max": "max 100000"}, 8),
    "two and a half, version 2": (["0::/a/b"], {"a/b/cpu.max": "250000 100000"}, 3),
    "less than one": (["0::/a"], {"a/cpu.max": "20000 100000"}, 1),
    "more than there are": (["0::/a"], {"a/cpu.max": "6400000 100000"}, 8),
    "the outer group is narrower": (
        ["0::/job/step/task"],
        {"job/cpu.max": "400000 100000", "job/step/task/cpu.max": "600000 100000"},
        4,
    ),
    "a container that sees its own group as the root": (
        ["0::/system.slice/docker-123"],
        {"cpu.max": "150000 100000"},
        2,
    ),
    "version 1": (["4:cpu,cpuacct:/job", "0::/"], version_1("cpu,cpuacct/job", 300000), 3),
    "version 1 without a limit": (["4:cpu:/job"], version_1("cpu/job", -1), 8),
    "version 1, other controllers": (["5:memory:/job"], version_1("memory/job", 100000), 8),
    "nothing is mounted": (["0::/a"], {}, 8),
    "something else is written there": (["0::/a"], {"a/cpu.max": "plenty"}, 8),
}


@pytest.mark.parametrize("name", CASES)
def test_quotas(name, tmp_path):
    lines, files, expected = CASES[name]
    assert usable_cpus(*groups(tmp_path, lines, files)) == expected


def test_a_system_without_control_groups(tmp_path):
    assert usable_cpus(tmp_path / "none", tmp_path) == 8


def test_threads_of_the_network(monkeypatch):
    monkeypatch.setattr(threads, "usable_cpus", lambda: 6)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert network_threads() == 4
    assert network_threads(5) == 5
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: None)
    assert network_threads() == 6
    monkeypatch.setenv("OMP_NUM_THREADS", "3,1")
    assert network_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert network_threads() == 6
