"""The levels of a layer's pyramid: what can be chosen, and what is said about it. Without a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_nnunet_em import io
from napari_nnunet_em._napari.layers.voxels import KnownSize, layer_shape
from napari_nnunet_em._napari.words import LINK_COLOR, as_text
from napari_nnunet_em.config import SpacingUnit
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box, Shape
from napari_nnunet_em.quantities import extent

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_nnunet_em.model import ModelBundle


@dataclass(frozen=True)
class LayerLevel:
    """A level of a layer's pyramid.

    Attributes
    ----------
    number : int
        0 is the full resolution.
    shape : tuple of int, (z, y, x)
        Its voxels.
    lattice : Lattice
        How they lie over those of the full resolution.
    """

    number: int
    shape: Shape
    lattice: io.Lattice

    def box(self, box: Box | None) -> Box | None:
        """Its voxels that a box of the full resolution touches; None, for all of them, stays None."""
        return None if box is None else self.lattice.covering(box, self.shape)

    def voxel(self, voxel: Shape | None) -> Shape | None:
        """The voxel in which one of the full resolution lies."""
        return None if voxel is None else self.lattice.nearest(voxel, self.shape)

    def size(self, known: KnownSize) -> KnownSize:
        """Its voxel size, from that of the full resolution."""
        if known.voxel_size_nm is None or self.number == 0:
            return known
        z, y, x = (a * b for a, b in zip(known.voxel_size_nm, self.lattice.step, strict=True))
        return KnownSize((z, y, x), f"{known.source}, pyramid level {self.number}")


def full_level(layer: Layer) -> LayerLevel:
    """The full resolution of a layer."""
    return LayerLevel(0, layer_shape(layer), io.Lattice())


def layer_levels(layer: Layer) -> tuple[LayerLevel, ...]:
    """The levels of a layer, the full resolution first; that alone where there is no pyramid."""
    full = (full_level(layer),)
    if not layer.multiscale or getattr(layer, "rgb", False):
        return full
    try:
        volume = io.open_volume(list(layer.data), axes={2: "yx", 3: "zyx", 4: "czyx"}.get(layer.ndim))
    except (InputError, OSError):  # also a drive that has gone: then the job says so
        return full
    numbers = range(len(volume.levels))
    return tuple(LayerLevel(n, volume.shape_of(n), volume.lattice(n)) for n in numbers)


def level_choices(levels: Sequence[LayerLevel], known: KnownSize) -> list[tuple[str, int]]:
    """What the form offers, as (label, value of the setting ``level``)."""
    choices = []
    for level in levels:
        size = level.size(known).voxel_size_nm
        what = f"{extent(level.shape)} voxels" if size is None else f"{extent(size)} nm"
        choices.append((f"{level.number}: {what}", level.number))
    return choices


def level_note(levels: Sequence[LayerLevel], full: KnownSize, chosen: int, bundle: ModelBundle | None) -> str:
    """A link to the level whose voxels are nearest to the model's, as rich text; empty where it is chosen.

    Parameters
    ----------
    levels : sequence of LayerLevel
        Of the layer.
    full : KnownSize
        Voxel size of the full resolution.
    chosen : int
        The level that is chosen.
    bundle : ModelBundle or None
        The model, once it is open.
    """
    spacing = {} if bundle is None else bundle.spacing_by_axis(SpacingUnit.AUTO)
    sizes = [size for level in levels if (size := level.size(full).voxel_size_nm) is not None]
    best = io.nearest_size(sizes, spacing) if sizes and spacing else chosen
    if best == chosen:
        return ""
    link = f"<a href='{best}' style='color: {LINK_COLOR}'>Use pyramid level {best}</a>"
    return f"<br>{link}: its voxels, {extent(sizes[best])} nm, are nearer to the model's."


def resized(typed: str | None, before: LayerLevel, now: LayerLevel) -> str | None:
    """A voxel size as typed for one level, for another; what is no size stays as it is.

    Parameters
    ----------
    typed : str or None
        z, y, x in nm, or y, x.
    before, now : LayerLevel
        For which it was typed, and for which it is wanted.
    """
    sizes = _numbers(typed)
    if sizes is None:
        return typed
    factors = [b / a for a, b in zip(before.lattice.step, now.lattice.step, strict=True)][-len(sizes) :]
    return as_text([size * factor for size, factor in zip(sizes, factors, strict=True)])


def full_size(typed: str | None, level: LayerLevel) -> KnownSize:
    """The voxel size of the full resolution, from what is typed for a level."""
    sizes = _numbers(typed)
    if sizes is None or min(sizes) <= 0:
        return KnownSize(None, "")
    z, y, x = (a / b for a, b in zip([*sizes[: 3 - len(sizes)], *sizes], level.lattice.step, strict=True))
    return KnownSize((z, y, x), "entered")


def _numbers(typed: str | None) -> list[float] | None:
    """Two or three numbers with commas between them; None where there are none."""
    try:
        numbers = [float(part) for part in (typed or "").split(",")]
    except ValueError:
        return None
    return numbers if len(numbers) in (2, 3) else None
