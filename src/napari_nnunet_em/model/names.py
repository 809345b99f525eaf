"""Names that come from model files: none of them may lead out of a folder or into other code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari_nnunet_em.errors import ModelError

if TYPE_CHECKING:
    from types import ModuleType

_TRUSTED_PREFIXES = ("torch.nn.", "dynamic_network_architectures.")
_UNETS = "dynamic_network_architectures.architectures.unet."
TRUST_HINT = (
    "if you know where the model comes from and trust it, allow it with the setting model.trust "
    "(trust=True in Python, --trust on the command line, 'Trust this model' in napari)"
)


def require_plain_name(name: object, what: str) -> str:
    """Return `name` if it is a plain name, one that cannot be read as a path.

    Raises
    ------
    ModelError
        Where it is no text, empty, ``.`` or ``..``, or holds a separator, a drive or a control character.
    """
    plain = (
        isinstance(name, str)
        and name.strip() not in ("", ".", "..")
        and name.isprintable()
        and not set(name) & set("/\\:")
    )
    if not plain:
        raise ModelError(
            f"The {what} name {name!r} of the model is not a plain name: it becomes part of a path, so it "
            "may not be empty or hold '/', '\\', ':' or control characters; rename it."
        )
    return str(name)


def check_architecture(
    class_name: str, kwargs: Mapping[str, Any], to_import: list[str], *, trust: bool = False
) -> str:
    """Refuse an architecture whose names lead to anything but layers of torch and nnU-Net's networks.

    nnU-Net imports these names and calls what it finds, so a hostile plans.json could run any code.

    Parameters
    ----------
    class_name : str
        ``network_class_name`` of the plans.
    kwargs : mapping
        ``arch_kwargs`` of the plans.
    to_import : list of str
        ``_kw_requires_import``: the keywords whose values nnU-Net imports.
    trust : bool
        Skip the check; the caller vouches for the plans.

    Returns
    -------
    str
        Where the installed library keeps the network's class; it has moved over time.

    Raises
    ------
    ModelError
        Where a name is not that of a ``torch.nn.Module`` below ``torch.nn`` or
        ``dynamic_network_architectures``.
    """
    place = _current_place(class_name)
    if not trust:
        _require_layer(place, "network_class_name")
        for key in to_import:
            if kwargs.get(key) is not None:
                _require_layer(kwargs[key], key)
    return place


def _current_place(class_name: str) -> str:
    if not str(class_name).startswith(_TRUSTED_PREFIXES[1]):
        return class_name
    from dynamic_network_architectures.architectures import unet  # noqa: PLC0415 - loads torch

    last = class_name.rpartition(".")[2]
    return _UNETS + last if _defines(unet, last) else class_name


def _defines(module: ModuleType, name: str) -> bool:
    return getattr(getattr(module, name, None), "__module__", None) == module.__name__


def _require_layer(name: object, key: str) -> None:
    import pydoc  # noqa: PLC0415 - only the few callers that build networks need these

    from torch import nn  # noqa: PLC0415

    dotted = isinstance(name, str) and all(part.isidentifier() for part in name.split("."))
    if not dotted or not str(name).startswith(_TRUSTED_PREFIXES):
        raise _untrusted(name, key)
    try:
        found = pydoc.locate(str(name))
    except pydoc.ErrorDuringImport as error:
        raise _unknown(name, key) from error
    if found is None:
        raise _unknown(name, key)
    # The prefix alone proves nothing: torch.nn.functional.torch.hub.load has it too.
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise _untrusted(name, key)
    if not f"{found.__module__}.".startswith(_TRUSTED_PREFIXES):
        raise _untrusted(name, key)


def _untrusted(name: object, key: str) -> ModelError:
    return ModelError(
        f"The plans want {name!r} as {key}, which is neither a layer of torch.nn nor a network of "
        f"dynamic_network_architectures, and importing it could run any code; {TRUST_HINT}."
    )


def _unknown(name: object, key: str) -> ModelError:
    return ModelError(
        f"The plans want {name!r} as {key}, which the installed libraries do not have: install the versions "
        "of nnunetv2 and dynamic-network-architectures with which the model was trained."
    )
