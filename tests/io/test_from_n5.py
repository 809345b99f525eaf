"""N5: tensorstore and blocks written by hand are the oracles; and the conventions for size and place."""

from __future__ import annotations

import importlib.util
import itertools
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import list_choices, open_volume, regular_chunks
from napari_nnunet_em.io.n5_array import N5Array
from napari_nnunet_em.io.n5_metadata import read_attributes
from napari_nnunet_em.testing.strategies import block_shapes, boxes, shapes

from ..n5_files import add_attributes, write_by_hand, write_n5

COMPRESSIONS = ("raw", "gzip", "bzip2", "xz", "blosc", "zstd")
TYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64")
DATA = np.random.default_rng(5).integers(0, 255, (6, 40, 51), dtype=np.uint8)
TRANSFORM = {"axes": ["z", "y", "x"], "scale": [40, 8, 4], "translate": [80, 16, 2], "units": ["nm"] * 3}


def noise(shape, dtype="uint8") -> np.ndarray:
    return (np.random.default_rng(1).random(shape) * 100 - (dtype[0] != "u") * 50).astype(dtype)


@given(st.data(), st.sampled_from(COMPRESSIONS), st.sampled_from(TYPES))
@settings(max_examples=40)
def test_any_box_of_any_blocks_is_what_tensorstore_wrote(data, compression: str, dtype: str) -> None:
    shape = data.draw(shapes((5, 12, 13)))
    block, box = data.draw(block_shapes(shape)), data.draw(boxes(Box.whole(shape)))
    voxels = noise(shape, dtype)
    with tempfile.TemporaryDirectory() as folder:
        volume = open_volume(write_n5(Path(folder) / "a.n5" / "em", voxels, block, compression))
        assert (volume.axes, volume.shape, volume.dtype) == ("zyx", shape, np.dtype(dtype))
        assert regular_chunks(volume.array) == block
        np.testing.assert_array_equal(volume.read(box)[0], voxels[box.slices])
        assert volume.fingerprint() == open_volume(voxels).fingerprint()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_blocks_written_by_hand_from_the_specification(tmp_path: Path, dtype: str, packed: bool) -> None:
    voxels = noise((5, 9, 14), dtype)
    voxels[:2, :4, :5] = 0  # a block that is not stored
    write_by_hand(tmp_path / "plain", voxels, (2, 4, 5), packed)
    assert not (tmp_path / "plain" / "0" / "0" / "0").exists()
    volume = open_volume(tmp_path / "plain")
    assert volume.chunks == (2, 4, 5)
    np.testing.assert_array_equal(volume.read(Box.whole(voxels.shape))[0], voxels)


def test_the_first_version_of_the_format_named_its_packing_in_a_word(tmp_path: Path) -> None:
    folder = write_by_hand(tmp_path / "old", DATA, (4, 16, 16), packed=True)
    file = folder / "attributes.json"
    attributes = json.loads(file.read_text())
    del attributes["compression"]
    file.write_text(json.dumps({**attributes, "compressionType": "gzip"}))
    np.testing.assert_array_equal(open_volume(folder).read(Box.whole(DATA.shape))[0], DATA)


def test_settings_of_other_writers_do_not_matter(tmp_path: Path) -> None:
    """tensorstore itself refuses these: Java notes the threads that pack, and units may have another form."""
    packing = {"type": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 2, "blocksize": 0, "nthreads": 4}
    folder = write_n5(tmp_path / "a.n5", DATA, compression="blosc")
    add_attributes(folder, compression=packing, units="nm", axes=["x", "x", "x"], resolution=8)
    np.testing.assert_array_equal(open_volume(folder).read(Box.whole(DATA.shape))[0], DATA)
    write_n5(tmp_path / "b.n5", DATA, compression="gzip", use_zlib=True)
    assert b'useZlib":true' in (tmp_path / "b.n5" / "attributes.json").read_bytes().replace(b" ", b"")
    np.testing.assert_array_equal(open_volume(tmp_path / "b.n5").read(Box.whole(DATA.shape))[0], DATA)


