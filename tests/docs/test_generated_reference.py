"""What the reference says about settings comes from their declarations."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from napari_nnunet_em.config import PRESETS

SOURCE = Path(__file__).resolve().parents[2] / "docs" / "_ext" / "generated_reference.py"


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("generated_reference", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_presets_are_in_the_reference_with_what_they_stand_for(reference) -> None:
    (row,) = [line for line in reference.settings_page().splitlines() if "`prediction.preset`" in line]
    assert row.startswith("| `--preset` |")
    assert "One of: fast, balanced, best." in row
    for name, values in PRESETS.items():
        assert f"{name} ({values['tta']}, {values['overlap']})" in row
    assert "--preset {fast,balanced,best}" in reference.commands_page()
