"""Chooses what runs a model, and opens it."""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Sequence

from napari_nnunet_em.config import Backend, ExecutionSettings
from napari_nnunet_em.engine.devices import choose_device
from napari_nnunet_em.engine.ensemble import Ensemble, load_ensemble
from napari_nnunet_em.engine.openvino_library import import_openvino, openvino_installed
from napari_nnunet_em.engine.openvino_runner import OpenVINORunner
from napari_nnunet_em.engine.runner import TileRunner
from napari_nnunet_em.engine.torch_runner import TorchRunner
from napari_nnunet_em.errors import ModelError, SettingsError
from napari_nnunet_em.model import ModelBundle, import_trainer

_LOG = logging.getLogger(__name__)


def open_runner(
    bundle: ModelBundle,
    folds: Sequence[str],
    mirror_axes: Sequence[int],
    execution: ExecutionSettings,
    tiles: int = 0,
) -> TileRunner:
    """Load a model's folds and make them ready to run.

    Parameters
    ----------
    bundle : ModelBundle
        The model; its logits are relative to the background, but for regions (see `TileRunner`).
    folds : sequence of str
        Folds to average.
    mirror_axes : sequence of int
        Axes of the patch to flip.
    execution : ExecutionSettings
        Backend, device, precision, and so on.
    tiles : int
        Expected number of tiles of the run, by which compiling is judged; 0: unknown.

    Raises
    ------
    ModelError
        If the weights cannot be loaded, or OpenVINO was asked for and cannot run them.
    SettingsError
        If backend, device or precision are not there, or do not go together.
    """
    ensemble = load_ensemble(bundle, folds, mirror_axes)
    return choose_runner(ensemble, execution, tiles)


def import_backends() -> None:
    """Import what `open_runner` would import when it is first called; some seconds the first time."""
    import_trainer()
    if openvino_installed():
        # Whoever wants to run it is told what is wrong with it, or takes PyTorch.
        with contextlib.suppress(ImportError):
            import_openvino()
            importlib.import_module("openvino.frontend.pytorch.ts_decoder")


def choose_runner(ensemble: Ensemble, execution: ExecutionSettings, tiles: int = 0) -> TileRunner:
    """Make the runner for networks that are loaded; see `open_runner`."""
    if execution.backend is Backend.OPENVINO:
        return OpenVINORunner(ensemble, execution)
    on_cpu = choose_device(execution.device).type == "cpu"
    if execution.backend is Backend.AUTO and on_cpu and openvino_installed():
        try:
            return OpenVINORunner(ensemble, execution)
        except (ModelError, SettingsError, ImportError) as error:
            _LOG.warning("PyTorch runs the network instead of OpenVINO: %s", error)
    elif execution.backend is Backend.AUTO and on_cpu:
        _LOG.info("OpenVINO is not installed: PyTorch runs the network, at half the speed or less")
    return TorchRunner(ensemble, execution, tiles)