def test_arrays_are_indexed_as_numpy_indexes_them(tmp_path: Path) -> None:
    array = open_volume(write_n5(tmp_path / "a.n5", DATA)).array
    keys = [np.s_[2], np.s_[-1, :, 3], np.s_[1:4, ::3, ::-2], np.s_[..., 7], np.s_[0:0], np.s_[2:99, -5:]]
    for key in keys:
        np.testing.assert_array_equal(array[key], DATA[key])
    np.testing.assert_array_equal(np.asarray(array), DATA)
    with pytest.raises(IndexError):
        array[99]


def test_a_box_decodes_only_the_blocks_that_it_touches(tmp_path: Path) -> None:
    """All others are damaged, so that decoding one of them fails."""
    folder = write_n5(tmp_path / "a.n5", DATA, (2, 16, 16))
    box = Box((1, 16, 10), (4, 30, 20))
    touched = {(x, 1, z) for x in (0, 1) for z in (0, 1)}
    blocks = {tuple(int(n) for n in f.relative_to(folder).parts): f for f in folder.glob("*/*/*")}
    assert len(blocks) == 3 * 3 * 4
    for index, file in blocks.items():
        if index not in touched:
            file.write_bytes(b"damaged")
    volume = open_volume(folder)
    np.testing.assert_array_equal(volume.read(box)[0], DATA[box.slices])
    with pytest.raises(
        InputError,
        match=r"a\.n5 cannot be read at z 1:4, y 15:30, x 10:20: Error .*/[01]/0/[01]\S+ .*damaged",
    ):
        volume.read(Box((1, 15, 10), box.stop))


