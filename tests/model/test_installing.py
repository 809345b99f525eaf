"""Installing and removing models: what arrives, what is refused, and that nothing of a model runs."""

from __future__ import annotations

import json
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torch

from napari_nnunet_em.cli import main
from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model import (
    ModelBundle,
    install_model,
    installed_models,
    list_models,
    load_networks,
    models_dir,
    remove_model,
)


@pytest.fixture(autouse=True)
def _own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NNUNET_EM_MODELS", str(tmp_path / "installed"))


def zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            packed.write(path, path.relative_to(folder.parent).as_posix())
    return target


def same_weights(one: ModelBundle, other: ModelBundle) -> bool:
    ours, theirs = (load_networks(bundle)[0].state_dict() for bundle in (one, other))
    return all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("packed", [False, True])
def test_an_installed_model_opens_by_name_and_needs_its_source_no_more(tiny, tmp_path, packed) -> None:
    folder = tiny(dim=2, folds=("0", "1"), labels={"background": 0, "vesicles": 1})
    (folder / "fold_0" / "validation").mkdir()
    (folder / "fold_0" / "validation" / "secret.npz").write_bytes(b"patients")
    (folder / "LICENSE.md").write_text("Mine alone.", encoding="utf-8")
    expected = ModelBundle.open(folder)
    digest = expected.digest()
    source = zipped(folder.parent, tmp_path / "Vesicles of Anna.zip") if packed else folder
    name = install_model(source)
    assert name == ("Vesicles-of-Anna" if packed else "Dataset999_Tiny-2d")
    bundle = ModelBundle.open(name)
    assert bundle.digest() == digest
    assert bundle.folds == ("0", "1")
    assert same_weights(bundle, expected)
    assert not list(models_dir().rglob("*.npz"))
    shown = list_models()[-1]
    assert (shown.name, shown.target, shown.configuration) == (name, "vesicles", "2d")
    assert shown.licence == "Mine alone."
    assert install_model(source) == name  # once is enough
    shutil.rmtree(folder.parent)
    assert ModelBundle.open(name).digest() == digest
    remove_model(name)
    assert list(models_dir().iterdir()) == []
    with pytest.raises(ModelError, match="There is no model"):
        ModelBundle.open(name)


def test_several_models_are_installed_together(tiny, tmp_path) -> None:
    for dim in (2, 3):
        folder = tiny(dim=dim)
    name = install_model(folder.parent, "both")
    assert installed_models()[0].summary.configuration == "2d, 3d_fullres"
    with pytest.raises(ModelError, match="several models"):
        ModelBundle.open(name)
    assert ModelBundle.open(name, configuration="2d").configuration == "2d"


class Harmful:
    """Runs code where it is unpickled by anything but torch's safe loader."""

    def __reduce__(self):
        return (Path("harmed").touch, ())


def test_a_checkpoint_that_would_run_code_is_not_installed(tiny, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tiny(dim=2, folds=("0", "1"))
    # In the second fold: opening a model alone would not look at it.
    torch.save({"network_weights": Harmful()}, folder / "fold_1" / "checkpoint_final.pth")
    with pytest.raises(ModelError):
        install_model(folder)
    (folder / "fold_1" / "checkpoint_final.pth").write_bytes(pickle.dumps(Harmful(), protocol=2))
    with pytest.raises(ModelError):
        install_model(zipped(folder.parent, tmp_path / "harmful.zip"))
    assert not (tmp_path / "harmed").exists()
    assert list(models_dir().iterdir()) == []


def test_links_out_of_a_model_are_refused(tiny, tmp_path) -> None:
    folder = tiny(dim=2)
    secret = tmp_path / "secret.txt"
    secret.write_text("key")
    try:
        (folder / "LICENSE.md").symlink_to(secret)
    except OSError:
        pytest.skip("this system lets nobody make links")
    with pytest.raises(ModelError, match="leads out of it"):
        install_model(folder)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "mitochondria-2d", "a" * 101, "dot."])
def test_names_that_lead_elsewhere_or_are_taken_are_refused(tiny, name) -> None:
    if name == "":
        assert install_model(tiny(dim=2), "") == "Dataset999_Tiny-2d"
        return
    with pytest.raises(ModelError, match="name"):
        install_model(tiny(dim=2), name)
    assert not models_dir().exists()


def test_another_model_of_the_same_name_is_kept(tiny, tmp_path) -> None:
    install_model(tiny(dim=2), "mine")
    before = ModelBundle.open("mine").digest()
    with pytest.raises(ModelError, match="installed already"):
        install_model(tiny(dim=2, seed=5), "mine")
    assert ModelBundle.open("mine").digest() == before


def test_what_is_no_model_is_refused(tiny, tmp_path) -> None:
    checkpoint = next(tiny(dim=2).rglob("checkpoint_final.pth"))
    (tmp_path / "text.txt").write_text("no model")
    (tmp_path / "empty").mkdir()
    for path in (checkpoint, tmp_path / "text.txt", tmp_path / "empty", tmp_path / "gone"):
        with pytest.raises(ModelError, match=path.name):
            install_model(path)


def test_a_damaged_installation_is_said(tiny) -> None:
    name = install_model(tiny(dim=2))
    next(models_dir().rglob("*.pth")).write_bytes(b"short")
    with pytest.raises(ModelError, match="was damaged"):
        ModelBundle.open(name)
    remove_model(name)


def test_only_installed_models_can_be_removed() -> None:
    for name in ("mitochondria-2d", "unknown", "../installed"):
        with pytest.raises(ModelError, match=r"cannot be removed|could be removed"):
            remove_model(name)
    assert ModelBundle.open("mitochondria-2d")


def test_from_the_command_line(tiny, capsys) -> None:
    folder = tiny(dim=2)
    tiny(dim=3)
    assert main(["models", "install", str(folder.parent), "--name", "mine"]) == 0
    assert capsys.readouterr().out == "Installed mine\n"
    assert main(["models", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["name"] for line in lines][2:] == ["mine", "mine"]
    assert main(["models", "remove", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"kind": "removed", "name": "mine"}
    assert main(["models"]) == 0
    assert "mine" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["models", "install"], 2),
        (["models", "remove"], 2),
        (["models", "list", "x"], 2),
        (["models", "remove", "unknown"], 4),
        (["models", "remove", "x", "--name", "y"], 2),
        (["models", "install", "gone.zip"], 4),
    ],
)
def test_mistakes_on_the_command_line(words, code, capsys) -> None:
    assert main(words) == code
    assert capsys.readouterr().err.startswith("napari-nnunet-em: ")
