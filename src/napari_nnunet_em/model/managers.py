"""nnU-Net's own view of plans.json and dataset.json."""

from __future__ import annotations

import importlib
import io
import json
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_nnunet_em.errors import ModelError

if TYPE_CHECKING:
    from nnunetv2.utilities.label_handling.label_handling import LabelManager
    from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

_MAX_JSON_BYTES = 64 * 2**20
# What nnU-Net's managers raise on plans that are not as nnU-Net writes them.
_MALFORMED = (
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    AttributeError,
    AssertionError,
    RuntimeError,
    OverflowError,
)
# Filters of `warnings` belong to the process, so only one thread at a time may replace them.
_WARNINGS_LOCK: Final = threading.RLock()


@dataclass(frozen=True)
class Managers:
    """nnU-Net's own view of a model, for building its network."""

    plans: PlansManager
    configuration: ConfigurationManager
    labels: LabelManager
    dataset: dict[str, Any]


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ModelError
        Where the file is missing, unreadable, far too large, or not a JSON object.
    """
    if not path.is_file():
        raise ModelError(
            f"The model folder {path.parent} has no {path.name}, without which nnU-Net cannot describe the "
            "network: copy it from the folder in which the model was trained."
        )
    if path.stat().st_size > _MAX_JSON_BYTES:
        raise ModelError(
            f"{path} is larger than {_MAX_JSON_BYTES >> 20} MiB, which no {path.name} is: "
            "get the model again."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read as JSON ({error}): get the model again.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds no JSON object but a {type(content).__name__}: get the model again.")
    return content


@contextmanager
def malformed_plans(root: Path) -> Iterator[None]:
    """Turn what nnU-Net raises on malformed plans into one sentence."""
    try:
        yield
    except ModelError:
        raise
    except _MALFORMED as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error) or repr(error)
        raise ModelError(
            f"plans.json and dataset.json in {root} do not describe an nnU-Net v2 model ({reason}): "
            "use the files that nnU-Net wrote when it trained the model."
        ) from error


def open_managers(root: Path, configuration: str) -> Managers:
    """Open nnU-Net's managers of a trained-model folder.

    Parameters
    ----------
    root : pathlib.Path
        Folder with plans.json and dataset.json.
    configuration : str
        Name of the configuration, inheritance resolved by nnU-Net.

    Raises
    ------
    ModelError
        Where a file is missing or malformed, or the configuration is unknown or not supported.
    """
    plans, dataset = read_json(root / "plans.json"), read_json(root / "dataset.json")
    with malformed_plans(root):
        return _open_managers(root, plans, dataset, configuration)


def _open_managers(
    root: Path, plans: dict[str, Any], dataset: dict[str, Any], configuration: str
) -> Managers:
    _import_paths_quietly()
    from nnunetv2.utilities.label_handling.label_handling import LabelManager  # noqa: PLC0415 - slow import
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager  # noqa: PLC0415 - slow import

    known = list(plans["configurations"])
    if configuration not in known:
        raise ModelError(
            f"The plans in {root} have no configuration {configuration!r}; they have {', '.join(known)}."
        )
    # Without this entry nnU-Net prints a line and takes the same class.
    manager = PlansManager({"label_manager": "LabelManager", **plans})
    # Said once, in the notes, instead of as a warning at each opening.
    with ignoring("Detected old nnU-Net plans format", UserWarning):
        chosen = manager.get_configuration(configuration)
    label_class = manager.label_manager_class
    if not (isinstance(label_class, type) and issubclass(label_class, LabelManager)):
        raise ModelError(
            f"The plans in {root} want the label manager {plans['label_manager']!r}, which the installed "
            "nnunetv2 does not have: install the nnunetv2 with which the model was trained."
        )
    return Managers(manager, chosen, manager.get_label_manager(dataset), dataset)


def _import_paths_quietly() -> None:
    """Import nnU-Net's paths, which before 2.8 prints that training folders are not set; we need none."""
    if "nnunetv2.paths" not in sys.modules:
        with redirect_stdout(io.StringIO()):
            importlib.import_module("nnunetv2.paths")


@contextmanager
def ignoring(message: str, category: type[Warning]) -> Iterator[None]:
    """Ignore one warning of a library's, and no other."""
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=message, category=category)
        yield
