"""What the form says and offers: plain functions of plain values, without a window."""

from __future__ import annotations

import datetime as dt
import html
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_nnunet_em.config import Planes, Preset, SpacingUnit
from napari_nnunet_em.export import Format
from napari_nnunet_em.export.formats import FORMATS
from napari_nnunet_em.progress import ProgressEvent, Stage

if TYPE_CHECKING:
    from napari_nnunet_em._napari.placement import KnownSize
    from napari_nnunet_em.model import ModelBundle

_STAGES = {
    Stage.OPEN: "Opening",
    Stage.STATISTICS: "Measuring intensities",
    Stage.PREDICT: "Predicting",
    Stage.COMPONENTS: "Finding objects",
    Stage.SPLIT: "Splitting objects",
    Stage.LABELS: "Writing objects",
    Stage.MEASURE: "Measuring objects",
    Stage.COMPARE: "Comparing",
    Stage.EXPORT: "Exporting",
    Stage.FINISHED: "Finished",
}

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
        expects += f", for voxels of {' × '.join(f'{s:g}' for s in spacing)} nm"
    expects += f", patch {' × '.join(str(n) for n in bundle.patch_size)}"
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


def error_note(sentence: str) -> str:
    """A problem, as rich text for the form."""
    return f"<span style='color: #e0564a'>{html.escape(without_options(sentence))}</span>"


def without_options(sentence: str) -> str:
    """A sentence of the pipeline without the options of the command line that it names in brackets."""
    return re.sub(r" \(--[^)]*\)", "", sentence)


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
    return f"{value:g}" if isinstance(value, float) else str(value)


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


def status_text(event: ProgressEvent) -> str:
    """The line under the progress bar, such as ``Predicting, 3 of 12 tiles, 1.2 Mvoxel/s, 2 min left``."""
    parts = [_STAGES[event.stage]]
    if event.total:
        unit = "tiles" if event.stage is Stage.PREDICT else "blocks"
        parts.append(f"{event.done} of {event.total} {unit}")
    if event.voxels_per_second:
        parts.append(rate_text(event.voxels_per_second))
    if event.eta_seconds is not None and event.stage is not Stage.FINISHED:
        parts.append(f"{duration_text(event.eta_seconds)} left")
    if len(parts) == 1 and event.message:
        parts.append(first_line(event.message))
    return ", ".join(parts)


def paused_text(event: ProgressEvent) -> str:
    """The line under the bar of a job that stands still."""
    return f"Paused, {event.done} of {event.total}" if event.total else "Paused"


def first_line(text: str) -> str:
    """What a message begins with; some, such as licences, are pages long."""
    return without_options(text.strip().partition("\n")[0])


def finished_text(counts: Mapping[str, int], store: Path) -> str:
    """What was found and where it is, such as ``41 mitochondria, saved in result.zarr``."""
    found = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"Found {found or 'no objects'}. Saved in {store}"


STOPPED_TEXT = "Stopped. Finished blocks are kept; the button above continues there."


def queue_text(title: str, store: Path) -> str:
    """A job that waits, such as ``Next: mitochondria in SBEM, to out.zarr``."""
    return f"Then: {title}, to {store.name}"


def unfinished_text(store: Path, predicted: float, started: str) -> str:
    """What is offered to be continued, as rich text.

    Parameters
    ----------
    store : pathlib.Path
        Its output.
    predicted : float
        Share of its voxels that are done, from 0 to 1.
    started : str
        When it was begun, ISO 8601.
    """
    begun = dt.datetime.fromisoformat(started).astimezone()
    share = "all predicted, objects still to be found" if predicted >= 1 else f"{int(predicted * 100)} % done"
    return (
        f"This volume has an unfinished job: <b>{html.escape(store.name)}</b>, {share}, "
        f"begun {begun:%Y-%m-%d %H:%M}."
    )


def preview_status(event: ProgressEvent) -> str:
    """The line under the bar while a view is previewed."""
    return f"Preview: {_STAGES[event.stage].lower()}"


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
    wanted = " × ".join(f"{s:g}" for s in spacing.values())
    return (
        f"; the model works at {wanted} nm, so the volume is resampled for it ({', '.join(changed)}), "
        "and the result back."
    )


def preview_text(seconds: float, provisional: bool) -> str:
    """What is said below a finished preview."""
    text = f"Preview after {seconds:.1f} s; nothing was saved."
    if not provisional:
        return text
    return (
        f"{text} Provisional: the volume is large, so its intensities were estimated from samples; a run "
        "measures all of it and may differ a little."
    )


def rate_text(voxels_per_second: float) -> str:
    """A speed in voxels per second with a fitting prefix."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if voxels_per_second >= factor:
            return f"{voxels_per_second / factor:.1f} {prefix}voxel/s"
    return f"{voxels_per_second:.0f} voxel/s"


def duration_text(seconds: float) -> str:
    """A time span that a person can take in at a glance."""
    if seconds < 60:
        return f"{max(round(seconds), 0)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
