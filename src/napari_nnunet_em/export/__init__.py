"""Labels and images out of any volume into the files of other programs, block by block.

The names below are imported on first use: each format brings its own library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_nnunet_em.lazynames import lazy_names

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

__getattr__, __dir__ = lazy_names(__name__, _LAZY, __all__)
