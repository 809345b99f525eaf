"""A preview is what the job gives: inside the view, for any view, and after any history of settings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from scipy import ndimage

from napari_nnunet_em.components import along_runs
from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.errors import Cancelled, InputError, SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.instances import ClassProbability
from napari_nnunet_em.instances.preview import (
    PreviewCache,
    PreviewRequest,
    preview_objects,
    preview_steps,
    size_histogram,
)
from napari_nnunet_em.instances.preview.stages import FIELDS
from napari_nnunet_em.progress import CancelToken

SIZE = (40.0, 8.0, 8.0)
WAYS = st.sampled_from([0, 10**9])
"""Voxels per run from which on components are found along runs: always, or never."""
SHAPE = (10, 48, 54)


def blobs(seed: int, dtype=np.uint8) -> np.ndarray:
    """A smooth random probability with objects that touch, (z, y, x)."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random(SHAPE), (0.8, 2.5, 2.5))
    scaled = (noise - noise.min()) / np.ptp(noise)
    return np.rint(scaled * 255).astype(np.uint8) if dtype == np.uint8 else scaled.astype(dtype)


def classes_of(probability: np.ndarray) -> np.ndarray:
    """Most probable class where a second one takes the even stripes of 9 columns."""
    stripes = np.arange(probability.shape[2]) // 9 % 2
    return np.broadcast_to(1 + stripes, probability.shape).astype(np.uint8)


def source_of(seed: int, exclusive: bool) -> ClassProbability:
    probability = blobs(seed)
    return ClassProbability(probability, 0, classes_of(probability) if exclusive else None, 1)


