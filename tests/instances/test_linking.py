"""Linking of slices by overlap: a plain rule, told again in plain Python, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_nnunet_em.components import ComponentFinder, Layout, PlaneConnectivity
from napari_nnunet_em.components.faces import FaceStore
from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.errors import Cancelled
from napari_nnunet_em.instances import (
    ClassProbability,
    InstanceTask,
    Placement,
    find_objects,
    segment_instances,
)
from napari_nnunet_em.instances.linking import Overlaps, link_sections
from napari_nnunet_em.progress import CancelToken, Stage, finish


def sections_of(mask, connectivity):
    """Pixels of each cross-section as a set of (y, x), slice by slice."""
    structure = ndimage.generate_binary_structure(2, 1 if connectivity == 6 else 2)
    result = []
    for plane in mask:
        labels, count = ndimage.label(plane, structure)
        result.append([set(zip(*np.nonzero(labels == i), strict=True)) for i in range(1, count + 1)])
    return result


def partners(here, there, iou):
    """Pairs that are each other's best, of the cross-sections (number -> pixels) of two slices."""

    def order(i, j):
        shared = len(here[i] & there[j])
        return -shared / len(here[i] | there[j]), -shared, i, j

    for i in here:
        j = min(there, key=lambda k, i=i: order(i, k), default=None)
        if j is not None and min(here, key=lambda k, j=j: order(k, j)) == i and -order(i, j)[0] >= iou:
            yield i, j


def link_plainly(mask, connectivity=6, iou=0.25, gap=0):
    """Labels of linked cross-sections: the rule as documented, one pair of slices at a time."""
    sections = {
        (z, i): pixels
        for z, plane in enumerate(sections_of(mask, connectivity))
        for i, pixels in enumerate(plane)
    }
    follows = {}
    for distance in range(1, gap + 2):
        found = {}
        for z in range(len(mask)):
            here = {at: pixels for at, pixels in sections.items() if at[0] == z and at not in follows}
            led = set(follows.values())
            there = {a: pixels for a, pixels in sections.items() if a[0] == z + distance and a not in led}
            found |= dict(partners(here, there, iou))
        follows |= found
    labels = np.zeros(mask.shape, int)
    for count, start in enumerate(sorted(set(sections) - set(follows.values())), 1):
        at = start
        while at is not None:
            for y, x in sections[at]:
                labels[at[0], y, x] = count
            at = follows.get(at)
    return in_raster_order(labels)


def in_raster_order(labels):
    _, first = np.unique(labels[labels > 0], return_index=True)
    names = labels[labels > 0][np.sort(first)]
    rank = np.zeros(labels.max() + 1, int)
    rank[names] = np.arange(1, len(names) + 1)
    return rank[labels]


def link(mask, block_shape, **settings):
    task = InstanceTask(
        ClassProbability(mask.astype(np.float32)),
        InstanceSettings(**{"linking": "overlap", "min_voxels": 0, **settings}),
        Placement((40.0, 8.0, 8.0)),
        block_shape,
    )
    out = np.zeros(mask.shape, np.uint32)

    def create(dtype):
        def write(box, labels):
            out[box.slices] = labels

        return write

    return out, finish(segment_instances(task, create)).table


@st.composite
def volumes(draw):
    shape = draw(st.tuples(st.integers(1, 7), st.integers(1, 9), st.integers(1, 9)))
    seed, share = draw(st.integers(0, 999)), draw(st.sampled_from([0.2, 0.5, 0.8]))
    # Slices that resemble each other, so that there is something to link.
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), (0.8, 0.5, 0.5))
    return noise > np.quantile(noise, 1 - share)


block_shapes = st.tuples(st.integers(1, 8), st.integers(1, 10), st.integers(1, 10))


@given(
    mask=volumes(),
    block_shape=block_shapes,
    connectivity=st.sampled_from([6, 18, 26]),
    iou=st.sampled_from([0.05, 0.25, 0.5, 1.0]),
    gap=st.integers(0, 3),
)
def test_any_blocks_give_what_the_rule_says(mask, block_shape, connectivity, iou, gap):
    expected = link_plainly(mask, connectivity, iou, gap)
    labels, table = link(mask, block_shape, connectivity=connectivity, link_iou=iou, link_gap=gap)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(table.frame["voxels"], np.bincount(expected.ravel())[1:])
    boxes = ndimage.find_objects(expected)
    for row, box in zip(table.frame.itertuples(), boxes, strict=True):
        assert (row.bbox_z_min, row.bbox_y_min, row.bbox_x_min) == tuple(s.start for s in box)
        assert (row.bbox_z_max, row.bbox_y_max, row.bbox_x_max) == tuple(s.stop for s in box)


