"""What goes wrong on disk is told in one sentence and leaves nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_nnunet_em.config import OmeZarrVersion
from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import JOB_FOLDER, Kind, MultiscaleSink, SinkSpec, staging, sweep_partial
from napari_nnunet_em.io.staging import explained, let_zarr_finish, replace_json, replacing, undone_on_failure

VERSIONS = list(OmeZarrVersion)


def make_spec(**changes: Any) -> SinkSpec:
    values: dict[str, Any] = {
        "shape": (4, 600, 64),
        "dtype": np.uint8,
        "voxel_size_nm": (40.0, 8.0, 8.0),
        "chunk_shape": (4, 64, 32),
        "block_shape": (4, 128, 32),
    }
    return SinkSpec(**{**values, **changes})


def tree(folder: Path) -> dict[str, bytes]:
    """Every path below a folder, with the content of the files."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")
    }


class FullDisk:
    """Lets some files be written and then refuses, as a full disk does."""

    def __init__(self, files_left: int, error: int = errno.ENOSPC) -> None:
        self.files_left = files_left
        self.error = error
        self.hit = False

    @contextmanager
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[FullDisk]:
        genuine: Callable[..., Any] = Path.open

        def opened(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if "w" in mode:
                self.files_left -= 1
                if self.files_left < 0:
                    self.hit = True
                    raise OSError(self.error, os.strerror(self.error), str(path))
            return genuine(path, mode, *args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", opened)
            yield self


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("prepared", ["missing", "empty", "job", "image", "labels"])
def test_a_creation_that_fails_anywhere_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: OmeZarrVersion, prepared: str
) -> None:
    """Fail at the first file, the second, and so on until creation succeeds."""
    store = tmp_path / "deep" / "er" / "out.zarr"
    spec = make_spec(ome_zarr_version=version)
    labels = make_spec(ome_zarr_version=version, kind=Kind.LABELS)
    if prepared != "missing":
        store.mkdir(parents=True)
    if prepared == "job":
        (store / JOB_FOLDER).mkdir()
        (store / JOB_FOLDER / "job.json").write_text("{}")
    if prepared == "image":
        MultiscaleSink.create(store, "", spec)
    if prepared == "labels":
        MultiscaleSink.create(store, "labels/old", labels)
    name, wanted = ("", spec) if prepared == "labels" else ("labels/new", labels)
    before = tree(tmp_path)
    for files in range(100):
        with FullDisk(files).installed(monkeypatch) as disk:
            failed = disk_fails(store, name, wanted)
        assert failed == disk.hit
        if not failed:
            break
        assert tree(tmp_path) == before
    assert files >= 4
    assert len(MultiscaleSink.open(store, name, wanted).levels) == 2


def disk_fails(store: Path, name: str, spec: SinkSpec) -> bool:
    try:
        MultiscaleSink.create(store, name, spec)
    except OutputError as exc:
        return str(exc).startswith(f"The output {store} cannot be written because the disk is full")
    return False


def test_a_full_disk_while_writing_is_told_and_the_block_can_be_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = MultiscaleSink.create(tmp_path / "out.zarr", "", make_spec())
    box = Box((0, 0, 0), (4, 128, 32))
    data = np.random.default_rng(0).integers(1, 255, box.shape, dtype=np.uint8)
    with (
        FullDisk(1).installed(monkeypatch),
        pytest.raises(OutputError, match=r"disk is full .* keeps what is done"),
    ):
        sink.write(box, data)
    assert list(tmp_path.rglob("*.partial")) == []
    sink.write(box, data)
    np.testing.assert_array_equal(sink.read(box), data)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errno.EACCES, "this user may not write there"),
        (errno.EROFS, "the disk is read-only"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EIO, "because Input/output error: check the disk"),
    ],
)
def test_other_refusals_have_their_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, words: str
) -> None:
    with FullDisk(0, error).installed(monkeypatch), pytest.raises(OutputError, match=words) as caught:
        MultiscaleSink.create(tmp_path / "out.zarr", "", make_spec())
    assert isinstance(caught.value.__cause__, OSError)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_ours_is_not_explained_twice() -> None:
    with pytest.raises(OutputError, match=r"^mine$"), explained(Path("x")):
        raise OutputError("mine")


