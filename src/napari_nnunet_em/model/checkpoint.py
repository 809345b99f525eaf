"""Checkpoints read without running what is inside them.

A checkpoint is a pickle, and a pickle may run any code. ``torch.load(weights_only=True)`` reads only
tensors, plain containers and what an allow-list names; anything else is refused unless the caller
trusts the file.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_nnunet_em.errors import ModelError
from napari_nnunet_em.model.names import TRUST_HINT

if TYPE_CHECKING:
    import torch

# torch keeps the allow-list for the whole process, so only one thread at a time may lengthen it.
_LOAD_LOCK: Final = threading.Lock()
_UNSAFE = re.compile(r"(?:GLOBAL|class|type|function|call of) ([\w.]+\.\w+)")
_PREFIXES = ("module.", "_orig_mod.")
_BROKEN = (
    RuntimeError,
    pickle.UnpicklingError,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    ImportError,
    AssertionError,
)


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says besides its weights.

    Attributes
    ----------
    trainer, configuration : str
        Name of nnU-Net's trainer class, and of the configuration it trained.
    fold : str
        Fold that was trained, ``all`` where the checkpoint says nothing.
    mirror_axes : tuple of int
        Axes of the patch that inference may flip.
    """

    trainer: str
    configuration: str
    fold: str
    mirror_axes: tuple[int, ...]


def read_info(path: Path, *, trust: bool = False) -> CheckpointInfo:
    """Read what a checkpoint says besides its weights, without reading these from disk.

    Raises
    ------
    ModelError
        Where the file is broken, unsafe, or no nnU-Net v2 checkpoint.
    """
    # On the meta device a tensor has a shape and no memory.
    content = _load(path, "meta", trust)
    try:
        arguments = content["init_args"]
        return CheckpointInfo(
            str(content["trainer_name"]),
            str(arguments["configuration"]),
            str(arguments.get("fold", "all")),
            tuple(int(axis) for axis in content.get("inference_allowed_mirroring_axes") or ()),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(
            f"{path} is no checkpoint of nnU-Net v2 ({error} is missing or malformed): "
            "use a checkpoint_*.pth that nnU-Net v2 wrote."
        ) from error


def read_weights(path: Path, *, trust: bool = False) -> dict[str, torch.Tensor]:
    """Read the weights of a checkpoint, on the CPU and in the type in which they are stored.

    Returns
    -------
    dict of str to torch.Tensor
        Names as in the file; several names may share one tensor.

    Raises
    ------
    ModelError
        As `read_info`.
    """
    import torch  # noqa: PLC0415 - slow import

    weights = _load(path, "cpu", trust).get("network_weights")
    if not isinstance(weights, dict) or not all(isinstance(v, torch.Tensor) for v in weights.values()):
        raise ModelError(f"{path} holds no 'network_weights': use a checkpoint_*.pth that nnU-Net v2 wrote.")
    return weights


def strip_prefixes(weights: Mapping[str, torch.Tensor], expected: set[str]) -> dict[str, torch.Tensor]:
    """Drop what DistributedDataParallel (``module.``) and torch.compile (``_orig_mod.``) put before names."""
    return {_strip(name, expected): tensor for name, tensor in weights.items()}


def _strip(name: str, expected: set[str]) -> str:
    short = name
    while short not in expected:
        prefix = next((p for p in _PREFIXES if short.startswith(p)), None)
        if prefix is None:
            return name
        short = short.removeprefix(prefix)
    return short


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits; raises `ModelError` where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error}): check the file and its permissions.") from error


def _load(path: Path, device: str, trust: bool) -> dict[str, Any]:
    import torch  # noqa: PLC0415 - slow import

    try:
        # Only torch's zip format can be mapped; files older than torch 1.6 are read whole.
        mapped = zipfile.is_zipfile(path)
        with _LOAD_LOCK, torch.serialization.safe_globals(_additions()):
            content = torch.load(path, map_location=device, mmap=mapped or None, weights_only=not trust)
    except _BROKEN as error:
        raise _refusal(path, error) from error
    if not isinstance(content, dict):
        raise ModelError(
            f"{path} holds a {type(content).__name__} instead of an nnU-Net checkpoint: "
            "use a checkpoint_*.pth that nnU-Net v2 wrote."
        )
    return content


def _allow_list() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """NumPy's scalars and arrays, which nnU-Net logs and plans hold; numpy 1 had them elsewhere."""
    import numpy as np  # noqa: PLC0415 - keeps the import of this module light
    from numpy._core import multiarray  # noqa: PLC0415

    scalar, reconstruct = multiarray.scalar, multiarray._reconstruct
    return [
        scalar,
        (scalar, "numpy.core.multiarray.scalar"),
        reconstruct,
        (reconstruct, "numpy.core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        np.dtypes.Float64DType,
        np.dtypes.Float32DType,
        np.dtypes.Int64DType,
    ]


def _additions() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """The allow-list without what the process allows already, which torch would drop afterwards."""
    import torch  # noqa: PLC0415 - slow import

    known = torch.serialization.get_safe_globals()
    return [entry for entry in _allow_list() if entry not in known]


def _refusal(path: Path, error: Exception) -> ModelError:
    text = str(error)
    wanted = _UNSAFE.search(text.partition("WeightsUnpickler error")[2])
    if wanted:
        return ModelError(
            f"The checkpoint {path} wants to load {wanted[1]!r}, which weights do not need and which could "
            f"run any code, so it is refused; {TRUST_HINT}."
        )
    first = text.partition("\n")[0].partition(". ")[0] or type(error).__name__
    return ModelError(
        f"The checkpoint {path} cannot be read ({first}); it is damaged or cut off: "
        "copy or download it again."
    )
