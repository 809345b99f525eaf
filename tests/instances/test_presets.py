"""Presets come back as they were saved, and say what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.errors import InputError, OutputError, SettingsError
from napari_nnunet_em.instances.presets import PresetStore, preset_folder


def test_settings_come_back_by_name_and_can_be_replaced_and_removed(tmp_path: Path) -> None:
    presets = PresetStore(tmp_path / "new" / "presets")
    assert presets.names() == ()
    asked = InstanceSettings(threshold=0.35, split="distance", min_volume_um3=0.01, connectivity=26)
    presets.save("Mitochondria, cortex".replace(",", ""), asked)
    presets.save("axons (thin)", InstanceSettings())
    assert presets.names() == ("axons (thin)", "Mitochondria cortex")
    assert presets.load("Mitochondria cortex") == asked
    presets.save("axons (thin)", asked)
    assert presets.load("axons (thin)") == asked
    presets.remove("axons (thin)")
    presets.remove("axons (thin)")
    assert presets.names() == ("Mitochondria cortex",)


def test_the_folder_is_the_users_own() -> None:
    assert "napari-nnunet-em" in str(preset_folder())
    assert PresetStore().folder == preset_folder()


@pytest.mark.parametrize("name", ["", " a", "a ", "../a", "a/b", "a\\b", ".a", "a.", "con", "LPT1", "x" * 65])
def test_names_that_no_file_can_have_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be named"):
        PresetStore(tmp_path).save(name, InstanceSettings())


def test_what_is_wrong_with_a_preset_is_said(tmp_path: Path) -> None:
    presets = PresetStore(tmp_path)
    presets.save("good", InstanceSettings())
    with pytest.raises(InputError, match=r"no preset 'bad'.*there are: good"):
        presets.load("bad")
    file = tmp_path / "bad.yaml"
    for text, kind, match in [
        ("threshold: 2", SettingsError, "threshold is 2"),
        ("treshold: 0.5", SettingsError, "treshold"),
        ("- 1", SettingsError, "holds no settings"),
        ("a: [", InputError, "cannot be read"),
    ]:
        file.write_text(text, encoding="utf-8")
        with pytest.raises(kind, match=match):
            presets.load("bad")
    file.write_text("min_voxels: 7\n# the rest is the default\n", encoding="utf-8")
    assert presets.load("bad") == InstanceSettings(min_voxels=7)
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be written"):
        PresetStore(blocked / "below").save("a", InstanceSettings())