@given(mask=volumes(), block_shape=block_shapes, connectivity=st.sampled_from(list(PlaneConnectivity)))
def test_components_of_slices_are_those_of_scipy(mask, block_shape, connectivity):
    structure = np.zeros((3, 3, 3), bool)
    structure[1] = ndimage.generate_binary_structure(2, 1 if connectivity is PlaneConnectivity.EDGES else 2)
    expected, count = ndimage.label(mask, structure)
    layout = Layout(mask.shape, block_shape, connectivity)
    with ComponentFinder(layout) as finder:
        for block in layout.blocks():
            finder.add(block, mask[block.write.slices])
        table = finder.finish()
    assert table.count == count
    for block in layout.blocks():
        found = table.relabel(block, mask[block.write.slices])
        np.testing.assert_array_equal(found, expected[block.write.slices])


def test_isolated_pixels_as_dense_as_can_be():
    mask = np.zeros((3, 41, 41), bool)
    mask[:, ::2, ::2] = True
    labels, table = link(mask, (2, 41, 41), connectivity=26)
    assert len(table) == 21 * 21
    assert (labels[0] == labels[2]).all()


def tilted_tubes(slices=10, radius=5, drift=3, apart=12):
    """Two parallel tubes that drift sideways: where one is in a slice, the other was some slices before."""
    y, x = np.mgrid[:30, : 2 * apart + drift * slices + 4 * radius]
    truth = np.zeros((slices, *y.shape), int)
    for z in range(slices):
        for number in (1, 2):
            center = radius + 2 + drift * z + (number - 1) * apart
            truth[z][(y - 15) ** 2 + (x - center) ** 2 <= radius**2] = number
    return truth


@pytest.mark.parametrize("block_shape", [(16, 64, 128), (3, 7, 11), (1, 30, 20)])
def test_tilted_tubes_that_touch_the_neighbour_of_the_next_slice_stay_apart(block_shape):
    truth = tilted_tubes()
    merged, count = ndimage.label(truth > 0)
    assert count == 1  # by faces
    labels, _ = link(truth > 0, block_shape)
    np.testing.assert_array_equal(labels, truth)
    touching, table = link(truth > 0, block_shape, linking="contact")
    np.testing.assert_array_equal(touching, merged)
    assert len(table) == 1


def test_a_missing_slice_is_bridged_only_if_allowed():
    truth = tilted_tubes(drift=1)
    mask = truth > 0
    mask[4:6] = False
    assert len(link(mask, (4, 30, 30))[1]) == 4
    assert len(link(mask, (4, 30, 30), link_gap=1)[1]) == 4
    labels, table = link(mask, (4, 30, 30), link_gap=2)
    assert len(table) == 2
    np.testing.assert_array_equal(labels, np.where(mask, truth, 0))


def test_an_object_that_forks_follows_its_larger_branch():
    mask = np.zeros((2, 3, 12), bool)
    mask[0, 1, :] = True
    mask[1, 1, :7] = mask[1, 1, 9:] = True
    labels, _ = link(mask, (2, 3, 5), link_iou=0.2)
    assert labels[1, 1, 0] == labels[0, 1, 0] == 1
    assert labels[1, 1, 11] == 2


def test_equal_partners_the_first_in_raster_order_wins():
    mask = np.zeros((2, 1, 9), bool)
    mask[0, 0] = True
    mask[1, 0, 1:4] = mask[1, 0, 5:8] = True
    labels, _ = link(mask, (1, 1, 4), link_iou=1 / 3)
    np.testing.assert_array_equal(labels[1, 0], [0, 1, 1, 1, 0, 2, 2, 2, 0])


def test_small_objects_are_measured_over_all_their_slices():
    truth = tilted_tubes()
    pixels = np.count_nonzero(truth[0] == 1)
    mask = truth > 0
    mask[:5] &= truth[:5] == 1  # the second tube is half as long
    _, table = link(mask, (4, 9, 9), min_voxels=5 * pixels + 1)
    assert list(table.frame["voxels"]) == [10 * pixels]


def test_links_without_anything_to_link():
    none = np.empty(0, np.int64)
    links = link_sections(Overlaps(none, none, none), none, none, InstanceSettings())
    assert links.shape == (0, 2)
    labels, table = link(np.zeros((3, 4, 5), bool), (2, 2, 2))
    assert not labels.any()
    assert len(table) == 0


def test_slices_wait_on_disk_where_they_are_too_many(monkeypatch):
    made = []

    def small(slots, slot_voxels, scratch):
        made.append(FaceStore(slots, slot_voxels, scratch, memory_bytes=100))
        return made[-1]

    monkeypatch.setattr("napari_nnunet_em.instances.linking.FaceStore", small)
    truth = tilted_tubes()
    labels, _ = link(truth > 0, (2, 11, 13), link_gap=2)
    np.testing.assert_array_equal(labels, truth)
    assert made[0]._file._rolled


def test_progress_and_stopping():
    task = InstanceTask(
        ClassProbability(tilted_tubes().astype(np.float32)),
        InstanceSettings(linking="overlap"),
        Placement(None),
        (4, 30, 30),
    )
    cancel = CancelToken()
    steps = find_objects(task, cancel)
    assert next(steps).stage is Stage.COMPONENTS
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(steps)
