"""Zips of models: the real exporter's, and hostile ones."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
import torch

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model import ModelBundle, archive, load_networks


def _zip(target: Path, folder: Path, top: str = "Dataset999_Tiny/") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.write(path, f"{top}{path.relative_to(folder.parent if top else folder).as_posix()}")
    return target


def _cached(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "cache" / "models"
    return sorted(folder.iterdir()) if folder.exists() else []


@pytest.fixture
def exported(tiny, tmp_path: Path, monkeypatch) -> Path:
    """Written by nnU-Net's own exporter, from a results folder with two configurations."""
    from nnunetv2.model_sharing import model_export
    from nnunetv2.utilities import file_path_utilities

    for folder in (tiny(folds=("0", "1")), tiny(dim=2, folds=("0", "1"))):
        for fold in folder.glob("fold_*"):
            (fold / "progress.png").write_bytes(b"png")
            (fold / "validation").mkdir()
            (fold / "validation" / "summary.json").write_text("{}")
        (folder / "dataset_fingerprint.json").write_text("{}")
    results = str(tmp_path / "results")
    monkeypatch.setattr(model_export, "nnUNet_results", results)
    monkeypatch.setattr(file_path_utilities, "nnUNet_results", results)
    target = tmp_path / "exported.zip"
    model_export.export_pretrained_model(
        "Dataset999_Tiny", str(target), configurations=("2d", "3d_fullres"), folds=(0, 1)
    )
    return target


def test_a_real_export(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="several models"):
        ModelBundle.open(exported)
    bundle = ModelBundle.open(exported, configuration="2d")
    assert (bundle.name, bundle.folds) == ("nnUNetTrainer__nnUNetPlans__2d", ("0", "1"))
    assert [c.dataset for c in bundle.available] == ["Dataset999_Tiny"] * 2
    expected = ModelBundle.open(tmp_path / "results", configuration="2d")
    assert bundle.digest() == expected.digest()
    ours, theirs = load_networks(bundle)[0].state_dict(), load_networks(expected)[0].state_dict()
    assert all(torch.equal(ours[k], theirs[k]) for k in theirs)
    (cached,) = _cached(tmp_path)
    assert not list(cached.rglob("*.png"))


def test_a_zip_is_unpacked_once_and_repaired(tiny, tmp_path: Path) -> None:
    packed = _zip(tmp_path / "a.zip", tiny())
    first = ModelBundle.open(packed)
    stamp = (first.root / "plans.json").stat().st_mtime_ns
    again = ModelBundle.open(shutil.copy(packed, tmp_path / "b.zip"))
    assert again.root == first.root
    assert (first.root / "plans.json").stat().st_mtime_ns == stamp
    first.checkpoints[0].write_bytes(b"cut off by a power cut")
    assert ModelBundle.open(packed).digest() == ModelBundle.open(tmp_path / "results").digest()
    assert len(_cached(tmp_path)) == 1


def test_a_zip_without_folders_is_named_after_its_file(tiny, tmp_path: Path) -> None:
    bundle = ModelBundle.open(_zip(tmp_path / "my model.zip", tiny(), top=""))
    assert bundle.name == "my model"
    assert bundle.configuration == "3d_fullres"


def test_the_suffix_does_not_matter(tiny, tmp_path: Path) -> None:
    assert ModelBundle.open(_zip(tmp_path / "model.bin", tiny())).configuration == "3d_fullres"


@pytest.mark.parametrize(
    "name",
    ["../evil.pth", "a/../../evil", "/etc/evil", "C:/evil", "..\\evil", "a\\..\\..\\evil", "../dir/"],
)
def test_members_that_lead_out_are_refused(tiny, tmp_path: Path, name: str) -> None:
    packed = _zip(tmp_path / "evil.zip", tiny())
    with zipfile.ZipFile(packed, "a") as zipped:
        zipped.writestr(zipfile.ZipInfo(name), b"evil")
    with pytest.raises(ModelError, match="leads out of its folder"):
        ModelBundle.open(packed)
    assert _cached(tmp_path) == []
    assert not list(tmp_path.rglob("evil"))


