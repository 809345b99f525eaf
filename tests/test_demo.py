"""The demo does the whole job, says what it found, and continues what was stopped."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_nnunet_em.config import Job
from napari_nnunet_em.demo import DemoReport, DemoSample, run_demo
from napari_nnunet_em.demo.picture import busiest_slice, overlay_picture, paint_objects
from napari_nnunet_em.demo.run import demo_job
from napari_nnunet_em.errors import Cancelled, ModelError, OutputError
from napari_nnunet_em.evaluation import evaluate_instances
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage

SMALL = DemoSample(shape=(4, 256, 256), model="mitochondria-2d")


def _silent(_: str) -> None:
    return None


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoReport, list[str], list[ProgressEvent]]:
    """A small demo with the 2D model, run once."""
    lines: list[str] = []
    events: list[ProgressEvent] = []
    folder = tmp_path_factory.mktemp("demo")
    report = run_demo(folder, report=lines.append, progress=events.append, sample=SMALL)
    return report, lines, events


class TestSample:
    """The volume that is segmented."""

    def test_image_and_truth_are_stored_with_their_voxel_size(self, tmp_path: Path) -> None:
        raw, truth = SMALL.write(tmp_path / "sample.zarr")
        volume = open_volume(tmp_path / "sample.zarr")
        assert volume.voxel_size_nm == (40.0, 8.0, 8.0)
        np.testing.assert_array_equal(volume.read(Box.whole(volume.shape))[0], raw)
        labels = open_volume(tmp_path / "sample.zarr" / "labels" / "truth")
        np.testing.assert_array_equal(labels.read(Box.whole(labels.shape))[0], truth)
        assert np.bincount(truth.ravel()).min() >= SMALL.min_voxels

    def test_writing_again_repairs_a_sample_that_was_cut_short(self, tmp_path: Path) -> None:
        store = tmp_path / "sample.zarr"
        raw, _ = SMALL.write(store)
        chunk = max((p for p in (store / "0").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
        chunk.unlink()
        SMALL.write(store)
        np.testing.assert_array_equal(open_volume(store).read(Box.whole(raw.shape))[0], raw)

    def test_a_sample_of_another_shape_is_replaced(self, tmp_path: Path) -> None:
        store = tmp_path / "sample.zarr"
        SMALL.write(store)
        raw, _ = replace(SMALL, shape=(2, 100, 90)).write(store)
        np.testing.assert_array_equal(open_volume(store).read(Box.whole((2, 100, 90)))[0], raw)

    def test_a_folder_of_somebody_else_stays_untouched(self, tmp_path: Path) -> None:
        (tmp_path / "sample.zarr").mkdir()
        (tmp_path / "sample.zarr" / "notes.txt").write_text("mine")
        with pytest.raises(OutputError, match="not an output of this program"):
            SMALL.write(tmp_path / "sample.zarr")
        assert (tmp_path / "sample.zarr" / "notes.txt").read_text() == "mine"


class TestRun:
    """The whole chain, on a small sample with the 2D model."""

    def test_it_finds_the_mitochondria(
        self, finished: tuple[DemoReport, list[str], list[ProgressEvent]]
    ) -> None:
        report, lines, events = finished
        assert report.objects_true == SMALL.volume()[1].max() > 3
        assert report.f1 >= 0.9
        assert report.voxels_per_second > 0
        assert report.peak_memory_bytes > 50e6
        assert report.seconds > 0
        assert events[-1].stage is Stage.FINISHED
        assert [line.split()[0] for line in lines] == ["Making", "Segmenting", "Comparing"]

    def test_the_numbers_are_those_of_the_stored_labels(
        self, finished: tuple[DemoReport, list[str], list[ProgressEvent]]
    ) -> None:
        report = finished[0]
        found, truth = (
            open_volume(path).read(Box.whole(SMALL.shape))[0]
            for path in (report.segmentation / "labels" / "mitochondria", report.sample / "labels" / "truth")
        )
        scores = evaluate_instances(found, truth)
        assert (report.f1, report.precision, report.recall) == (scores.f1, scores.precision, scores.recall)
        assert report.objects_found == len(np.unique(found[found > 0]))

    def test_the_overlay_is_a_picture_of_three_panels(
        self, finished: tuple[DemoReport, list[str], list[ProgressEvent]]
    ) -> None:
        with Image.open(finished[0].overlay) as picture:
            assert picture.format == "PNG"
            assert picture.width > 3 * SMALL.shape[2]
            assert picture.height > SMALL.shape[1]

    def test_the_document_is_plain_json(
        self, finished: tuple[DemoReport, list[str], list[ProgressEvent]]
    ) -> None:
        report = finished[0]
        document = json.loads(json.dumps(report.document(), allow_nan=False))
        assert document["f1"] == report.f1
        assert document["overlay"] == str(report.overlay)
        assert document["open_command"] == list(report.open_command)

    def test_running_again_predicts_nothing_and_finds_the_same(
        self, finished: tuple[DemoReport, list[str], list[ProgressEvent]]
    ) -> None:
        report = finished[0]
        arrays = report.segmentation / "0"
        before = {p: p.stat().st_mtime_ns for p in arrays.rglob("*") if p.is_file()}
        again = run_demo(report.sample.parent, report=_silent, sample=SMALL)
        assert replace(again, seconds=0, peak_memory_bytes=0) == replace(
            report, seconds=0, peak_memory_bytes=0
        )
        assert {p: p.stat().st_mtime_ns for p in arrays.rglob("*") if p.is_file()} == before

    def test_what_was_stopped_is_continued(self, tmp_path: Path) -> None:
        token = CancelToken()

        def stop_when_predicting(event: ProgressEvent) -> None:
            if event.stage is Stage.PREDICT:
                token.cancel()

        with pytest.raises(Cancelled):
            run_demo(tmp_path, report=_silent, progress=stop_when_predicting, cancel=token, sample=SMALL)
        assert not (tmp_path / "overlay.png").exists()
        report = run_demo(tmp_path, report=_silent, sample=SMALL)
        assert report.f1 >= 0.9

    def test_another_sample_replaces_the_earlier_one(self, tmp_path: Path) -> None:
        first, second = (replace(SMALL, shape=(1, 192, 192), seed=seed) for seed in (3, 6))
        run_demo(tmp_path / "reused", report=_silent, sample=first)
        reused = run_demo(tmp_path / "reused", report=_silent, sample=second)
        fresh = run_demo(tmp_path / "fresh", report=_silent, sample=second)
        assert reused.objects_true == fresh.objects_true == second.volume()[1].max()
        assert (reused.objects_found, reused.f1) == (fresh.objects_found, fresh.f1)
        assert reused.overlay.read_bytes() == fresh.overlay.read_bytes()

    def test_a_picture_that_cannot_be_written_is_explained(self, tmp_path: Path) -> None:
        (tmp_path / "overlay.png").mkdir()
        with pytest.raises(OutputError, match=r"overlay\.png cannot be written"):
            run_demo(tmp_path, report=_silent, sample=replace(SMALL, shape=(1, 96, 96)))

    def test_an_unknown_model_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no-such-model"):
            run_demo(tmp_path, report=_silent, sample=replace(SMALL, model="no-such-model"))
        assert not (tmp_path / "segmentation.zarr").exists()


@pytest.mark.slow
def test_the_default_demo_reaches_the_promised_score(tmp_path: Path) -> None:
    report = run_demo(tmp_path, report=_silent)
    assert report.model == "mitochondria-3d"
    assert report.objects_true >= 20
    assert report.f1 >= 0.9


def test_the_job_is_what_a_user_would_write(tmp_path: Path) -> None:
    job = demo_job(DemoSample(), tmp_path)
    plain = Job.model_validate(
        {
            "input": {"path": str(tmp_path / "sample.zarr")},
            "output": {"path": str(tmp_path / "segmentation.zarr"), "overwrite": True},
        }
    )
    assert job == plain


class TestOpening:
    """The command that opens the result in napari."""

    REPORT = DemoReport(
        sample=Path("my demo/sample.zarr"),
        segmentation=Path("my demo/segmentation.zarr"),
        overlay=Path("my demo/overlay.png"),
        model="mitochondria-2d",
        objects_found=1,
        objects_true=1,
        f1=1.0,
        precision=1.0,
        recall=1.0,
        voxels_per_second=1.0,
        peak_memory_bytes=1,
        seconds=1.0,
    )

    def test_the_program_exists_and_knows_its_options(self) -> None:
        command = self.REPORT.open_command
        at = command.index(str(self.REPORT.sample))
        done = subprocess.run([*command[:at], "--help"], capture_output=True, text=True, check=True)
        assert "--plugin" in done.stdout

    def test_without_a_napari_program_python_starts_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
        monkeypatch.chdir(tmp_path)
        assert self.REPORT.open_command[:3] == (str(Path("bin/python")), "-m", "napari")


class TestPicture:
    """Three panels in which equal colours mean a match."""

    def test_the_busiest_slice_nearest_the_middle(self) -> None:
        labels = np.zeros((5, 4, 4), np.uint32)
        labels[0, 0, :2] = 1, 2
        labels[3, 0, :2] = 1, 3
        labels[2, 1, 1] = 4
        assert busiest_slice(labels) == 3
        assert busiest_slice(np.zeros((5, 4, 4), np.uint32)) == 2

    def test_objects_have_an_outline_in_their_colour_and_lonely_ones_are_red(self) -> None:
        plain = np.full((20, 20, 3), 100, np.uint8)
        labels = np.zeros((20, 20), np.uint32)
        labels[2:9, 2:9], labels[11:18, 11:18] = 7, 8
        painted = paint_objects(plain, labels, {7: (0, 200, 40)})
        assert tuple(painted[2, 5]) == (0, 200, 40)
        assert tuple(painted[11, 14]) == (230, 0, 0)
        assert (painted[5, 5] != painted[2, 5]).any()
        assert (painted[labels == 0] == 100).all()

    def test_matches_share_a_colour_that_no_other_object_has(self) -> None:
        truth = np.zeros((1, 60, 120), np.uint32)
        truth[0, 5:25, 5:25], truth[0, 5:25, 40:60], truth[0, 30:50, 70:90] = 4, 9, 2
        found = np.zeros_like(truth)
        found[0, 5:25, 5:25], found[0, 5:25, 40:60], found[0, 30:50, 5:25] = 1, 2, 3
        raw = np.full(truth.shape, 128, np.uint8)
        scores = evaluate_instances(found, truth)
        picture = np.asarray(overlay_picture(raw, truth, found, scores, (40.0, 8.0, 8.0)))
        (left, middle, right) = (16 + i * (120 + 16) for i in range(3))
        (a, b), lonely = ((5, 5), (5, 40)), (230, 0, 0)
        corners = {
            (panel, spot): tuple(picture[44 + spot[0], panel + spot[1]])
            for panel in (middle, right)
            for spot in (a, b, (30, 70), (30, 5))
        }
        assert corners[middle, a] == corners[right, a] != corners[middle, b] == corners[right, b]
        assert corners[middle, (30, 70)] == corners[right, (30, 5)] == lonely
        assert tuple(picture[44 + 5, left + 5]) == (128, 128, 128)
