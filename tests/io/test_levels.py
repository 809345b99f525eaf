"""Levels of a pyramid: where their voxels lie, and each of them as a volume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Lattice, Volume, nearest_size, open_volume

FULL = np.random.default_rng(0).integers(0, 255, (6, 41, 50), dtype=np.uint8)
STEPS = ((1, 1, 1), (1, 2, 2), (2, 4, 4))
LEVELS = [FULL[::z, ::y, ::x] for z, y, x in STEPS]


def write_pyramid(store: Path, *, scales: bool = True, places: bool = True) -> Path:
    """An OME-Zarr whose metadata state the size and place of each level, or less."""
    group = zarr.open_group(store, mode="w", zarr_format=2)
    datasets = []
    for number, (data, step) in enumerate(zip(LEVELS, STEPS, strict=True)):
        group.create_array(str(number), data=data, chunks=(2, 16, 16))
        size = [40.0 * step[0], 8.0 * step[1], 8.0 * step[2]] if scales else [40.0, 8.0, 8.0]
        transforms = [{"type": "scale", "scale": size}]
        if places:
            place = [100 + 40 * (step[0] - 1) / 2, 8 * (step[1] - 1) / 2, 8 * (step[2] - 1) / 2]
            transforms.append({"type": "translation", "translation": place})
        datasets.append({"path": str(number), "coordinateTransformations": transforms})
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return store


@given(fine=st.integers(1, 60), step=st.integers(1, 8), ceil=st.booleans(), data=st.data())
def test_a_box_covers_the_coarse_voxels_that_hold_its_voxels(fine, step, ceil, data) -> None:
    coarse = -(-fine // step) if ceil else max(fine // step, 1)
    lattice = Lattice.between((1, fine, 1), (1, coarse, 1), (1, step, 1))
    start = data.draw(st.integers(0, fine - 1))
    stop = data.draw(st.integers(start + 1, fine))
    if coarse == fine or not abs(coarse - fine / step) < 1:
        step = int(lattice.step[1]) if lattice.step[1].is_integer() else 0
    if not step:
        return
    holds = [v // step for v in range(start, stop) if v // step < coarse]
    covered = lattice.covering(Box((0, start, 0), (1, stop, 1)), (1, coarse, 1))
    assert list(range(covered.start[1], covered.stop[1])) == (sorted(set(holds)) or [coarse - 1])
    assert lattice.nearest((0, start, 0), (1, coarse, 1))[1] == min(start // step, coarse - 1)


def test_numbers_that_no_whole_step_explains_end_at_the_same_edge() -> None:
    lattice = Lattice.between((10, 10, 10), (10, 10, 4))
    assert lattice.step == (1, 1, 2.5)
    assert lattice.covering(Box((0, 0, 0), (10, 10, 10)), (10, 10, 4)) == Box((0, 0, 0), (10, 10, 4))
    assert lattice.begun_at((1, 2, 3)).first == (1, 2, 0.75 + 7.5)


def test_what_is_stated_wins_where_it_fits() -> None:
    shapes = (8, 64, 64), (8, 32, 16)
    assert Lattice.between(*shapes, (1, 2, 4), (0, 0, 0)).first == (0, 0.5, 1.5)  # left out: the same edge
    assert Lattice.between(*shapes, (1, 2, 4), (0, 0.25, 1)).first == (0, 0.25, 1)
    assert Lattice.between(*shapes, (1, 2, 4), (0, 0.25, 99)).first == (0, 0.25, 1.5)
    assert Lattice.between(*shapes, (1, 1, 1)).step == (1, 2, 4)  # the same scale for every level
    # 41 voxels reduced to 21 are two each; the metadata of 1.95 come from a division of the shapes.
    assert Lattice.between((1, 41, 1), (1, 21, 1)).step[1] == 2
    # A pyramid that ends in one voxel does not tell its step; the metadata do.
    assert Lattice.between((1, 5, 1), (1, 1, 1), (1, 8, 1)).step[1] == 8


@pytest.mark.parametrize("number", [1, 2])
def test_a_level_is_the_volume_that_its_array_alone_would_be(tmp_path: Path, number: int) -> None:
    store = write_pyramid(tmp_path / "em.zarr")
    volume = open_volume(store)
    level, alone = volume.at_level(number), open_volume(store / str(number))
    assert isinstance(level, Volume)
    assert (level.shape, level.voxel_size_nm, level.origin_nm) == (
        alone.shape, alone.voxel_size_nm, alone.origin_nm,
    )  # fmt: skip
    assert level.fingerprint() == alone.fingerprint() != volume.fingerprint()
    assert level.voxel_size_source == f"OME-Zarr scale, pyramid level {number}"
    assert level.chunks == alone.chunks
    assert level.lattice(number).step == STEPS[number]
    assert level.lattice(number).first == tuple((s - 1) / 2 for s in STEPS[number])
    assert level.shift_nm == tuple((s - 1) / 2 * nm for s, nm in zip(STEPS[number], (40, 8, 8), strict=True))
    assert level.at_level(0).voxel_size_nm == volume.voxel_size_nm == level.size_of(0)
    assert level.at_level(0).voxel_size_source == "OME-Zarr scale"
    assert level.at_level(number) is level
    assert volume.shift_nm == (0, 0, 0)


@pytest.mark.parametrize("scales", [True, False])
def test_arrays_in_a_list_and_poor_metadata_lie_at_the_same_edge(tmp_path: Path, scales: bool) -> None:
    store = write_pyramid(tmp_path / "em.zarr", scales=scales, places=False)
    levels = [zarr.open_array(store / str(n), mode="r") for n in range(3)]
    for volume in (open_volume(store), open_volume(levels), open_volume(LEVELS, voxel_size_nm=(40, 8, 8))):
        assert volume.size_of(2) == (80, 32, 32)
        assert volume.lattice(2) == Lattice((0.5, 1.5, 1.5), (2, 4, 4))
    # In the world they lie where they are drawn, not where metadata without a place would put them.
    coarse = open_volume(store).at_level(2)
    size = coarse.size_of(0)
    assert coarse.origin_nm == coarse.shift_nm == (size[0] / 2, 1.5 * size[1], 1.5 * size[2])
    given = open_volume(levels).with_voxel_size((30, 5, 5), "given")
    assert given.at_level(1).voxel_size_nm == (30, 10, 10)
    assert open_volume(LEVELS).at_level(1).voxel_size_nm is None
    assert open_volume(LEVELS).at_level(1).shift_nm == (0, 0, 0)


def test_the_levels_of_a_list_are_known_by_the_image_they_belong_to(tmp_path: Path) -> None:
    store = write_pyramid(tmp_path / "em.zarr")
    levels = [zarr.open_array(store / str(n), mode="r") for n in range(3)]
    assert open_volume(levels).level_sizes_nm == open_volume(store).level_sizes_nm
    assert open_volume(levels[:2]).level_sizes_nm == open_volume(store).level_sizes_nm[:2]
    assert open_volume([levels[0], levels[2]]).level_sizes_nm == ()
    assert open_volume(levels[1:]).level_sizes_nm == ()
    lonely = zarr.create_array(tmp_path / "lonely.zarr", data=FULL)
    assert open_volume([lonely]).level_sizes_nm == ()


def test_a_single_slice_keeps_its_thickness(tmp_path: Path) -> None:
    image = open_volume([FULL[0], FULL[0, ::2, ::2]], voxel_size_nm=(8, 8))
    assert image.lattice(1) == Lattice((0, 0.5, 0.5), (1, 2, 2))
    assert image.at_level(1).shape == (1, 21, 25)


def test_a_level_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the levels 0 to 2, but level 5"):
        open_volume(LEVELS).at_level(5)
    with pytest.raises(InputError, match="no pyramid, but level 1"):
        open_volume(FULL).at_level(1)


def test_the_nearest_voxel_size_counts_the_models_axes_alone() -> None:
    sizes = [(4.0, 4.0, 4.0), (8.0, 8.0, 8.0), (16.0, 16.0, 16.0)]
    assert nearest_size(sizes, {0: 8, 1: 8, 2: 8}) == 1
    assert nearest_size(sizes, {0: 8, 1: 8, 2: 9}) == 1
    assert nearest_size([(40.0, 4.0, 4.0), (40.0, 8.0, 8.0)], {1: 8, 2: 8}) == 1
    assert nearest_size([(4.0, 8.0, 8.0), (8.0, 8.0, 8.0)], {1: 8, 2: 8}) == 0  # the first of equals
    assert nearest_size(sizes, {1: 4 * 2**0.5, 2: 4 * 2**0.5}) == 0
    assert nearest_size(sizes, {}) == 0
