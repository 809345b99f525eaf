"""The models that come with the package, their cards and licences."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model import ModelBundle, list_models
from napari_nnunet_em.model.cards import read_card, read_licence

_SOURCES = {
    "mitochondria-3d": "nnUNetTrainer_50epochs__nnUNetEMPlans__3d_fullres",
    "mitochondria-2d": "nnUNetTrainer_100epochs__nnUNetEMPlans__2d",
}


def test_list_models_puts_the_default_first_and_agrees_with_the_models() -> None:
    summaries = list_models()
    assert [s.name for s in summaries] == ["mitochondria-3d", "mitochondria-2d"]
    for summary in summaries:
        bundle = ModelBundle.open(summary.name)
        assert (bundle.name, bundle.root) == (summary.name, summary.root)
        assert (bundle.target, bundle.configuration) == (summary.target, summary.configuration)
        assert summary.licence == bundle.licence.splitlines()[0]
        assert "Research use only" in summary.licence
        assert summary.title in ("Mitochondria, 3D", "Mitochondria, 2D")
        assert summary.description.endswith(".")


@pytest.mark.parametrize(("name", "dice"), [("mitochondria-3d", "0.862"), ("mitochondria-2d", "0.787")])
def test_cards_name_data_limits_and_accuracy(name: str, dice: str) -> None:
    bundle = ModelBundle.open(name)
    assert bundle.card.startswith("# Mitochondria")
    for needed in (
        "10.1038/s41592-018-0106-z",
        "10.6084/m9.figshare.856713",
        "## Limits",
        "## Intended use",
        dice,
    ):
        assert needed in bundle.card
    assert "NonCommercial-ShareAlike 3.0" in bundle.licence
    assert bundle.folds == ("all",)


@pytest.mark.shared
@pytest.mark.parametrize("name", list(_SOURCES))
def test_bundled_files_are_those_that_were_trained(shared_models: Path, name: str) -> None:
    root = ModelBundle.open(name).root
    for file in ("plans.json", "dataset.json", "fold_all/checkpoint_final.pth"):
        assert (root / file).read_bytes() == (shared_models / _SOURCES[name] / file).read_bytes()


def test_cards_and_licences_of_other_models(tiny) -> None:
    folder = tiny()
    assert read_licence(folder, {}) == "The model states no licence; ask whoever trained it."
    assert read_licence(folder, {"license": "MIT"}) == "MIT"
    (folder / "LICENSE").write_text("Apache")
    assert read_licence(folder, {"licence": "MIT"}) == "Apache"
    assert read_card(folder, {"description": "about"}).text == "about"
    (folder / "CARD.md").write_text("# Without a heading")
    assert read_card(folder, {}).text == "# Without a heading"
    assert read_card(folder, {}).fields == {}
    (folder / "CARD.md").write_text("---\n- a list\n---\nText")
    assert (read_card(folder, {}).fields, read_card(folder, {}).text) == ({}, "Text")


@pytest.mark.parametrize("content", [b"---\na: [\n---\n", b"\xff\xfe\xff"])
def test_broken_cards_are_told(tiny, content: bytes) -> None:
    folder = tiny()
    (folder / "CARD.md").write_bytes(content)
    with pytest.raises(ModelError, match="model card"):
        ModelBundle.open(folder)


def test_a_bundled_model_can_be_copied_and_opened_as_a_folder(tmp_path: Path) -> None:
    bundle = ModelBundle.open("mitochondria-2d")
    copy = shutil.copytree(bundle.root, tmp_path / "mine")
    assert ModelBundle.open(copy).digest() == bundle.digest()
