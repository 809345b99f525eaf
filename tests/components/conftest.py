"""What the tests of this room compare with."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_nnunet_em.components import Components, find_components


@pytest.fixture(scope="session")
def scipy_labels():
    """Labels and number of components of a volume that fits into memory, by SciPy."""

    def label(mask, connectivity):
        rank = {6: 1, 18: 2, 26: 3}[connectivity]
        return ndimage.label(mask, ndimage.generate_binary_structure(3, rank))

    return label


@pytest.fixture(scope="session")
def assemble():
    """Final labels of the whole volume, as remembered and labelled again, which must agree."""

    def gather(components: Components):
        table = components.table
        out = np.zeros(table.layout.shape, dtype=table.dtype)
        for block in table.layout.blocks():
            out[block.write.slices] = components.relabel(block)
            again = table.relabel(block, components.source(block.write))
            assert again.dtype == table.dtype
            np.testing.assert_array_equal(out[block.write.slices], again)
        return out

    return gather


@pytest.fixture(scope="session")
def find():
    """Components of an array, without the ceremony."""

    def run(mask, block_shape, connectivity=6):
        return find_components(lambda box: mask[box.slices], mask.shape, block_shape, connectivity)

    return run
