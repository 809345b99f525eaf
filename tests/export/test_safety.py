"""An export is there when it is complete, or not at all; what cannot be done is said in one sentence."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

from napari_nnunet_em.errors import Cancelled, InputError, NnunetEmError, OutputError, SettingsError
from napari_nnunet_em.export import ExportSettings, export_labels
from napari_nnunet_em.io import open_volume
from napari_nnunet_em.progress import CancelToken, Stage

from .conftest import SUFFIXES, VOXEL_SIZE_NM, make_labels, read_back, run_export


class Failing:
    """A volume whose last slices cannot be read."""

    shape, dtype, ndim, chunks = (9, 40, 40), np.dtype(np.uint16), 3, (3, 40, 40)

    def __getitem__(self, key: Any) -> np.ndarray:
        if key[0].stop > 6:
            raise OSError("the disk was unplugged")
        return np.ones(self.shape, self.dtype)[key]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("before", [False, True])
def test_a_failed_export_leaves_what_was_there(
    tmp_path: Path, suffix: str, before: bool, small_blocks: None
) -> None:
    labels = make_labels((3, 20, 20), np.uint16)
    target = tmp_path / f"out{suffix}"
    kept = run_export(labels, target) if before else None
    broken = open_volume(Failing(), voxel_size_nm=VOXEL_SIZE_NM)
    with pytest.raises(InputError, match="cannot be read at z 6:"):
        run_export(broken, target, overwrite=True)
    assert list(tmp_path.iterdir()) == ([target] if before else [])
    if kept is not None:
        np.testing.assert_array_equal(read_back(kept)[0], labels)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("how", ["token", "close"])
def test_a_stopped_export_leaves_nothing(tmp_path: Path, suffix: str, how: str, small_blocks: None) -> None:
    token = CancelToken()
    source = open_volume(make_labels((9, 64, 64)), voxel_size_nm=VOXEL_SIZE_NM)
    steps = export_labels(source, tmp_path / f"out{suffix}", cancel=token)
    event = next(steps)
    assert (event.stage, event.done) == (Stage.EXPORT, 1)
    assert event.total > 1
    assert not (tmp_path / f"out{suffix}").exists()
    if how == "token":
        token.cancel()
        with pytest.raises(Cancelled, match="nothing was written"):
            next(steps)
    else:
        steps.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_progress_ends_where_it_said(tmp_path: Path, suffix: str, small_blocks: None) -> None:
    source = open_volume(make_labels((9, 64, 64)), voxel_size_nm=VOXEL_SIZE_NM)
    events = list(export_labels(source, tmp_path / f"out{suffix}"))
    assert [event.done for event in events] == list(range(1, len(events) + 1))
    assert {event.total for event in events} == {len(events)}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_overwriting_only_when_told(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out{suffix}"
    run_export(make_labels((2, 20, 20), np.uint8), target)
    other = make_labels((3, 10, 10), np.uint16)
    with pytest.raises(OutputError, match="exists already"):
        run_export(other, target)
    path = run_export(other, target, overwrite=True)
    np.testing.assert_array_equal(read_back(path)[0], other)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("labels", [(), ("classes", "mitochondria")])
def test_the_output_of_a_job_is_not_replaced(tmp_path: Path, labels: tuple[str, ...]) -> None:
    """An export's own folder is; see above. It has the same mark, but no job."""
    store = tmp_path / "out.zarr"
    run_export(make_labels((2, 20, 20), np.uint8), store)
    (store / ".nnunet-em" / "job.json").write_text("{}")
    shutil.rmtree(store / "labels")
    for name in labels:
        (store / "labels" / name).mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    lost = r"its image, its labels \(classes, mitochondria\) and their tables" if labels else "its image"
    with pytest.raises(OutputError, match=f"output of a job, and {lost} would be lost: choose another"):
        run_export(make_labels((3, 10, 10), np.uint16), store, overwrite=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_old_folder_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = make_labels((2, 20, 20), np.uint8)
    kept = run_export(labels, tmp_path / "out.zarr")
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "out.zarr" and ".partial" in str(path):
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="disk is full"):
        run_export(labels, tmp_path / "out.zarr", overwrite=True)
    np.testing.assert_array_equal(read_back(kept)[0], labels)


def test_sources_are_never_overwritten(tmp_path: Path) -> None:
    labels = make_labels((2, 20, 20), np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", labels)
    with h5py.File(tmp_path / "in.h5", "w") as file:
        file["labels"] = labels
    stored = run_export(labels, tmp_path / "in.zarr")
    for source, target in (
        (tmp_path / "in.tif", tmp_path / "in.tif"),
        (f"{tmp_path / 'in.h5'}:/labels", tmp_path / "in.h5"),
        (stored, tmp_path / "in.zarr"),
        (stored, tmp_path / "in.zarr" / "labels.tif"),
    ):
        with pytest.raises(OutputError, match="input"):
            run_export(source, target, overwrite=True)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "in.tif"), labels)