def test_a_file_in_the_way(tmp_path: Path) -> None:
    file = tmp_path / "out.zarr"
    file.write_text("precious")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        MultiscaleSink.create(file, "", make_spec())
    with pytest.raises(OutputError, match=r"because .*out\.zarr is a file: choose another folder"):
        MultiscaleSink.create(file / "sub" / "a.zarr", "", make_spec())
    assert tree(tmp_path) == {"out.zarr": b"precious"}


def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "foreign.zarr", mode="w").create_array("0", shape=(3,), dtype="u1")
    before = tree(tmp_path)
    with pytest.raises(OutputError, match="did not write, so it stays untouched"):
        MultiscaleSink.create(tmp_path / "foreign.zarr", "", make_spec())
    assert tree(tmp_path) == before


def test_an_image_that_exists(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    MultiscaleSink.create(store, "", make_spec())
    MultiscaleSink.create(store, "labels/a", make_spec(kind=Kind.LABELS))
    before = tree(tmp_path)
    for name, spec in (("", make_spec()), ("labels/a", make_spec(kind=Kind.LABELS))):
        with pytest.raises(OutputError, match="exists already: continue it"):
            MultiscaleSink.create(store, name, spec)
    with pytest.raises(OutputError, match=r"is Zarr v3, but OME-Zarr 0\.4 is Zarr v2"):
        MultiscaleSink.create(
            store, "labels/b", make_spec(kind=Kind.LABELS, ome_zarr_version=OmeZarrVersion.V04)
        )
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["", "labels/a"])
def test_a_creation_that_was_killed_is_repeated(tmp_path: Path, name: str) -> None:
    store = tmp_path / "out.zarr"
    spec = make_spec(kind=Kind.LABELS if name else Kind.IMAGE)
    MultiscaleSink.create(store, name, spec).write(
        Box((0, 0, 0), (4, 128, 32)), np.ones((4, 128, 32), np.uint8)
    )
    # As if the process had ended before the metadata that make the group an image were written.
    (store / name / "zarr.json").write_text(
        json.dumps({"zarr_format": 3, "node_type": "group", "attributes": {}})
    )
    with pytest.raises(OutputError, match="holds no image written by this program, or one whose creation"):
        MultiscaleSink.open(store, name)
    sink = MultiscaleSink.create(store, name, spec)
    assert sink.read(Box.whole(spec.shape)).max() == 0


