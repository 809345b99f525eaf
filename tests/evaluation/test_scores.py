"""Scores equal brute force on dense overlaps, and MONAI's own numbers."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.metrics import compute_dice, compute_panoptic_quality
from scipy.optimize import linear_sum_assignment

from napari_nnunet_em import evaluation
from napari_nnunet_em.errors import InputError, SettingsError
from napari_nnunet_em.evaluation import count_overlaps, evaluate_instances, evaluate_masks


def label_images(seed, shape=(4, 12, 12), objects=9, noise=0.3):
    """A truth of boxes, and a prediction that moved, lost, merged and broke some of them."""
    rng = np.random.default_rng(seed)
    truth = np.zeros(shape, dtype=np.int32)
    pred = np.zeros(shape, dtype=np.uint16)
    for number in range(1, objects + 1):
        start = rng.integers(0, np.array(shape) - 1)
        size = rng.integers(1, 6, 3)
        box = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
        truth[box] = number
        moved = tuple(
            slice(max(s.start + d, 0), s.stop + d) for s, d in zip(box, rng.integers(-1, 2, 3), strict=True)
        )
        pred[moved] = rng.choice([0, number, number, number, number + 1])
    broken = rng.random(shape) < noise * rng.random()
    pred[broken] = rng.integers(0, objects + 3, broken.sum())
    return pred, truth


def brute_force(pred, truth, threshold):
    """Matches by masks of whole objects and one dense assignment."""
    pred_ids, truth_ids = (np.unique(a[a > 0]) for a in (pred, truth))
    iou = np.zeros((len(pred_ids), len(truth_ids)))
    for i, p in enumerate(pred_ids):
        for j, t in enumerate(truth_ids):
            iou[i, j] = ((pred == p) & (truth == t)).sum() / ((pred == p) | (truth == t)).sum()
    rows, columns = linear_sum_assignment(iou, maximize=True)
    return sorted(float(v) for v in iou[rows, columns] if v > threshold), len(pred_ids), len(truth_ids)


@given(st.integers(0, 2**16), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.6, 0.9]))
def test_matches_equal_one_dense_assignment(seed, threshold):
    pred, truth = label_images(seed)
    ious, predicted, true = brute_force(pred, truth, threshold)
    scores = evaluate_instances(pred, truth, iou=threshold)
    assert scores.true_positives == len(ious)
    assert scores.false_positives == predicted - len(ious)
    assert scores.false_negatives == true - len(ious)
    np.testing.assert_allclose(np.sort(scores.matched_iou), ious, rtol=1e-12)
    assert len(set(scores.matched_pred_ids)) == len(set(scores.matched_truth_ids)) == len(ious)
    for p, t, iou in zip(scores.matched_pred_ids, scores.matched_truth_ids, scores.matched_iou, strict=True):
        assert iou == ((pred == p) & (truth == t)).sum() / ((pred == p) | (truth == t)).sum()
    if predicted and true:
        assert scores.precision == pytest.approx(len(ious) / predicted)
        assert scores.recall == pytest.approx(len(ious) / true)
        assert scores.f1 == pytest.approx(2 * len(ious) / (predicted + true))


@given(st.integers(0, 2**16), st.sampled_from([0.25, 0.5, 0.75]))
def test_panoptic_quality_equals_monai(seed, threshold):
    pred, truth = label_images(seed)
    tensors = [torch.from_numpy(a.astype(np.int32)) for a in (pred, truth)]
    counts = compute_panoptic_quality(*tensors, match_iou_threshold=threshold, output_confusion_matrix=True)
    quality = compute_panoptic_quality(*tensors, match_iou_threshold=threshold, smooth_numerator=0.0)
    scores = evaluate_instances(pred, truth, iou=threshold)
    ours = [scores.true_positives, scores.false_positives, scores.false_negatives, scores.matched_iou.sum()]
    np.testing.assert_allclose(counts.numpy(), ours, rtol=1e-5)
    assert scores.panoptic_quality == pytest.approx(float(quality), rel=1e-5)


@given(st.integers(0, 2**16))
def test_masks_equal_monais_dice_and_sets_of_voxels(seed):
    pred, truth = label_images(seed)
    a, b = pred > 0, truth > 0
    scores = evaluate_masks(pred, truth)
    tensors = [torch.from_numpy(m.astype(np.float32))[None, None] for m in (a, b)]
    assert scores.dice == pytest.approx(float(compute_dice(*tensors, ignore_empty=False)), rel=1e-6)
    assert scores.iou == pytest.approx((a & b).sum() / (a | b).sum())
    assert scores.precision == pytest.approx((a & b).sum() / a.sum())
    assert scores.recall == pytest.approx((a & b).sum() / b.sum())
    counted = (scores.true_positives, scores.false_positives, scores.false_negatives)
    assert counted == ((a & b).sum(), (a & ~b).sum(), (~a & b).sum())


def test_voxels_are_counted_exactly_where_float32_no_longer_does():
    size = 2**24 + 1
    scores = evaluate_masks(np.ones(size, dtype=bool), np.ones(size, dtype=bool))
    assert scores.true_positives == size
    assert (scores.dice, scores.false_positives, scores.false_negatives) == (1.0, 0, 0)


def test_half_an_object_is_no_match_and_half_plus_one_voxel_is():
    truth = np.ones((1, 1, 20), dtype=np.uint8)
    pred = np.zeros_like(truth)
    pred[..., :10] = 1
    assert evaluate_instances(pred, truth).true_positives == 0
    pred[..., :11] = 1
    assert evaluate_instances(pred, truth).true_positives == 1


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_empty_images_have_defined_scores(threshold):
    nothing, something = np.zeros((2, 3, 4), dtype=np.uint8), np.ones((2, 3, 4), dtype=np.uint8)
    both = evaluate_instances(nothing, nothing, iou=threshold)
    assert (both.precision, both.recall, both.f1, both.panoptic_quality) == (1.0, 1.0, 1.0, 1.0)
    assert evaluate_masks(nothing, nothing).dice == 1.0
    for pred, truth in ((nothing, something), (something, nothing)):
        scores = evaluate_instances(pred, truth, iou=threshold)
        assert (scores.precision, scores.recall, scores.f1, scores.panoptic_quality) == (0.0, 0.0, 0.0, 0.0)
        masks = evaluate_masks(pred, truth)
        assert (masks.dice, masks.iou, masks.precision, masks.recall) == (0.0, 0.0, 0.0, 0.0)


def test_ids_may_be_large_and_scattered():
    truth = np.zeros((3, 4, 5), dtype=np.uint64)
    truth[0], truth[2] = 2**63 + 7, 11
    pred = np.where(truth == 11, np.uint64(2**40), truth // np.uint64(2**62))
    scores = evaluate_instances(pred, truth)
    assert scores.f1 == 1.0
    pairs = set(zip(scores.matched_pred_ids.tolist(), scores.matched_truth_ids.tolist(), strict=True))
    assert pairs == {(2**40, 11), (2, 2**63 + 7)}


def test_overlaps_know_sizes_and_shared_voxels():
    truth = np.array([[[0, 1, 1, 2, 2, 2]]])
    pred = np.array([[[5, 5, 5, 5, 0, 9]]])
    overlaps = count_overlaps(pred, truth)
    assert overlaps.pred_ids.tolist() == [5, 9]
    assert overlaps.pred_voxels.tolist() == [4, 1]
    assert overlaps.truth_voxels.tolist() == [2, 3]
    shared = dict(
        zip(
            zip(overlaps.pred.tolist(), overlaps.truth.tolist(), strict=True),
            overlaps.voxels.tolist(),
            strict=True,
        )
    )
    assert shared == {(0, 0): 2, (0, 1): 1, (1, 1): 1}


@pytest.mark.parametrize("evaluate", [evaluate_instances, evaluate_masks])
@pytest.mark.parametrize("shapes", [((2, 3, 4), (2, 3, 5)), ((0, 3, 4), (0, 3, 4))])
def test_what_does_not_cover_the_same_voxels_is_refused(evaluate, shapes):
    pred, truth = (np.zeros(shape, dtype=np.uint8) for shape in shapes)
    with pytest.raises(InputError, match="cannot be compared"):
        evaluate(pred, truth)


@pytest.mark.parametrize("swap", [False, True])
def test_probabilities_are_not_labels(swap):
    images = [np.zeros((2, 3, 4), dtype=np.float32), np.zeros((2, 3, 4), dtype=np.uint8)]
    with pytest.raises(InputError, match="float32"):
        evaluate_instances(*(reversed(images) if swap else images))


@pytest.mark.parametrize("threshold", [-0.1, 1.0, float("nan")])
def test_impossible_thresholds_are_refused(threshold):
    with pytest.raises(SettingsError, match="makes no sense"):
        evaluate_instances(np.ones((1, 2, 2), dtype=int), np.ones((1, 2, 2), dtype=int), iou=threshold)


def test_importing_loads_neither_torch_nor_monai():
    code = (
        "import sys, napari_nnunet_em.evaluation as e; [getattr(e, name) for name in e.__all__];"
        "print(sorted({'torch', 'monai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_imported_and_no_other():
    assert dir(evaluation) == sorted(evaluation.__all__) == sorted(evaluation._LAZY)
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        evaluation.evalute  # noqa: B018


def test_the_settings_alone_load_nothing_heavy():
    code = (
        "import sys, napari_nnunet_em.evaluation.settings;"
        "print(sorted({'zarr', 'scipy', 'pandas', 'cc3d'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