def test_links_are_refused(tiny, tmp_path: Path) -> None:
    packed = _zip(tmp_path / "evil.zip", tiny())
    link = zipfile.ZipInfo("Dataset999_Tiny/dataset.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(packed, "a") as zipped:
        zipped.writestr(link, b"/etc/passwd")
    with pytest.raises(ModelError, match="is a link"):
        ModelBundle.open(packed)
    assert _cached(tmp_path) == []


def test_bombs_are_refused(tiny, tmp_path: Path, monkeypatch) -> None:
    packed = _zip(tmp_path / "bomb.zip", tiny())
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("Dataset999_Tiny/fold_1/checkpoint_final.pth", bytes(80 * 2**20))
    with pytest.raises(ModelError, match=r"would unpack to 83\.9 MB from \d{2,3}(\.\d)? kB"):
        ModelBundle.open(packed)
    monkeypatch.setattr(archive, "_MAX_BYTES", 1000)
    with pytest.raises(ModelError, match="would unpack to"):
        ModelBundle.open(_zip(tmp_path / "large.zip", tiny()))
    monkeypatch.setattr(archive, "_MAX_MEMBERS", 2)
    with pytest.raises(ModelError, match="holds 3 files"):
        ModelBundle.open(tmp_path / "large.zip")
    assert _cached(tmp_path) == []


def test_doubled_members_are_refused(tiny, tmp_path: Path) -> None:
    packed = _zip(tmp_path / "double.zip", tiny())
    with zipfile.ZipFile(packed, "a") as zipped:
        zipped.writestr(
            "dataset999_tiny/nnUNetTrainer__nnUNetPlans__3d_fullres/PLANS.JSON".replace(
                "PLANS.JSON", "plans.json"
            ),
            b"{}",
        )
    with pytest.raises(ModelError, match="the same file twice"):
        ModelBundle.open(packed)


def test_zips_without_a_model_encrypted_or_damaged(tiny, tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as zipped:
        zipped.writestr("readme.txt", "nothing here")
    with pytest.raises(ModelError, match=r"holds no fold_\*/checkpoint"):
        ModelBundle.open(other)
    packed = _zip(tmp_path / "model.zip", tiny())
    data = bytearray(packed.read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "damaged.zip").write_bytes(bytes(data))
    with pytest.raises(ModelError, match="is damaged"):
        ModelBundle.open(tmp_path / "damaged.zip")
    assert _cached(tmp_path) == []
    (tmp_path / "cut.zip").write_bytes(packed.read_bytes()[:-100])
    with pytest.raises(ModelError, match="is no model"):
        ModelBundle.open(tmp_path / "cut.zip")
    data = bytearray(packed.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(bytes(data))
    with pytest.raises(ModelError, match="is encrypted"):
        ModelBundle.open(tmp_path / "locked.zip")


def test_a_full_disk_leaves_nothing_behind(tiny, tmp_path: Path, monkeypatch) -> None:
    packed = _zip(tmp_path / "model.zip", tiny())
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(archive.shutil, "disk_usage", lambda _: usage._replace(free=10))
        with pytest.raises(ModelError, match=r"10 B are free.*NNUNET_EM_CACHE"):
            ModelBundle.open(packed)
    real, done = zipfile.ZipFile.extract, []

    def extract(self, member, path=None, pwd=None):
        done.append(real(self, member, path, pwd))
        if len(done) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return done[-1]

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extract", extract)
        with pytest.raises(ModelError, match="No space left"):
            ModelBundle.open(packed)
    assert _cached(tmp_path) == []
    assert ModelBundle.open(packed).folds == ("0",)


def test_a_cache_that_cannot_be_written(tiny, tmp_path: Path, monkeypatch) -> None:
    packed = _zip(tmp_path / "model.zip", tiny())
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NNUNET_EM_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="cannot be unpacked into"):
        ModelBundle.open(packed)


def test_another_process_may_be_first(tiny, tmp_path: Path, monkeypatch) -> None:
    packed = _zip(tmp_path / "model.zip", tiny())
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        shutil.copytree(self, target)
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    assert ModelBundle.open(packed).folds == ("0",)
    assert len(_cached(tmp_path)) == 1


def test_a_rename_that_fails_is_told(tiny, tmp_path: Path, monkeypatch) -> None:
    packed = _zip(tmp_path / "model.zip", tiny())

    def rename(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(ModelError, match="Permission denied"):
        ModelBundle.open(packed)
    assert _cached(tmp_path) == []


def test_the_cache_lies_where_the_platform_wants_it(tmp_path: Path, monkeypatch) -> None:
    assert archive.cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("NNUNET_EM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert archive.cache_dir().name == "napari-nnunet-em" or os.name == "nt"
