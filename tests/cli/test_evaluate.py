"""``evaluate`` says scores as text and JSON, writes the table, and refuses in sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_nnunet_em.cli import main
from napari_nnunet_em.cli.options import help_text, iter_options
from napari_nnunet_em.evaluation import Comparison, evaluate_instances
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.testing.phantom import Phantom


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    """True objects, (z, y, x), of which a few are lost and the others moved by a pixel."""
    return Phantom(seed=1).block(Box.whole((8, 256, 256)))[1]


@pytest.fixture(scope="module")
def pair(labels: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A prediction of numbered objects, and the truth as a mask of 0 and 255."""
    folder = tmp_path_factory.mktemp("pair")
    pred = np.roll(labels, 1, axis=2).astype(np.uint16)
    pred[pred == np.unique(pred)[1]] = 0
    tifffile.imwrite(folder / "pred.tif", pred)
    tifffile.imwrite(folder / "truth.tif", (labels > 0).astype(np.uint8) * 255)
    tifffile.imwrite(folder / "labels.tif", labels.astype(np.uint16))
    return folder / "pred.tif", folder / "truth.tif"


def result(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The last of the JSON objects that a command writes."""
    assert main(["evaluate", *words, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["event"] for line in lines[:-1]} == {"progress"}
    assert lines[-1]["event"] == "result"
    return dict(lines[-1])


def test_scores_as_json_equal_those_in_memory(pair, labels, capsys) -> None:
    pred, truth = pair
    found = result([str(pred), str(truth.with_name("labels.tif"))], capsys)
    expected = evaluate_instances(tifffile.imread(pred), labels)
    for name in ("f1", "precision", "recall", "accuracy", "panoptic_quality", "true_positives"):
        assert found["objects"]["matched"][name] == getattr(expected, name)
    assert found["images"] == {"pred": str(pred), "truth": str(truth.with_name("labels.tif"))}
    assert [s["iou_threshold"] for s in found["objects"]["thresholds"]][:3] == [0.5, 0.55, 0.6]
    assert found["voxels"] == labels.size


def test_scores_for_people_say_what_was_done(pair, tmp_path, capsys) -> None:
    pred, truth = (str(path) for path in pair)
    table = tmp_path / "objects.csv"
    words = ["evaluate", pred, truth, "--iou", "0.6", "--min-voxels", "20", "--csv", str(table)]
    assert main(words) == 0
    out = capsys.readouterr().out
    for text in ("Dice", "foreground", "IoU above", "AP *", "TP / (TP + FP + FN)", "SQ", "RQ", "bit (split"):
        assert text in out
    assert "IoU above 0.6)" in out
    assert "The truth is a mask" in out
    rows = pd.read_csv(table)
    assert set(rows["image"]) == {"pred", "truth"}
    assert (rows["iou"].dropna() > 0.6).all()


def test_a_threshold_between_the_usual_ones_has_a_row_of_its_own(pair, capsys) -> None:
    assert main(["evaluate", *map(str, pair), "--iou", "0.33"]) == 0
    lines = capsys.readouterr().out.splitlines()
    thresholds = [line.split()[0] for line in lines if line.startswith("  0.")]
    assert thresholds == ["0.33", "0.5", "0.55", "0.6", "0.65", "0.7", "0.75", "0.8", "0.85", "0.9", "0.95"]


def test_classes_have_no_objects(pair, capsys) -> None:
    truth = str(pair[1].with_name("labels.tif"))
    found = result([truth, truth, "--values", "classes"], capsys)
    assert found["objects"] is None
    assert all(scores["dice"] == 1 for scores in found["masks"].values())
    assert main(["evaluate", truth, truth, "--values", "classes"]) == 0
    assert "Objects" not in capsys.readouterr().out


def test_nothing_to_judge_by_is_a_dash(tmp_path, capsys) -> None:
    path = tmp_path / "empty.tif"
    tifffile.imwrite(path, np.zeros((2, 8, 8), np.uint8))
    assert main(["evaluate", str(path), str(path)]) == 0
    assert "- (precision -, recall -)" in capsys.readouterr().out


@pytest.fixture
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["PRED"], 2, "TRUTH is missing; give it on the command line.\n"),
        (["PRED", "nowhere.tif"], 3, "does not exist"),
        (["PRED", "TRUTH", "--iou", "1"], 2, "--iou must be a number (at least 0 and below 1), but is '1'"),
        (["PRED", "TRUTH", "--ignore", "a"], 2, "'a' cannot be read: write whole numbers"),
        (["PRED", "TRUTH", "--offset", "1"], 2, "has 1 numbers: write z,y,x"),
        (["PRED", "TRUTH", "--offset", "0,0,900"], 3, "no voxel in common"),
        (["PRED", "TRUTH", "--region", "0:99,0:2,0:2"], 2, "does not lie inside the truth"),
        (["PRED", "TRUTH", "--values", "classes", "--pred-value", "1"], 2, "give either"),
        (["PRED", "TRUTH", "--values", "classes", "--csv", "x.csv"], 2, "--csv writes a table of objects"),
        (["PRED", "TRUTH", "--csv", "nowhere/x.csv"], 5, "could not be written"),
    ],
)
@pytest.mark.usefixtures("_elsewhere")
def test_what_cannot_be_done_is_said_with_its_exit_code(pair, capsys, words, code, sentence) -> None:
    names = dict(zip(("PRED", "TRUTH"), map(str, pair), strict=True))
    assert main(["evaluate", *(names.get(word, word) for word in words)]) == code
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said


def test_empty_defaults_are_not_in_the_help() -> None:
    ignore = next(option for option in iter_options(Comparison) if option.field == "ignore")
    assert "default" not in help_text(ignore)
