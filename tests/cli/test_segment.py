"""``segment`` runs real jobs and says what came of them."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.ndimage
import tifffile
import zarr

from napari_nnunet_em.cli import main
from napari_nnunet_em.pipeline import load_result

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="paths are compared as POSIX shells write them"
)


@pytest.fixture
def words(volume: Path, tiny_model: Path, tmp_path: Path) -> list[str]:
    """A command line that works."""
    line = f"segment {volume} {tmp_path / 'out.zarr'} --model {tiny_model} --voxel-size-nm 40,8,8"
    return [*line.split(), "--min-voxels", "3", "--threads", "1", "--device", "cpu"]


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_job_runs_and_its_summary_is_true(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--tta", "yx", "--region", "1:5,0:32,8:48"]) == 0
    shown = capsys.readouterr()
    facts = dict(line.split("  ", 1) for line in shown.out.splitlines() if "  " in line.strip())
    store = tmp_path / "out.zarr"
    labels = zarr.open_array(store / "labels" / "mitochondria" / "0", mode="r")[:]
    probability = zarr.open_array(store / "0", mode="r")[:]
    components, _ = scipy.ndimage.label(probability > 127)
    expected = np.count_nonzero(np.bincount(components.ravel())[1:] >= 3)
    assert expected > 1
    assert labels.shape == (4, 32, 40)
    assert len(np.unique(labels)) - 1 == expected
    assert facts["Mitochondria"].strip() == f"{expected} objects"
    assert len(pd.read_csv(facts["Table"].strip())) == expected
    assert facts["Voxel size"].strip() == "40 × 8 × 8 nm (z, y, x; given by the caller)"
    command = shlex.split(shown.out.splitlines()[-1])
    assert command[1:] == ["--plugin", "napari-nnunet-em", str(store)]
    assert Path(command[0]).name == "napari"
    assert "Voxel size 40 × 8 × 8 nm (z, y, x), given by the caller." in shown.err
    assert "Predicting" in shown.err
    job = json.loads((store / ".nnunet-em" / "job.json").read_text())["job"]
    prediction = {"region": "1:5,0:32,8:48", "planes": "slices", "tta": "yx", "overlap": 0.5, "preset": None}
    assert job["prediction"] == prediction


def test_machines_get_events_and_the_result_as_json(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--json"]) == 0
    shown = capsys.readouterr()
    *events, result = json_lines(shown.out)
    assert shown.err == ""
    assert {event["event"] for event in events} == {"progress"}
    assert [e["stage"] for e in events][-1] == "finished"
    loaded = load_result(tmp_path / "out.zarr")
    assert result["event"] == "result"
    assert result["store"] == str(tmp_path / "out.zarr")
    assert result["objects"][0]["count"] == loaded.objects[0].count
    assert result["notes"] == list(loaded.notes)
    assert result["peak_memory_bytes"] > 1e7
    assert (tmp_path / "out.zarr" / result["objects"][0]["table"]).is_file()


def test_a_job_file_runs_the_same_job(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--no-instances", "--write-config"]) == 0
    assert not (tmp_path / "out.zarr").exists()
    config = tmp_path / "job.yaml"
    config.write_text(capsys.readouterr().out, encoding="utf-8")
    assert main([*words, "--no-instances"]) == 0
    capsys.readouterr()
    assert main(["segment", "--config", str(config), "--json"]) == 0
    events = json_lines(capsys.readouterr().out)
    (predicted,) = [e for e in events if e.get("stage") == "predict"]
    assert predicted["done"] == predicted["total"]  # all of it was there already
    assert events[-1]["objects"] == []


def test_inputs_that_the_plugin_reads_are_opened_with_the_result(
    volume: Path, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in put.zarr"
    zarr.save_array(source, tifffile.imread(volume))
    words[1] = str(source)
    assert main(words) == 0
    command = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert command[-2:] == [str(source), str(tmp_path / "out.zarr")]


def replaced(words: list[str], old: str, new: str) -> list[str]:
    return [new if word == old else word for word in words]


def test_bad_jobs_end_with_one_sentence_and_their_exit_code(
    words: list[str], volume: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    output = str(tmp_path / "out.zarr")
    cases = [
        (2, [*words, "--region", "0:99,0:8,0:8"], "The region 0:99,0:8,0:8 does not lie inside"),
        (3, replaced(words, str(volume), str(tmp_path / "missing.tif")), "missing.tif"),
        (4, replaced(words, str(tiny_model), str(tmp_path / "nowhere")), "There is no model"),
        (4, [*words, "--folds", "7"], "no fold 7"),
        (5, replaced(words, output, str(foreign)), "already holds files that this program did not write"),
    ]
    for code, line, phrase in cases:
        assert main(line) == code
        shown = capsys.readouterr()
        (sentence,) = (text for text in shown.err.splitlines() if text.startswith("napari-nnunet-em: "))
        assert phrase in sentence
        assert "Traceback" not in shown.err
        assert shown.out == ""
        assert not (tmp_path / "out.zarr").exists()


def test_an_output_of_another_job_is_refused_unless_it_may_be_overwritten(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    assert main([*words, "--overlap", "0.25"]) == 6
    assert "belongs to another job: it differs in prediction.overlap" in capsys.readouterr().err
    assert main([*words, "--overlap", "0.25", "--overwrite"]) == 0


def test_ctrl_c_stops_after_the_work_in_hand_and_the_same_command_continues(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tall = tmp_path / "tall.tif"
    tifffile.imwrite(tall, np.random.default_rng(2).integers(0, 256, (96, 64, 64), dtype=np.uint8))
    words[1] = str(tall)
    line = [*words, "--max-ram", "0.001", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "napari_nnunet_em", *line],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for text in process.stdout:
            event = json.loads(text)
            if event["stage"] == "predict" and event["box"]:
                process.send_signal(signal.SIGINT)
                break
        rest, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert complaint.startswith("napari-nnunet-em: The job was stopped on request")
    *events, last = json_lines(rest)
    assert (last["error"], last["exit_code"]) == ("Cancelled", 130)
    done = max([e["done"] for e in events], default=event["done"])
    assert 1 <= done < event["total"]
    assert main(line) == 0
    predicted = [e for e in json_lines(capsys.readouterr().out) if e.get("stage") == "predict"]
    assert 0 < predicted[0]["done"] <= done
    boxes = {json.dumps(e["box"]) for e in (event, *events, *predicted) if e["box"]}
    assert len(boxes) == 96 // 16
    assert predicted[-1]["done"] == event["total"]
