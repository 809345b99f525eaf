"""``info`` and ``models`` say what things are."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_nnunet_em.cli import main
from napari_nnunet_em.cli.info import Kind, what_is
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.io import JOB_FOLDER
from napari_nnunet_em.model import ModelBundle, describe, list_models
from napari_nnunet_em.testing.tiny_models import make_model_folder


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The facts that a command prints, by name."""
    assert main(words) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "  " in line.strip()]
    return {name: value.strip() for name, value in (line.strip().split("  ", 1) for line in lines)}


def document(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main([*words, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_a_volume_is_described(volume: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = told(["info", str(volume)], capsys)
    assert facts["Shape"] == "6 × 40 × 48 (z, y, x)"
    assert facts["Voxel size"] == "unknown: give --voxel-size-nm"
    assert facts["Type"] == "uint8, 11.5 kB uncompressed"
    found = document(["info", str(volume)], capsys)
    assert found["kind"] == "volume"
    assert found["shape"] == [6, 40, 48]
    assert found["voxel_size_nm"] is None
    assert document(["info", str(volume), "--axes", "xyz"], capsys)["shape"] == [48, 40, 6]


def test_a_model_is_described_by_folder_name_and_file(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = told(["info", str(tiny_model)], capsys)
    assert facts["Segments"] == "mitochondria"
    assert facts["Patch"] == "16 × 16 voxels (y, x)"
    assert facts["Voxel size"] == "that of the volume (the model states none)"
    for path in (tiny_model, tiny_model.parent, next(tiny_model.glob("fold_*/*.pth"))):
        assert document(["info", str(path)], capsys)["configuration"] == "2d"
    found = document(["info", "mitochondria-3d"], capsys)
    assert found.pop("kind") == "model"
    assert found == json.loads(json.dumps(describe(ModelBundle.open("mitochondria-3d"))))


def test_one_of_several_models_is_singled_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_model_folder(tmp_path, dim=2)
    make_model_folder(tmp_path, dim=3, spacing=(40.0, 8.0, 8.0), transpose_forward=(0, 1, 2))
    assert main(["info", str(tmp_path)]) == 4
    assert "choose one" in capsys.readouterr().err
    facts = told(["info", str(tmp_path), "--configuration", "3d_fullres"], capsys)
    assert facts["Voxel size"] == "40 × 8 × 8 nm (z, y, x)"
    assert facts["Also here"].endswith("__2d")


def test_the_licence_of_a_model_is_shown_and_where_the_rest_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "mitochondria-2d"]) == 0
    out = capsys.readouterr().out
    assert "Research use only" in out
    assert "LICENSE.md in that folder." in out


def test_models_lists_every_model_with_what_one_chooses_by(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    for model in list_models():
        assert model.licence in out
        assert model.configuration in out
    assert out.startswith("mitochondria-3d (default)\n")
    assert "50 × 8 × 8 nm (z, y, x)" in out
    assert main(["models", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["name"] for line in lines] == [model.name for model in list_models()]


@pytest.fixture(scope="module")
def store(volume: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished result."""
    path = tmp_path_factory.mktemp("result") / "out.zarr"
    words = f"segment {volume} {path} --model {tiny_model} --voxel-size-nm 40,8,8 --threads 1".split()
    assert main([*words, "--region", "0:4,0:40,0:48", "--min-volume-um3", "1e-5"]) == 0
    return path


def test_a_result_is_described(store: Path, volume: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(store)]) == 0
    assert shlex.split(capsys.readouterr().out.splitlines()[-1])[-1] == str(store)
    facts = told(["info", str(store)], capsys)
    assert facts["State"] == "finished"
    assert facts["Input"] == f"{volume}, 6 × 40 × 48 voxels (z, y, x)"
    assert facts["Region"] == "0:4,0:40,0:48"
    assert facts["Objects"] == "threshold 0.5, connectivity 6, from 64 voxels, from 1e-05 µm³"
    assert facts["Mitochondria"].endswith("objects")
    found = document(["info", str(store)], capsys)
    assert (found["kind"], found["finished"]) == ("result", True)
    assert found["voxels"] == found["voxels_done"] == 4 * 40 * 48
    assert found["result"]["objects"][0]["name"] == "mitochondria"


def test_an_unfinished_result_says_how_far_it_is(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.zarr"
    shutil.copytree(store, copy)
    (copy / JOB_FOLDER / "result.json").unlink()
    half = json.dumps([[0, 0, 0], [2, 40, 48]])
    (copy / JOB_FOLDER / "journal.jsonl").write_text(half + "\n")
    facts = told(["info", str(copy)], capsys)
    assert facts["State"] == "50 % predicted, not finished; the same segment command continues it"
    assert facts["Notes"].startswith("Voxel size 40 × 8 × 8 nm")
    assert document(["info", str(copy)], capsys)["result"] is None


def test_files_and_folders_are_told_apart_by_their_names(
    tmp_path: Path, tiny_model: Path, store: Path
) -> None:
    group = tmp_path / "v.zarr"
    zarr.save_array(group, np.zeros((2, 4, 4), np.uint8))
    (group / "plans.json").write_text("{}")
    slices = tmp_path / "slices"
    slices.mkdir()
    models = tmp_path / "models.zip"
    zipped = tmp_path / "v.zarr.zip"
    for path in (models, zipped):
        path.touch()
    kinds = {
        "mitochondria-2d": Kind.MODEL,
        str(tiny_model / "plans.json"): Kind.MODEL,
        str(tiny_model.parent): Kind.MODEL,
        str(models): Kind.MODEL,
        str(zipped): Kind.VOLUME,
        str(group): Kind.VOLUME,
        str(slices): Kind.VOLUME,
        f"{tmp_path}/v.h5:/raw": Kind.VOLUME,
        str(store): Kind.RESULT,
        str(store / "labels" / "mitochondria"): Kind.VOLUME,
    }
    assert {source: what_is(source) for source in kinds} == kinds


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("mitochondria3d", "did you mean the model mitochondria-3d?"),
        ("brain.tif", "the models are mitochondria-3d, mitochondria-2d."),
    ],
)
def test_what_is_nowhere_is_said_with_the_nearest_model(source: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        what_is(source)
    assert str(caught.value) == f"{source!r} is neither a file, a folder nor the name of a model; {hint}"


def test_info_names_the_levels_of_a_pyramid_and_their_voxels(tmp_path, capsys):
    group = zarr.open_group(tmp_path / "em.zarr", mode="w", zarr_format=2)
    datasets = []
    for level in range(3):
        step = 2**level
        group.create_array(str(level), data=np.zeros((4, 32 // step, 32 // step), np.uint8))
        scale = [{"type": "scale", "scale": [40.0, 4.0 * step, 4.0 * step]}]
        datasets.append({"path": str(level), "coordinateTransformations": scale})
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    assert main(["info", str(tmp_path / "em.zarr")]) == 0
    printed = capsys.readouterr().out
    assert "1: 4 × 16 × 16, 40 × 8 × 8 nm" in printed
    assert "2: 4 × 8 × 8, 40 × 16 × 16 nm" in printed
    assert document(["info", str(tmp_path / "em.zarr")], capsys)["level_sizes_nm"][2] == [40, 16, 16]
