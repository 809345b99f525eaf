"""Which class of a model marks the boundary between objects."""

from __future__ import annotations

import re

from napari_nnunet_em.config import InstanceSettings, SplitMethod
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.model import ModelBundle

_NAMES = re.compile(r"boundar|border|membrane|contour", re.IGNORECASE)


def boundary_channel(bundle: ModelBundle) -> int | None:
    """Place among the classes of the one named boundary, border, membrane or contour; None without one."""
    found = [index for index, info in enumerate(bundle.classes) if _NAMES.search(info.name)]
    return found[0] if found and len(bundle.classes) > 1 else None


def check_boundary(settings: InstanceSettings, bundle: ModelBundle) -> None:
    """Refuse to split by boundaries that a model does not know.

    Raises
    ------
    SettingsError
    """
    if settings.enabled and settings.split is SplitMethod.BOUNDARY and boundary_channel(bundle) is None:
        names = ", ".join(info.name for info in bundle.classes)
        raise SettingsError(
            f"The model {bundle.name!r} has no class named boundary, border, membrane or contour beside "
            f"others (it has {names}), so its objects cannot be split by it: split them by distance or "
            "by probability (--split)."
        )
