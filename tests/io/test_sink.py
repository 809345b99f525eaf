"""Writing block by block: what is stored at every level, whoever writes it and in whatever order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import block_reduce

from napari_nnunet_em.config import OmeZarrVersion
from napari_nnunet_em.errors import OutputError, SettingsError
from napari_nnunet_em.geometry import Box, iter_blocks
from napari_nnunet_em.io import Kind, MultiscaleSink, SinkSpec

VERSIONS = list(OmeZarrVersion)


def make_spec(**changes: Any) -> SinkSpec:
    values: dict[str, Any] = {
        "shape": (5, 600, 90),
        "dtype": np.uint8,
        "voxel_size_nm": (40.0, 8.0, 8.0),
        "chunk_shape": (2, 64, 32),
        "block_shape": (4, 128, 32),
    }
    return SinkSpec(**{**values, **changes})


def make_data(spec: SinkSpec, seed: int = 0) -> np.ndarray:
    shape = (spec.channels, *spec.shape) if spec.channels else spec.shape
    rng = np.random.default_rng(seed)
    if spec.dtype.kind == "f":
        return rng.random(shape).astype(spec.dtype)
    return rng.integers(0, np.iinfo(spec.dtype).max, shape, dtype=spec.dtype)


def expected_levels(
    spec: SinkSpec, data: np.ndarray, factors: list[tuple[int, int, int]]
) -> list[np.ndarray]:
    """Levels of the whole volume, by scikit-image and plain slicing."""
    if spec.kind is Kind.LABELS:
        return [data[..., :: f[0], :: f[1], :: f[2]] for f in factors]
    levels = []
    for factor in factors:
        cells = (1,) * (data.ndim - 3) + factor
        exact = block_reduce(data.astype(np.float64), cells, func=np.nanmean, cval=np.nan)
        levels.append((np.rint(exact) if spec.dtype.kind in "iu" else exact).astype(spec.dtype))
    return levels


def assert_holds(sink: MultiscaleSink, data: np.ndarray) -> None:
    expected = expected_levels(sink.spec, data, [level.factor for level in sink.plan])
    for k, array in enumerate(expected):
        stored = zarr.open_array(sink.path / str(k), mode="r")[...]
        assert stored.dtype == sink.spec.dtype
        if sink.spec.dtype.kind == "f":
            np.testing.assert_allclose(stored, array, rtol=1e-3 if stored.dtype == np.float16 else 1e-6)
        else:
            np.testing.assert_array_equal(stored, array)


def fill(sink: MultiscaleSink, data: np.ndarray) -> None:
    for block in iter_blocks(sink.spec.shape, sink.spec.block_shape):
        sink.write(block.write, data[(..., *block.write.slices)])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("channels", [0, 2])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_every_level_of_an_image_is_its_mean(
    tmp_path: Path, version: OmeZarrVersion, channels: int, dtype: str
) -> None:
    spec = make_spec(ome_zarr_version=version, channels=channels, dtype=dtype)
    sink = MultiscaleSink.create(tmp_path / "out.zarr", "", spec)
    data = make_data(spec)
    fill(sink, data)
    assert [level.factor for level in sink.plan] == [(1, 1, 1), (1, 2, 2)]
    assert_holds(sink, data)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", ["uint32", "uint64"])
def test_every_level_of_labels_is_a_sample(tmp_path: Path, version: OmeZarrVersion, dtype: str) -> None:
    spec = make_spec(ome_zarr_version=version, kind=Kind.LABELS, dtype=dtype, voxel_size_nm=(8, 8, 8))
    sink = MultiscaleSink.create(tmp_path / "out.zarr", "labels/mitochondria", spec)
    data = make_data(spec)
    fill(sink, data)
    assert [level.factor for level in sink.plan] == [(1, 1, 1), (2, 2, 2)]
    assert_holds(sink, data)


@settings(max_examples=12, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 6), st.integers(500, 1300), st.integers(16, 100)),
    block=st.tuples(
        st.sampled_from([1, 2, 3, 4, 8]), st.sampled_from([192, 256, 2048]), st.sampled_from([32, 64, 96])
    ),
    parts=st.tuples(st.just(1), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2])),
    size=st.sampled_from([(8.0, 8.0, 8.0), (40.0, 8.0, 8.0), (10.0, 8.0, 4.0)]),
    kind=st.sampled_from(list(Kind)),
    seed=st.integers(0, 99),
)
def test_threads_in_any_order_and_any_blocks_store_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    *,
    shape: tuple,
    block: tuple,
    parts: tuple,
    size: tuple,
    kind: Kind,
    seed: int,
) -> None:
    chunk = tuple(b // p for b, p in zip(block, parts, strict=True))
    spec = make_spec(shape=shape, block_shape=block, chunk_shape=chunk, voxel_size_nm=size, kind=kind)
    name = "labels/x" if kind is Kind.LABELS else ""
    sink = MultiscaleSink.create(tmp_path_factory.mktemp("sink") / "out.zarr", name, spec)
    data = make_data(spec, seed)
    boxes = [b.write for b in iter_blocks(shape, block)]
    np.random.default_rng(seed).shuffle(boxes)  # type: ignore[arg-type]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda box: sink.write(box, data[box.slices]), boxes))
    assert_holds(sink, data)


def test_no_chunk_file_is_written_by_two_blocks(tmp_path: Path) -> None:
    spec = make_spec(shape=(6, 1100, 130), voxel_size_nm=(8, 8, 8), block_shape=(4, 256, 64))
    sink = MultiscaleSink.create(tmp_path / "out.zarr", "", spec)
    written: dict[Path, tuple[int, int]] = {}
    for block in iter_blocks(spec.shape, spec.block_shape):
        before = set(written)
        sink.write(block.write, np.ones(block.write.shape, np.uint8))
        stamps = {
            p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in sink.path.glob("?/c/**/*") if p.is_file()
        }
        assert all(stamps[p] == written[p] for p in before)
        assert set(stamps) > before
        written = stamps
    count = sum(int(np.prod(array.cdata_shape)) for array in sink.levels)
    assert len(sink.levels) == 3
    assert len(written) == count


def test_several_whole_blocks_may_be_written_at_once(tmp_path: Path) -> None:
    spec = make_spec()
    sink = MultiscaleSink.create(tmp_path / "out.zarr", "", spec)
    data = make_data(spec)
    sink.write(Box((0, 0, 0), (5, 256, 90)), data[:, :256])
    sink.write(Box((0, 256, 0), (5, 600, 90)), data[:, 256:])
    assert_holds(sink, data)


@pytest.mark.parametrize("version", VERSIONS)
def test_writing_a_block_again_is_harmless_and_zeros_replace_voxels(
    tmp_path: Path, version: OmeZarrVersion
) -> None:
    spec = make_spec(ome_zarr_version=version)
    sink = MultiscaleSink.create(tmp_path / "out.zarr", "", spec)
    data = make_data(spec)
    fill(sink, data)
    box = Box((0, 128, 32), (4, 256, 64))
    sink.write(box, data[box.slices])
    assert_holds(sink, data)
    files = sum(p.is_file() for p in sink.path.rglob("*"))
    data[box.slices] = 0
    sink.write(box, data[box.slices])
    assert_holds(sink, data)
    assert sum(p.is_file() for p in sink.path.rglob("*")) < files


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_never_written_reads_as_zero(tmp_path: Path, version: OmeZarrVersion) -> None:
    spec = make_spec(channels=2, ome_zarr_version=version)
    sink = MultiscaleSink.create(tmp_path / "out.zarr", "", spec)
    data = make_data(spec)
    box = Box((0, 0, 0), (4, 128, 32))
    sink.write(box, data[(..., *box.slices)])
    np.testing.assert_array_equal(sink.read(box), data[(..., *box.slices)])
    np.testing.assert_array_equal(
        sink.read(Box((1, 100, 30), (5, 140, 50)))[:, :3, :28, :2], data[:, 1:4, 100:128, 30:32]
    )
    assert sink.read(Box((0, 128, 0), (5, 600, 90))).max() == 0
    assert sink.read(Box((0, 64, 0), (5, 300, 45)), level=1).max() == 0
    assert sink.read(Box((0, 0, 0), (1, 2, 3)), level=1).shape == (2, 1, 2, 3)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_image_is_continued_after_a_crash(tmp_path: Path, version: OmeZarrVersion) -> None:
    store = tmp_path / "out.zarr"
    spec = make_spec(
        ome_zarr_version=version, channels=2, attributes={"job": "abc"}, channel_names=("a", "b")
    )
    data = make_data(spec)
    boxes = [b.write for b in iter_blocks(spec.shape, spec.block_shape)]
    assert not MultiscaleSink.exists(store, "")
    first = MultiscaleSink.create(store, "", spec)
    assert MultiscaleSink.exists(store, "")
    assert not MultiscaleSink.exists(store, "labels/x")
    for box in boxes[:7]:
        first.write(box, data[(..., *box.slices)])
    again = MultiscaleSink.open(store, "", spec)
    assert again.spec == spec
    assert again.plan == first.plan
    for box in boxes[6:]:
        again.write(box, data[(..., *box.slices)])
    assert_holds(again, data)


def test_another_specification_is_refused_saying_what_differs(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    MultiscaleSink.create(store, "", make_spec())
    MultiscaleSink.open(store, "", make_spec(attributes={"later": True}))
    with pytest.raises(OutputError, match=r"begun with dtype uint8 instead of float16: use the same"):
        MultiscaleSink.open(store, "", make_spec(dtype=np.float16))
    with pytest.raises(OutputError, match=r"shape \[5, 600, 90\] instead of \[6, 600, 90\], origin_nm"):
        MultiscaleSink.open(store, "", make_spec(shape=(6, 600, 90), origin_nm=(1, 2, 3)))


@pytest.mark.parametrize("y", [16, 64, 512])
def test_labels_have_as_many_levels_as_their_image_whatever_their_blocks(tmp_path: Path, y: int) -> None:
    store = tmp_path / "out.zarr"
    shape = (2, 2100, 64)
    image = MultiscaleSink.create(store, "", make_spec(shape=shape, block_shape=(2, 64, 64)))
    assert len(image.levels) == 3
    blocks = {"block_shape": (2, y, 16), "chunk_shape": (2, 16, 16)}
    spec = make_spec(shape=shape, kind=Kind.LABELS, **blocks)
    assert len(spec.plan()) == 1
    sink = MultiscaleSink.create(store, "labels/x", spec)
    assert [level.factor for level in sink.plan] == [level.factor for level in image.plan]
    data = make_data(spec)
    again = MultiscaleSink.open(store, "labels/x", spec)
    fill(again, data)
    assert_holds(again, data)


def test_labels_whose_blocks_cannot_be_halved_as_often_are_refused(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    shape = (2, 2100, 64)
    MultiscaleSink.create(store, "", make_spec(shape=shape, block_shape=(2, 64, 64)))
    odd = make_spec(shape=shape, block_shape=(2, 2100, 2), chunk_shape=(2, 100, 2), kind=Kind.LABELS)
    with pytest.raises(SettingsError, match=r"\(2, 2100, 2\) voxels cannot be halved to 3 levels"):
        MultiscaleSink.create(store, "labels/y", odd)
    assert not (store / "labels").exists()


def test_labels_of_another_shape_than_the_image_have_their_own_levels(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    MultiscaleSink.create(store, "", make_spec())
    assert (
        len(MultiscaleSink.create(store, "labels/x", make_spec(shape=(1, 64, 64), kind=Kind.LABELS)).levels)
        == 1
    )


@pytest.mark.parametrize(
    ("box", "message"),
    [
        (Box((0, 0, 0), (4, 100, 32)), "whole blocks"),
        (Box((1, 0, 0), (4, 128, 32)), "whole blocks"),
        (Box((4, 0, 0), (8, 128, 32)), "whole blocks"),
        (Box((0, 0, 0), (0, 128, 32)), "whole blocks"),
        (Box((-4, 0, 0), (4, 128, 32)), "whole blocks"),
    ],
)
def test_a_box_that_is_not_made_of_blocks_is_refused(tmp_path: Path, box: Box, message: str) -> None:
    sink = MultiscaleSink.create(tmp_path / "out.zarr", "", make_spec())
    with pytest.raises(ValueError, match=message):
        sink.write(box, np.ones(box.shape, np.uint8))


def test_data_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    sink = MultiscaleSink.create(tmp_path / "out.zarr", "", make_spec())
    box = Box((0, 0, 0), (4, 128, 32))
    for data in (np.ones((1, *box.shape), np.uint8), np.ones((4, 128, 31), np.uint8), np.ones(box.shape)):
        with pytest.raises(ValueError, match="do not fit"):
            sink.write(box, data)
    sink.write(box, np.ones(box.shape, bool))
    assert sink.read(box).min() == 1
    with pytest.raises(ValueError, match="reaches beyond level 1"):
        sink.read(Box((0, 0, 0), (5, 600, 90)), level=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": (0, 5, 5)}, "axis without voxels"),
        ({"block_shape": (4, 100, 32)}, "two writers"),
        ({"voxel_size_nm": (0, 8, 8)}, "voxel size"),
        ({"origin_nm": (0, 0, float("nan"))}, "origin"),
        ({"dtype": np.int64}, "cannot be averaged"),
        ({"dtype": bool}, "cannot be averaged"),
        ({"dtype": np.complex64}, "cannot be averaged"),
        ({"dtype": np.float32, "kind": Kind.LABELS}, "Labels of type float32"),
        ({"channels": 2, "kind": Kind.LABELS}, "2 channels"),
        ({"channels": 2, "channel_names": ("a",)}, "1 channel names do not fit 2"),
        ({"channels": -1}, "do not fit -1"),
        ({"attributes": {"sink": 1}}, "is taken"),
        ({"attributes": {"a": Path()}}, "plain JSON"),
        ({"attributes": {"a": float("inf")}}, "plain JSON"),
    ],
)
def test_impossible_specifications_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_spec(**changes)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x",
        "labels",
        "labels/",
        "labels/a/b",
        "labels/..",
        "labels/.x",
        "labels/a:b",
        "labels/a\\b",
        "labels/a ",
    ],
)
def test_labels_have_a_safe_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be named"):
        MultiscaleSink.create(tmp_path / "out.zarr", name, make_spec(kind=Kind.LABELS))
    assert list(tmp_path.iterdir()) == []


def test_an_image_is_the_root(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the image is the root"):
        MultiscaleSink.create(tmp_path / "out.zarr", "labels/x", make_spec())
