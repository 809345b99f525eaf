"""Networks built by nnU-Net itself and filled with a model's weights."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import io
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model.bundle import ModelBundle
from napari_nnunet_em.model.checkpoint import read_weights, strip_prefixes
from napari_nnunet_em.model.managers import Managers, ignoring, malformed_plans, open_managers
from napari_nnunet_em.model.names import check_architecture

if TYPE_CHECKING:
    import torch
    from torch import nn

_LOG = logging.getLogger(__name__)
_TIMM_WARNS = r"`torch\.jit\.\w+` is deprecated"


class LoadedNetworks(list["nn.Module"]):
    """One network for each fold.

    Attributes
    ----------
    notes : tuple of str
        Sentences that a person who uses the model should see: those of the bundle, and one where
        the model's own trainer is not installed.
    """

    notes: tuple[str, ...] = ()


def load_networks(bundle: ModelBundle, folds: Sequence[str] | None = None) -> LoadedNetworks:
    """Build the networks of some folds and load their weights.

    Parameters
    ----------
    bundle : ModelBundle
        The model.
    folds : sequence of str, optional
        As in `ModelBundle.resolve_folds`.

    Returns
    -------
    list of torch.nn.Module
        In order of the folds: float32, on the CPU, in evaluation mode, without gradients and without
        deep supervision. A network takes (batch, channels, *patch) and returns logits of shape
        (batch, num_outputs, *patch).

    Raises
    ------
    ModelError
        Where a fold is unknown, the plans or a checkpoint are unsafe or broken, or do not fit each other.
    """
    wanted = bundle.resolve_folds(folds)
    managers = open_managers(bundle.root, bundle.configuration)
    with malformed_plans(bundle.root):
        _secure(managers, trust=bundle.trusted)
    trainer, note = _find_trainer(bundle.trainer)
    networks = LoadedNetworks()
    networks.notes = bundle.notes + ((note,) if note else ())
    for fold in wanted:
        network = _build(bundle, managers, trainer)
        _fill(network, bundle, fold)
        networks.append(network.float().eval().requires_grad_(False))
    return networks


def _secure(managers: Managers, *, trust: bool) -> None:
    architecture = managers.configuration.configuration["architecture"]
    architecture["network_class_name"] = check_architecture(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        trust=trust,
    )


def import_trainer() -> type[Any]:
    """Import nnU-Net's own trainer class, through which networks are built: over a second the first time."""
    with ignoring(_TIMM_WARNS, FutureWarning):
        from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # noqa: PLC0415 - slow import

    trainer: type[Any] = nnUNetTrainer
    return trainer


def _find_trainer(name: str) -> tuple[type[Any], str | None]:
    """nnU-Net's trainer class of this name; where it is not installed, the default one and a note."""
    nnUNetTrainer = import_trainer()  # noqa: N806 - a class
    # The search imports every trainer, and with one of them timm, which warns about its own use of torch.
    with ignoring(_TIMM_WARNS, FutureWarning), _external_trainers_logged():
        if name == nnUNetTrainer.__name__:
            return nnUNetTrainer, None
        try:
            found = _search_trainer(name)
        except (RuntimeError, AssertionError, TypeError, ImportError) as error:
            _LOG.info("nnU-Net did not find the trainer %s: %s", name, error)
            found = None
    if found is not None:
        return found, None
    return nnUNetTrainer, (
        f"The trainer {name!r} that made this model is not installed; "
        "the network was built as nnUNetTrainer builds it from the plans, and the weights fit it."
    )


def _search_trainer(name: str) -> type[Any] | None:
    if importlib.util.find_spec("nnunetv2.utilities.find_objects"):  # from nnU-Net 2.8
        module = importlib.import_module("nnunetv2.utilities.find_objects")
        newest: type[Any] = module.recursive_find_trainer_class_by_name(name)
        return newest
    import nnunetv2  # noqa: PLC0415 - slow import
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class  # noqa: PLC0415

    package = "nnunetv2.training.nnUNetTrainer"
    folder = Path(nnunetv2.__path__[0]) / "training" / "nnUNetTrainer"
    found: type[Any] | None = recursive_find_python_class(str(folder), name, package)
    return found


@contextlib.contextmanager
def _external_trainers_logged() -> Any:
    """Log what nnU-Net prints while it searches the folders in $nnUNet_extTrainer; else it prints nothing."""
    if "nnUNet_extTrainer" not in os.environ:
        yield
        return
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        yield
    _LOG.debug("%s", printed.getvalue())


def _build(bundle: ModelBundle, managers: Managers, trainer: type[Any]) -> nn.Module:
    """Build a network through the trainer, whichever of nnU-Net's three signatures it has."""
    chosen, build = managers.configuration, trainer.build_network_architecture
    channels, outputs = len(bundle.channel_names), bundle.num_outputs
    parameters = inspect.signature(build).parameters
    arguments: tuple[Any, ...]
    if "dataset_json" in parameters:  # nnU-Net up to 2.3
        arguments = (managers.plans, managers.dataset, chosen, channels)
    elif "plans_manager" in parameters:  # from 2.7
        arguments = (managers.plans, chosen, channels, outputs)
    else:
        arguments = (
            chosen.network_arch_class_name,
            chosen.network_arch_init_kwargs,
            chosen.network_arch_init_kwargs_req_import,
            channels,
            outputs,
        )
    with malformed_plans(bundle.root):
        network: nn.Module = build(*arguments, enable_deep_supervision=False)
    return network


def _fill(network: nn.Module, bundle: ModelBundle, fold: str) -> None:
    path = bundle.checkpoint_of(fold)
    expected = network.state_dict()
    # Copying into the network's own parameters converts float16 and keeps what they share.
    weights = strip_prefixes(read_weights(path, trust=bundle.trusted), set(expected))
    reason = _mismatch(weights, expected)
    if reason:
        raise ModelError(
            f"The weights in {path} do not fit the network that plans.json describes ({reason}): checkpoint "
            "and plans.json belong to different models, or the model's own trainer is not installed."
        )
    network.load_state_dict(weights)


def _mismatch(weights: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> str:
    missing, extra = expected.keys() - weights.keys(), weights.keys() - expected.keys()
    for what, names in (("is missing", missing), ("is not in the network", extra)):
        if names:
            others = f", and {len(names) - 1} more" if len(names) > 1 else ""
            return f"{min(names)} {what}{others}"
    for name, tensor in expected.items():
        if tensor.shape != weights[name].shape:
            return f"{name} has the shape {tuple(weights[name].shape)} instead of {tuple(tensor.shape)}"
    return ""
