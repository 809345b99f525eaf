"""Objects of a view, found as a job would find them.

Whatever lies wholly inside the view and its margin comes out as in the whole volume. Of what goes on beyond
the margin only a part is known: what is certain is applied (an object that is too large already is dropped),
what is not is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_nnunet_em.config import InstanceSettings, SplitMethod
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.instances.preview.evidence import split_evidence
from napari_nnunet_em.instances.preview.flooding import Flags, Flooded, flooded
from napari_nnunet_em.instances.preview.numbers import kept_numbers
from napari_nnunet_em.instances.preview.request import Preview, PreviewRequest
from napari_nnunet_em.instances.preview.selection import Candidates, Selection, joined_parts
from napari_nnunet_em.instances.preview.slicefirst import split_slice
from napari_nnunet_em.instances.preview.stages import Labels, PreviewCache, Stages
from napari_nnunet_em.instances.splitting.joining import NeckRule
from napari_nnunet_em.progress import CancelToken

_AT_ONCE = 500_000
"""Voxels in boxes around objects that are split within a blink."""


def preview_objects(
    request: PreviewRequest, cache: PreviewCache | None = None, cancel: CancelToken | None = None
) -> Preview:
    """Find the objects of a view.

    Parameters
    ----------
    request : PreviewRequest
        What to look at, and how objects are made.
    cache : PreviewCache, optional
        What earlier previews were made of: with the same one, only what depends on changed settings is done.
    cancel : CancelToken, optional
        Polled between blocks and objects.

    Returns
    -------
    Preview
        The complete one.

    Raises
    ------
    SettingsError
        For settings that cannot work, as in a job.
    InputError
        When the view lies outside of the volume.
    Cancelled
        When `cancel` asked for it; the cache stays usable.
    """
    *_, last = preview_steps(request, cache, cancel)
    return last


def preview_steps(
    request: PreviewRequest, cache: PreviewCache | None = None, cancel: CancelToken | None = None
) -> Iterator[Preview]:
    """Find the objects of a view, and give a first answer where the whole one takes long.

    Parameters and errors as of `preview_objects`.

    Yields
    ------
    Preview
        The last one is complete. One before, if any, has objects split in the slice ``request.shown`` only.
    """
    if not request.view.size or not Box.whole(request.source.shape).contains(request.view):
        raise InputError(
            f"The view {request.view} does not lie inside the volume of {request.source.shape} voxels: "
            "move the volume into view."
        )
    stages = Stages(request, cache or PreviewCache(), cancel or CancelToken())
    stages.check()
    selection = Selection.of(stages)
    told = _scale_notes(stages)
    if _takes_long(stages, selection):
        yield _noted(_first_answer(stages, selection), told)
    yield _noted(_answer(stages, selection), told)


def _takes_long(stages: Stages, selection: Selection) -> bool:
    """Whether a first answer for one slice is worth its time."""
    request = stages.request
    if request.shown is None or request.settings.split is SplitMethod.NONE:
        return False
    if not request.view.start[0] <= request.shown < request.view.stop[0]:
        return False
    known = stages.floods(selection.smallest)
    new = np.array([row for row in selection.rows.tolist() if row not in known], dtype=np.int64)
    return selection.box_voxels(new) > _AT_ONCE


def _first_answer(stages: Stages, selection: Selection) -> Preview:
    """Objects as they are connected, split in one slice."""
    request = stages.request
    ids = _numbered(selection.whole(stages.settings))
    view = request.view.relative_to(request.region.start)
    labels = stages.paint(ids, view)
    seen = selection.seen(labels, ids, view)
    splittable = np.zeros(int(ids.max()) + 1, dtype=np.bool_)
    splittable[ids[selection.rows + 1]] = True
    z = (request.shown or 0) - request.view.start[0]
    plane = Box((z, 0, 0), (z + 1, *view.shape[1:]))
    shown = split_slice(stages, labels[plane.slices], plane.shift(view.start), splittable, selection.smallest)
    labels[plane.slices] = shown
    count = int(max(ids.max(), shown.max()))
    numbers = kept_numbers(labels, request.view, count, stages.cache.last)
    labels = stages.paint(numbers[ids], view)
    labels[plane.slices] = numbers[shown]
    return replace(_preview(request, labels, selection.components, seen), complete=False)


def _answer(stages: Stages, selection: Selection) -> Preview:
    """All objects."""
    request = stages.request
    floods = list(flooded(stages, selection.rows, selection.smallest))
    split = [flood for flood in floods if not flood.whole]
    whole = selection.whole(stages.settings)
    whole[selection.rows[[not flood.whole for flood in floods]]] = False
    ids = _numbered(whole)
    parts = _Parts.of(split, stages, selection, int(ids.max()))

    view = request.view.relative_to(request.region.start)
    labels = stages.paint(ids, view)
    seen = selection.seen(labels, ids, view)
    parts.paint(labels, parts.ids)
    numbers = kept_numbers(labels, request.view, parts.count, stages.cache.last)
    labels = stages.paint(numbers[ids], view)
    parts.paint(labels, [numbers[own] for own in parts.ids])
    stages.cache.last = labels, request.view

    objects = Candidates.joined([selection.components, *parts.candidates])
    preview = _preview(request, labels, objects, np.concatenate([seen, *parts.seen]))
    if request.explain:
        preview = replace(preview, evidence=split_evidence(request.view, labels, floods))
    if selection.too_large:
        preview = replace(preview, notes=(_in_blocks_note(selection.too_large, request.settings),))
    return preview


@dataclass(frozen=True, eq=False)
class _Parts:
    """The parts of all objects that changed, one entry per object in each list; `count` numbers exist."""

    floods: Sequence[Flooded]
    candidates: Sequence[Candidates]
    seen: Sequence[Flags]
    ids: Sequence[Labels]
    count: int

    @classmethod
    def of(cls, floods: Sequence[Flooded], stages: Stages, selection: Selection, count: int) -> _Parts:
        """Join basins, and number the parts that stay from ``count + 1`` on."""
        settings = stages.settings
        all_parts, all_seen, all_ids = [], [], []
        for flood in floods:
            stages.cancel.raise_if_cancelled()
            parts, seen, part = joined_parts(flood, NeckRule.of(settings), selection.smallest)
            stays = parts.stay(settings, selection.largest)
            ids = _numbered(stays)
            ids[ids > 0] += np.uint32(count)
            count += int(np.count_nonzero(stays))
            all_parts.append(parts)
            all_seen.append(seen & stays)
            all_ids.append(ids[part])
        return cls(floods, all_parts, all_seen, all_ids, count)

    def paint(self, labels: Labels, numbers: Sequence[Labels]) -> None:
        """Paint the parts into the view, with a number for each basin of each object."""
        flat = labels.reshape(-1)
        for flood, own in zip(self.floods, numbers, strict=True):
            flat[flood.places] = own[flood.basin]


def _numbered(keep: Flags) -> Labels:
    """Numbers 1 to n for what is kept, behind a 0 for the background, (count + 1,)."""
    ids = np.zeros(len(keep) + 1, dtype=np.uint32)
    ids[1:][keep] = np.arange(1, np.count_nonzero(keep) + 1)
    return ids


def _preview(request: PreviewRequest, labels: Labels, objects: Candidates, seen: Flags) -> Preview:
    voxels = objects.voxels[seen & ~objects.cut]
    cut = int(np.count_nonzero(seen & objects.cut))
    return Preview(request.view, labels, voxels, cut, request.voxel_size_nm)


def _noted(preview: Preview, notes: tuple[str, ...]) -> Preview:
    return replace(preview, notes=(*notes, *preview.notes)) if notes else preview


def _scale_notes(stages: Stages) -> tuple[str, ...]:
    """Say that the values in view are no probabilities, where they are not."""
    found = stages.beyond_probability()
    if found is None:
        return ()
    smallest, largest = found
    return (
        f"These are no probabilities: the values in view lie from {smallest:.4g} to {largest:.4g}, and a "
        "probability lies from 0 to 1. Choose the layer with the probability, or scale it to 0 to 1.",
    )


def _in_blocks_note(count: int, settings: InstanceSettings) -> str:
    """Say that a job would split objects in blocks."""
    objects = "1 object is" if count == 1 else f"{count} objects are"
    return (
        f"{objects} too large to be split whole within {settings.split_memory_gb:g} GB: a job works on "
        "overlapping blocks there, and may cut at other places than shown here."
    )
