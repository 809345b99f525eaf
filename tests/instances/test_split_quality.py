"""From the true mask of mitochondria that touch, splitting finds the mitochondria."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.evaluation import evaluate_instances
from napari_nnunet_em.instances import split_object
from napari_nnunet_em.testing.touching import TouchingStyle, touching_mitochondria

# Seeds that had no part in choosing the default strength and depth, and the least F1. Mitochondria that lie
# flat side by side have no neck in an image, where a volume would show one above or below.
GRIDS = {
    "isotropic": ((16.0, 16.0, 16.0), (144, 144, 144), (20, 21, 22), 0.97),
    "anisotropic": ((40.0, 8.0, 8.0), (56, 288, 288), (20, 21, 22), 0.97),
    "image": ((8.0, 8.0, 8.0), (1, 600, 600), (20, 21, 22, 23), 0.95),
}


def f1(pairs):
    """Instance F1 at IoU 0.5 over several volumes."""
    scores = [evaluate_instances(found, truth) for found, truth in pairs]
    hit, extra, missed = (
        sum(getattr(s, name) for s in scores)
        for name in ("true_positives", "false_positives", "false_negatives")
    )
    return 2 * hit / (2 * hit + extra + missed), hit + missed


@pytest.mark.slow
@pytest.mark.parametrize("split", ["distance", "h-maxima"])
@pytest.mark.parametrize("grid", GRIDS)
def test_what_touches_is_split_and_what_is_bent_is_not(grid, split):
    size, shape, seeds, least = GRIDS[grid]
    asked = InstanceSettings(split=split)
    truths = [touching_mitochondria(seed, shape, size) for seed in seeds]
    joined, count = f1([(ndimage.label(truth > 0)[0], truth) for truth in truths])
    split, _ = f1(
        [(split_object(truth > 0, (truth > 0) * np.uint8(255), asked, size), truth) for truth in truths]
    )
    assert count >= 50
    assert joined < 0.85
    assert split >= least


@pytest.mark.slow
@pytest.mark.parametrize("grid", ["isotropic", "anisotropic"])
def test_bent_mitochondria_that_stand_alone_are_left_alone(grid):
    size, shape, seeds, _ = GRIDS[grid]
    style = TouchingStyle(group_sizes=(1,), bend_degrees=(90.0, 180.0), length_nm=(600.0, 1200.0))
    truth = touching_mitochondria(seeds[0], shape, size, style)
    labels = split_object(truth > 0, truth > 0, InstanceSettings(split="distance"), size)
    score = evaluate_instances(labels, truth)
    assert score.true_positives + score.false_negatives >= 12
    assert score.f1 >= 0.97
