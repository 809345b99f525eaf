"""Running the instances of a probability in memory, and the phantoms that need splitting."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.instances import ClassProbability, InstanceTask, Placement, segment_instances
from napari_nnunet_em.testing.touching import touching_mitochondria

_GRIDS = {  # voxel size in nm, and shape
    "isotropic": ((16.0, 16.0, 16.0), (88, 96, 104)),
    "anisotropic": ((40.0, 8.0, 8.0), (40, 176, 176)),
    "image": ((8.0, 8.0, 8.0), (1, 400, 400)),
}


@pytest.fixture(scope="session")
def layouts():
    """Five ways to cut a shape into blocks."""
    return _layouts


@pytest.fixture(scope="session")
def touching():
    """Truth of a phantom with touching mitochondria by the name of its grid, and its voxel size."""
    return _touching


def _layouts(shape):
    z, y, x = shape
    return [
        shape,
        (max(z // 3, 1), y // 2 + 1, x // 2 - 7),
        (max(z // 7, 1), y, x),
        (z, y // 5, x // 5 + 1),
        (max(z // 2, 1), 31, 47),
    ]


@lru_cache
def _touching(grid):
    size, shape = _GRIDS[grid]
    truth = touching_mitochondria(0, shape, size)
    truth.setflags(write=False)
    return truth, size


@pytest.fixture(scope="session")
def segmented():
    """Labels and outcome of a probability with some settings."""

    def segment(source, block_shape, size=(40.0, 8.0, 8.0), scratch=None, stop_after=None, **settings):
        if not isinstance(source, ClassProbability):
            source = ClassProbability(source)
        asked = InstanceSettings(**{"min_voxels": 0, **settings})
        task = InstanceTask(source, asked, Placement(size), block_shape, scratch)
        labels = {}

        def create(dtype):
            labels["image"] = np.full(source.shape, 77, dtype=dtype)

            def write(box, part):
                labels["image"][box.slices] = part

            return write

        steps = segment_instances(task, create)
        done = 0
        while True:
            if done == stop_after:
                steps.close()
                return None
            try:
                next(steps)
            except StopIteration as end:
                return labels["image"], end.value
            done += 1

    return segment
