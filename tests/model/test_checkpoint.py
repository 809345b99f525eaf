"""Checkpoints are read without running what is inside them, and without reading weights for metadata."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model import ModelBundle, load_networks
from napari_nnunet_em.model.checkpoint import read_info, read_weights

_RAN: list[str] = []


class Hostile:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return _run, ("owned",)


def _run(word: str) -> str:
    _RAN.append(word)
    return word


def _rewrite_pickle(source: Path, target: Path, old: bytes, new: bytes) -> int:
    """Copy a checkpoint, changing bytes of its pickle; returns how often."""
    count = 0
    with zipfile.ZipFile(source) as a, zipfile.ZipFile(target, "w") as b:
        for info in a.infolist():
            data = a.read(info)
            if info.filename.endswith("/data.pkl"):
                count = data.count(old)
                data = data.replace(old, new)
            b.writestr(info, data)
    return count


def _with(path: Path, **entries: object) -> Path:
    checkpoint = torch.load(path, weights_only=False) | entries
    torch.save(checkpoint, path)
    return path


@pytest.fixture
def checkpoint(tiny) -> Path:
    return tiny(mirror_axes=(0, 2), folds=("3",)) / "fold_3" / "checkpoint_final.pth"


def test_metadata(checkpoint: Path) -> None:
    info = read_info(checkpoint)
    assert (info.trainer, info.configuration, info.fold) == ("nnUNetTrainer", "3d_fullres", "3")
    assert info.mirror_axes == (0, 2)


@pytest.mark.shared
def test_metadata_of_shared_models(shared_models: Path) -> None:
    paths = sorted(shared_models.glob("*/fold_*/checkpoint_final.pth"))
    assert len(paths) == 5
    for path in paths:
        info = read_info(path)
        stock = torch.load(path, map_location="cpu", weights_only=False)
        assert info.trainer == stock["trainer_name"]
        assert info.configuration == stock["init_args"]["configuration"]
        assert info.mirror_axes == tuple(stock["inference_allowed_mirroring_axes"])


def test_metadata_reads_no_weights(checkpoint: Path) -> None:
    size = 96 * 2**20
    _with(
        checkpoint,
        network_weights={"big": torch.zeros(size // 4)},
        optimizer_state={"b": torch.zeros(size // 4)},
    )
    read_info(checkpoint)
    process = psutil.Process()
    before = process.memory_info().rss
    info = read_info(checkpoint)
    assert process.memory_info().rss - before < size // 16
    assert info.trainer == "nnUNetTrainer"


def test_numpy_1_checkpoints(checkpoint: Path, tmp_path: Path) -> None:
    _with(checkpoint, logging={"arrays": np.arange(3), "value": np.float64(2.5)})
    old = tmp_path / "old.pth"
    assert _rewrite_pickle(checkpoint, old, b"numpy._core.multiarray", b"numpy.core.multiarray") >= 2
    assert read_info(old) == read_info(checkpoint)


def test_checkpoints_of_torch_before_1_6(checkpoint: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.pth"
    torch.save(torch.load(checkpoint, weights_only=False), old, _use_new_zipfile_serialization=False)
    assert read_info(old) == read_info(checkpoint)
    weights, expected = read_weights(old), read_weights(checkpoint)
    assert all(torch.equal(weights[k], expected[k]) for k in expected)


def test_code_in_a_checkpoint_is_refused_and_not_run(checkpoint: Path) -> None:
    _with(checkpoint, extra=Hostile())
    _RAN.clear()
    with pytest.raises(ModelError, match=r"_run.*model\.trust .*trust=True.*--trust"):
        ModelBundle.open(checkpoint)
    assert _RAN == []


def test_trust_allows_it(checkpoint: Path) -> None:
    _with(checkpoint, extra=Hostile())
    _RAN.clear()
    bundle = ModelBundle.open(checkpoint, trust=True)
    assert _RAN
    assert bundle.trusted
    assert len(load_networks(bundle)) == 1


def test_harmless_types_beyond_the_list_are_named(checkpoint: Path) -> None:
    _with(checkpoint, where=Path("/somewhere"))
    with pytest.raises(ModelError, match=r"pathlib\.\w*Path"):
        read_info(checkpoint)


@pytest.mark.parametrize("keep", [0, 1, 100, 5000, -1])
@pytest.mark.parametrize("trust", [False, True])
def test_truncated(checkpoint: Path, keep: int, trust: bool) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(ModelError, match="damaged or cut off"):
        read_info(checkpoint, trust=trust)


def test_garbage_and_other_files(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_final.pth"
    path.write_bytes(b"this is a text, not a model" * 10)
    with pytest.raises(ModelError, match="cannot be read"):
        read_info(path)
    torch.save([1, 2], path)
    with pytest.raises(ModelError, match="a list instead of an nnU-Net checkpoint"):
        read_info(path)
    torch.save({"state_dict": {}, "epoch": 3}, path)
    with pytest.raises(ModelError, match="no checkpoint of nnU-Net v2"):
        read_info(path)
    with pytest.raises(ModelError, match="no 'network_weights'"):
        read_weights(path)
    torch.save({"network_weights": {"a": 1}}, path)
    with pytest.raises(ModelError, match="no 'network_weights'"):
        read_weights(path)


def test_threads_do_not_take_the_allow_list_from_each_other(checkpoint: Path) -> None:
    errors: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(10):
                read_info(checkpoint)
        except ModelError as error:
            errors.append(error)

    torch.serialization.add_safe_globals([np.dtype])
    before = set(torch.serialization.get_safe_globals())
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert set(torch.serialization.get_safe_globals()) == before
