"""Intermediate results on disk: written, continued, read back, deleted, and refused in words."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io.scratch import ScratchArray, remove_scratch

SHAPE, CHUNKS = (5, 6, 7), (2, 3, 7)


def open_scratch(path, shape=SHAPE, dtype="uint16"):
    return ScratchArray.open(path, 2, shape, CHUNKS, np.dtype(dtype))


def test_what_was_written_is_read_back_by_another_run(tmp_path):
    path = tmp_path / "part.zarr"
    data = np.random.default_rng(0).integers(1, 60000, (2, 4, 3, 7)).astype(np.uint16)
    open_scratch(path).write(Box((0, 3, 0), (4, 6, 7)), data)
    again = open_scratch(path)
    for channel in range(2):
        np.testing.assert_array_equal(
            again.read(Box((1, 3, 2), (3, 6, 7)), channel), data[channel, 1:3, :, 2:]
        )
    assert not again.read(Box((0, 0, 0), (5, 3, 7)), 0).any()
    remove_scratch(path)
    remove_scratch(path)
    assert not path.exists()


@pytest.mark.parametrize("changes", [{"shape": (5, 6, 8)}, {"dtype": "float32"}])
def test_another_array_is_not_continued(changes, tmp_path):
    open_scratch(tmp_path / "part.zarr")
    with pytest.raises(OutputError, match=r"part\.zarr is damaged \(\(2, 5, 6, 7\) uint16.*--overwrite"):
        open_scratch(tmp_path / "part.zarr", **changes)


def test_damage_is_told(tmp_path):
    path = tmp_path / "part.zarr"
    scratch = open_scratch(path)
    scratch.write(Box.whole(SHAPE), np.ones((2, *SHAPE), np.uint16))
    for chunk in (path / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(b"no chunk")
    with pytest.raises(OutputError, match="damaged"):
        scratch.read(Box.whole(SHAPE), 0)
    (path / "zarr.json").write_text("{")
    with pytest.raises(OutputError, match="damaged"):
        open_scratch(path)


def test_a_file_in_the_way_is_told(tmp_path):
    (tmp_path / "planes").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        open_scratch(tmp_path / "planes" / "part.zarr")
