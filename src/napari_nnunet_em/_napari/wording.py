"""What the form says and offers: plain functions of plain values, without a window."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from napari_nnunet_em.config import SpacingUnit
from napari_nnunet_em.export import Format
from napari_nnunet_em.export.formats import FORMATS
from napari_nnunet_em.quantities import extent

if TYPE_CHECKING:
    from napari_nnunet_em._napari.layerdata import KnownSize
    from napari_nnunet_em.model import ModelBundle

_AXES = "zyx"

LINK_COLOR = "#5b9bd5"
"""Readable on napari's dark and light themes; Qt's own blue is not."""


def button_text(class_names: Sequence[str]) -> str:
    """What the button promises.

    Parameters
    ----------
    class_names : sequence of str
        Foreground classes of the model; none while they are not known.
    """
    if len(class_names) <= 1:
        return " ".join(["Segment", *class_names])
    return f"Segment {len(class_names)} classes"


def model_note(bundle: ModelBundle, licence: str) -> str:
    """What is shown under a chosen model, as rich text: what it expects, its licence, a link to its card.

    Parameters
    ----------
    bundle : ModelBundle
        The model.
    licence : str
        Its licence in a sentence.
    """
    spacing = bundle.spacing_nm(SpacingUnit.AUTO)
    expects = f"{len(bundle.patch_size)}D"
    if spacing is not None:
        expects += f", for voxels of {extent(spacing)} nm"
    expects += f", patch {extent(bundle.patch_size)}"
    if len(bundle.folds) > 1:
        expects += f", {len(bundle.folds)} folds"
    if len(bundle.classes) > 1:
        expects += f"<br>Finds {html.escape(', '.join(info.name for info in bundle.classes))}"
    card = f"<a href='card' style='color: {LINK_COLOR}'>About this model</a>"
    return f"{expects}<br><b>{html.escape(licence)}</b> {card}"


def short_licence(text: str) -> str:
    """The first sentence of a licence file, for where there is no room for all of it."""
    lines = [line.strip() for line in text.splitlines()]
    first = next((line for line in lines if line and not line.startswith("#")), "Licence not stated.")
    return first if len(first) <= 120 else f"{first[:117].rstrip()} …"


def error_note(problem: Exception | str) -> str:
    """What went wrong or cannot be done, as rich text for the form; empty where nothing is said."""
    words = html.escape(without_options(problem), quote=False)
    return f"<span style='color: #e0564a'>{words}</span>" if words else ""


def without_options(sentence: Exception | str) -> str:
    """A sentence of the pipeline without the options of the command line that it names in brackets.

    Every problem passes here on its way to the screen: under a bar (`ProgressPanel.refuse`), in the form
    (`error_note`), as a notification (`show_problem`), or where work in a thread ends with it (`guarded`).
    """
    return re.sub(r" \(--[^)]*\)", "", str(sentence))


_EXPORTS = {
    Format.OME_ZARR: "A folder with a pyramid, and colours of labels. For napari and other viewers.",
    Format.TIFF: "One BigTIFF file in tiles with OME metadata. For Fiji (Bio-Formats).",
    Format.HDF5: "One file in chunks with axes and voxel size. For ilastik, Fiji, Python.",
    Format.NRRD: "One file, sizes in nm. For 3D Slicer, ITK.",
    Format.NIFTI: "One file, sizes in µm. For ITK-SNAP, nibabel.",
}


def export_note(kind: Format) -> str:
    """What a format is and who reads it."""
    return f"<b>{FORMATS[kind].title}</b>: {_EXPORTS[kind]}"


def as_text(value: Any) -> str:
    """A setting as one would type it: ``56, 8, 8`` for a tuple."""
    if isinstance(value, list | tuple):
        return ", ".join(as_text(v) for v in value)
    # As many digits as `length_in_nm` gives: what is typed for the user must be what the layer states.
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def voxel_size_note(known: KnownSize, typed: str | None) -> str:
    """Where the voxel size in the form comes from, or that it is missing, as rich text.

    Parameters
    ----------
    known : KnownSize
        What the layer states.
    typed : str or None
        What stands in the form.
    """
    if not typed:
        return error_note("The layer states no voxel size. Enter it as z, y, x, such as 40, 8, 8.")
    stated = known.voxel_size_nm is not None and typed == as_text(known.voxel_size_nm)
    return f"from {html.escape(known.source)}" if stated else "as entered here"


STOPPED_TEXT = "Stopped. Finished blocks are kept; the button above continues there."


def resampling_note(bundle: ModelBundle, typed: str | None) -> str:
    """What happens where the voxels are not of the model's size, as rich text; empty where nothing does.

    Parameters
    ----------
    bundle : ModelBundle
        The model.
    typed : str or None
        The voxel size in the form, z, y, x in nm.
    """
    try:
        size = [float(part) for part in (typed or "").split(",")]
    except ValueError:
        return ""
    spacing = bundle.spacing_by_axis(SpacingUnit.AUTO)
    if not spacing or len(size) not in (2, 3) or min(size) <= 0:
        return ""
    size = [size[0], *size] if len(size) == 2 else size
    factors = {axis: size[axis] / wanted for axis, wanted in spacing.items()}
    changed = [f"{_AXES[axis]} × {factors[axis]:.3g}" for axis in sorted(factors) if factors[axis] != 1]
    if not changed:
        return "; as the model expects"
    wanted = extent([spacing[axis] for axis in sorted(spacing)])
    return (
        f"; the model works at {wanted} nm, so the volume is resampled for it ({', '.join(changed)}), "
        "and the result back."
    )