def test_opening_what_is_missing_foreign_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="holds no image"):
        MultiscaleSink.open(tmp_path / "missing.zarr", "")
    zarr.open_group(tmp_path / "foreign.zarr", mode="w")
    with pytest.raises(OutputError, match="holds no image"):
        MultiscaleSink.open(tmp_path / "foreign.zarr", "")
    store = tmp_path / "out.zarr"
    MultiscaleSink.create(store, "", make_spec())
    with pytest.raises(OutputError, match="holds no image"):
        MultiscaleSink.open(store, "labels/none")
    metadata = json.loads((store / "zarr.json").read_text())
    level = json.loads((store / "1" / "zarr.json").read_text())
    (store / "1" / "zarr.json").write_text(json.dumps({**level, "shape": [4, 301, 32]}))
    with pytest.raises(OutputError, match=r"damaged and cannot be continued \(level 1 is \(4, 301, 32\)"):
        MultiscaleSink.open(store, "")
    shutil.rmtree(store / "1")
    with pytest.raises(OutputError, match="damaged and cannot be continued"):
        MultiscaleSink.open(store, "")
    del metadata["attributes"]["napari_nnunet_em"]["sink"]["dtype"]
    (store / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(OutputError, match="damaged and cannot be continued"):
        MultiscaleSink.open(store, "")
    (store / "zarr.json").write_text("{")
    with pytest.raises(OutputError, match=r"metadata of the output .* are damaged"):
        MultiscaleSink.open(store, "")


def test_a_damaged_chunk_is_told(tmp_path: Path) -> None:
    sink = MultiscaleSink.create(tmp_path / "out.zarr", "", make_spec())
    box = Box((0, 0, 0), (4, 128, 32))
    sink.write(box, np.ones(box.shape, np.uint8))
    (sink.path / "0" / "c" / "0" / "0" / "0").write_bytes(b"rubbish")
    with pytest.raises(OutputError, match=r"is damaged in 0:4,0:128,0:32 of level 0"):
        sink.read(box)


def test_leftovers_of_a_killed_writer_are_swept(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    assert sweep_partial(store) == 0
    sink = MultiscaleSink.create(store, "", make_spec())
    box = Box((0, 0, 0), (4, 128, 32))
    sink.write(box, np.full(box.shape, 9, np.uint8))
    before = tree(store)
    name = "0." + "0123456789abcdef" * 2 + ".partial"
    (store / "0" / "c" / "0" / "0" / name).write_bytes(b"half")
    (store / name.replace("0.", "zarr.", 1)).write_bytes(b"half")
    (store / "mine.partial").write_bytes(b"not zarr's")
    assert sweep_partial(store) == 2
    assert tree(store) == {**before, "mine.partial": b"not zarr's"}


def test_zarr_still_names_its_partial_files_as_we_sweep_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = MultiscaleSink.create(tmp_path / "out.zarr", "", make_spec())
    box = Box((0, 0, 0), (4, 128, 32))

    def killed(path: Path, target: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        # What a kill leaves: the temporary file is complete and neither renamed nor removed.
        patch.setattr(Path, "replace", killed)
        patch.setattr(Path, "unlink", lambda *_args, **_kwargs: None)
        with pytest.raises(OutputError):
            sink.write(box, np.ones(box.shape, np.uint8))
        let_zarr_finish()
    left = len(list(tmp_path.rglob("*.partial")))
    assert left > 0
    assert sweep_partial(tmp_path) == left
    assert list(tmp_path.rglob("*.partial")) == []


def test_undoing_also_happens_for_an_interrupt_and_spares_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a")

    def interrupted() -> None:
        with undone_on_failure([tmp_path, tmp_path / "a" / "b"]):
            (tmp_path / "a" / "b").mkdir(parents=True)
            (tmp_path / "file").write_text("b")
            (tmp_path / "kept").write_text("changed")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert tree(tmp_path) == {"kept": b"changed"}


@pytest.mark.parametrize("failure", [OSError, ValueError, KeyboardInterrupt])
def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, failure: type[BaseException]) -> None:
    file = tmp_path / "table.csv"
    with replacing(file) as draft:
        draft.write_text("old")

    def fail() -> None:
        with replacing(file) as draft:
            draft.write_text("half of the n")
            assert file.read_text() == "old"
            raise failure

    with pytest.raises(failure):
        fail()
    assert tree(tmp_path) == {"table.csv": b"old"}


def test_drafts_of_a_killed_writer_are_swept(tmp_path: Path) -> None:
    writer = replacing(tmp_path / "job.json")
    writer.__enter__().write_text("half")  # a kill leaves it so
    assert sweep_partial(tmp_path) == 1
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(("readers", "replaced"), [(2, True), (1000, False)])
def test_windows_refuses_while_another_program_reads(tmp_path: Path, monkeypatch, readers, replaced) -> None:
    """Simulated: elsewhere a file that is open can be replaced."""
    file = tmp_path / "job.json"
    replace_json(file, {"a": 1})
    left = iter(range(readers))
    really = Path.replace

    def replace(self: Path, target: Path) -> None:
        if next(left, None) is not None:
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        really(self, target)

    monkeypatch.setattr(staging.sys, "platform", "win32")
    monkeypatch.setattr(staging, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(Path, "replace", replace)
    if replaced:
        replace_json(file, {"a": 2})
    else:
        with pytest.raises(PermissionError):
            replace_json(file, {"a": 2})
    assert json.loads(file.read_text()) == {"a": 2 if replaced else 1}
    assert list(tmp_path.iterdir()) == [file]
