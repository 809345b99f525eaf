"""Where results are proposed to go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_nnunet_em._napari.forms.outputs import (
    completed,
    file_filter,
    output_folder,
    output_name,
    saved_path,
)
from napari_nnunet_em.export import Format
from napari_nnunet_em.geometry import Box


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("val_z050-059_raw.tif", "val_z050-059_raw_mitochondria-3d.zarr"),
        ("brain.ome.zarr", "brain_mitochondria-3d.zarr"),
        ("EM phantom", "EM_phantom_mitochondria-3d.zarr"),
        ("a/b:c*?", "a_b_c__mitochondria-3d.zarr"),
        ("Zellkörper.h5", "Zellkörper_mitochondria-3d.zarr"),
    ],
)
def test_the_name_tells_volume_and_model(source: str, name: str) -> None:
    assert output_name(source, "mitochondria-3d", None) == name


def test_parts_of_a_volume_do_not_collide_with_the_whole_or_each_other() -> None:
    parts = [None, Box((0, 0, 0), (1, 64, 64)), Box((1, 0, 0), (2, 64, 64))]
    names = {output_name("v.tif", "m", part) for part in parts}
    assert len(names) == 3
    assert "v_m_z1-2_y0-64_x0-64.zarr" in names


def test_results_go_beside_the_data(tmp_path: Path) -> None:
    assert output_folder(str(tmp_path / "v.tif"), Path("/nowhere")) == tmp_path


def test_results_do_not_go_into_somebody_elses_zarr(tmp_path: Path) -> None:
    inside = tmp_path / "data.zarr" / "raw"
    inside.mkdir(parents=True)
    assert output_folder(str(inside), tmp_path) == tmp_path / "napari-nnunet-em"


def test_layers_without_a_file_and_places_without_rights_use_the_home_folder(tmp_path: Path) -> None:
    assert output_folder(None, tmp_path) == tmp_path / "napari-nnunet-em"
    assert output_folder(str(tmp_path / "gone" / "v.tif"), tmp_path) == tmp_path / "napari-nnunet-em"


def test_read_only_folders_are_left_alone(monkeypatch, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    # Not by chmod: whoever runs tests as root may write there all the same.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != data)
    assert output_folder(str(data / "v.tif"), tmp_path) == tmp_path / "napari-nnunet-em"


def test_without_a_home_to_write_to_the_folder_for_temporary_files_serves(
    monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "t"))
    assert output_folder(str(tmp_path / "v.tif"), tmp_path) == tmp_path / "t" / "napari-nnunet-em"


@pytest.mark.parametrize(
    ("chosen", "kind", "meant"),
    [
        ("cells.zarr", Format.OME_ZARR, "cells.zarr"),
        ("cells", Format.OME_ZARR, "cells.zarr"),
        ("cells.v2", Format.TIFF, "cells.v2.ome.tif"),
        ("cells.nii", Format.OME_ZARR, "cells.nii"),
        # Dialogs go into a folder that exists.
        ("old.zarr/old.zarr", Format.OME_ZARR, "old.zarr"),
        ("old.zarr/labels/new", Format.OME_ZARR, "old.zarr"),
        ("old.zarr/cells.nrrd", Format.NRRD, "old.zarr/cells.nrrd"),
        ("old.zarr/cells.nrrd", Format.OME_ZARR, "old.zarr/cells.nrrd"),
        ("none.zarr/new.zarr", Format.OME_ZARR, "none.zarr/new.zarr"),
    ],
)
def test_what_a_save_dialog_means(tmp_path: Path, chosen: str, kind: Format, meant: str) -> None:
    (tmp_path / "old.zarr").mkdir()
    assert saved_path(tmp_path / chosen, kind) == tmp_path / meant


def test_endings_of_paths_that_are_typed() -> None:
    assert completed(Path("a/cells"), Format.NRRD) == Path("a/cells.nrrd")
    assert completed(Path("a/cells.png"), Format.NRRD) == Path("a/cells.png")
    assert completed(Path(), Format.NRRD) == Path()
    assert file_filter(Format.NIFTI) == "NIfTI (*.nii.gz *.nii)"
