"""What the Segment dock says of models, voxel sizes and its button: plain functions, without a window."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_nnunet_em._napari.words import LINK_COLOR, as_text, error_note
from napari_nnunet_em.config import SpacingUnit
from napari_nnunet_em.quantities import extent

if TYPE_CHECKING:
    from napari_nnunet_em._napari.layers.voxels import KnownSize
    from napari_nnunet_em.model import ModelBundle

_AXES = "zyx"


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


def waiting_text(then: str) -> str:
    """The status line while a model is read.

    Parameters
    ----------
    then : str
        What follows by itself, such as ``preview begins``.
    """
    return f"Reading the model; the {then} by itself when that is done."


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
