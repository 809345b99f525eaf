"""Plans may name layers and networks, and nothing that could run other code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model import ModelBundle, load_networks
from napari_nnunet_em.model.names import check_architecture, require_plain_name

_UNET = "dynamic_network_architectures.architectures.unet.PlainConvUNet"


def _hostile(folder: Path, **changes: Any) -> Path:
    plans = json.loads((folder / "plans.json").read_text())
    architecture = plans["configurations"]["3d_fullres"]["architecture"]
    architecture["arch_kwargs"].update(changes.pop("arch_kwargs", {}))
    architecture.update(changes)
    (folder / "plans.json").write_text(json.dumps(plans))
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "subprocess.Popen",
        "builtins.eval",
        "torch.hub.load",
        "torch.nn",
        "torch.nnx.Linear",
        "torch.nn.functional.torch.hub.load",
        "torch.nn.functional.torch.jit.ScriptModule",
        "torch.nn.modules.module.functools.partial",
        "torch.nn.functional.relu",
        "torch.nn..Linear",
        "torch.nn.Linear; import os",
        "../torch.nn.Linear",
        3,
    ],
)
@pytest.mark.parametrize("key", ["conv_op", "network_class_name"])
def test_names_that_lead_elsewhere_are_refused(name: object, key: str) -> None:
    class_name, value = (name, "torch.nn.Conv2d") if key == "network_class_name" else (_UNET, name)
    with pytest.raises(ModelError, match=rf"as {key}.*model\.trust"):
        check_architecture(class_name, {"conv_op": value}, ["conv_op"])


@pytest.mark.parametrize(
    "name", ["torch.nn.Wormhole", "torch.nn.no.such.module", "dynamic_network_architectures.x.Y"]
)
def test_names_that_do_not_exist_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match="the installed libraries do not have"):
        check_architecture(name, {}, [])


def test_modules_that_fail_to_import_are_refused(tmp_path: Path, monkeypatch) -> None:
    import dynamic_network_architectures

    (tmp_path / "broken_part.py").write_text("raise RuntimeError('broken')")
    monkeypatch.setattr(
        dynamic_network_architectures, "__path__", [*dynamic_network_architectures.__path__, str(tmp_path)]
    )
    with pytest.raises(ModelError, match="the installed libraries do not have"):
        check_architecture("dynamic_network_architectures.broken_part.Net", {}, [])


def test_usual_names_pass_and_moved_ones_are_found() -> None:
    kwargs = {"conv_op": "torch.nn.modules.conv.Conv3d", "nonlin": "torch.nn.LeakyReLU", "dropout_op": None}
    assert check_architecture(_UNET, kwargs, list(kwargs)) == _UNET
    moved = "dynamic_network_architectures.architectures.residual_unet.ResidualEncoderUNet"
    place = "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"
    assert check_architecture(moved, {}, []) == place
    block = {"block": "dynamic_network_architectures.building_blocks.residual.BottleneckD"}
    assert check_architecture(moved, block, ["block"]) == place


def test_hostile_plans_run_nothing_unless_trusted(tiny, tmp_path: Path) -> None:
    mark = tmp_path / "owned"
    folder = _hostile(
        tiny(),
        arch_kwargs={"nonlin": "pathlib.Path.touch", "nonlin_kwargs": {"self": str(mark)}},
    )
    with pytest.raises(ModelError, match=r"'pathlib\.Path\.touch' as nonlin"):
        load_networks(ModelBundle.open(folder))
    assert not mark.exists()
    # The attack is real: nnU-Net itself would run it.
    load_networks(ModelBundle.open(folder, trust=True))
    assert mark.exists()


def test_trust_lets_other_layers_through(tiny, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "own_layers.py").write_text("from torch import nn\n\n\nclass Bend(nn.LeakyReLU): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    folder = _hostile(tiny(), arch_kwargs={"nonlin": "own_layers.Bend"})
    with pytest.raises(ModelError, match="nonlin"):
        load_networks(ModelBundle.open(folder))
    assert len(load_networks(ModelBundle.open(folder, trust=True))) == 1


@pytest.mark.parametrize("to_import", [["conv_op", ["x"]], 3])
def test_malformed_lists_of_imports_are_refused(tiny, to_import: object) -> None:
    folder = _hostile(tiny(), _kw_requires_import=to_import)
    with pytest.raises(ModelError, match="do not describe an nnU-Net v2 model"):
        load_networks(ModelBundle.open(folder))


def test_plain_names() -> None:
    assert require_plain_name("synaptic vesicle (µ)", "class") == "synaptic vesicle (µ)"
    with pytest.raises(ModelError, match="class name 3"):
        require_plain_name(3, "class")
