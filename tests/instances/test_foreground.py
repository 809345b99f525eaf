"""The mask: the same for any box, and what SciPy and scikit-image make of the whole volume."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.errors import Cancelled, SettingsError
from napari_nnunet_em.geometry import Box, iter_blocks
from napari_nnunet_em.instances import ClassProbability, morphology
from napari_nnunet_em.instances.foreground import Foreground
from napari_nnunet_em.instances.morphology import opened, smoothed
from napari_nnunet_em.instances.preview import PreviewCache, PreviewRequest, preview_objects
from napari_nnunet_em.progress import CancelToken
from napari_nnunet_em.testing.strategies import block_shapes

SHAPE = (9, 30, 34)
SIZE = (40.0, 8.0, 8.0)
SIZES = st.sampled_from([(40.0, 8.0, 8.0), (10.0, 10.0, 10.0), (9.0, 13.0, 7.5)])


def noise(seed, sigma=1.5, shape=SHAPE):
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), sigma)
    return np.rint((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def ball(radius_nm, size):
    reach = [int(radius_nm / s * (1 + 1e-9)) for s in size]
    axes = np.ogrid[tuple(slice(-r, r + 1) for r in reach)]
    square = sum((a * s) ** 2 for a, s in zip(axes, size, strict=True))
    return square <= radius_nm**2 * (1 + 1e-9)


@given(
    st.integers(0, 999), block_shapes(SHAPE), SIZES, st.sampled_from([0, 8, 20]), st.sampled_from([0, 16, 41])
)
def test_any_block_reads_the_voxels_of_the_whole(seed, block_shape, size, smooth_nm, open_nm):
    settings = InstanceSettings(threshold=0.5, smooth_nm=smooth_nm, open_nm=open_nm)
    probability = noise(seed)
    foreground = Foreground(ClassProbability(probability), settings, size)
    whole, _ = foreground.read(Box.whole(SHAPE))
    for block in iter_blocks(SHAPE, block_shape):
        mask, values = foreground.read(block.write)
        np.testing.assert_array_equal(mask, whole[block.write.slices])
        np.testing.assert_array_equal(values, probability[block.write.slices])


@given(st.integers(0, 999), SIZES, st.sampled_from([5.0, 8.0, 10.0, 24.0, 41.0]))
def test_opening_is_scipys_with_a_ball(seed, size, radius_nm):
    mask = noise(seed) > 120
    element = ball(radius_nm, size)
    core = ndimage.binary_erosion(mask, element, border_value=1)
    np.testing.assert_array_equal(opened(mask, radius_nm, size), ndimage.binary_dilation(core, element))


@given(st.integers(0, 999), SIZES, st.sampled_from([6.0, 10.0, 25.0]), st.sampled_from([1, 2500, 10**6]))
def test_smoothing_is_a_gaussian_of_the_mask(seed, size, sigma_nm, at_once):
    mask = noise(seed, 1.0) > 128
    sigma = [sigma_nm / s for s in size]
    radius = [int(3 * s) for s in sigma]
    share = ndimage.gaussian_filter(mask.astype(np.float64), sigma, radius=radius, mode="reflect")
    clear = np.abs(share - 0.5) > 2e-3  # the kernel's weights are whole numbers of 1/1024
    assert clear.mean() > 0.95
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(morphology, "_VOXELS_AT_ONCE", at_once)
        found = smoothed(mask, sigma_nm, size)
    np.testing.assert_array_equal(found[clear], (share > 0.5)[clear])


@given(st.integers(0, 999), st.sampled_from([6.0, 15.0, 30.0]))
def test_masks_that_exclude_each_other_still_do_after_smoothing_and_opening(seed, length_nm):
    labels = noise(seed) // 86  # 0, 1 and 2
    masks = [opened(smoothed(labels == n, length_nm, SIZE), length_nm, SIZE) for n in range(3)]
    assert np.sum(masks, axis=0).max() == 1


class Patient(CancelToken):
    """Is cancelled when it is polled once too often, and counts."""

    polls = 0
    patience = 10**9

    def raise_if_cancelled(self) -> None:
        self.polls += 1
        if self.polls > self.patience:
            self.cancel()
        super().raise_if_cancelled()


@pytest.mark.parametrize(("asked", "polls"), [({"smooth_nm": 20.0}, 2 * 9 + 35), ({"open_nm": 30.0}, 2 * 7)])
def test_a_wide_filter_stops_inside_of_a_block(monkeypatch, asked, polls):
    shape = (9, 70, 24)
    monkeypatch.setattr(morphology, "_VOXELS_AT_ONCE", 2 * 9 * 24)
    probability = noise(1, shape=shape)
    box = Box.whole(shape)
    foreground = Foreground(ClassProbability(probability), InstanceSettings(**asked), SIZE)
    token = Patient()
    np.testing.assert_array_equal(foreground.mask(box, token), foreground.mask(box))
    assert token.polls == polls
    # The same goes for a preview, whose cache stays usable.
    request = PreviewRequest(ClassProbability(probability), InstanceSettings(**asked), box, SIZE)
    hasty, cache = Patient(), PreviewCache()
    hasty.patience = polls - 1
    with pytest.raises(Cancelled):
        preview_objects(request, cache, hasty)
    np.testing.assert_array_equal(preview_objects(request, cache).labels, preview_objects(request).labels)


def test_a_thin_bridge_is_opened_and_a_flat_face_at_the_border_is_kept():
    mask = np.zeros((12, 20, 40), dtype=bool)
    mask[:, 4:16, :14] = mask[:, 4:16, 26:] = True
    mask[5:7, 9:11, 14:26] = True
    out = opened(mask, 30.0, (10.0, 10.0, 10.0))
    assert not out[:, :, 15:25].any()
    assert out[:, 6:14, :10].all()  # cut by the border of the volume on three sides


@given(st.integers(0, 999), block_shapes(SHAPE), st.sampled_from([(0.5, 0.6), (0.45, 0.8)]))
def test_hysteresis_is_scikit_images(segmented, seed, block_shape, thresholds):
    probability = noise(seed)
    low, high = thresholds
    labels, _ = segmented(probability, block_shape, threshold=low, threshold_high=high)
    expected = apply_hysteresis_threshold(probability / 255, low, high)
    np.testing.assert_array_equal(labels, ndimage.label(expected)[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 0.6, "threshold_high": 0.5}, "threshold_high is 0.5, below the 0.6 of threshold"),
        ({"min_voxels": 10, "max_voxels": 9}, "max_voxels is 9, below the 10 of min_voxels"),
        ({"min_volume_um3": 0.5, "max_volume_um3": 0.1}, "max_volume_um3 is 0.1, below the 0.5"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        InstanceSettings(**settings)


@pytest.mark.parametrize("name", ["smooth_nm", "open_nm"])
def test_lengths_need_the_voxel_size(name):
    with pytest.raises(SettingsError, match="voxel size is unknown"):
        Foreground(ClassProbability(noise(0)), InstanceSettings(**{name: 10.0}), None)
