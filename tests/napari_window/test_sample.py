"""The sample is lazy, has a size, and its truth belongs to its image."""

from __future__ import annotations

import dask.array as da
import numpy as np

from napari_nnunet_em._napari.files.sample import SHAPE, VOXEL_SIZE_NM, phantom
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.testing.phantom import Phantom


def test_the_sample_is_the_phantom_computed_where_it_is_looked_at() -> None:
    (image, image_keywords, kind), (truth, truth_keywords, truth_kind) = phantom()
    assert (kind, truth_kind) == ("image", "labels")
    assert isinstance(image, da.Array)
    assert isinstance(truth, da.Array)
    assert image.shape == truth.shape == SHAPE
    for keywords in (image_keywords, truth_keywords):
        assert keywords["scale"] == VOXEL_SIZE_NM
        assert keywords["units"] == ("nanometer",) * 3
    box = Box((3, 250, 30), (5, 270, 60))
    raw, ids = Phantom(seed=0, voxel_size_nm=VOXEL_SIZE_NM).block(box)
    np.testing.assert_array_equal(image[box.slices].compute(), raw)
    np.testing.assert_array_equal(truth[box.slices].compute(), ids)
