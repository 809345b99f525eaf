"""Checks before anything is written, and removal of what is ours and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import JOB_FOLDER, Kind, MultiscaleSink, SinkSpec, check_output, remove_store


def make_sink(store: Path, name: str = "") -> MultiscaleSink:
    spec = SinkSpec(
        shape=(2, 64, 64),
        dtype=np.uint8,
        voxel_size_nm=(8, 8, 8),
        chunk_shape=(2, 32, 32),
        block_shape=(2, 64, 64),
        kind=Kind.LABELS if name else Kind.IMAGE,
    )
    sink = MultiscaleSink.create(store, name, spec)
    sink.write(Box.whole(spec.shape), np.ones(spec.shape, np.uint8))
    return sink


def test_a_new_an_empty_and_our_own_output_are_fine(tmp_path: Path) -> None:
    (tmp_path / "in.tif").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    make_sink(tmp_path / "ours.zarr")
    (tmp_path / "ours.zarr" / JOB_FOLDER / "job.json").write_text("{}")
    (tmp_path / "killed.zarr" / JOB_FOLDER).mkdir(parents=True)
    for store in ("killed.zarr", "new.zarr", "a/b/c/new.zarr", "empty", "ours.zarr"):
        for origin in (
            str(tmp_path / "in.tif"),
            "memory",
            "s3://bucket/in.zarr",
            str(tmp_path / "missing.h5:/a"),
        ):
            check_output(tmp_path / store, origin)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "in.tif", "killed.zarr", "ours.zarr"]


def test_a_relative_output_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_output(Path("out.zarr"), "in.tif")
    (tmp_path / "in.tif").mkdir()
    with pytest.raises(OutputError, match="lies inside the input"):
        check_output(Path("in.tif/out.zarr"), "in.tif")


def test_output_inside_the_input(tmp_path: Path) -> None:
    source = tmp_path / "in.zarr"
    zarr.open_group(source, mode="w").create_array("raw/s0", shape=(4, 4), dtype="u1")
    for origin in (source, source / "raw", source / "raw" / "s0"):
        for store in (source / "out.zarr", source / "raw" / "out.zarr", source / "labels"):
            with pytest.raises(
                OutputError, match=r"lies inside the input .*in\.zarr, which is never changed"
            ):
                check_output(store, str(origin))
        with pytest.raises(OutputError, match="or the Zarr that holds it"):
            check_output(source, str(origin))
    check_output(tmp_path / "in.zarr.out", str(source))


def test_input_inside_the_output(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    make_sink(store)
    (store / JOB_FOLDER / "in.h5").write_bytes(b"")
    with pytest.raises(OutputError, match=r"The input .*in\.h5 lies inside the output"):
        check_output(store, f"{store / JOB_FOLDER / 'in.h5'}:/data/raw")
    with pytest.raises(OutputError, match="or the Zarr that holds it"):
        check_output(store, str(store / "0"))


def test_links_are_followed(tmp_path: Path) -> None:
    source = tmp_path / "slices"
    source.mkdir()
    (tmp_path / "link").symlink_to(source, target_is_directory=True)
    with pytest.raises(OutputError, match="lies inside the input"):
        check_output(tmp_path / "link" / "out.zarr", str(source))
    with pytest.raises(OutputError, match="lies inside the input"):
        check_output(source / "out.zarr", str(tmp_path / "link"))
    make_sink(tmp_path / "ours.zarr")
    (tmp_path / "ours.zarr" / JOB_FOLDER / "in.tif").write_bytes(b"")
    (tmp_path / "linked.tif").symlink_to(tmp_path / "ours.zarr" / JOB_FOLDER / "in.tif")
    with pytest.raises(OutputError, match="lies inside the output"):
        check_output(tmp_path / "ours.zarr", str(tmp_path / "linked.tif"))


def test_a_file_a_foreign_folder_and_a_broken_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("x")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match=r"is a file, not a folder: .*file\.zarr"):
        check_output(tmp_path / "file", "memory")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        check_output(tmp_path / "dangling", "memory")
    with pytest.raises(OutputError, match="already holds files that this program did not write"):
        check_output(tmp_path / "photos", "memory")
    with pytest.raises(OutputError, match=r"because .*file is a file"):
        check_output(tmp_path / "file" / "out.zarr", "memory")


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = tmp_path / "locked"
    locked.mkdir()
    # Tests may run as root, whom permissions do not stop; so the question is answered for the system.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != locked)
    with pytest.raises(OutputError, match=r"this user may not write in .*locked: choose another folder"):
        check_output(locked / "deep" / "out.zarr", "memory")
    check_output(tmp_path / "out.zarr", "memory")


def test_labels_saved_from_napari_are_not_an_output(tmp_path: Path) -> None:
    make_sink(tmp_path / "painted.zarr", "labels/painted")
    with pytest.raises(OutputError, match="saved there without a job, such as labels from napari"):
        check_output(tmp_path / "painted.zarr", "memory")


def test_removing_our_output_removes_all_of_it(tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    make_sink(store)
    make_sink(store, "labels/mito")
    (store / "tables").mkdir()
    (store / "tables" / "mito.csv").write_text("id\n")
    (store / JOB_FOLDER / "job.json").write_text("{}")
    remove_store(store)
    assert list(tmp_path.iterdir()) == []
    remove_store(store)


def test_nothing_else_is_ever_removed(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("x")
    (tmp_path / "file").write_text("x")
    make_sink(tmp_path / "ours.zarr")
    (tmp_path / "link.zarr").symlink_to(tmp_path / "ours.zarr", target_is_directory=True)
    for name in ("photos", "file", "link.zarr"):
        with pytest.raises(OutputError, match="is not deleted because it is not an output of this program"):
            remove_store(tmp_path / name)
    (tmp_path / "ours.zarr" / "notes.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=r"also holds 'notes.txt', which this program did not write"):
        remove_store(tmp_path / "ours.zarr")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_removal_that_fails_can_be_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "out.zarr"
    make_sink(store)

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(OutputError, match="cannot be deleted because this user may not write there"):
            remove_store(store)
    assert (store / JOB_FOLDER).is_dir()
    remove_store(store)
    assert not store.exists()
