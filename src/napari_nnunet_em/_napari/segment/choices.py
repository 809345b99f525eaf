"""What the form offers to choose from, as (label, value)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from napari_nnunet_em.config import Planes, Preset

_AXES = "zyx"


def flip_choices(mirror_axes: Sequence[int], dimensions: int) -> list[tuple[str, str]]:
    """The flips that a model allows, as (label, value of the setting ``tta``), from none to all.

    Parameters
    ----------
    mirror_axes : sequence of int
        Allowed axes of the patch, 0-based.
    dimensions : int
        Axes of the patch, 2 or 3.
    """
    allowed = sorted({_AXES[3 - dimensions + axis] for axis in mirror_axes}, key=_AXES.index)
    choices = [("none (fastest)", "none")]
    for count in range(1, len(allowed) + 1):
        for axes in itertools.combinations(allowed, count):
            passes = 2**count
            text = f"{', '.join(axes)} ({passes} × the time)"
            # "all" stays all when another model is chosen.
            every = count == len(allowed)
            choices.append((f"all: {text}", "all") if every else (text, "".join(axes)))
    return choices


def preset_choices() -> list[tuple[str, Preset | None]]:
    """Quality by name, as (label, value of the setting ``preset``); ``None`` is all without a name."""
    return [*((name.value, name) for name in Preset), ("custom", None)]


def planes_choices(dimensions: int) -> list[tuple[str, Planes]]:
    """The planes through which a model can see a volume, as (label, value of the setting ``planes``).

    Parameters
    ----------
    dimensions : int
        Axes of the patch, 2 or 3.
    """
    if dimensions == 3:
        return [("all at once (3D model)", Planes.SLICES)]
    return [
        ("slices", Planes.SLICES),
        ("orthogonal, averaged (3 × the time)", Planes.ORTHOGONAL),
        ("orthogonal, for any voxel size", Planes.FORCED),
    ]


def fold_choices(folds: Sequence[str]) -> list[tuple[str, tuple[str, ...] | None]]:
    """The folds on disk as (label, value of the setting ``folds``); the first is the default.

    Without a choice the model decides: every numbered fold, else ``all``.
    """
    numbered = [fold for fold in folds if fold != "all"]
    if len(folds) <= 1:
        return [(fold, (fold,)) for fold in folds] or [("default", None)]
    singles: list[tuple[str, tuple[str, ...] | None]] = [(_fold_text(fold), (fold,)) for fold in folds]
    if len(numbered) < 2:
        return sorted(singles, key=lambda choice: choice[1] == ("all",))
    return [(f"{', '.join(numbered)} (mean of {len(numbered)})", tuple(numbered)), *singles]


def _fold_text(fold: str) -> str:
    return "all (trained on everything)" if fold == "all" else f"{fold} only"
