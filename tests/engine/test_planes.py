"""A 2D model along all three axes: what the orientations are, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nnunet_em.config import ModelSettings, Planes, PredictionSettings, ProbabilityType
from napari_nnunet_em.engine.output import Encoder
from napari_nnunet_em.engine.planes import find_orientations, prepare_orientations
from napari_nnunet_em.engine.statistics import collect_statistics
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.io import Volume
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.progress import finish
from napari_nnunet_em.testing.tiny_models import make_model_folder


def volume_of(shape=(20, 30, 40), voxel_size=(1.0, 1.0, 1.0)):
    image = np.random.default_rng(0).integers(1, 255, shape).astype(np.uint8)
    return Volume(image, "zyx", voxel_size, "given by the caller")


@pytest.fixture
def bundle_of(tmp_path):
    def make(**changes):
        return ModelBundle.open(make_model_folder(tmp_path, dim=2, **changes))

    return make


def orientations_of(volume, bundle, planes=Planes.ORTHOGONAL):
    return find_orientations(volume, bundle, ModelSettings(spacing_unit="nm"), planes)


def test_slices_is_the_model_as_it_is(bundle_of):
    bundle = bundle_of()
    (own,) = orientations_of(volume_of(), bundle, Planes.SLICES)
    assert own.bundle is bundle


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ((0, 1, 2), [(1, 0, 2), (2, 0, 1), (0, 1, 2)]),
        ((1, 2, 0), [(2, 1, 0), (0, 1, 2), (1, 2, 0)]),
    ],
)
def test_each_axis_is_once_the_axis_of_slices_and_the_models_own_is_last(own, expected, bundle_of):
    orientations = orientations_of(volume_of(), bundle_of(transpose_forward=own))
    assert [o.bundle.transpose_forward for o in orientations] == expected
    for orientation in orientations:
        forward, backward = orientation.bundle.transpose_forward, orientation.bundle.transpose_backward
        assert [forward[i] for i in backward] == [0, 1, 2]
        assert orientation.axis == "zyx"[forward[0]]


def test_planes_are_resampled_to_the_models_spacing_and_slices_are_not(bundle_of):
    orientations = orientations_of(volume_of(voxel_size=(1.2, 1.0, 0.9)), bundle_of(spacing=(1.0, 1.1)))
    assert [o.spacings.target for o in orientations] == [(1.0, 1.0, 1.1), (0.9, 1.0, 1.1), (1.2, 1.0, 1.1)]


def test_a_3d_model_is_refused(tmp_path):
    bundle = ModelBundle.open(make_model_folder(tmp_path))
    with pytest.raises(SettingsError, match="is 3D and sees all three directions"):
        orientations_of(volume_of(), bundle)


@pytest.mark.parametrize("planes", [Planes.ORTHOGONAL, Planes.FORCED])
def test_a_single_slice_is_refused(planes, bundle_of):
    with pytest.raises(SettingsError, match="only one voxel along y"):
        orientations_of(volume_of((9, 1, 12)), bundle_of(), planes)


def test_thick_slices_are_refused_unless_forced(bundle_of):
    volume, bundle = volume_of(voxel_size=(5.0, 1.0, 1.0)), bundle_of()
    with pytest.raises(SettingsError, match=r"5 × 1 × 1 nm are 5 times.*'orthogonal-forced'"):
        orientations_of(volume, bundle)
    assert len(orientations_of(volume, bundle, Planes.FORCED)) == 3
    assert len(orientations_of(volume_of(voxel_size=(3.0, 1.0, 1.0)), bundle)) == 3


@pytest.mark.parametrize(
    ("voxel_size", "spacing", "planes", "passes"),
    [
        ((1.0, 1.0, 1.0), (1, 1), Planes.ORTHOGONAL, [None]),
        ((1.0, 0.9, 0.9), (1, 1), Planes.ORTHOGONAL, [None]),
        ((5.0, 1.0, 1.5), (1, 1.5), Planes.FORCED, [0]),  # only across x, and the others can use it
        ((4.0, 4.0, 4.0), (1, 1), Planes.ORTHOGONAL, [1, 2, 0]),  # each clips plane by plane
    ],
)
def test_statistics_and_mask_are_gathered_as_seldom_as_possible(
    voxel_size, spacing, planes, passes, bundle_of
):
    volume = volume_of(voxel_size=voxel_size)
    orientations = orientations_of(volume, bundle_of(spacing=spacing, use_mask=(True,)), planes)
    asked = []

    def statistics_of(axis):
        asked.append(axis)
        return collect_statistics(volume, profile_axis=axis)

    steps = prepare_orientations(volume, orientations, statistics_of, PredictionSettings())
    sources = finish(steps)
    assert asked == passes
    assert len({id(source.mask) for source in sources}) == len(passes)


LABELS = {"background": 0, "a": 1, "b": 2, "c": 3}
REGIONS = {"labels": {"background": 0, "cell": (1, 2), "mito": 2}, "regions_class_order": (1, 2)}


def test_averaged_probabilities_give_the_most_probable_class(bundle_of):
    encoder = Encoder.of(bundle_of(labels=LABELS), ProbabilityType.UINT8)
    every = np.random.default_rng(1).dirichlet(np.ones(4), (5, 6, 7)).astype(np.float32)
    every[0, 0, 0] = 0.25  # nobody wins: background
    stored, classes = encoder.encode_probabilities(np.moveaxis(every[..., 1:], -1, 0))
    np.testing.assert_array_equal(classes, every.argmax(-1))
    np.testing.assert_array_equal(stored, np.rint(np.moveaxis(every[..., 1:], -1, 0) * 255))
    assert (stored.dtype, classes.dtype) == (np.uint8, np.uint8)


def test_averaged_regions_paint_over_each_other(bundle_of):
    encoder = Encoder.of(bundle_of(**REGIONS), ProbabilityType.FLOAT32)
    probabilities = np.array([[[[0.9, 0.9, 0.2]]], [[[0.1, 0.8, 0.7]]]], np.float32)
    stored, classes = encoder.encode_probabilities(probabilities)
    np.testing.assert_array_equal(stored, probabilities)
    np.testing.assert_array_equal(classes, [[[1, 2, 2]]])
