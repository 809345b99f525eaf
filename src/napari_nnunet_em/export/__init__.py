"""Labels and images out of any volume into the files of other programs, block by block.

The names below are imported on first use: each format brings its own library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_ROOM = "napari_nnunet_em.export."
_LAZY = {
    "Compression": "settings",
    "Export": "settings",
    "ExportSettings": "settings",
    "Format": "settings",
    "Values": "settings",
    "choose_format": "formats",
    "export_labels": "exporting",
    "open_source": "exporting",
    "renamed": "formats",
}

__all__ = [
    "Compression",
    "Export",
    "ExportSettings",
    "Format",
    "Values",
    "choose_format",
    "export_labels",
    "open_source",
    "renamed",
]

if TYPE_CHECKING:
    from napari_nnunet_em.export.exporting import export_labels, open_source
    from napari_nnunet_em.export.formats import choose_format, renamed
    from napari_nnunet_em.export.settings import Compression, Export, ExportSettings, Format, Values


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_ROOM + _LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
