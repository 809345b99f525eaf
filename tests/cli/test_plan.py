"""``plan`` says what ``segment`` will take, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_nnunet_em.cli import main
from napari_nnunet_em.pipeline import plan as planning
from napari_nnunet_em.testing.runners import PointwiseRunner


@pytest.fixture
def words(volume: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command line that works, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return ["plan", str(volume), "--model", str(tiny_model), "--voxel-size-nm", "40,8,8"]


def facts_of(text: str) -> dict[str, str]:
    lines = [line.split("  ", 1) for line in text.splitlines() if "  " in line.strip()]
    return {name.strip(): value.strip() for name, value in lines}


def test_a_plan_is_a_short_table(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(planning, "open_job_runner", lambda _: PointwiseRunner((1, 16, 16), batch_size=7))
    assert main([*words, "--tta", "yx", "--max-ram", "3"]) == 0
    shown = capsys.readouterr()
    facts = facts_of(shown.out)
    assert list(facts)[:5] == ["Volume", "Tiles", "Passes", "Columns", "Reading"]
    assert facts["Volume"].startswith("6 × 40 × 48")
    assert facts["Tiles"].endswith("of nnU-Net's grid, 7 at once")
    assert facts["Passes"].endswith("(4 flips, 1 fold)")
    assert facts["Memory"].endswith((" GB", " MB"))  # libraries and their threads take more or less
    assert facts["Network"] == "a fake network for tests"
    assert facts["Time"].startswith("about ")
    assert "GPU memory" not in facts
    assert "not tried" not in shown.out
    assert not list(tmp_path.iterdir())


def test_machines_get_all_of_it_without_a_network(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*words, "--no-probe", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["event"] == "plan"
    assert document["seconds"] is None
    assert document["tiles"] == document["grid_tiles"] > 0
    assert document["ram_bytes"] > 1e9
    assert not list(tmp_path.iterdir())


def test_a_job_file_says_where_the_output_goes(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    output = tmp_path / "far" / "away.zarr"
    assert main(["segment", words[1], str(output), *words[2:], "--write-config"]) == 0
    Path("job.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert main(["plan", "--config", "job.yaml", "--no-probe"]) == 0
    assert facts_of(capsys.readouterr().out)["Disk"].endswith("free")
    assert not output.parent.exists()


def test_what_segment_refuses_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--region", "0:99,0:8,0:8", "--no-probe"]) == 2
    assert "does not lie inside" in capsys.readouterr().err
