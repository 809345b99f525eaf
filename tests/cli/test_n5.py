"""Every command that opens a volume opens N5."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from napari_nnunet_em.cli import main
from napari_nnunet_em.cli.facts import napari_command
from napari_nnunet_em.io import open_volume

from ..n5_files import add_attributes, write_n5

LABELS, COUNT = ndimage.label(
    ndimage.gaussian_filter(np.random.default_rng(3).random((6, 24, 30)), 1.2) > 0.52
)


@pytest.fixture
def container(tmp_path: Path) -> Path:
    root = add_attributes(tmp_path / "cell.n5", n5="2.5.0", resolution=[8, 8, 40])
    write_n5(root / "labels" / "cells", LABELS.astype(np.uint32), (2, 8, 8), "zstd")
    for number, step in enumerate((1, 2)):
        folder = root / "em" / f"s{number}"
        write_n5(
            folder, (LABELS > 0)[:, ::step, ::step].astype(np.uint8), downsamplingFactors=[step, step, 1]
        )
    return root


def test_info_names_shape_size_and_levels(container: Path, capsys) -> None:
    assert main(["info", str(container / "em")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Shape 6 × 24 × 30 (z, y, x)" in told
    assert "Voxel size 40 × 8 × 8 nm (z, y, x; N5 attribute resolution)" in told
    assert "Pyramid 1: 6 × 12 × 15, 40 × 16 × 16 nm" in told


def test_several_images_are_named(container: Path, capsys) -> None:
    assert main(["info", str(container)]) == 3
    assert "em (6x24x30 uint8, 2 levels), labels/cells (6x24x30 uint32)" in capsys.readouterr().err


def test_measure(container: Path, tmp_path: Path, capsys) -> None:
    assert (
        main(["measure", str(container / "labels" / "cells"), "--output", str(tmp_path / "cells.csv")]) == 0
    )
    table = pd.read_csv(tmp_path / "cells.csv")
    assert table["voxels"].tolist() == np.bincount(LABELS.ravel())[1:].tolist()


def test_evaluate(container: Path, capsys) -> None:
    cells = str(container / "labels" / "cells")
    assert main(["evaluate", cells, cells, "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["objects"]["matched"]["true_positives"] == COUNT
    assert found["objects"]["matched"]["f1"] == 1


def test_export(container: Path, tmp_path: Path, capsys) -> None:
    assert main(["export", str(container / "labels" / "cells"), str(tmp_path / "cells.h5")]) == 0
    volume = open_volume(tmp_path / "cells.h5")
    np.testing.assert_array_equal(np.asarray(volume.array), LABELS)
    assert volume.voxel_size_nm == pytest.approx((40, 8, 8))


def test_the_command_for_napari_names_the_container(container: Path, tmp_path: Path) -> None:
    assert str(container) in napari_command(tmp_path / "out.zarr", str(container))
