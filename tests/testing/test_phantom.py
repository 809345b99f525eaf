"""The phantom is a function of seed and coordinates alone, looks as it did, and knows its mitochondria."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_nnunet_em.config import Connectivity
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.testing.phantom import Phantom, PhantomStyle, connected_truth
from napari_nnunet_em.testing.strategies import overlapping_boxes

AROUND_ORIGIN = Box((-20, -90, -90), (20, 90, 90))
SMALL = Box((-2, -30, 200), (4, 34, 264))
IDS_SHA256 = "bec0e7f38dfbb91c4b3995f96fff6508349884c68dbd99820fa1a9f9f8a5628f"
RAW_FILE = Path(__file__).with_name("phantom_seed12_small.npy")


def _cut(part: Box, whole: Box) -> tuple[slice, slice, slice]:
    return part.relative_to(whole.start).slices


@given(overlapping_boxes(AROUND_ORIGIN, max_shape=(20, 90, 90)), st.integers(0, 2**70))
@settings(max_examples=25)
def test_overlapping_boxes_agree_exactly(pair: tuple[Box, Box], seed: int) -> None:
    phantom = Phantom(seed)
    common = pair[0].intersect(pair[1])
    (raw, ids), (raw_again, ids_again) = (phantom.block(box) for box in pair)
    np.testing.assert_array_equal(raw[_cut(common, pair[0])], raw_again[_cut(common, pair[1])])
    np.testing.assert_array_equal(ids[_cut(common, pair[0])], ids_again[_cut(common, pair[1])])


@given(st.tuples(st.floats(5, 90), st.floats(5, 90), st.floats(5, 90)), st.integers(-3, 3))
def test_boxes_agree_far_from_the_origin_and_at_any_voxel_size(
    voxel_size_nm: tuple[float, float, float], side: int
) -> None:
    corner = tuple(int(side * 120_000 / size) for size in voxel_size_nm)
    whole = Box((0, 0, 0), (5, 40, 40)).shift(corner)
    part = Box((1, 7, 11), (3, 39, 29)).shift(corner)
    phantom = Phantom(4, voxel_size_nm)
    for full, piece in zip(phantom.block(whole), phantom.block(part), strict=True):
        np.testing.assert_array_equal(full[_cut(part, whole)], piece)


def test_block_shape_and_types() -> None:
    raw, ids = Phantom().block(SMALL)
    assert (raw.shape, raw.dtype) == (SMALL.shape, np.uint8)
    assert (ids.shape, ids.dtype) == (SMALL.shape, np.uint32)


def test_an_empty_box_is_empty() -> None:
    raw, ids = Phantom().block(Box((0, 0, 0), (0, 5, 5)))
    assert raw.shape == ids.shape == Phantom().ids(Box((0, 0, 0), (0, 5, 5))).shape == (0, 5, 5)


def test_ids_alone_equal_the_ids_of_the_block() -> None:
    np.testing.assert_array_equal(Phantom(2).ids(SMALL), Phantom(2).block(SMALL)[1])


def test_seeds_differ_everywhere() -> None:
    first, second = (Phantom(seed).block(SMALL)[0] for seed in (1, 2))
    assert np.mean(first != second) > 0.9


def test_the_same_in_threads_and_in_another_process() -> None:
    expected = hashlib.sha256(Phantom(12).block(SMALL)[0].tobytes()).hexdigest()
    with ThreadPoolExecutor(4) as pool:
        blocks = list(pool.map(lambda _: Phantom(12).block(SMALL)[0], range(8)))
    assert {hashlib.sha256(b.tobytes()).hexdigest() for b in blocks} == {expected}
    code = (
        "import hashlib; from napari_nnunet_em.geometry import Box; "
        "from napari_nnunet_em.testing.phantom import Phantom; "
        f"raw, _ = Phantom(12).block({SMALL!r}); "
        "import sys; sys.stdout.write(hashlib.sha256(raw.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == expected


def test_the_phantom_has_not_changed() -> None:
    """Stored demo outputs, screenshots and scale runs stay comparable only while this holds."""
    raw, ids = Phantom(12).block(SMALL)
    assert hashlib.sha256(ids.astype("<u4").tobytes()).hexdigest() == IDS_SHA256
    # Other platforms may round a sine differently: grey levels move by one, and a voxel that lies on a
    # membrane's very border may change sides.
    changed = np.abs(raw.astype(int) - np.load(RAW_FILE).astype(int)) > 1
    assert changed.mean() < 5e-4


def test_statistics_are_those_the_models_were_trained_with(shared_dir: Path) -> None:
    """Compare to the phantom of the training set over several seeds, with its spread as the yardstick."""
    spec = importlib.util.spec_from_file_location("original_phantom", shared_dir / "phantom" / "phantom.py")
    assert spec is not None
    assert spec.loader is not None
    original_phantom = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(original_phantom)
    voxel_size_nm, shape = (40.0, 24.0, 24.0), (24, 96, 96)
    original = np.array(
        [_statistics(*original_phantom.block((0, 0, 0), shape, voxel_size_nm, seed=s)) for s in range(5)]
    )
    ours = np.array([_statistics(*Phantom(s, voxel_size_nm).block(Box.whole(shape))) for s in range(40)])
    error = np.sqrt(original.var(axis=0) / 5 + ours.var(axis=0) / 40)
    assert (np.abs(ours.mean(axis=0) - original.mean(axis=0)) < 3.5 * error).all()


def _statistics(raw: np.ndarray, ids: np.ndarray) -> list[float]:
    """Mean, spread, quartiles, noise, dark share, mitochondrial share, mitochondrial grey level."""
    steps = np.abs(np.diff(raw.astype(float), axis=0))
    inside = raw[ids > 0].mean() if ids.any() else 100.0
    return [
        raw.mean(),
        raw.std(),
        *np.percentile(raw, [25, 75]),
        np.median(steps),
        (raw < 90).mean(),
        (ids > 0).mean(),
        inside,
    ]


def test_mitochondria_are_darker_than_the_cytoplasm_and_apart_from_each_other() -> None:
    raw, ids = Phantom(3, (20.0, 20.0, 20.0)).block(Box.whole((96, 96, 96)))
    assert len(np.unique(ids)) > 5
    assert raw[ids > 0].mean() < 110
    assert np.median(raw[ids == 0]) > 150
    # The clearance keeps at least one voxel between two of them, so no two ids share a component.
    components, count = ndimage.label(ids > 0, np.ones((3, 3, 3)))
    for number in range(1, count + 1):
        assert len(np.unique(ids[components == number])) == 1


def test_style_changes_grey_levels_and_content_without_moving_anything() -> None:
    plain = PhantomStyle(noise=0.0, vesicle_share=0.0, tone=0.0)
    raw, ids = Phantom(12, style=plain).block(SMALL)
    assert raw.max() == 165
    np.testing.assert_array_equal(ids, Phantom(12).block(SMALL)[1])
    assert not Phantom(12, style=replace(plain, mitochondrion_share=0.0)).block(SMALL)[1].any()
    sharp, _ = Phantom(12, style=replace(plain, blur_voxels=0.0)).block(SMALL)
    assert set(np.unique(sharp)) <= {60, 70, 75, 105, 165}


def test_outside_of_its_domain_it_refuses() -> None:
    far = Box((0, 0, 0), (1, 1, 1)).shift((0, 61_000, 0))
    with pytest.raises(SettingsError, match="nearer to the origin"):
        Phantom().block(far)


@pytest.mark.parametrize("size", [0.0, -8.0, float("nan"), float("inf")])
def test_unusable_voxel_sizes_are_refused(size: float) -> None:
    with pytest.raises(SettingsError, match="three positive lengths"):
        Phantom(0, (40.0, size, 8.0))


class TestConnectedTruth:
    """One object per connected part."""

    def test_parts_of_one_id_are_told_apart_and_touching_ids_are_not_joined(self) -> None:
        ids = np.array([[[7, 7, 0, 7, 9, 9, 9]]], np.uint32)
        truth = connected_truth(ids)
        assert truth.max() == 3
        assert len({int(truth[0, 0, 0]), int(truth[0, 0, 3]), int(truth[0, 0, 4])}) == 3
        assert truth.dtype == np.uint32

    def test_small_parts_are_dropped_and_numbers_have_no_gaps(self) -> None:
        ids = np.array([[[7, 7, 0, 7, 0, 9, 9]]], np.uint32)
        np.testing.assert_array_equal(np.unique(connected_truth(ids, min_voxels=2)), [0, 1, 2])

    def test_connectivity(self) -> None:
        ids = np.eye(3, dtype=np.uint32)[None]
        assert connected_truth(ids).max() == 3
        assert connected_truth(ids, connectivity=Connectivity.EDGES).max() == 1

    def test_equals_labelling_id_by_id(self) -> None:
        ids = Phantom(3).ids(Box.whole((6, 160, 160)))
        expected = sum(ndimage.label(ids == i)[1] for i in np.unique(ids) if i)
        truth = connected_truth(ids)
        assert truth.max() == expected
        np.testing.assert_array_equal(truth > 0, ids > 0)
