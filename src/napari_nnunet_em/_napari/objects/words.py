"""What the Objects dock says: plain functions of plain values, without a window."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nnunet_em.quantities import count

if TYPE_CHECKING:
    from napari_nnunet_em.instances.preview import Preview


def preview_text(preview: Preview, complete_view: bool) -> str:
    """What a preview found, as rich text, such as ``117 objects in view, 4 of them cut by its edge``.

    Parameters
    ----------
    preview : Preview
        What was found.
    complete_view : bool
        Whether it holds all that is on the canvas.
    """
    lines = [f"<b>{count(preview.count, 'object')}</b> in view"]
    if preview.cut:
        lines[0] += f", {preview.cut} of them cut by its edge"
    if not preview.complete:
        lines.append("Split in this slice only; the other slices follow …")
    if not complete_view:
        y, x = preview.box.shape[1:]
        lines.append(f"The middle {x} × {y} pixels are previewed: zoom in to see everything.")
    lines += [html.escape(note) for note in preview.notes]
    return "<br>".join(lines)


def apply_text(class_name: str) -> str:
    """What the button promises."""
    return f"Apply to whole volume ({class_name})" if class_name else "Apply to whole volume"


def labels_prefix(layer_name: str, class_name: str) -> str:
    """What names of new labels layers begin with: the volume, where the layer is named as ours are."""
    return layer_name.removesuffix(" probability").removesuffix(f" {class_name}")


def objects_name(source: str) -> str:
    """File name for the objects of a layer that is not ours."""
    stem = Path(source).name
    for suffix in (".ome.zarr", ".zarr", ".n5", ".ome.tif", ".tiff", ".tif", ".h5", ".hdf5"):
        stem = stem.removesuffix(suffix)
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in stem).strip("._")
    return f"{kept or 'probability'}_objects.zarr"