def test_large_boxes_are_decoded_in_pieces_and_each_block_once(tmp_path: Path, monkeypatch) -> None:
    """What is decoded at once decides the memory; a piece that began inside a block would decode it twice."""
    monkeypatch.setattr("napari_nnunet_em.io.n5_array._BYTES_AT_ONCE", 5 * 2 * 16 * 16)
    monkeypatch.setattr("napari_nnunet_em.io.n5_array.usable_cpus", lambda: 2)
    array = N5Array(write_n5(tmp_path / "a.n5", DATA, (2, 16, 16)), read_attributes(tmp_path / "a.n5"))
    pieces, read = [], array._read

    def counting(piece):
        blocks = [range(s.start // c, -(-s.stop // c)) for s, c in zip(piece, array.chunks, strict=True)]
        pieces.append(list(itertools.product(*blocks)))
        return read(piece)

    monkeypatch.setattr(array, "_read", counting)
    np.testing.assert_array_equal(array[3:50, 1:39, 1:6], DATA[1:6, 1:39, 3:50].T)
    assert max(map(len, pieces)) <= 5
    assert sorted(itertools.chain(*pieces)) == list(itertools.product(range(4), range(3), range(3)))


def test_threads_read_the_same(tmp_path: Path) -> None:
    volume = open_volume(write_n5(tmp_path / "a.n5", DATA, (2, 16, 16)))
    parts = [Box((z, y, 0), (z + 2, y + 10, 51)) for z in range(0, 6, 2) for y in range(0, 40, 10)]
    with ThreadPoolExecutor(4) as pool:
        for box, read in zip(parts * 3, pool.map(volume.read, parts * 3), strict=True):
            np.testing.assert_array_equal(read[0], DATA[box.slices])


@pytest.mark.parametrize(
    ("attributes", "size", "source"),
    [
        ({}, None, "unknown"),
        ({"resolution": [4, 8, 40]}, (40, 8, 4), "N5 attribute resolution"),
        ({"resolution": [0.004, 0.008, 0.04], "units": ["um"] * 3}, (40, 8, 4), "N5 attribute resolution"),
        ({"resolution": 5}, (5, 5, 5), "N5 attribute resolution"),
        (
            {"pixelResolution": {"dimensions": [0.004, 0.008, 0.04], "unit": "um"}},
            (40, 8, 4),
            "N5 attribute pixelResolution",
        ),
        ({"pixelResolution": {"dimensions": [4, 8, 40], "unit": "pixel"}}, None, "unknown"),
        ({"pixelResolution": {"dimensions": [4, 8, 0], "unit": "nm"}}, None, "unknown"),
        ({"pixelResolution": [4, 8, 40]}, None, "unknown"),
        ({"transform": TRANSFORM}, (40, 8, 4), "N5 attribute transform"),
        ({"transform": TRANSFORM, "resolution": [1, 1, 1]}, (40, 8, 4), "N5 attribute transform"),
        ({"transform": TRANSFORM | {"units": "nm"}}, (40, 8, 4), "N5 attribute transform"),
        (
            {"transform": {**TRANSFORM, "axes": ["x", "y", "z"], "scale": [4, 8, 40]}},
            (40, 8, 4),
            "N5 attribute transform",
        ),
        ({"transform": TRANSFORM | {"units": ["px"] * 3}}, None, "unknown"),
        ({"transform": TRANSFORM | {"scale": [40, 8]}}, None, "unknown"),
        ({"transform": "identity"}, None, "unknown"),
        (
            {"resolution": [4, 8, 40], "downsamplingFactors": [2, 2, 1]},
            (40, 16, 8),
            "N5 attribute resolution",
        ),
    ],
)
def test_voxel_sizes(tmp_path: Path, attributes, size, source: str) -> None:
    volume = open_volume(write_n5(tmp_path / "a.n5" / "em", DATA, **attributes))
    assert volume.voxel_size_nm == (None if size is None else pytest.approx(size))
    assert volume.voxel_size_source == source


def test_voxel_size_of_a_group_and_place(tmp_path: Path) -> None:
    root = add_attributes(tmp_path / "a.n5", n5="2.5.0", resolution=[4, 8, 40], offset=[12, 16, 80])
    volume = open_volume(write_n5(root / "volumes" / "raw", DATA))
    assert (volume.voxel_size_nm, volume.origin_nm) == ((40, 8, 4), (80, 16, 12))
    volume = open_volume(write_n5(root / "volumes" / "cosem", DATA, transform=TRANSFORM))
    assert volume.origin_nm == (80, 16, 2)


def test_bigdataviewers_resolution_has_a_unit_that_its_container_does_not_name(tmp_path: Path) -> None:
    add_attributes(
        tmp_path / "a.n5" / "setup0" / "timepoint0", resolution=[0.004, 0.008, 0.04], multiScale=True
    )
    write_n5(tmp_path / "a.n5" / "setup0" / "timepoint0" / "s0", DATA, downsamplingFactors=[1, 1, 1])
    assert open_volume(tmp_path / "a.n5").voxel_size_nm is None


@pytest.mark.parametrize(
    ("shape", "attributes", "axes"),
    [
        ((6, 40), {}, "yx"),
        ((3, 6, 20, 25), {}, "czyx"),
        ((6, 20, 3, 25), {"axes": ["x", "c", "y", "z"]}, "zycx"),
        ((6, 20, 25, 3), {"_ARRAY_DIMENSIONS": ["z", "y", "x", "c"]}, "zyxc"),
        ((6, 20, 25), {"axes": ["z", "y", "x"]}, "zyx"),
        ((6, 20, 25), {"transform": TRANSFORM | {"axes": ["x", "y", "z"], "ordering": "C"}}, "xyz"),
        ((6, 20, 25), {"transform": TRANSFORM | {"axes": ["x", "y", "z"], "order": "F"}}, "zyx"),
        ((1, 3, 6, 20, 25), {}, "tczyx"),
        ((1, 1, 6, 20, 25), {}, "tczyx"),
    ],
)
def test_axes(tmp_path: Path, shape, attributes, axes: str) -> None:
    """`axes` of what is stored, slowest first; compared with NumPy's own transposing."""
    voxels = noise(shape)
    volume = open_volume(write_n5(tmp_path / "a.n5", voxels, (2, 3, 4, 5, 6)[-len(shape) :], **attributes))
    kept = voxels[tuple(slice(None) if n > 1 else 0 for n in shape)]
    letters = "".join(a for a, n in zip(axes, shape, strict=True) if n > 1)
    wanted = kept.transpose([letters.index(a) for a in "czyx" if a in letters])
    np.testing.assert_array_equal(np.asarray(volume.array).reshape(wanted.shape), wanted)
    np.testing.assert_array_equal(volume.read(Box.whole(volume.shape)).squeeze(), wanted.squeeze())


def test_one_channel_is_read_alone(tmp_path: Path) -> None:
    voxels = noise((2, 4, 10, 12))
    folder = write_n5(tmp_path / "a.n5", voxels, (1, 2, 8, 8))
    for file in folder.glob("*/*/*/0"):
        file.write_bytes(b"damaged")
    read = open_volume(folder).read(Box.whole((4, 10, 12)), channel=1)
    np.testing.assert_array_equal(read[0], voxels[1])


@pytest.mark.parametrize("size", [[4, 8, 40], [4, 8, 40, 1]])
def test_sizes_beside_channels(tmp_path: Path, size) -> None:
    write_n5(tmp_path / "a.n5" / "s0", noise((2, 4, 10, 12)), (1, 2, 8, 8), resolution=size)
    write_n5(
        tmp_path / "a.n5" / "s1",
        noise((2, 4, 5, 6)),
        (1, 2, 8, 8),
        downsamplingFactors=[2, 2, 1, 1][: len(size)],
    )
    volume = open_volume(tmp_path / "a.n5")
    assert (volume.voxel_size_nm, volume.size_of(1)) == ((40, 8, 4), (40, 16, 8))
    assert open_volume(tmp_path / "a.n5" / "s1").voxel_size_nm == (40, 16, 8)


def test_files_beside_an_array_are_not_its_group(tmp_path: Path) -> None:
    folder = write_by_hand(tmp_path / "plain", DATA, (4, 16, 16))
    (tmp_path / "attributes.json").write_text("of another program")
    assert open_volume(folder).shape == DATA.shape


def test_axes_of_the_caller_are_those_of_the_dimensions(tmp_path: Path) -> None:
    volume = open_volume(write_n5(tmp_path / "a.n5", DATA), axes="zyx")
    assert volume.shape == DATA.shape[::-1]
    assert (volume.array.size, len(volume.array), volume.array.ndim) == (DATA.size, 51, 3)
    np.testing.assert_array_equal(np.asarray(volume.array), DATA.T)


STEPS = ((1, 1, 1), (1, 2, 2), (2, 4, 4))
LEVELS = [DATA[::z, ::y, ::x] for z, y, x in STEPS]


def pyramid(group: Path, level_attributes=lambda _: {}, names=("s0", "s1", "s2"), **attributes) -> Path:
    add_attributes(group, **attributes)
    for number, name in enumerate(names):
        write_n5(group / name, LEVELS[number], **level_attributes(number))
    return group


def factors(number: int) -> list[int]:
    return list(STEPS[number][::-1])


def transform(number: int) -> dict:
    """COSEM's, slowest axis first."""
    size = [s * f for s, f in zip((40.0, 8.0, 4.0), STEPS[number], strict=True)]
    place = [p + s * (f - 1) / 2 for p, s, f in zip((80, 16, 2), (40, 8, 4), STEPS[number], strict=True)]
    return {"axes": ["z", "y", "x"], "scale": size, "translate": place, "units": ["nm"] * 3}


def ome(number: int) -> dict:
    stated = transform(number)
    steps = [
        {"type": "scale", "scale": stated["scale"]},
        {"type": "translation", "translation": stated["translate"]},
    ]
    return {"path": f"s{number}", "coordinateTransformations": steps}


AXES = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
FIRST = {"resolution": [4, 8, 40], "offset": [2, 16, 80]}
CONVENTIONS = {
    "paintera": (FIRST | {"multiScale": True}, lambda k: {"downsamplingFactors": factors(k)} if k else {}),
    "factors on the group": (FIRST | {"downsamplingFactors": [factors(k) for k in range(3)]}, lambda k: {}),
    "scales": (FIRST | {"scales": [factors(k) for k in range(3)]}, lambda k: {}),
    "size repeated": ({}, lambda k: FIRST | {"downsamplingFactors": factors(k)}),
    "transforms": ({}, lambda k: {"transform": transform(k)}),
    "cosem": (
        {"multiscales": [{"datasets": [{"path": f"s{k}", "transform": transform(k)} for k in range(3)]}]},
        lambda k: {"pixelResolution": {"dimensions": [1, 1, 1], "unit": "um"}},
    ),
    "ome": (
        {"multiscales": [{"version": "0.4", "axes": AXES, "datasets": [ome(k) for k in range(3)]}]},
        lambda k: {},
    ),
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_pyramids_of_every_convention(tmp_path: Path, name: str) -> None:
    group, level = CONVENTIONS[name]
    folder = pyramid(tmp_path / "a.n5" / "em", level, **group)
    for source in (folder, folder.parent):
        volume = open_volume(source)
        assert [tuple(x.shape) for x in volume.levels] == [x.shape for x in LEVELS]
        for number, stored in enumerate(LEVELS):
            stated = transform(number)
            one, alone = volume.at_level(number), open_volume(folder / f"s{number}")
            for found in (one, alone):
                assert found.voxel_size_nm == pytest.approx(stated["scale"])
                assert found.origin_nm == pytest.approx(stated["translate"])
                np.testing.assert_array_equal(found.read(Box.whole(found.shape))[0], stored)
            assert one.fingerprint() == alone.fingerprint()


def test_a_level_with_a_size_of_its_own(tmp_path: Path) -> None:
    """As COSEM writes ``pixelResolution``: that of the level, not of the full resolution."""
    sizes = [
        {"dimensions": [s * f for s, f in zip((4, 8, 40), factors(k), strict=True)], "unit": "nm"}
        for k in range(3)
    ]
    folder = pyramid(tmp_path / "a.n5", lambda k: {"pixelResolution": sizes[k]})
    volume = open_volume(folder)
    assert [volume.size_of(k) for k in range(3)] == [(40, 8, 4), (40, 16, 8), (80, 32, 16)]
    assert open_volume(folder / "s1").voxel_size_nm == (40, 16, 8)


def test_levels_of_unknown_factors(tmp_path: Path) -> None:
    """Shapes alone tell what a level of a pyramid is; alone it has no voxel size rather than a wrong one."""
    folder = pyramid(tmp_path / "a.n5", n5="2.5.0", resolution=[4, 8, 40], downsamplingFactors=["?"] * 3)
    volume = open_volume(folder)
    assert [volume.size_of(k) for k in range(3)] == [(40, 8, 4), (40, 16, 8), (80, 32, 16)]
    assert open_volume(folder / "s1").voxel_size_nm is None


def test_levels_named_by_multiscales(tmp_path: Path) -> None:
    datasets = [{"path": f"data/{k}", "transform": transform(k)} for k in range(2)]
    folder = pyramid(tmp_path / "a.n5", names=("data/0", "data/1"), multiscales=[{"datasets": datasets}])
    assert len(open_volume(folder).levels) == 2
    assert open_volume(folder / "data" / "1").voxel_size_nm == (40, 16, 8)


def test_metadata_of_other_axes_are_no_size_of_these(tmp_path: Path) -> None:
    axes = [
        {"name": "y", "type": "space", "unit": "nanometer"},
        {"name": "x", "type": "space", "unit": "nanometer"},
    ]
    steps = [{"type": "scale", "scale": [8.0, 4.0]}]
    datasets = [{"path": "s0", "coordinateTransformations": steps}]
    folder = pyramid(tmp_path / "a.n5", multiscales=[{"version": "0.4", "axes": axes, "datasets": datasets}])
    assert open_volume(folder).voxel_size_nm is None


@pytest.fixture
def container(tmp_path: Path) -> Path:
    root = add_attributes(tmp_path / "cell.n5", n5="2.5.0")
    pyramid(root / "em" / "fibsem")
    write_n5(root / "labels" / "mito", DATA.astype(np.uint64))
    write_n5(root / "table", np.zeros(5, np.float64), (5,))
    add_attributes(
        root / "multiset", dimensions=[4, 4], blockSize=[4, 4], dataType="uint8", isLabelMultiset=True
    )
    add_attributes(root / "names", dimensions=[4, 4], blockSize=[4, 4], dataType="string")
    (root / "empty" / "group").mkdir(parents=True)
    return root


def test_choices(container: Path) -> None:
    found = {choice.name: (choice.address, choice.description) for choice in list_choices(container)}
    assert found == {
        "em/fibsem": (str(container / "em" / "fibsem"), "6x40x51 uint8, 3 levels"),
        "labels/mito": (str(container / "labels" / "mito"), "6x40x51 uint64"),
    }
    (one,) = list_choices(container / "em" / "fibsem" / "s1")
    assert (one.address, one.description) == (str(container / "em" / "fibsem" / "s1"), "6x20x26 uint8")
    assert list_choices(container / "table") == ()
    with pytest.raises(
        InputError, match=r"holds 2 arrays .*em/fibsem \(6x40x51 uint8, 3 levels\), labels/mito"
    ):
        open_volume(container)
    assert open_volume(container / "em").origin == str(container / "em" / "fibsem")


def test_relative_paths_and_groups_without_attributes(container: Path, monkeypatch) -> None:
    monkeypatch.chdir(container / "em" / "fibsem")
    assert open_volume("s1").shape == (6, 20, 26)
    assert len(open_volume(".").levels) == 3
    volume = open_volume("../../em/fibsem/s1")
    np.testing.assert_array_equal(volume.read(Box.whole(volume.shape))[0], LEVELS[1])
    assert len(open_volume("../fibsem").levels) == 3
    # A folder beside the container is not in it, whatever its path begins with.
    (container.parent / "slices").mkdir()
    with pytest.raises(InputError, match="is not a stack of 2D slices"):
        open_volume("../../../slices")
    with pytest.raises(InputError, match=r"empty holds no image or volume"):
        open_volume(container / "empty")


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ("multiset", "multiset holds Paintera's label multisets, several labels per voxel: export"),
        ("names", "names holds values of type 'string', which cannot be segmented: convert"),
        ("none", "none does not exist: check the spelling"),
    ],
)
def test_what_is_no_volume_is_said(container: Path, inner: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_volume(container / inner)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"compression": {"type": "lz4"}},
            r"is packed with 'lz4', and what can be read is raw, .* and zstd: save",
        ),
        ({"compression": None}, r"does not say how it is packed"),
        (
            {"dimensions": [4, "many"]},
            r"has the dimensions \[4, 'many'\], which are no whole numbers: .*damaged",
        ),
        ({"dimensions": "4"}, r"has the dimensions '4', which are no whole numbers"),
        ({"blockSize": [0, 4, 4]}, r"cannot be opened: (?!.*tensorstore_spec).*blockSize.*may be damaged"),
    ],
)
def test_attributes_that_cannot_be_used(tmp_path: Path, attributes, message: str) -> None:
    folder = add_attributes(write_n5(tmp_path / "a.n5", DATA), **attributes)
    with pytest.raises(InputError, match=message):
        open_volume(folder)


