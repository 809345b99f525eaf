"""Networks equal those of stock nnU-Net, weight by weight and in their answers."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model import ModelBundle, load_networks

Stock = Callable[[Path, str], torch.nn.Module]

_TRAINER = """
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans


class {name}(nnUNetTrainer):
    @staticmethod
    def build_network_architecture({signature}, enable_deep_supervision=True):
        return get_network_from_plans({arguments}, deep_supervision=enable_deep_supervision)
"""
_FROM_MANAGER = (
    "configuration_manager.network_arch_class_name, configuration_manager.network_arch_init_kwargs, "
    "configuration_manager.network_arch_init_kwargs_req_import, num_input_channels, "
)


def assert_equals_stock(ours: torch.nn.Module, stock: torch.nn.Module, shape: tuple[int, ...]) -> None:
    expected, actual = stock.state_dict(), ours.state_dict()
    assert list(actual) == list(expected)
    for name, tensor in expected.items():
        assert actual[name].dtype == torch.float32
        assert torch.equal(actual[name], tensor), name
    tile = torch.from_numpy(np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32))
    with torch.inference_mode():
        assert torch.equal(ours(tile), stock(tile))


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("architecture", ["PlainConvUNet", "ResidualEncoderUNet"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_tiny_networks_equal_stock(tiny, stock: Stock, dim: int, architecture: str, dtype: str) -> None:
    folder = tiny(
        dim=dim, architecture=architecture, weights_dtype=dtype, channel_names=("a", "b"), folds=("0", "1")
    )
    bundle = ModelBundle.open(folder)
    networks = load_networks(bundle)
    assert len(networks) == 2
    assert networks.notes == ()
    for fold, network in zip(bundle.folds, networks, strict=True):
        assert not network.training
        assert not any(p.requires_grad for p in network.parameters())
        assert_equals_stock(network, stock(folder, fold), (2, *bundle.patch_size))
    first, second = (n.state_dict() for n in networks)
    assert any(not torch.equal(first[k], second[k]) for k in first)


def test_shared_tensors_stay_shared(tiny) -> None:
    (network,) = load_networks(ModelBundle.open(tiny(weights_dtype="float16")))
    tensors = network.state_dict()
    distinct = {t.data_ptr() for t in tensors.values()}
    assert len(distinct) == len(list(network.parameters())) < len(tensors)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("folder", "fold"),
    [
        ("nnUNetTrainer_50epochs__nnUNetEMPlans__2d", "1"),
        ("nnUNetTrainer_50epochs__nnUNetEMPlans__3d_fullres", "all"),
    ],
)
def test_shared_models_equal_stock(shared_models: Path, stock: Stock, folder: str, fold: str) -> None:
    bundle = ModelBundle.open(shared_models / folder)
    (network,) = load_networks(bundle, (fold,))
    shape = tuple(min(n, 64) for n in bundle.patch_size)
    assert_equals_stock(network, stock(shared_models / folder, fold), (1, *shape))


@pytest.mark.parametrize("name", ["mitochondria-3d", "mitochondria-2d"])
def test_bundled_models_equal_stock(stock: Stock, name: str) -> None:
    bundle = ModelBundle.open(name)
    (network,) = load_networks(bundle)
    shape = tuple(min(n, 64) for n in bundle.patch_size)
    assert_equals_stock(network, stock(bundle.root, "all"), (1, *shape))


# Stock searches the moved class among all architectures, and timm, which one of them imports, warns.
@pytest.mark.filterwarnings(r"ignore:`torch\.jit\.interface` is deprecated:FutureWarning")
@pytest.mark.parametrize("architecture", ["PlainConvUNet", "ResidualEncoderUNet"])
def test_old_plans_equal_stock(tiny, stock: Stock, architecture: str, capsys) -> None:
    folder = tiny(old_plans=True, architecture=architecture)
    bundle = ModelBundle.open(folder)
    (network,) = load_networks(bundle)
    assert capsys.readouterr() == ("", "")
    assert "old format" in bundle.notes[0]
    with pytest.warns(UserWarning, match="old nnU-Net plans|not found"):
        reference = stock(folder, "0")
    assert_equals_stock(network, reference, (1, *bundle.patch_size))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_prefixes_of_wrappers_are_dropped(tiny, prefix: str) -> None:
    folder = tiny()
    (plain,) = load_networks(ModelBundle.open(folder))
    path = folder / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(path, weights_only=False)
    checkpoint["network_weights"] = {prefix + k: v for k, v in checkpoint["network_weights"].items()}
    torch.save(checkpoint, path)
    (network,) = load_networks(ModelBundle.open(folder))
    assert all(torch.equal(v, plain.state_dict()[k]) for k, v in network.state_dict().items())


def test_a_trainer_that_is_not_installed_falls_back_with_a_note(tiny) -> None:
    bundle = ModelBundle.open(tiny(trainer="nnUNetTrainerOfSomebody"))
    networks = load_networks(bundle)
    assert len(networks) == 1
    assert "nnUNetTrainerOfSomebody" in networks.notes[0]
    assert bundle.trainer == "nnUNetTrainerOfSomebody"


@pytest.mark.parametrize(
    ("name", "signature", "arguments"),
    [
        (
            "nnUNetTrainerV23",
            "plans_manager, dataset_json, configuration_manager, num_input_channels",
            _FROM_MANAGER + "plans_manager.get_label_manager(dataset_json).num_segmentation_heads",
        ),
        (
            "nnUNetTrainerV24",
            "class_name, kwargs, to_import, num_input_channels, num_output_channels",
            "class_name, kwargs, to_import, num_input_channels, num_output_channels",
        ),
        (
            "nnUNetTrainerV28",
            "plans_manager, configuration_manager, num_input_channels, num_output_channels",
            _FROM_MANAGER + "num_output_channels",
        ),
    ],
)
def test_each_signature_of_trainers_builds(  # noqa: PLR0917 - fixtures come as arguments
    tiny, tmp_path: Path, monkeypatch, capsys, name: str, signature: str, arguments: str
) -> None:
    trainers = tmp_path / "trainers"
    trainers.mkdir()
    source = _TRAINER.format(name=name, signature=signature, arguments=arguments)
    (trainers / f"{name.lower()}.py").write_text(source, encoding="utf-8")
    folder = tiny(trainer=name)
    reference = load_networks(ModelBundle.open(folder))
    assert reference.notes
    monkeypatch.setenv("nnUNet_extTrainer", str(trainers))
    networks = load_networks(ModelBundle.open(folder))
    assert networks.notes == ()
    assert capsys.readouterr().out == ""
    expected = reference[0].state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in networks[0].state_dict().items())


def test_weights_of_another_network_are_refused(tiny, tmp_path: Path) -> None:
    folder, other = tiny(), tiny(plans_name="other", channel_names=("a", "b"))
    weights = other / "fold_0" / "checkpoint_final.pth"
    (folder / "fold_0" / "checkpoint_final.pth").write_bytes(weights.read_bytes())
    with pytest.raises(ModelError, match=r"do not fit the network.*shape \(4, 2, 3, 3, 3\) instead"):
        load_networks(ModelBundle.open(folder))


@pytest.mark.parametrize(
    ("change", "text"), [("drop", "is missing, and 3 more"), ("add", "is not in the network")]
)
def test_weights_with_other_names_are_refused(tiny, change: str, text: str) -> None:
    path = tiny() / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(path, weights_only=False)
    if change == "drop":
        for key in [k for k in checkpoint["network_weights"] if k.startswith("decoder.seg_layers")]:
            del checkpoint["network_weights"][key]
    else:
        checkpoint["network_weights"]["extra"] = torch.zeros(1)
    torch.save(checkpoint, path)
    with pytest.raises(ModelError, match=text):
        load_networks(ModelBundle.open(path))


def test_a_truncated_fold_is_refused(tiny) -> None:
    folder = tiny(folds=("0", "1"))
    path = folder / "fold_1" / "checkpoint_final.pth"
    path.write_bytes(path.read_bytes()[:-2000])
    bundle = ModelBundle.open(folder)
    assert len(load_networks(bundle, ("0",))) == 1
    with pytest.raises(ModelError, match=r"fold_1.*damaged or cut off"):
        load_networks(bundle)


def test_kwargs_that_the_architecture_does_not_know_are_refused(tiny) -> None:
    folder = tiny()
    plans = json.loads((folder / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]["n_wings"] = 2
    (folder / "plans.json").write_text(json.dumps(plans))
    with pytest.raises(ModelError, match="n_wings"):
        load_networks(ModelBundle.open(folder))


def test_the_installed_trainer_is_called_by_the_new_signature() -> None:
    # Guards the assumption that the tests above really cover this nnunetv2.
    trainer = sys.modules["nnunetv2.training.nnUNetTrainer.nnUNetTrainer"].nnUNetTrainer
    assert "num_output_channels" in inspect.signature(trainer.build_network_architecture).parameters