def assert_renamed(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal up to the numbers of objects."""
    np.testing.assert_array_equal(found > 0, expected > 0)
    pairs = np.unique(np.stack([found[found > 0], expected[found > 0]]), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


CHOICES = st.fixed_dictionaries(
    {
        "threshold": st.sampled_from([0.45, 0.55, 0.65]),
        "connectivity": st.sampled_from([6, 18, 26]),
        "min_voxels": st.sampled_from([0, 40, 300]),
        "max_voxels": st.sampled_from([0, 1500]),
        "smooth_nm": st.sampled_from([0.0, 12.0]),
        "open_nm": st.sampled_from([0.0, 9.0]),
        "threshold_high": st.sampled_from([0.0, 0.7]),
        "drop_border": st.booleans(),
        "fill_holes": st.sampled_from(["none", "3d", "slices"]),
        "split": st.sampled_from(["none", "distance", "h-maxima", "probability"]),
        "split_strength": st.sampled_from([0.7, 0.95]),
        "split_depth_nm": st.sampled_from([2.0, 12.0]),
    }
)


VIEWS = st.tuples(st.integers(0, 7), st.integers(0, 30), st.integers(0, 36)).map(
    lambda start: Box(start, tuple(min(a + n, s) for a, n, s in zip(start, (3, 20, 20), SHAPE, strict=True)))
)


@effort(max_examples=10)
@given(st.integers(0, 50), st.lists(CHOICES, min_size=1, max_size=3), VIEWS, st.booleans(), WAYS)
def test_everything_in_view_is_the_jobs_where_the_margin_holds_the_volume(
    segmented, seed, history, view, exclusive, voxels_per_run
):
    source = source_of(seed, exclusive)
    cache = PreviewCache()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(along_runs, "_VOXELS_PER_RUN", voxels_per_run)
        for asked in history:  # the last one must not remember too much of those before
            request = PreviewRequest(source, InstanceSettings(**asked), view, SIZE, margin=SHAPE)
            found = preview_objects(request, cache)
    expected, _ = segmented(source, (5, 17, 19), SIZE, **asked)
    assert_renamed(found.labels, expected[view.slices])
    sizes = np.bincount(expected.ravel())
    assert sorted(found.voxels) == sorted(sizes[n] for n in np.unique(expected[view.slices]) if n)
    assert (found.complete, found.cut) == (True, 0)


@effort(max_examples=10)
@given(st.integers(0, 50), CHOICES, VIEWS, st.booleans(), WAYS)
def test_objects_that_end_inside_the_margin_are_those_of_the_job(
    segmented, seed, asked, view, exclusive, voxels_per_run
):
    source = source_of(seed, exclusive)
    request = PreviewRequest(source, InstanceSettings(**asked), view, SIZE, margin=(1, 8, 8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(along_runs, "_VOXELS_PER_RUN", voxels_per_run)
        found = preview_objects(request)
    expected, _ = segmented(source, (5, 17, 19), SIZE, **asked)
    mask_only = {name: asked[name] for name in ("threshold", "connectivity", "smooth_nm", "open_nm")}
    components, _ = segmented(source, SHAPE, SIZE, **mask_only)
    inner = np.zeros(SHAPE, dtype=bool)
    inner[request.region.slices] = True
    inner = ndimage.binary_erosion(inner, np.ones((3, 3, 3)), border_value=1)
    go_on = np.isin(components, np.unique(components[~inner & (components > 0)]))[view.slices]
    # Holes belong to the object around them.
    shared = ~go_on & ~np.isin(expected[view.slices], expected[view.slices][go_on])
    shared &= ~np.isin(found.labels, found.labels[go_on]) | (found.labels == 0)
    assert_renamed(np.where(shared, found.labels, 0), np.where(shared, expected[view.slices], 0))
    if not asked["max_voxels"] and not asked["drop_border"]:
        assert (found.labels > 0)[go_on].all()  # what goes on is shown, however little of it there is


def test_a_slider_does_again_only_what_depends_on_it(segmented):
    source = ClassProbability(blobs(1))
    view = Box((0, 0, 0), SHAPE)
    cache = PreviewCache()
    asked = {"threshold": 0.62, "min_voxels": 20}

    def made(**changes) -> dict[str, int]:
        asked.update(changes)
        cache.made.clear()
        preview_objects(PreviewRequest(source, InstanceSettings(**asked), view, SIZE), cache)
        return dict(+cache.made)

    assert made() == {"values": 1, "mask": 1, "components": 1}
    assert made(min_voxels=50) == {}
    assert made(max_voxels=5000, drop_border=True) == {}
    assert made(max_voxels=0, drop_border=False) == {}
    assert made(threshold=0.65) == {"mask": 1, "components": 1}
    assert made(connectivity=26) == {"components": 1}
    objects = made(split="distance")["basins"]
    assert objects > 3
    assert made(split_strength=0.9) == {}
    assert made(min_voxels=60) == {}
    assert set(made(min_voxels=10)) == {"basins"}  # those that were too small before
    assert made(min_voxels=20) == {}
    assert "values" not in made(smooth_nm=8.0)  # all of the volume is known already


def test_every_setting_belongs_to_one_stage():
    declared = [name for names in FIELDS.values() for name in names]
    assert sorted([*declared, "enabled"]) == sorted(InstanceSettings.model_fields)


def test_numbers_stay_with_objects_while_settings_and_views_change():
    source = ClassProbability(blobs(2))
    cache = PreviewCache()

    def look(view: Box, **asked) -> np.ndarray:
        request = PreviewRequest(source, InstanceSettings(**asked), view, SIZE)
        return preview_objects(request, cache).labels

    whole = Box.whole(SHAPE)
    first = look(whole, threshold=0.55, min_voxels=30)
    second = look(whole, threshold=0.6, min_voxels=30)
    # At a higher threshold every object lies inside one of before; the largest part has its number.
    for number in np.unique(first[first > 0]):
        inside, sizes = np.unique(second[(first == number) & (second > 0)], return_counts=True)
        if sizes.max(initial=0) > 100:
            assert inside[sizes.argmax()] == number
    moved = look(Box((2, 10, 12), SHAPE), threshold=0.6, min_voxels=30)
    both = (moved > 0) & (second[2:, 10:, 12:] > 0)
    assert (moved[both] == second[2:, 10:, 12:][both]).mean() > 0.95


def test_a_first_answer_shows_the_slice_split_as_an_image(monkeypatch):
    from napari_nnunet_em.instances.preview import preview

    monkeypatch.setattr(preview, "_AT_ONCE", 0)
    source = ClassProbability(blobs(3))
    asked = InstanceSettings(threshold=0.5, split="distance", split_strength=0.8, min_voxels=30)
    cache = PreviewCache()
    request = PreviewRequest(source, asked, Box((2, 0, 0), (8, 48, 54)), SIZE, shown=4)
    first, last = preview_steps(request, cache)
    assert (first.complete, last.complete) == (False, True)
    plain = preview_objects(
        PreviewRequest(source, InstanceSettings(threshold=0.5, min_voxels=30), request.view, SIZE)
    )
    others = [0, 1, 3, 4, 5]
    assert_renamed(first.labels[others], plain.labels[others])
    assert len(np.unique(first.labels[2])) > len(np.unique(plain.labels[2]))
    # What is known is answered at once: nothing is flooded for another strength.
    again = PreviewRequest(
        source, asked.model_copy(update={"split_strength": 0.9}), request.view, SIZE, shown=4
    )
    assert [found.complete for found in preview_steps(again, cache)] == [True]


def test_a_first_answer_whose_last_object_is_in_the_margin_alone(monkeypatch):
    from napari_nnunet_em.instances.preview import preview

    monkeypatch.setattr(preview, "_AT_ONCE", 0)
    probability = np.zeros((5, 60, 80), dtype=np.uint8)
    y, x = np.indices((60, 80))
    probability[:, (y - 15) ** 2 + (x - 20) ** 2 < 100] = 200  # in one part, so that no number is new
    probability[:, 50:58, 40:60] = 200
    asked = InstanceSettings(split="distance")
    view = Box((0, 0, 0), (5, 40, 80))
    request = PreviewRequest(ClassProbability(probability), asked, view, SIZE, shown=2)
    first, last = preview_steps(request)
    assert (first.complete, first.count) == (False, 1)
    np.testing.assert_array_equal(first.labels, last.labels)


def test_evidence_is_what_splitting_saw():
    from napari_nnunet_em.instances.splitting.distances import distances

    probability = np.zeros((5, 40, 80), dtype=np.uint8)
    y, x = np.indices((40, 80))
    disks = ((y - 20) ** 2 + (x - 25) ** 2 < 14**2) | ((y - 20) ** 2 + (x - 51) ** 2 < 14**2)
    probability[:, disks] = 200
    asked = InstanceSettings(split="distance", split_strength=0.8)
    view = Box((0, 0, 0), (5, 40, 80))
    found = preview_objects(PreviewRequest(ClassProbability(probability), asked, view, SIZE, explain=True))
    assert found.count == 2
    evidence = found.evidence
    np.testing.assert_allclose(evidence.heights, distances(probability > 127, SIZE))
    assert evidence.seeds.tolist() == [[0, 20, 25], [0, 20, 51]]
    edge = np.argwhere(evidence.boundaries)
    assert len(edge)
    assert set(edge[:, 2]) <= {37, 38, 39}
    plain = InstanceSettings()
    found = preview_objects(PreviewRequest(ClassProbability(probability), plain, view, SIZE, explain=True))
    assert not found.evidence.heights.any()
    assert not len(found.evidence.seeds)


def test_linked_slices_and_objects_beyond_the_memory_are_previewed(segmented):
    source = ClassProbability(blobs(4))
    asked = {"threshold": 0.5, "linking": "overlap", "link_gap": 1, "min_voxels": 20}
    view = Box.whole(SHAPE)
    found = preview_objects(PreviewRequest(source, InstanceSettings(**asked), view, SIZE))
    assert_renamed(found.labels, segmented(source, (5, 17, 19), SIZE, **asked)[0])
    small = InstanceSettings(threshold=0.4, split="distance", split_memory_gb=1e-6)
    assert (
        "too large to be split whole" in preview_objects(PreviewRequest(source, small, view, SIZE)).notes[0]
    )


def test_sizes_are_counted_in_um3_or_voxels():
    source = ClassProbability(blobs(5))
    view = Box.whole(SHAPE)
    found = preview_objects(PreviewRequest(source, InstanceSettings(threshold=0.6), view, SIZE))
    histogram = size_histogram(found, bins=7)
    assert histogram.counts.sum() == len(found.voxels) == found.count
    assert histogram.unit == "µm³"
    scale = histogram.scale
    assert scale.low < found.voxels.min() * 2.56e-6 < scale.size(1 / 7)
    unknown = preview_objects(PreviewRequest(source, InstanceSettings(threshold=0.6), view))
    assert size_histogram(unknown).unit == "voxels"
    none = preview_objects(PreviewRequest(source, InstanceSettings(min_voxels=10**6), view, SIZE))
    assert (none.count, len(size_histogram(none).counts)) == (0, 0)


def test_what_cannot_be_previewed_is_said_and_cancelling_leaves_the_cache_usable():
    source = ClassProbability(blobs(1))
    view = Box.whole(SHAPE)
    with pytest.raises(InputError, match="does not lie inside"):
        preview_objects(PreviewRequest(source, InstanceSettings(), Box((0, 0, 0), (99, 9, 9)), SIZE))
    with pytest.raises(SettingsError, match="voxel size is unknown"):
        preview_objects(PreviewRequest(source, InstanceSettings(split="distance"), view))
    with pytest.raises(SettingsError, match="no boundary class"):
        preview_objects(PreviewRequest(source, InstanceSettings(split="boundary"), view, SIZE))
    token, cache = CancelToken(), PreviewCache()
    token.cancel()
    request = PreviewRequest(source, InstanceSettings(split="distance"), view, SIZE)
    with pytest.raises(Cancelled):
        preview_objects(request, cache, token)
    np.testing.assert_array_equal(preview_objects(request, cache).labels, preview_objects(request).labels)


def test_what_holds_pythons_lock_sees_small_blocks_only(monkeypatch):
    import cc3d

    seen: list[int] = []
    real = cc3d.connected_components

    def counting(data, **keywords):
        seen.append(data.size)
        return real(data, **keywords)

    monkeypatch.setattr(cc3d, "connected_components", counting)
    wide = np.tile(blobs(1), (1, 12, 12))
    asked = InstanceSettings(threshold=0.55, split="distance")
    view = Box.whole(wide.shape)
    preview_objects(PreviewRequest(ClassProbability(wide), asked, view, SIZE, shown=5))
    assert len(seen) > 4
    assert max(seen) <= 32 * 256 * 256


def test_where_runs_are_few_no_voxels_are_labelled_and_few_lines_painted_at_once(monkeypatch):
    import cc3d

    from napari_nnunet_em.components import runs

    monkeypatch.setattr(cc3d, "connected_components", None)
    painted: list[int] = []
    real = runs.paint

    def counting(shape, *arguments):
        painted.append(math.prod(shape))
        return real(shape, *arguments)

    monkeypatch.setattr(runs, "paint", counting)
    monkeypatch.setattr(runs, "_PAINTED_AT_ONCE", 1000)
    probability = np.zeros((6, 60, 300), dtype=np.uint8)
    probability[1:5, 5:50, 10:200] = 200
    view = Box((1, 10, 0), (5, 60, 300))
    found = preview_objects(PreviewRequest(ClassProbability(probability), InstanceSettings(), view, SIZE))
    assert found.count == 1
    np.testing.assert_array_equal(found.labels, (probability > 127)[view.slices])
    assert max(painted) == 3 * 300
    assert sum(painted) == 2 * view.size  # to name the objects, and with their names


def test_a_raw_image_is_told_from_a_probability_by_what_is_in_view(monkeypatch):
    from napari_nnunet_em.instances.preview import preview

    monkeypatch.setattr(preview, "_AT_ONCE", 0)
    raw = 1000 * blobs(5, np.float32)
    raw[:, :, :20] /= 1000
    view = Box((0, 0, 20), SHAPE)
    settings = InstanceSettings(split="distance", threshold=0.5)
    cache = PreviewCache()
    ends = f"from {raw[view.slices].min():.4g} to {raw[view.slices].max():.4g}"
    asked = PreviewRequest(ClassProbability(raw), settings, view, SIZE, shown=4)
    answers = list(preview_steps(asked, cache))
    assert [answer.complete for answer in answers] == [False, True]
    for answer in answers:
        (note,) = answer.notes
        assert note.startswith("These are no probabilities")
        assert ends in note
    # The margin beyond the view does not count, and bytes are what they always were.
    inside = PreviewRequest(ClassProbability(raw), settings, Box((0, 0, 0), (10, 48, 20)), SIZE)
    assert preview_objects(inside).notes == ()
    assert preview_objects(PreviewRequest(ClassProbability(blobs(5)), settings, view, SIZE)).notes == ()
