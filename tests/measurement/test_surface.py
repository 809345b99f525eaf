"""How far estimated surfaces are from those of bodies of known area, at cubic and at flat voxels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_nnunet_em.measurement.crofton import SurfaceEstimator, crofton_steps

SIZES = [(8.0, 8.0, 8.0), (40.0, 8.0, 8.0), (50.0, 4.6, 4.6)]


def grid_of(half_extent_nm, size, rng):
    """Voxel centres around a random point inside a voxel, (z, y, x, 3), in nm."""
    lines = []
    for extent, nm in zip(half_extent_nm, size, strict=True):
        n = int(extent / nm) + 2
        lines.append((np.arange(-n, n + 1) + rng.random() - 0.5) * nm)
    return np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)


def surface_um2(measure, body, size):
    frame = measure(body.astype(np.uint8), (16, 64, 64), size).frame
    return frame["surface_um2"][0]


def ellipsoid_area_um2(axes_nm):
    """Area by Monte Carlo over directions, to about 0.1 %."""
    a, b, c = axes_nm
    normals = np.random.default_rng(0).normal(size=(200_000, 3))
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    return 4 * np.pi * a * b * c * np.sqrt(((normals / np.array(axes_nm)) ** 2).sum(axis=1)).mean() * 1e-6


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("radius_in_voxels", "bound"), [(3, 0.06), (5, 0.03), (10, 0.01)])
def test_balls(measure, size, radius_in_voxels, bound):
    rng = np.random.default_rng(1)
    radius = radius_in_voxels * max(size)
    errors = []
    for _ in range(5):
        body = (grid_of((radius,) * 3, size, rng) ** 2).sum(axis=-1) < radius**2
        errors.append(surface_um2(measure, body, size) / (4 * np.pi * radius**2 * 1e-6) - 1)
    assert abs(np.mean(errors)) < bound


@pytest.mark.parametrize("size", SIZES)
def test_ellipsoids_in_any_direction(measure, size):
    rng = np.random.default_rng(2)
    axes = np.array([2.5, 3.5, 8.0]) * max(size)
    errors = []
    for _ in range(6):
        turn = Rotation.random(random_state=rng).as_matrix()
        body = (((grid_of((axes.max(),) * 3, size, rng) @ turn) / axes) ** 2).sum(axis=-1) < 1
        errors.append(surface_um2(measure, body, size) / ellipsoid_area_um2(axes) - 1)
    assert abs(np.mean(errors)) < 0.03
    assert np.abs(errors).max() < 0.05


@pytest.mark.parametrize("size", SIZES)
def test_cylinders_in_any_direction(measure, size):
    rng = np.random.default_rng(3)
    radius, half = 3.5 * max(size), 9 * max(size)
    area = (2 * np.pi * radius * 2 * half + 2 * np.pi * radius**2) * 1e-6
    errors = []
    for _ in range(6):
        turn = Rotation.random(random_state=rng).as_matrix()
        place = grid_of((half * 1.2,) * 3, size, rng) @ turn
        body = (place[..., 0] ** 2 + place[..., 1] ** 2 < radius**2) & (np.abs(place[..., 2]) < half)
        errors.append(surface_um2(measure, body, size) / area - 1)
    # Sharp edges look rounded.
    assert -0.04 < np.mean(errors) < 0.0
    assert np.abs(errors).max() < 0.06


@pytest.mark.parametrize("size", SIZES)
def test_planes_of_any_slope(size):
    """What a large plane with each normal would give, from the number of lattice lines that cross it."""
    estimator = SurfaceEstimator.of(size)
    rng = np.random.default_rng(4)
    normals = rng.normal(size=(20_000, 3))
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    vectors = np.array(estimator.steps) * np.array(size)
    worth = np.array(estimator.weights) * estimator.unit_um2 * 1e6
    response = np.abs(normals @ vectors.T) @ worth / np.prod(size)
    assert response.min() > 0.92
    assert response.max() < 1.03
    assert abs(response.mean() - 1) < 0.002
    assert response.std() < 0.018


def test_cubic_voxels_have_the_directions_of_the_neighbourhood():
    steps = crofton_steps((8.0, 8.0, 8.0))
    assert len(set(steps)) == 13
    assert {max(map(abs, step)) for step in steps} == {1}


def test_thick_slices_have_directions_that_lean_as_far():
    steps = crofton_steps((40.0, 8.0, 8.0))
    assert len(set(steps)) == 13
    assert {(1, 0, 0), (1, 5, 0), (1, 0, -5), (1, -5, 5), (0, 1, 1), (0, 0, 1)} <= set(steps)
    assert SurfaceEstimator.of((40.0, 8.0, 8.0)).reach == (1, 5, 5)


def test_reach_is_bounded_for_absurd_voxels():
    assert SurfaceEstimator.of((1000.0, 1.0, 1.0)).reach == (1, 16, 16)


def test_weights_share_out_the_sphere():
    estimator = SurfaceEstimator.of((40.0, 8.0, 8.0))
    lengths = np.linalg.norm(np.array(estimator.steps) * np.array((40.0, 8.0, 8.0)), axis=1)
    shares = np.array(estimator.weights) * estimator.unit_um2 * 1e6 * lengths / (2 * 40 * 8 * 8)
    np.testing.assert_allclose(shares.sum(), 1, rtol=1e-6)
    # Those of cubic voxels in Legland, Kiêu & Devaux 2007: axes, diagonals of faces and of the cube.
    cubic = SurfaceEstimator.of((1.0, 1.0, 1.0))
    kinds = {1: 0.04577789 * 2, 2: 0.03698062 * 2, 3: 0.03519563 * 2}
    for step, weight in zip(cubic.steps, cubic.weights, strict=True):
        share = weight * cubic.unit_um2 * 1e6 * np.sqrt(sum(map(abs, step))) / 2
        np.testing.assert_allclose(share, kinds[sum(map(abs, step))], rtol=1e-5)
