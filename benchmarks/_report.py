"""What the benchmarks share: a process for each measurement, its peak memory, and Markdown tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_nnunet_em.pipeline.clock import peak_memory_bytes


def run_in_process(script: Path, request: dict[str, Any], threads: int = 0) -> dict[str, Any]:
    """Run ``script --child`` with a request in a process of its own, and return what it answers.

    Parameters
    ----------
    script : Path
        Prints its answer with `answer`.
    request : dict
        Plain JSON values.
    threads : int
        Threads of PyTorch and OpenVINO; 0: as many as they choose.

    Raises
    ------
    subprocess.CalledProcessError
    """
    command = [sys.executable, str(script), "--child", json.dumps(request)]
    environment = {**os.environ, **({"OMP_NUM_THREADS": str(threads)} if threads else {})}
    done = subprocess.run(  # noqa: S603 - our own script
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def answer(values: dict[str, Any]) -> None:
    """Print what a child has measured, with the peak of its memory, as its last line."""
    print(json.dumps({**values, "peak_rss": peak_memory_bytes()}), flush=True)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: text to the left in the first column, numbers to the right in the others."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """Name of the CPU, and the load, in a sentence."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        "a CPU",
    )
    load = f"; load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{model}, {os.cpu_count()} cores{load}"


def _lines(path: str) -> list[str]:
    place = Path(path)
    return place.read_text(encoding="utf-8").splitlines() if place.exists() else []
