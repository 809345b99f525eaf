"""Splitting one object: what touches is cut, what is bent is not, by rules that have oracles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.morphology import local_maxima, reconstruction

from napari_nnunet_em.config import Connectivity, InstanceSettings, SplitMethod
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.evaluation import evaluate_instances
from napari_nnunet_em.instances import split_object
from napari_nnunet_em.instances.splitting.basins import find_basins, find_borders
from napari_nnunet_em.instances.splitting.joining import join_by_necks, join_small, summits
from napari_nnunet_em.instances.splitting.landscape import heights
from napari_nnunet_em.instances.splitting.split import in_raster_order

SIZE = (10.0, 10.0, 10.0)


def settings(**changes):
    return InstanceSettings(**{"split": "distance", "min_voxels": 0, **changes})


def balls(centres, radius, shape=(30, 30, 60), size=(1, 1, 1)):
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    out = np.zeros(shape, dtype=bool)
    for centre in centres:
        square = sum(((a - c) * s) ** 2 for a, c, s in zip(axes, centre, size, strict=True))
        out |= square <= radius**2
    return out


def parts_of(mask, size=SIZE, **changes):
    return split_object(mask, (mask * 255).astype(np.uint8), settings(**changes), size)


def test_two_balls_are_cut_where_they_meet():
    mask = balls([(15, 15, 18), (15, 15, 36)], 10)
    labels = parts_of(mask)
    assert labels.max() == 2
    np.testing.assert_array_equal(labels > 0, mask)
    assert set(np.unique(labels[:, :, :26])) == {0, 1}
    assert set(np.unique(labels[:, :, 29:])) == {0, 2}


def test_more_strength_cuts_more():
    mask = balls([(15, 15, 18), (15, 15, 31)], 10)  # the neck has 0.76 of the radius
    counts = [int(parts_of(mask, split_strength=s).max()) for s in (0.5, 0.7, 0.9, 1.0)]
    assert counts == sorted(counts)
    assert counts[0] == counts[1] == 1
    assert counts[-1] >= 2


def test_a_bent_tube_stays_whole():
    turn = np.linspace(0, np.pi, 60)
    centres = [(15, 32 - 18 * np.sin(a), 32 - 18 * np.cos(a)) for a in turn]
    mask = balls(centres, 7, (30, 50, 64))
    assert parts_of(mask).max() == 1


@pytest.mark.parametrize(("size", "parts"), [((10.0, 10.0, 10.0), 2), ((60.0, 10.0, 10.0), 1)])
def test_the_voxel_size_decides_what_a_neck_is(size, parts):
    # A beam of 12 x 12 voxels that narrows to 4 along z: where slices are thick, still wider than along x.
    mask = np.zeros((14, 60, 14), dtype=bool)
    mask[1:13, 5:25, 1:13] = mask[1:13, 35:55, 1:13] = True
    mask[5:9, 25:35, 1:13] = True
    assert parts_of(mask, size).max() == parts


def test_the_border_of_the_array_is_no_outside():
    mask = balls([(15, 15, 18), (15, 15, 36)], 10)
    half = parts_of(mask[:16])
    np.testing.assert_array_equal(half, parts_of(mask)[:16])
    assert parts_of(np.ones((5, 6, 7), dtype=bool)).max() == 1


def test_an_image_is_split_in_its_plane():
    mask = balls([(0, 20, 15), (0, 20, 40)], 14, (1, 40, 56))
    assert parts_of(mask).max() == 2


@given(st.integers(0, 9999), st.sampled_from(list(Connectivity)), st.booleans())
def test_basins_of_an_image_are_those_of_a_volume_of_one_slice(seed, connectivity, plateaus):
    inside = ndimage.gaussian_filter(np.random.default_rng(seed).random((1, 24, 30)), (0, 1.5, 1.5))
    inside = np.where(inside > np.median(inside), np.round(inside, 2 if plateaus else 9), -1)
    labels, count = find_basins(inside.astype(np.float32), connectivity)
    between = np.full((3, 24, 30), -1, dtype=np.float32)
    between[1] = inside[0]
    expected, expected_count = find_basins(between, connectivity)
    assert count == expected_count
    np.testing.assert_array_equal(labels[0], expected[1])


def one_object(seed, connectivity):
    """The largest object of smooth noise."""
    mask = ndimage.gaussian_filter(np.random.default_rng(seed).random((14, 22, 22)), 1.5)
    mask = mask > np.quantile(mask, 0.6)
    labels, _ = ndimage.label(mask, structure(connectivity))
    return labels == np.bincount(labels[labels > 0]).argmax()


def structure(connectivity):
    return ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])


@given(st.integers(0, 9999), st.sampled_from([0.5, 0.75, 0.9]))
def test_necks_are_the_h_maxima_of_scikit_image(seed, strength):
    mask = one_object(seed, Connectivity.CORNERS)
    size = (20.0, 10.0, 10.0)
    inside = heights(SplitMethod.DISTANCE, mask, mask * np.uint8(255), None, size)
    labels, count = find_basins(inside, Connectivity.CORNERS)
    borders = find_borders(labels, inside, Connectivity.CORNERS, size)
    names = join_by_necks(summits(labels, inside, count), borders, strength)
    # The heights as they rise again from a share of themselves: each summit that a neck of less than that
    # share sets apart is a maximum of its own.
    ground = np.where(mask, inside, 0).astype(np.float64)
    risen = reconstruction(strength * ground, ground, footprint=np.ones((3, 3, 3)))
    expected = ndimage.label(local_maxima(risen, connectivity=3) & mask, np.ones((3, 3, 3)))[1]
    assert len(np.unique(names[1:])) == expected


@given(st.integers(0, 9999), st.sampled_from([0.75, 1.0]), st.sampled_from(list(Connectivity)))
def test_parts_cover_the_object_and_are_connected(seed, strength, connectivity):
    mask = one_object(seed, connectivity)
    labels = parts_of(mask, split_strength=strength, connectivity=connectivity, min_voxels=20)
    np.testing.assert_array_equal(labels > 0, mask)
    np.testing.assert_array_equal(labels, in_raster_order(labels))
    for part in range(1, labels.max() + 1):
        assert ndimage.label(labels == part, structure(connectivity))[1] == 1
        assert (labels == part).sum() >= 20 or labels.max() == 1


def test_small_parts_join_the_neighbour_with_most_surface():
    labels = np.zeros((3, 6, 10), dtype=np.int32)
    labels[:, :, :4] = 1
    labels[:, :, 6:] = 2
    labels[:, :4, 4:6] = 3  # 24 voxels: 12 faces to both, until one of its columns is given away
    labels[:, 3, 4] = 1
    labels[:, 4:, 4:6] = 4
    borders = find_borders(labels, np.zeros(labels.shape, np.float32), Connectivity.FACES, SIZE)
    voxels = np.bincount(labels.ravel())
    names = join_small(voxels, borders, 15)
    assert voxels[4] == 12
    assert names.tolist() == [0, 1, 2, 3, names[4]]
    shared = dict(
        zip(zip(borders.one.tolist(), borders.other.tolist(), strict=True), borders.surface_nm2, strict=True)
    )
    neighbours = {a + b - 4: s for (a, b), s in shared.items() if 4 in (a, b)}
    assert neighbours == {1: 900.0, 2: 600.0, 3: 300.0}
    assert names[4] == 1
    # All below the minimum: the smallest joins first, and what results goes on joining.
    assert set(join_small(voxels, borders, 1000)[1:].tolist()) == {1}
    assert join_small(voxels, borders, 0).tolist() == [0, 1, 2, 3, 4]


def test_parts_without_a_common_face_join_across_an_edge():
    labels = np.zeros((1, 4, 4), dtype=np.int32)
    labels[0, :2, :2], labels[0, 2:, 2:] = 1, 2
    assert find_borders(labels, np.zeros(labels.shape, np.float32), Connectivity.FACES, SIZE).one.size == 0
    borders = find_borders(labels, np.zeros(labels.shape, np.float32), Connectivity.EDGES, SIZE)
    assert borders.surface_nm2.tolist() == [0.0]
    assert join_small(np.array([0, 4, 4]), borders, 5).tolist() == [0, 1, 1]


def test_probability_cuts_where_it_dips():
    mask = np.zeros((10, 12, 40), dtype=bool)
    mask[1:-1, 1:-1, 1:-1] = True
    probability = np.where(mask, 240, 20).astype(np.uint8)
    probability[:, :, 20] = np.minimum(probability[:, :, 20], 150)
    labels = split_object(mask, probability, settings(split="probability"), SIZE)
    assert labels.max() == 2
    assert (labels[5, 5, 1:20] == 1).all()
    assert (labels[5, 5, 21:39] == 2).all()
    assert split_object(mask, probability, settings(), SIZE).max() == 1
    weak = split_object(mask, probability, settings(split="probability", split_strength=0.6), SIZE)
    assert weak.max() == 1  # 150 is no less than 0.6 of 240
    floats = split_object(mask, (probability / 255).astype(np.float32), settings(split="probability"), SIZE)
    np.testing.assert_array_equal(floats, labels)


def test_a_boundary_class_cuts_where_the_class_itself_is_sure():
    mask = np.zeros((10, 12, 40), dtype=bool)
    mask[1:-1, 1:-1, 1:-1] = True
    probability = np.where(mask, 250, 5).astype(np.uint8)
    boundary = np.zeros(mask.shape, dtype=np.uint8)
    boundary[:, :, 15:17] = 130
    by_boundary = split_object(mask, probability, settings(split="boundary"), SIZE, boundary)
    assert by_boundary.max() == 2
    assert (by_boundary[5, 5, 1:15] == 1).all()
    assert (by_boundary[5, 5, 17:39] == 2).all()


def test_a_piece_that_touches_a_higher_one_across_a_corner_only_is_not_lost():
    mask = np.zeros((12, 12, 12), dtype=bool)
    mask[1:6, 1:6, 1:6] = mask[6, 6, 6] = True
    inside = heights(SplitMethod.DISTANCE, mask, mask * np.uint8(255), None, SIZE)
    labels, count = find_basins(inside, Connectivity.FACES)
    assert count == 2
    np.testing.assert_array_equal(labels > 0, mask)


def test_each_object_of_a_mask_is_split_by_itself_and_numbered_in_raster_order():
    mask = balls([(15, 15, 12), (15, 15, 28), (15, 45, 12), (15, 45, 30)], 9, (30, 60, 42))
    labels = parts_of(mask)
    assert labels.max() == 4
    np.testing.assert_array_equal(labels, in_raster_order(labels))
    assert evaluate_instances(np.asarray(labels[:, :30]), np.asarray(parts_of(mask[:, :30]))).f1 == 1
    np.testing.assert_array_equal(parts_of(mask, split="none"), ndimage.label(mask)[0])


def test_nothing_to_split_is_nothing():
    assert not parts_of(np.zeros((3, 4, 5), dtype=bool)).any()
    assert parts_of(np.ones((1, 1, 1), dtype=bool)).tolist() == [[[1]]]


def test_arrays_of_different_shapes_are_refused():
    with pytest.raises(InputError, match="cannot be split"):
        split_object(np.ones((2, 3, 4), bool), np.ones((2, 3, 5), np.uint8), settings(), SIZE)


def test_what_is_no_number_counts_as_improbable():
    mask = np.ones((4, 6, 12), dtype=bool)
    probability = np.full(mask.shape, 0.9, dtype=np.float32)
    probability[:, :, 6] = np.nan
    assert split_object(mask, probability, settings(split="probability"), SIZE).max() == 2
