"""``demo`` runs the demo and shows its report; the demo itself is tested in its own room."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import napari_nnunet_em.demo
from napari_nnunet_em.cli import main
from napari_nnunet_em.demo import DemoSample, run_demo


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    """Let the demo use a small sample and a tiny model."""
    sample = DemoSample(shape=(2, 96, 96), model=str(tiny_model))
    monkeypatch.setattr(napari_nnunet_em.demo, "run_demo", functools.partial(run_demo, sample=sample))


@pytest.mark.usefixtures("small")
def test_the_demo_reports_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "demo"
    assert main(["demo", "--output", str(folder), "--json"]) == 0
    *lines, result = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert {line["event"] for line in lines} == {"message", "progress"}
    assert result["event"] == "result"
    assert Path(result["overlay"]).is_file()

    assert main(["demo", "--output", str(folder)]) == 0
    shown = capsys.readouterr()
    assert f"{result['objects_found']} ({result['objects_true']} in the truth)" in shown.out
    assert f"F1             {result['f1']:.3f} (precision {result['precision']:.3f}" in shown.out
    assert str(folder / "overlay.png") in shown.out
    assert shown.out.rstrip().splitlines()[-2] == "Open it in napari:"
    assert "Making a sample volume of 2 × 96 × 96 voxels" in shown.err


@pytest.mark.usefixtures("small")
def test_open_starts_napari_after_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    def start(words: tuple[str, ...], *, check: bool) -> None:
        started.append((words, "Open it in napari:" in capsys.readouterr().out))

    monkeypatch.setattr(subprocess, "run", start)
    assert main(["demo", "--output", str(tmp_path), "--open"]) == 0
    ((words, reported),) = started
    assert reported
    assert str(tmp_path / "segmentation.zarr") in words
    assert "napari-nnunet-em" in words
