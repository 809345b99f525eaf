"""Tiny random nnU-Net v2 models on disk, laid out as nnU-Net's trainer leaves them.

They are for parity tests: the answer is whatever stock nnU-Net computes with the same folder, so the
weights may be random, but every file is read by nnU-Net itself.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nnunet_em.testing.tiny_plans import (
    TinyModel,
    planned_model,
    tiny_architecture,
    tiny_dataset,
    tiny_plans,
)

if TYPE_CHECKING:
    from torch import nn

__all__ = ["TinyModel", "make_model_folder", "planned_model", "tiny_network"]


def make_model_folder(parent: Path, model: TinyModel | None = None, **changes: Any) -> Path:
    """Write a trained-model folder with random weights.

    Parameters
    ----------
    parent : pathlib.Path
        Folder in which ``Trainer__Plans__configuration`` is created.
    model : TinyModel, optional
        What to write; the defaults without it.
    **changes
        Fields of `TinyModel` to change.

    Returns
    -------
    pathlib.Path
        The trained-model folder: plans.json, dataset.json and ``fold_*/checkpoint_final.pth``.
    """
    model = dataclasses.replace(model or TinyModel(), **changes)
    folder = Path(parent) / model.folder_name
    folder.mkdir(parents=True, exist_ok=True)
    plans, dataset = tiny_plans(model), tiny_dataset(model)
    (folder / "plans.json").write_text(json.dumps(plans, indent=1), encoding="utf-8")
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=1), encoding="utf-8")
    for index, fold in enumerate(model.folds):
        _write_checkpoint(folder / f"fold_{fold}", model, plans, model.seed + index)
    return folder


def tiny_network(model: TinyModel, seed: int) -> nn.Module:
    """Build the network that `make_model_folder` describes in its plans, with random weights.

    Every parameter is drawn, biases and norms too, so that the logits differ from voxel to voxel
    and swapping any two of them would be seen.
    """
    import pydoc  # noqa: PLC0415 - loads torch's modules by name, as nnU-Net does

    import torch  # noqa: PLC0415 - torch is loaded only where a model is really made
    from dynamic_network_architectures.architectures import unet  # noqa: PLC0415

    described = tiny_architecture(model)["architecture"]
    kwargs = dict(described["arch_kwargs"])
    for key in described["_kw_requires_import"]:
        kwargs[key] = kwargs[key] and pydoc.locate(kwargs[key])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = getattr(unet, model.architecture)(
            input_channels=len(model.channel_names), num_classes=model.num_outputs, **kwargs
        )
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                mean, std = (1.0 if name.endswith("norm.weight") else 0.0), 0.3
                parameter.normal_(mean, 2.0 if "seg_layers" in name else std)
    return network


def _write_checkpoint(folder: Path, model: TinyModel, plans: dict[str, Any], seed: int) -> None:
    import numpy as np  # noqa: PLC0415 - see tiny_network
    import torch  # noqa: PLC0415

    network = tiny_network(model, seed).to(getattr(torch, model.weights_dtype))
    folder.mkdir(exist_ok=True)
    checkpoint = {
        "network_weights": network.state_dict(),
        "optimizer_state": {},
        "grad_scaler_state": None,
        "logging": {"mean_fg_dice": [np.float64(0.5)], "lrs": [0.01]},
        "_best_ema": np.float32(0.5),
        "current_epoch": 1,
        "init_args": {
            "plans": plans,
            "configuration": model.configuration_name,
            "fold": folder.name.removeprefix("fold_"),
            "dataset_json": tiny_dataset(model),
            "device": torch.device("cpu"),
        },
        "trainer_name": model.trainer,
        "inference_allowed_mirroring_axes": model.mirror_axes,
    }
    torch.save(checkpoint, folder / "checkpoint_final.pth")
