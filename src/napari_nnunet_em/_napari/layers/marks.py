"""What layers of ours note of themselves in their metadata. Without a window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.layers import Layer

STORE_KEY = "nnunet_em_store"
"""Key in a layer's metadata: the store that a result layer shows."""

PREVIEW_KEY = "nnunet_em_preview"
"""Key in a layer's metadata: it belongs to a preview, and nothing is made from it.

What is known of the prediction, as a dict; or of a preview of objects, which of its layers it is, as a str.
"""


def is_result(layer: Layer) -> bool:
    """Whether a layer shows what a job or a preview made."""
    return STORE_KEY in layer.metadata or PREVIEW_KEY in layer.metadata


def belongs_to(layer: Layer, store: Path) -> bool:
    """Whether a layer shows (part of) this store."""
    return bool(layer.metadata.get(STORE_KEY) == str(store))