@pytest.mark.parametrize("suffix", [".tif", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.uint64, np.int64])
def test_large_labels_are_narrowed_only_without_loss(tmp_path: Path, suffix: str, dtype: Any) -> None:
    labels = make_labels((2, 20, 20), np.uint32).astype(dtype)
    voxels, _ = read_back(run_export(labels, tmp_path / f"out{suffix}"))
    assert voxels.dtype == np.uint32
    np.testing.assert_array_equal(voxels, labels)
    for value in (2**32, -1) if dtype is np.int64 else (2**32,):
        labels[1, 2, 3] = value
        with pytest.raises(InputError, match=f"value {value}.*OME-Zarr or HDF5 or NRRD"):
            run_export(labels, tmp_path / f"large{suffix}")
    assert len(list(tmp_path.iterdir())) == 1


def test_masks_and_half_floats_become_types_that_others_read(tmp_path: Path) -> None:
    mask = make_labels((2, 20, 20), np.uint8) > 100
    for suffix in SUFFIXES:
        voxels, _ = read_back(run_export(mask, tmp_path / f"mask{suffix}"))
        np.testing.assert_array_equal(voxels, mask)
        assert voxels.dtype == np.uint8
    half = np.random.default_rng(0).random((2, 20, 20)).astype(np.float16)
    voxels, _ = read_back(run_export(half, tmp_path / "half.nrrd"))
    np.testing.assert_array_equal(voxels, half)


@pytest.mark.parametrize(
    ("target", "settings", "kind", "phrase"),
    [
        ("out.png", {}, SettingsError, "stands for no format.*\\.nii\\.gz"),
        ("out.tif", {"format": "nrrd"}, SettingsError, "ends like OME-TIFF, and NRRD was asked for"),
        ("out.tif", {"compression": "lzf"}, SettingsError, "gzip or zstd or none"),
        ("out.nii", {"compression": "gzip"}, SettingsError, "end in .nii.gz"),
        ("out.nii.gz", {"compression": "none"}, SettingsError, "end in .nii"),
        ("out.tif", {"region": "0:3,0:20,0:20"}, SettingsError, "does not lie inside"),
        ("out.tif", {"region": "1:1,0:20,0:20"}, SettingsError, "does not lie inside"),
        ("missing/out.tif", {}, OutputError, "no folder"),
        ("file.tif/out.tif", {}, OutputError, "no folder"),
        ("folder.tif", {}, OutputError, "is a folder, and a file would"),
        ("file.zarr", {"overwrite": True}, OutputError, "is a file, and a folder would"),
        ("foreign.zarr", {"overwrite": True}, OutputError, "did not write it"),
    ],
)
def test_what_cannot_be_written_is_said_before(
    tmp_path: Path, target: str, settings: dict[str, Any], kind: type[NnunetEmError], phrase: str
) -> None:
    (tmp_path / "folder.tif").mkdir()
    (tmp_path / "foreign.zarr" / "0").mkdir(parents=True)
    for name in ("file.tif", "file.zarr"):
        (tmp_path / name).touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(kind, match=phrase):
        run_export(make_labels((2, 20, 20), np.uint8), tmp_path / target, **settings)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_no_label_image_is_said(tmp_path: Path) -> None:
    floats = np.ones((2, 20, 20), np.float32)
    with pytest.raises(InputError, match="float32, and labels are one whole number"):
        run_export(floats, tmp_path / "out.tif", values="labels")
    with pytest.raises(InputError, match="2 channels"):
        run_export(open_volume(np.ones((2, 2, 9, 9), np.uint8)), tmp_path / "out.tif", values="labels")
    with pytest.raises(InputError, match="no voxel size"):
        run_export(open_volume(np.ones((2, 20, 20), np.uint8)), tmp_path / "out.zarr")
    stored = run_export(make_labels((2, 20, 20), np.uint8), tmp_path / "in.zarr")
    with pytest.raises(InputError, match=r"give .*labels.*; or .*0 for the image itself"):
        run_export(stored.parents[1], tmp_path / "out.tif")
    assert [p.name for p in tmp_path.iterdir()] == ["in.zarr"]


def test_an_unknown_ending_takes_the_format_that_is_stated(tmp_path: Path) -> None:
    labels = make_labels((2, 20, 20), np.uint8)
    for kind in ("tiff", "hdf5", "nrrd", "nifti"):
        path = run_export(labels, tmp_path / f"{kind}.data", format=kind)
        np.testing.assert_array_equal(read_back(path)[0], labels)


def test_a_damaged_packed_file_is_said_when_it_is_read(tmp_path: Path) -> None:
    labels = make_labels((4, 50, 50))
    for suffix in (".nii.gz", ".nrrd"):
        path = run_export(labels, tmp_path / f"out{suffix}")
        path.write_bytes(path.read_bytes()[:-2000])
        volume = open_volume(path)
        with pytest.raises(InputError, match="cannot be unpacked"):
            volume.fingerprint()
    whole = gzip.decompress(run_export(labels, tmp_path / "whole.nii.gz").read_bytes())
    (tmp_path / "short.nii").write_bytes(whole[:-1])
    with pytest.raises(InputError, match="cut short"):
        open_volume(tmp_path / "short.nii")


def test_settings_are_plain_values() -> None:
    settings = ExportSettings.model_validate({"format": "hdf5", "region": "0:1,0:2,0:3"})
    assert ExportSettings.model_validate(settings.model_dump(mode="json")) == settings
