"""Where results are proposed to go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_nnunet_em._napari.outputs import output_folder, output_name
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
