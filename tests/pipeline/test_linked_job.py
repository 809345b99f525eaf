"""Slices linked by overlap, as a job does it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import zarr

from napari_nnunet_em.pipeline import run, segment
from napari_nnunet_em.progress import Stage

OVERLAP = {"linking": "overlap", "link_iou": 0.4, "min_voxels": 0}


def labels_of(job):
    return zarr.open_array(job.store / "labels/mitochondria/0", mode="r")[:]


def test_linking_takes_no_second_prediction_and_can_be_undone(make_job):
    contact, overlap = make_job(instances={"min_voxels": 0}), make_job(instances=OVERLAP)
    run(contact)
    touching = labels_of(contact)
    stages = [(e.stage, e.box) for e in segment(overlap)]
    assert not [box for stage, box in stages if stage is Stage.PREDICT and box is not None]
    linked = labels_of(overlap)
    assert linked.max() > touching.max()
    table = pd.read_csv(overlap.store / "tables/mitochondria.csv")
    np.testing.assert_array_equal(np.bincount(linked.ravel())[1:], table["voxels"])
    # Linking never joins what does not touch, unless it is allowed to miss slices.
    for number in range(1, linked.max() + 1):
        assert len(np.unique(touching[linked == number])) == 1
    run(contact)
    np.testing.assert_array_equal(labels_of(contact), touching)


def test_stopped_anywhere_and_continued_is_the_same(make_job):
    whole = make_job("whole.zarr", instances=OVERLAP)
    run(whole)
    for stage in (Stage.COMPONENTS, Stage.LABELS):
        job = make_job(f"{stage}.zarr", instances=OVERLAP)
        events = segment(job)
        seen = 0
        for event in events:
            seen += event.stage is stage
            if seen == 2:
                break
        events.close()
        run(job)
        np.testing.assert_array_equal(labels_of(job), labels_of(whole))
