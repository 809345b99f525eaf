"""Every Python and shell snippet of the documentation runs, page by page, in a folder with a small volume.

The snippets of a page run in order and share that folder; its Python snippets share their names as well. One
that cannot run in a test has a comment on the line above it that says why, beginning with ``screen``,
``network`` or ``cluster``:

    <!-- not run: screen -->

It must still be valid Python or shell.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import tifffile

from napari_nnunet_em.geometry import Box
from napari_nnunet_em.testing.phantom import Phantom

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
    if not path.is_relative_to(ROOT / "docs" / "design") and "generated" not in path.parts
)
FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n+)?^```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
RUN = {"python", "bash"}
SHOWN = {"text", "yaml", "json", "powershell"}
REASONS = ("screen", "network", "cluster")


@dataclass(frozen=True)
class Snippet:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    code: str
    reason: str | None

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def snippets_of(page: Path) -> list[Snippet]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Snippet(page, text.count("\n", 0, m.start("code")) + 1, m["language"], m["code"], m["reason"])
        for m in FENCE.finditer(text)
    ]


EVERY = [snippet for page in PAGES for snippet in snippets_of(page)]


def test_pages_are_found_and_every_fence_is_understood() -> None:
    assert {"README.md", "tutorial.md"} <= {page.name for page in PAGES}
    assert {snippet.language for snippet in EVERY} <= RUN | SHOWN
    for page in PAGES:
        fences = re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE)
        directives = len(re.findall(r"^```\{", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert len(fences) == 2 * (len(snippets_of(page)) + directives), f"a fence of {page} is not closed"


@pytest.mark.parametrize("snippet", [s for s in EVERY if s.reason], ids=lambda s: s.name)
def test_a_snippet_that_does_not_run_says_why_and_is_valid(snippet: Snippet) -> None:
    assert snippet.reason is not None
    assert snippet.reason.startswith(REASONS)
    if snippet.language == "python":
        compile(snippet.code, snippet.name, "exec")
    elif snippet.language == "bash":
        subprocess.run(["bash", "-n"], input=snippet.code, text=True, check=True)


@pytest.fixture(scope="session")
def volume_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom of 8 x 256 x 256 voxels as a TIFF stack that does not say its voxel size."""
    path = tmp_path_factory.mktemp("snippets") / "volume.tif"
    raw, _ = Phantom(seed=1).block(Box.whole((8, 256, 256)))
    tifffile.imwrite(path, raw, photometric="minisblack")
    return path


def runnable(page: Path) -> list[Snippet]:
    """The snippets of a page that run here."""
    return [s for s in snippets_of(page) if s.language in RUN and not s.reason]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [p for p in PAGES if runnable(p)], ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_snippets_run(page: Path, tmp_path: Path, volume_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(volume_file, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    names: dict[str, object] = {"__name__": "__main__"}
    for snippet in runnable(page):
        if snippet.language == "python":
            exec(compile(snippet.code, snippet.name, "exec"), names)
        else:
            run_in_shell(snippet, tmp_path)


def run_in_shell(snippet: Snippet, folder: Path) -> None:
    """Run a shell snippet; any command that fails fails the test."""
    command = ["bash", "-euo", "pipefail", "-c", snippet.code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{snippet.name} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
