"""Label images in files: any format, with values from other files, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nnunet_em.errors import Cancelled, InputError
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.measurement import measure_labels
from napari_nnunet_em.measurement.volumes import measuring_boxes
from napari_nnunet_em.progress import CancelToken, Stage

from .conftest import random_labels

SIZE = (40.0, 8.0, 8.0)


class Chunked:
    """An array in memory with the chunks of one on disk."""

    def __init__(self, array, chunks):
        self.array, self.chunks = array, chunks
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key):
        return self.array[key]


def drive(steps, events=None):
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            return end.value
        if events is not None:
            events.append(event)


@pytest.mark.parametrize("kind", [np.uint16, np.int64, np.float32, np.uint32])
def test_a_volume_is_measured_as_a_whole_would_be(measure, monkeypatch, kind):
    labels = random_labels(1)
    raw = (np.random.default_rng(0).random(labels.shape) * 1000 - (300 if kind == np.float32 else 0)).astype(
        kind
    )
    probability = np.random.default_rng(1).integers(0, 256, labels.shape, dtype=np.uint8)
    expected = measure(labels, size=SIZE, intensity=raw, probability=probability).frame
    monkeypatch.setattr("napari_nnunet_em.measurement.volumes._BLOCK_VOXELS", 200)
    stored = open_volume(Chunked(labels, (2, 4, 4)), voxel_size_nm=SIZE)
    events = []
    steps = measure_labels(stored, intensity=open_volume(raw), probability=open_volume(probability))
    assert drive(steps, events).frame.equals(expected)
    assert {event.stage for event in events} == {Stage.MEASURE}
    assert events[-1].done == events[-1].total > 1


def test_a_mask_is_one_object():
    table = drive(measure_labels(open_volume(np.ones((3, 4, 5), dtype=bool), voxel_size_nm=SIZE)))
    assert table.frame[["id", "voxels"]].to_numpy().tolist() == [[1, 60]]


def test_blocks_are_whole_chunks_of_bounded_size():
    labels = np.zeros((100, 300, 500), dtype=np.uint8)
    boxes = measuring_boxes(open_volume(Chunked(labels, (4, 16, 16))))
    assert sum(box.size for box in boxes) == labels.size
    for start, chunk in zip(zip(*(box.start for box in boxes), strict=True), (4, 16, 16), strict=True):
        assert all(place % chunk == 0 for place in start)
    boxes = measuring_boxes(open_volume(Chunked(np.zeros((50, 2000, 2000), dtype=np.uint8), (1, 2000, 2000))))
    assert boxes[0].shape == (1, 2000, 2000)


def test_what_is_refused():
    labels = open_volume(random_labels(1))
    with pytest.raises(InputError, match="values of type float32, and a label image holds one whole number"):
        drive(measure_labels(open_volume(np.zeros((3, 4, 5), dtype=np.float32))))
    with pytest.raises(InputError, match="2 channels"):
        drive(measure_labels(open_volume(np.zeros((2, 3, 4, 5), dtype=np.uint8))))
    with pytest.raises(InputError, match="give a volume of the same voxels"):
        drive(measure_labels(labels, intensity=open_volume(np.zeros((3, 4, 5), dtype=np.uint8))))
    with pytest.raises(InputError, match="Probabilities stored as int16"):
        drive(measure_labels(labels, probability=open_volume(np.zeros(labels.shape, dtype=np.int16))))


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_it_can_be_stopped(kind):
    cancel = CancelToken()
    cancel.cancel()
    raw = open_volume(np.zeros(random_labels(1).shape, dtype=kind))
    with pytest.raises(Cancelled):
        drive(measure_labels(open_volume(random_labels(1)), intensity=raw, cancel=cancel))
