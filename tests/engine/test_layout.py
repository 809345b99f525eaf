"""Chunks, blocks and columns follow the memory budget."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_nnunet_em.config import ModelSettings
from napari_nnunet_em.engine.layout import choose_layout
from napari_nnunet_em.engine.prepare import model_spacings
from napari_nnunet_em.engine.space import make_space
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.testing.tiny_models import make_model_folder


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "3d": ModelBundle.open(make_model_folder(root / "a", patch_size=(8, 224, 224))),
        "transposed": ModelBundle.open(
            make_model_folder(root / "b", patch_size=(64, 64, 64), transpose_forward=(2, 0, 1))
        ),
    }


def layout_of(bundle, shape, ram):
    volume = SimpleNamespace(voxel_size_nm=(1.0, 1.0, 1.0), origin="memory")
    spacings = model_spacings(volume, bundle, ModelSettings())
    space = make_space(bundle, shape, Box.whole(shape), (spacings.current, spacings.target), 0.5)
    return choose_layout(shape, space, channels=1, heads=2, chunk_rows=16, max_ram_gb=ram)


@given(
    st.sampled_from(["3d", "transposed"]),
    st.tuples(st.integers(1, 3000), st.integers(1, 40000), st.integers(1, 40000)),
    st.floats(0.1, 64),
)
def test_blocks_are_whole_chunks_and_cover_small_volumes(bundles, kind, shape, ram):
    layout = layout_of(bundles[kind], shape, ram)
    pairs = list(zip(layout.chunk_shape, layout.block_shape, shape, strict=True))
    assert all(block % chunk == 0 and chunk <= n for chunk, block, n in pairs)
    counts = [block // chunk for chunk, block, _ in pairs]
    assert all(count & (count - 1) == 0 for count in counts)
    assert all(block - chunk < n or block < 2 * n for chunk, block, n in pairs)


def test_more_memory_makes_wider_columns(bundles):
    shape = (1000, 30000, 30000)
    sides = [layout_of(bundles["3d"], shape, ram).block_shape[1] for ram in (1, 4, 16, 64)]
    assert sides == sorted(sides)
    assert sides[0] < sides[-1]


def test_columns_run_along_the_models_first_axis(bundles):
    layout = layout_of(bundles["transposed"], (2000, 2000, 2000), 2)
    assert layout.block_shape[2] == 16
    assert min(layout.block_shape[:2]) >= 256
