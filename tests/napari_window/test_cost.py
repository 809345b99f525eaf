"""The line that says what a job will take: without a window, and in one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image
from napari.utils.notifications import notification_manager

from napari_nnunet_em._napari.segment.cost import Draft, estimate, problem_words, seconds_per_pass
from napari_nnunet_em._napari.segment.speeds import Speeds
from napari_nnunet_em.config import Job
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.pipeline import plan_job
from napari_nnunet_em.progress import ProgressEvent, Stage
from napari_nnunet_em.testing.tiny_models import make_model_folder

from .conftest import VOXEL_SIZE_NM

MINUTE = 60_000


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return make_model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture
def make_job(model, tmp_path):
    def make(**groups) -> Job:
        base = {
            "input": {"path": "layer", "voxel_size_nm": VOXEL_SIZE_NM},
            "model": {"path": str(model), "spacing_unit": "none"},
            "output": {"path": str(tmp_path / "out.zarr")},
        }
        return Job.model_validate({name: base.get(name, {}) | groups.get(name, {}) for name in base | groups})

    return make


def test_the_line_is_the_summary_of_the_plan(make_job, em) -> None:
    job = make_job()
    cost = estimate(Draft(job, Image(em), 1), Speeds())
    plan = plan_job(job, volume=open_volume(em, voxel_size_nm=VOXEL_SIZE_NM), probe_seconds=0)
    assert cost.text == f"Will take {plan.summary()}"
    assert "about" not in cost.text
    assert "preview shows how fast" in cost.tip
    assert not job.store.exists()


def test_time_is_that_of_this_session_scaled_by_flips(make_job, em) -> None:
    speeds, layer = Speeds(), Image(em)
    speeds.add(make_job(prediction={"tta": "y"}), 0.2)
    plain, flipped = (make_job(prediction={"tta": tta}) for tta in ("none", "zy"))
    volume = open_volume(em, voxel_size_nm=VOXEL_SIZE_NM)
    tiles = plan_job(plain, volume=volume, probe_seconds=0).tiles
    speeds.add_event(make_job(), ProgressEvent(Stage.PREDICT, 5, 5, eta_seconds=0))  # the end tells nothing
    for job, passes in ((plain, 1), (flipped, 4)):
        speed = speeds.find(job)
        assert speed is not None
        per_pass = seconds_per_pass(speed, ModelBundle.open(job.model.path))
        assert per_pass == pytest.approx(0.1)
        assert f"about {_short(tiles * passes * per_pass)}" in estimate(Draft(job, layer, 1), speeds).text
    assert speeds.find(make_job(execution={"precision": "bfloat16"})) is None
    assert speeds.find(make_job(model={"checkpoint": "checkpoint_best.pth"})) is None
    speeds.add_event(plain, ProgressEvent(Stage.PREDICT, 2, 12, eta_seconds=30))
    assert speeds.find(flipped) == speeds.find(plain)
    assert speeds.find(plain).seconds_per_tile == 3


def _short(seconds: float) -> str:
    from napari_nnunet_em.quantities import duration

    return duration(seconds)


def test_what_cannot_run_is_said_shortly_and_warnings_stand_below(make_job, em) -> None:
    outside = estimate(Draft(make_job(prediction={"region": "0:99,0:9,0:9"}), Image(em), 1), Speeds())
    assert "does not lie inside the volume" in outside.text
    assert ";" not in outside.text
    assert "ends that are not included" in outside.tip
    small = estimate(Draft(make_job(execution={"max_ram_gb": 0.01}), Image(em), 1), Speeds())
    line, warning = small.text.split("<br>")
    assert line.startswith("Will take")
    assert "cannot be kept" in warning
    assert "--" not in warning
    assert "cannot be kept" not in small.tip
    assert problem_words("x" * 500).text.endswith("…")
    assert problem_words("a <b> c; why").text == "a &lt;b&gt; c"


def _tiles(line: str) -> int:
    return int(line.removeprefix("Will take ").split()[0])


@pytest.mark.gui
def test_the_line_follows_the_form_and_never_complains(open_widget, em, qtbot) -> None:
    notification_manager.records.clear()
    viewer, widget = open_widget()
    said = widget.cost.label.text
    assert said() == ""
    viewer.add_image(np.tile(em[:4], (1, 4, 4)), name="em")  # states no voxel size
    # What is missing is said once, where it is to be typed, and again where the button is pressed.
    assert "states no voxel size" in widget.size_note.text()
    assert widget.inputs.draft() is None
    widget.start()
    assert "voxel size is missing" in widget.progress.status.text()
    assert said() == ""
    notification_manager.records.clear()
    widget.form.input["voxel_size_nm"].value = "40, 8, 8"
    qtbot.waitUntil(lambda: "Will take" in said(), timeout=MINUTE)
    whole = said()
    widget.form.prediction["overlap"].value = 0.75
    qtbot.waitUntil(lambda: "Will take" in said() and said() != whole, timeout=MINUTE)
    widget.form.prediction["overlap"].value = 0.5
    qtbot.waitUntil(lambda: said() == whole, timeout=MINUTE)
    # A preview measures the speed, and the line has a time from then on.
    widget.preview()
    qtbot.waitUntil(lambda: "about" in said(), timeout=2 * MINUTE)
    widget.region.kind.setCurrentText("Current view")
    viewer.scene.camera.zoom = viewer.canvas.size[0] / 48
    proposed = widget.form.output["path"].value
    qtbot.waitUntil(lambda: "Will take" in said() and _tiles(said()) < _tiles(whole), timeout=MINUTE)
    assert widget.form.output["path"].value == proposed
    widget.form.input["voxel_size_nm"].value = "a, 8, 8"
    qtbot.waitUntil(lambda: "Will take" not in said(), timeout=MINUTE)
    viewer.layers.remove("em")
    qtbot.waitUntil(lambda: said() == "", timeout=MINUTE)
    assert notification_manager.records == []
