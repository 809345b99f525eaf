"""Choosing a model: installed, one of several in a folder, broken, untrusted."""

from __future__ import annotations

from pathlib import Path

from napari_nnunet_em._napari.segment.models import STILL_OPENING, ChosenModel, open_model
from napari_nnunet_em.testing.tiny_models import make_model_folder


def test_an_installed_model_has_its_target_and_licence_before_it_is_opened() -> None:
    chosen = ChosenModel("mitochondria-3d")
    assert chosen.class_names == ("mitochondria",)
    assert "Research use only" in chosen.licence
    assert chosen.problem == STILL_OPENING


def test_an_installed_model_opens() -> None:
    opened = open_model(ChosenModel("mitochondria-2d"))
    assert opened.bundle is not None
    assert opened.problem == ""
    assert opened.choices == ()


def test_of_several_models_the_first_is_opened_and_all_are_offered(tmp_path: Path) -> None:
    for dim in (2, 3):
        make_model_folder(tmp_path / "Dataset001_X", dim=dim)
    opened = open_model(ChosenModel(str(tmp_path)))
    assert opened.bundle is not None
    assert [choice.configuration for choice in opened.choices] == ["2d", "3d_fullres"]
    assert opened.bundle.configuration == "2d"
    other = open_model(ChosenModel(str(tmp_path), opened.choices[1].full_name))
    assert other.bundle is not None
    assert other.bundle.configuration == "3d_fullres"
    assert other.choices == opened.choices


def test_the_licence_of_any_other_model_is_shown_in_short(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path, dim=2)
    (folder / "LICENSE.md").write_text("# Licence\n\nMine alone.\n\nLong text.", encoding="utf-8")
    assert open_model(ChosenModel(str(folder))).licence == "Mine alone."


def test_a_problem_is_a_sentence(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone"):
        opened = open_model(ChosenModel(str(path)))
        assert opened.bundle is None
        assert str(path) in opened.problem
        assert opened.class_names == ()


def test_a_single_checkpoint_opens(tmp_path: Path) -> None:
    folder = make_model_folder(tmp_path, dim=2)
    checkpoint = next(folder.glob("fold_*/checkpoint_final.pth"))
    assert open_model(ChosenModel(str(checkpoint))).bundle is not None
