"""The volume itself, apart from any format."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Volume, describe, open_volume

DATA = np.arange(4 * 5 * 6, dtype=np.uint8).reshape(4, 5, 6)


@pytest.mark.parametrize(
    "box",
    [
        Box((0, 0, 0), (5, 5, 6)),
        Box((-1, 0, 0), (2, 5, 6)),
        Box((0, 0, 7), (4, 5, 8)),
        Box((3, 0, 0), (2, 5, 6)),
    ],
)
def test_a_box_outside_is_a_programming_error(box: Box) -> None:
    with pytest.raises(ValueError, match="does not lie inside a volume of shape") as caught:
        open_volume(DATA).read(box)
    assert not isinstance(caught.value, InputError)


def test_reading_never_hands_out_the_source() -> None:
    source = DATA.copy()
    block = open_volume(source).read(Box.whole(source.shape))
    block[:] = 0
    np.testing.assert_array_equal(source, DATA)


def test_an_image_has_one_slice_and_square_voxels() -> None:
    volume = open_volume(DATA[0], voxel_size_nm=(4.6, 5))
    assert (volume.axes, volume.shape, volume.chunks) == ("yx", (1, 5, 6), (1, 5, 6))
    assert volume.voxel_size_nm == (4.6, 4.6, 5.0)
    assert volume.voxel_size_source == "given by the caller"
    np.testing.assert_array_equal(volume.read(Box((0, 1, 2), (1, 4, 6))), DATA[:1, 1:4, 2:6][None])


def test_channels_come_first() -> None:
    data = np.stack([DATA, DATA + 100])
    volume = open_volume(data)
    assert (volume.axes, volume.channels, volume.shape) == ("czyx", 2, (4, 5, 6))
    np.testing.assert_array_equal(volume.read(Box((1, 1, 1), (3, 3, 3))), data[:, 1:3, 1:3, 1:3])
    image = open_volume(data[:, 0], axes="cyx")
    assert (image.axes, image.channels, image.shape) == ("cyx", 2, (1, 5, 6))
    np.testing.assert_array_equal(image.read(Box.whole(image.shape)), data[:, :1])


def test_with_voxel_size_keeps_all_else() -> None:
    volume = open_volume(DATA)
    sized = volume.with_voxel_size((40, 8, 8), "the form in napari")
    assert sized.voxel_size_nm == (40.0, 8.0, 8.0)
    assert sized.voxel_size_source == "the form in napari"
    assert sized.array is volume.array
    assert sized.with_voxel_size(None, "unknown").voxel_size_nm is None


def test_a_volume_without_a_pyramid_is_its_own_level() -> None:
    volume = Volume(DATA, "zyx")
    assert volume.levels == (DATA,)
    assert (volume.origin, volume.voxel_size_nm, volume.voxel_size_source) == ("memory", None, "unknown")


@pytest.mark.parametrize("axes", ["zy", "xyz", "tzyx", "yx"])
def test_axes_must_fit_the_array(axes: str) -> None:
    with pytest.raises(ValueError, match="do not fit an array of shape"):
        Volume(DATA, axes)


def test_fingerprint_sees_shape_type_and_content() -> None:
    data = np.random.default_rng(0).integers(0, 255, (40, 200, 200), dtype=np.uint8)
    first = open_volume(data).fingerprint()
    assert (
        first
        == open_volume(data, voxel_size_nm=(1, 2, 3)).fingerprint()
        == open_volume(data[None]).fingerprint()
    )
    changed = data.copy()
    changed[20, 100, 100] ^= 1
    others = [changed, data[:, :, :-1], data.astype(np.uint16), data[::-1], np.stack([data, data])]
    prints = {open_volume(other).fingerprint() for other in others} | {first}
    assert len(prints) == len(others) + 1


def test_fingerprint_reads_little() -> None:
    class Counting:
        shape, dtype, read = (4000, 5000, 6000), np.dtype(np.uint8), 0

        def __getitem__(self, key: tuple[slice, ...]) -> np.ndarray:
            block = np.zeros([s.stop - s.start for s in key], self.dtype)
            self.read += block.size
            return block

    source = Counting()
    assert len(open_volume(source).fingerprint()) == 64
    assert 0 < source.read <= 27 * 32**3


def test_storage_that_fails_is_named_with_the_place() -> None:
    class Broken:
        shape, dtype = (4, 5, 6), np.dtype(np.uint8)

        def __getitem__(self, key: object) -> np.ndarray:
            raise OSError("disk error 5")

    with pytest.raises(
        InputError, match=r"memory cannot be read at z 1:2, y 0:5, x 0:6: disk error 5; the file may"
    ):
        open_volume(Broken()).read(Box((1, 0, 0), (2, 5, 6)))


def test_describe_is_plain_json() -> None:
    levels = [DATA.astype(">u2"), DATA.astype(">u2")[::2, ::2, ::2]]
    assert describe(open_volume(levels, voxel_size_nm=(40, 8, 8))) == {
        "origin": "memory",
        "axes": "zyx",
        "shape": [4, 5, 6],
        "dtype": "uint16",
        "chunks": [1, 5, 6],
        "voxel_size_nm": [40.0, 8.0, 8.0],
        "voxel_size_source": "given by the caller",
        "levels": [[4, 5, 6], [2, 3, 3]],
        "level_sizes_nm": [[40.0, 8.0, 8.0], [80.0, 16.0, 16.0]],
        "bytes": 240,
    }
    assert describe(open_volume(DATA))["voxel_size_nm"] is None
