"""What the tests of this room share: random labels, and a measurer fed block by block."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from napari_nnunet_em.geometry import iter_blocks
from napari_nnunet_em.measurement import LabelMeasurer, MeasureTask, Placement, ValueScale

SHAPE = (6, 14, 16)


def random_labels(seed, shape=SHAPE, count=7):
    """Touching, winding and scattered objects with ids from 1 to 3 * `count`, (z, y, x), uint32."""
    rng = np.random.default_rng(seed)
    noise = rng.random((count, *shape))
    nearest = ndimage.gaussian_filter(noise, (0, 1, 1.5, 1.5)).argmax(axis=0) * 3 + 1
    nearest[ndimage.gaussian_filter(rng.random(shape), 1) < 0.5] = 0
    nearest[rng.random(shape) < 0.02] = 2
    return nearest.astype(np.uint32)


@pytest.fixture(scope="session")
def measure():
    """Table of a label image, measured block by block, in an order of one's choice."""

    def run(labels, block_shape=None, size=(40.0, 8.0, 8.0), order=None, origin=(0, 0, 0), **values):
        makers = {"probability": ValueScale.of_probability, "intensity": scale_of(values.get("intensity"))}
        scales = {name: makers[name](array.dtype) for name, array in values.items()}
        measurer = LabelMeasurer(MeasureTask(labels.shape, Placement(size, origin), scales))
        blocks = [b.write for b in iter_blocks(labels.shape, block_shape or labels.shape)]
        for i in order(len(blocks)) if order else range(len(blocks)):
            cut = blocks[i].slices
            measurer.add(blocks[i], labels[cut], {name: array[cut] for name, array in values.items()})
        return measurer.finish()

    return run


def scale_of(intensity):
    largest = 1.0 if intensity is None else float(np.nanmax(np.abs(intensity.astype(np.float64)), initial=0))
    return lambda dtype: ValueScale.of_intensity(dtype, largest)


def crossings_by_hand(labels, steps, weights):
    """Crossings of each object from plain comparison of shifted whole images, dict of int."""
    reach = np.abs(np.array(steps)).max(axis=0)
    padded = np.pad(labels.astype(np.int64), [(int(r), int(r)) for r in reach])
    found = dict.fromkeys(np.unique(labels[labels > 0]).tolist(), 0)
    for step, weight in zip(steps, weights, strict=True):
        there = np.roll(padded, [-s for s in step], (0, 1, 2))
        for here, other in itertools.permutations((padded, there)):
            for value in here[(here != other) & (here > 0)].tolist():
                found[value] += weight
    return found
