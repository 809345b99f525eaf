"""Write constraints.txt from the environment it runs in: `.venv/bin/python tools/freeze_constraints.py`.

Only what ``.[dev]`` needs, directly or not, is pinned. Local tags such as ``+cpu`` are cut off, and what
torch pins for itself (the CUDA libraries, Triton) is left to it, so that one file fits every platform.
"""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "napari-nnunet-em"
LEFT_TO_TORCH = re.compile(r"nvidia-.*|cuda-.*|triton|setuptools|pip")
HEADER = """\
# Versions known to work together; `make setup` installs exactly these. The ranges a user may have are in
# pyproject.toml. Written by tools/freeze_constraints.py from a tested environment.
"""


def requirements_of(name: str, extras: frozenset[str]) -> list[Requirement]:
    """What an installed distribution needs here, with the given extras."""
    declared = map(Requirement, importlib.metadata.requires(name) or ())
    chosen = extras | {""}
    return [r for r in declared if not r.marker or any(r.marker.evaluate({"extra": e}) for e in chosen)]


def closure() -> set[str]:
    """Names of all distributions that the project needs with its extra ``dev``."""
    todo = [Requirement(f"{PROJECT}[dev]")]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key not in seen:
            seen.add(key)
            todo += requirements_of(*key)
    return {name for name, _ in seen} - {PROJECT}


def main() -> None:
    """Write the file."""
    pins = [
        f"{name}=={importlib.metadata.version(name).split('+')[0]}\n"
        for name in sorted(closure())
        if not LEFT_TO_TORCH.fullmatch(name)
    ]
    (ROOT / "constraints.txt").write_text(HEADER + "".join(pins), encoding="utf-8")


if __name__ == "__main__":
    main()
