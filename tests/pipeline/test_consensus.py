"""Planes along all three axes: the mean of three predictions by nnU-Net, however it is cut or stopped."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from scipy.ndimage import gaussian_filter

from napari_nnunet_em import Job, predict
from napari_nnunet_em.engine.layout import Layout
from napari_nnunet_em.errors import Cancelled, InputError, JobMismatchError, OutputError, SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.pipeline import consensus, preparing, run, segment
from napari_nnunet_em.progress import CancelToken, Stage
from napari_nnunet_em.testing.phantom import Phantom
from napari_nnunet_em.testing.tiny_models import make_model_folder

from ..nnunet_oracle import Float32Predictor

SHAPE = (23, 35, 41)
ORDERS = [(0, 1, 2), (1, 0, 2), (2, 0, 1)]
SEVERAL = {"background": 0, "cell": 1, "mitochondria": 2}
REGIONS = {"labels": {"background": 0, "cell": (1, 2), "mito": 2}, "regions_class_order": (1, 2)}


def make_image(shape=SHAPE, seed=0, *, border=False):
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), (1.5, 2, 2))
    image = ((noise - noise.min()) / np.ptp(noise) * 240 + 5).astype(np.uint8)
    if border:
        image[:2] = image[:, 30:] = image[..., :3] = 0
    return image


@pytest.fixture(scope="module")
def folder_2d(tmp_path_factory):
    return make_model_folder(tmp_path_factory.mktemp("model2d"), dim=2)


@pytest.fixture
def job_2d(tmp_path, folder_2d):
    def make(name="out.zarr", folder=folder_2d, **groups):
        base = {
            "input": {"path": "memory"},
            "model": {"path": str(folder), "spacing_unit": "nm"},
            "prediction": {"planes": "orthogonal"},
            "output": {"path": str(tmp_path / name), "probability_type": "float32"},
            "instances": {"min_voxels": 5},
            # Whose answer is nnU-Net's to the last bits, and which is faster for such models.
            "execution": {"backend": "pytorch"},
        }
        return Job.model_validate({k: {**base.get(k, {}), **groups.get(k, {})} for k in {*base, *groups}})

    return make


def volume_of(image, voxel_size=(1, 1, 1)):
    return open_volume(image, voxel_size_nm=voxel_size)


def stored(job, name=""):
    return zarr.open_array(job.store / name / "0", mode="r")[:]


def ask_nnunet(kind, folder, image, voxel_size, folds=("0",)):
    """Mean of the probabilities of every head that nnU-Net gives for the volume turned three ways."""
    predictor = kind(tile_step_size=0.5, use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(folder), folds, "checkpoint_final.pth")
    answers = []
    for order in ORDERS:
        spacing = {"spacing": [voxel_size[axis] for axis in order]}
        turned = image.transpose(order)[None].copy()
        _, every = predictor.predict_single_npy_array(
            turned, spacing, None, None, save_or_return_probabilities=True
        )
        answers.append(np.asarray(every, np.float32).transpose(0, *(np.argsort(order) + 1)))
    return np.mean(answers, axis=0)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """nnU-Net prints a line about devices each time it predicts on a CPU."""
    monkeypatch.setattr("builtins.print", lambda *a, **k: None)


# The same as of one orientation in tests/engine/test_parity.py.
TOLERANCE = 1e-4
TOLERANCE_RESAMPLED = 2e-3
CASES = {
    "as it is": ({}, (1, 1, 1), False),
    "zero border": ({}, (1, 1, 1), True),
    "mask": ({"use_mask": (True,)}, (1, 1, 1), True),
    "resampled": ({}, (1.2, 0.9, 1.1), False),
    "clipped plane by plane": ({"spacing": (0.3, 0.3)}, (1, 1, 1), True),
    "several classes": ({"labels": SEVERAL}, (1, 1, 1), False),
    "regions": (REGIONS, (1, 1, 1), False),
}


@pytest.mark.parametrize("name", CASES)
def test_the_mean_of_three_predictions_by_nnunet(name, job_2d, tmp_path):
    plan, voxel_size, border = CASES[name]
    image = make_image(border=border)
    folder = make_model_folder(tmp_path / "model", dim=2, **plan)
    theirs = ask_nnunet(Float32Predictor, folder, image, voxel_size)
    job = job_2d(folder=folder, instances={"enabled": False})
    run(job, volume=volume_of(image, voxel_size))
    regions = "regions_class_order" in plan
    foreground = theirs if regions else theirs[1:]
    resampled = voxel_size != (1, 1, 1) or "spacing" in plan
    difference = np.abs(stored(job).reshape(foreground.shape) - foreground).max()
    assert difference <= (TOLERANCE_RESAMPLED if resampled else TOLERANCE)
    classes = np.where(theirs[1] > 0.5, 2, theirs[0] > 0.5) if regions else theirs.argmax(0)
    assert (stored(job, "labels/classes") == classes).mean() > 0.999


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")
@pytest.mark.parametrize("voxel_size", [(8, 8, 8), (10, 10, 10)])
def test_the_bundled_model_on_an_isotropic_phantom(voxel_size, job_2d):
    image, _ = Phantom(seed=3, voxel_size_nm=voxel_size).block(Box.whole((9, 30, 21)))
    root = ModelBundle.open("mitochondria-2d").root
    lifted, stock = (
        ask_nnunet(kind, root, image, voxel_size, ("all",))[1] for kind in (Float32Predictor, nnUNetPredictor)
    )
    job = job_2d(folder="mitochondria-2d", model={"folds": "all"}, instances={"enabled": False})
    run(job, volume=volume_of(image, voxel_size))
    resampled = voxel_size != (8, 8, 8)
    assert np.abs(stored(job) - lifted).max() <= (TOLERANCE_RESAMPLED if resampled else TOLERANCE)
    assert np.abs(stored(job) - stock).max() <= 1e-2


@pytest.fixture(scope="module")
def expected(folder_2d):
    """The whole in one piece, nothing stored between."""
    volume = volume_of(make_image(border=True))
    lazy = predict(volume, folder_2d, spacing_unit="nm", planes="orthogonal", chunks=SHAPE)
    return lazy[0].compute()


@st.composite
def regions(draw):
    starts = [draw(st.integers(0, n - 1)) for n in SHAPE]
    stops = [draw(st.integers(a + 1, n)) for a, n in zip(starts, SHAPE, strict=True)]
    return Box(tuple(starts), tuple(stops))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8)
@given(
    region=regions(),
    chunk=st.tuples(st.integers(3, 12), st.integers(5, 20), st.integers(5, 20)),
    kind=st.sampled_from(["uint8", "float16", "float32"]),
)
def test_any_blocks_and_regions_agree(region, chunk, kind, expected, folder_2d, tmp_path_factory):
    wanted = expected[region.slices]
    store = tmp_path_factory.mktemp("job") / "out.zarr"
    job = Job.model_validate(
        {
            "input": {"path": "memory"},
            "model": {"path": str(folder_2d), "spacing_unit": "nm"},
            "prediction": {"planes": "orthogonal", "region": str(region)},
            "output": {"path": str(store), "probability_type": kind},
            "instances": {"enabled": False},
        }
    )
    with pytest.MonkeyPatch.context() as patch:
        # Chunks of odd sizes everywhere, those of the last sweep within those of the others.
        patch.setattr(preparing, "choose_layout", lambda *a, **k: Layout(chunk, chunk, chunk))
        patch.setattr(consensus, "CHUNK_ROWS", 3)
        run(job, volume=volume_of(make_image(border=True)))
    found = stored(job).astype(np.float64)
    if kind == "uint8":
        assert np.abs(found / 255 - wanted).max() <= 0.5 / 255 + 1e-5
    else:
        assert np.abs(found - wanted).max() <= (1e-5 if kind == "float32" else 2.5e-4 + 1e-5)
    assert (stored(job, "labels/classes") == (wanted > 0.5)).mean() > 0.999


def test_lazily_too(folder_2d, job_2d):
    image = make_image()
    job = job_2d()
    run(job, volume=volume_of(image))
    lazy = predict(volume_of(image), folder_2d, spacing_unit="nm", planes="orthogonal", chunks=(9, 20, 20))
    np.testing.assert_allclose(
        lazy[0, 3:17, 5:30, 10:33].compute(), stored(job)[3:17, 5:30, 10:33], atol=1e-5
    )


def test_progress_counts_the_tiles_of_all_orientations_and_nothing_is_left(job_2d):
    job = job_2d()
    image = make_image()
    events = list(segment(job, volume=volume_of(image)))
    predicting = [e for e in events if e.stage is Stage.PREDICT]
    # Planes of 35 x 41, 23 x 41 and 23 x 35 voxels in tiles of 16 x 16 that overlap by half.
    assert predicting[-1].total == predicting[-1].done == 23 * 4 * 5 + 35 * 2 * 5 + 41 * 2 * 4
    assert [e.done for e in predicting] == sorted(e.done for e in predicting)
    boxes = [e.box for e in predicting if e.box is not None]
    assert sum(box.size for box in boxes) == image.size
    left = {path.name for path in (job.store / ".nnunet-em").iterdir()}
    assert not {name for name in left if "planes" in name or name.startswith(("journal-", "layout-"))}
    assert any("Planes across y, x, z" in e.message for e in events)


def stop_when(job, image, parts):
    """Ask a job to stop as soon as so many blocks of so many parts are in its journals."""
    cancel = CancelToken()
    with pytest.raises(Cancelled):  # noqa: PT012 - the loop is what raises
        for _ in segment(job, volume=volume_of(image), cancel=cancel):
            journals = list((job.store / ".nnunet-em").glob("journal*.jsonl"))
            if {path.name for path in journals} == parts:
                cancel.cancel()


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize(
    "parts",
    [
        {"journal-y.jsonl"},
        {"journal-y.jsonl", "journal-x.jsonl"},
        {"journal-y.jsonl", "journal-x.jsonl", "journal.jsonl"},
    ],
    ids=len,
)
def test_stopped_and_continued_is_the_same(parts, kind, job_2d):
    image = make_image()
    whole, job = (job_2d(name, output={"probability_type": kind}) for name in ("a.zarr", "b.zarr"))
    run(whole, volume=volume_of(image))
    stop_when(job, image, parts)
    events = [e for e in segment(job, volume=volume_of(image)) if e.stage is Stage.PREDICT]
    assert 0 < events[0].done < events[0].total == events[-1].done
    for name in ("", "labels/classes", "labels/mitochondria"):
        np.testing.assert_array_equal(stored(job, name), stored(whole, name))


def test_left_over_parts_are_removed_by_the_next_run(job_2d, monkeypatch):
    image = make_image()
    job = job_2d()
    with monkeypatch.context() as patch:
        patch.setattr("napari_nnunet_em.pipeline.prediction.discard_parts", lambda *a: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(job, volume=volume_of(image))
    assert (job.store / ".nnunet-em/planes-x.zarr").exists()
    events = list(segment(job, volume=volume_of(image)))
    assert events[-1].stage is Stage.FINISHED
    assert not [e for e in events if e.stage is Stage.PREDICT and e.box is not None]
    assert not (job.store / ".nnunet-em/planes-x.zarr").exists()


def test_what_is_there_is_kept_when_the_input_is_gone(job_2d, tmp_path):
    image = make_image()
    path = tmp_path / "raw.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("raw", data=image)
    job = job_2d(input={"path": str(path), "voxel_size_nm": (1, 1, 1)})
    stop_when(job, image, {"journal-y.jsonl"})

    class Refusing:
        patch = (1, 16, 16)
        heads = 2
        batch_size = 1
        description = "refuses"

        def warm_up(self):
            pass

        def accumulator(self, plane):
            raise InputError("a chunk of the input cannot be read")

    with pytest.raises(InputError, match="cannot be read"):
        run(job, volume=volume_of(image), make_runner=lambda opened: Refusing())
    assert (job.store / ".nnunet-em/journal-y.jsonl").exists()


def test_a_part_of_another_shape_is_not_continued(job_2d):
    image = make_image()
    job = job_2d()
    stop_when(job, image, {"journal-y.jsonl"})
    array = job.store / ".nnunet-em/planes-y.zarr/zarr.json"
    document = json.loads(array.read_text())
    document["shape"] = [1, 5, 5, 5]
    array.write_text(json.dumps(document))
    with pytest.raises(OutputError, match=r"planes-y\.zarr is damaged.*--overwrite"):
        run(job, volume=volume_of(image))


def test_a_part_that_was_deleted_is_made_again(job_2d):
    image = make_image()
    whole, job = job_2d("whole.zarr"), job_2d()
    run(whole, volume=volume_of(image))
    stop_when(job, image, {"journal-y.jsonl", "journal-x.jsonl"})
    shutil.rmtree(job.store / ".nnunet-em/planes-y.zarr")
    run(job, volume=volume_of(image))
    np.testing.assert_array_equal(stored(job), stored(whole))


def test_orthogonal_planes_make_another_job(job_2d):
    image = make_image()
    run(job_2d(), volume=volume_of(image))
    with pytest.raises(JobMismatchError, match=r"prediction\.planes \(orthogonal there, slices now\)"):
        run(job_2d(prediction={"planes": "slices"}), volume=volume_of(image))


def test_refused_before_anything_is_written(job_2d):
    job = job_2d()
    with pytest.raises(SettingsError, match="one voxel along z"):
        run(job, volume=volume_of(make_image((1, 30, 30))))
    assert not job.store.exists()


KILLED = """
import os, signal, sys
import numpy as np
from napari_nnunet_em import Job, open_volume, segment
from napari_nnunet_em.pipeline import consensus
from napari_nnunet_em.io.scratch import ScratchArray
image, after = np.load(sys.argv[2]), int(sys.argv[3])
plain, written = ScratchArray.write, []
def write(self, box, data):
    written.append(box)
    if len(written) > after:  # the block is half there, and in no journal
        plain(self, box, np.zeros_like(data))
        os.kill(os.getpid(), signal.SIGKILL)
    plain(self, box, data)
ScratchArray.write = write
volume = open_volume(image, voxel_size_nm=(1, 1, 1))
for event in segment(Job.model_validate_json(sys.argv[1]), volume=volume):
    pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_kill_9_inside_a_part(job_2d, tmp_path):
    image = make_image()
    np.save(tmp_path / "image.npy", image)
    whole, job = job_2d("whole.zarr"), job_2d()
    run(whole, volume=volume_of(image))
    command = [sys.executable, "-c", KILLED, job.model_dump_json(), str(tmp_path / "image.npy"), "4"]
    assert subprocess.run(command, check=False).returncode == -9
    run(job, volume=volume_of(image))
    np.testing.assert_array_equal(stored(job), stored(whole))
    np.testing.assert_array_equal(stored(job, "labels/mitochondria"), stored(whole, "labels/mitochondria"))
