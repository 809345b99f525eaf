"""A preview shows the voxels of a later full run, and does nothing twice."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.config import Job
from napari_nnunet_em.errors import Cancelled, InputError, SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.pipeline import run
from napari_nnunet_em.pipeline.preview import Previewer, PreviewPart, pieces
from napari_nnunet_em.pipeline.running import open_job_runner
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage

from .conftest import smooth_noise


class CountingReads:
    """An array that counts the voxels read from it."""

    def __init__(self, array) -> None:
        self._array = array
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.voxels = 0

    def __getitem__(self, key):
        self.voxels += self._array[key].size
        return self._array[key]


class CountingRunners:
    """Makes runners and counts them."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, opened):
        self.made += 1
        return open_job_runner(opened)


def shown(previewer: Previewer, job: Job, volume, box: Box) -> tuple[np.ndarray, list[PreviewPart]]:
    parts = [s for s in previewer.preview(job, volume, box) if isinstance(s, PreviewPart)]
    whole = np.full((len(parts[0].probabilities), *box.shape), np.nan, np.float32)
    for part in parts:
        whole[(slice(None), *part.box.relative_to(box.start).slices)] = part.probabilities
    return whole, parts


@pytest.fixture
def exact_job(make_job):
    return make_job(output={"probability_type": "float32"})


def test_any_box_has_the_voxels_of_the_full_run(exact_job, memory_volume):
    counting = CountingReads(memory_volume.array)
    volume = dataclasses.replace(memory_volume, array=counting, levels=())
    runners = CountingRunners()
    previewer = Previewer(runners)
    boxes = [Box((11, 5, 8), (12, 50, 66)), Box((0, 0, 0), (3, 60, 70)), Box((38, 31, 2), (40, 32, 3))]
    found = [shown(previewer, exact_job, volume, box) for box in boxes]
    assert not exact_job.store.exists()
    assert runners.made == 1
    run(exact_job)
    whole = zarr.open_array(exact_job.store / "0", mode="r")[...]
    for box, (probabilities, parts) in zip(boxes, found, strict=True):
        np.testing.assert_allclose(probabilities[0], whole[box.slices], atol=1e-5)
        assert not any(part.provisional for part in parts)
    before = counting.voxels
    shown(previewer, exact_job, volume, boxes[0])
    assert counting.voxels - before < volume.array.shape[0] * 60 * 70  # no second pass for the statistics


def test_other_settings_are_heeded_and_statistics_kept(make_job, memory_volume):
    counting = CountingReads(memory_volume.array)
    volume = dataclasses.replace(memory_volume, array=counting, levels=())
    previewer, box = Previewer(), Box((3, 10, 10), (4, 40, 40))
    first, _ = shown(previewer, make_job(), volume, box)
    before = counting.voxels
    other, _ = shown(previewer, make_job(prediction={"overlap": 0.25}), volume, box)
    assert np.abs(other - first).max() > 1e-4
    again, _ = shown(Previewer(), make_job(prediction={"overlap": 0.25}), memory_volume, box)
    np.testing.assert_allclose(other, again, atol=1e-6)
    assert counting.voxels - before < memory_volume.array.size


def test_a_large_volume_is_estimated_until_its_statistics_are_known(exact_job, memory_volume):
    previewer, box = Previewer(patient_bytes=1000), Box((5, 10, 10), (6, 50, 50))
    estimated, parts = shown(previewer, exact_job, memory_volume, box)
    assert all(part.provisional for part in parts)
    run(exact_job)
    whole = zarr.open_array(exact_job.store / "0", mode="r")[...]
    exact, parts = shown(previewer, exact_job, memory_volume, box)
    assert not any(part.provisional for part in parts)
    np.testing.assert_allclose(exact[0], whole[box.slices], atol=1e-5)
    assert np.abs(estimated - exact).max() < 0.1


def test_statistics_of_another_volume_are_not_taken(exact_job, memory_volume):
    run(exact_job)
    other = dataclasses.replace(memory_volume, array=smooth_noise(seed=5), levels=())
    _, parts = shown(Previewer(patient_bytes=1000), exact_job, other, Box((5, 10, 10), (6, 20, 20)))
    assert all(part.provisional for part in parts)


def test_it_stops_between_tiles_and_can_be_used_again(exact_job, memory_volume):
    previewer, token, box = Previewer(), CancelToken(), Box((5, 10, 10), (6, 50, 50))
    steps = previewer.preview(exact_job, memory_volume, box, token)
    until_prediction = (s for s in steps if isinstance(s, ProgressEvent) and s.stage is Stage.PREDICT)
    assert next(until_prediction).done == 0
    token.cancel()
    with pytest.raises(Cancelled):
        next(until_prediction)
    assert shown(previewer, exact_job, memory_volume, box)[1]


def test_a_box_outside_or_too_large_is_refused(exact_job, memory_volume):
    with pytest.raises(SettingsError, match="does not lie inside"):
        shown(Previewer(), exact_job, memory_volume, Box((0, 0, 0), (41, 60, 70)))
    with pytest.raises(InputError, match="zoom in"):
        shown(Previewer(), exact_job, memory_volume, Box((0, 0, 0), (100, 10_000, 10_000)))


@given(
    st.tuples(st.integers(0, 50), st.integers(0, 900), st.integers(0, 900)),
    st.tuples(st.integers(1, 3), st.integers(1, 400), st.integers(1, 400)),
    st.integers(40, 200),
)
def test_pieces_cover_a_box_once_from_its_middle_outwards(start, shape, side):
    box = Box(start, tuple(a + n for a, n in zip(start, shape, strict=True)))
    count = np.zeros(shape, int)
    distances = []
    for piece in pieces(box, side):
        assert max(piece.shape[1:]) <= 1.5 * side + 1
        count[piece.relative_to(start).slices] += 1
        middle = [
            (a + b - c - d) / 2
            for a, b, c, d in zip(piece.start[1:], piece.stop[1:], box.start[1:], box.stop[1:], strict=True)
        ]
        distances.append(np.hypot(*middle))
    assert (count == 1).all()
    np.testing.assert_array_equal(distances, np.sort(distances))