@pytest.mark.parametrize("text", ['{"n5": ', "17", "\udcff"])
def test_damaged_attributes(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.n5").mkdir()
    (tmp_path / "a.n5" / "attributes.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(
        InputError, match=r"attributes\.json, which describes N5 data, cannot be understood: "
    ):
        open_volume(tmp_path / "a.n5")


def test_blocks_cut_short(tmp_path: Path) -> None:
    folder = write_n5(tmp_path / "a.n5", DATA, (2, 16, 16))
    block = folder / "0" / "0" / "0"
    block.write_bytes(block.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"cannot be read at .*the file may be damaged or incomplete"):
        open_volume(folder).read(Box.whole(DATA.shape))


def test_no_voxels(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.n5 is empty: its shape is"):
        open_volume(write_n5(tmp_path / "a.n5", DATA, dimensions=[0, 4, 4]))


def test_without_tensorstore_it_is_said_what_to_install(container: Path, monkeypatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "tensorstore" else found(name)
    )
    assert len(list_choices(container)) == 2
    with pytest.raises(InputError, match=r'install it \(pip install "napari-nnunet-em\[n5\]"\), or convert'):
        open_volume(container / "em")


def test_other_folders_are_not_n5(tmp_path: Path) -> None:
    (tmp_path / "attributes.json").write_text("not ours")
    with pytest.raises(InputError, match="is not a stack of 2D slices"):
        open_volume(tmp_path)
