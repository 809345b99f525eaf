"""Comparing two label images that need not fit into memory: all scores from one pass over both."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_nnunet_em.components import Layout
from napari_nnunet_em.evaluation.blockwise import block_shape, in_threads
from napari_nnunet_em.evaluation.counting import OverlapCounter, Tally
from napari_nnunet_em.evaluation.matching import match
from napari_nnunet_em.evaluation.objects import object_table
from napari_nnunet_em.evaluation.opening import LabelImage
from napari_nnunet_em.evaluation.overlaps import Overlaps
from napari_nnunet_em.evaluation.partitions import (
    AdaptedRand,
    VariationOfInformation,
    adapted_rand,
    variation_of_information,
)
from napari_nnunet_em.evaluation.placing import Placement, place
from napari_nnunet_em.evaluation.scores import (
    THRESHOLDS,
    InstanceScores,
    MaskScores,
    class_scores,
    foreground_scores,
    instance_scores,
)
from napari_nnunet_em.evaluation.settings import ComparisonSettings, Meaning
from napari_nnunet_em.evaluation.sources import ComponentLabels, LabelSource, StoredLabels, label_source
from napari_nnunet_em.geometry import Block
from napari_nnunet_em.progress import CancelToken, ProgressEvent, Stage, finish

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class ObjectComparison:
    """Scores of objects.

    Attributes
    ----------
    matched : InstanceScores
        At the threshold that was asked for.
    thresholds : tuple of InstanceScores
        At each of `THRESHOLDS`, without the lists of pairs.
    variation : VariationOfInformation
        With background as one more object.
    rand : AdaptedRand
        Over the voxels of true objects.
    table : pandas.DataFrame
        Every object with its partner; see `object_table`.
    """

    matched: InstanceScores
    thresholds: tuple[InstanceScores, ...]
    variation: VariationOfInformation
    rand: AdaptedRand
    table: pd.DataFrame

    @property
    def mean_accuracy(self) -> float:
        """Mean over `THRESHOLDS` of TP / (TP + FP + FN), often called mean AP."""
        return math.fsum(scores.accuracy for scores in self.thresholds) / len(self.thresholds)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good a prediction is.

    Attributes
    ----------
    placement : Placement
        Which voxels were compared.
    voxels : int
        How many; those that were left out are not among them.
    masks : mapping from str to MaskScores
        Scores of voxels, for the foreground or for each class; as stored, whatever the size of objects.
    objects : ObjectComparison or None
        Scores of objects; None where values are classes.
    components : tuple of str
        The sides, of pred and truth, whose objects are the connected components of a mask; the ids of these
        are not those that are stored.
    notes : tuple of str
        What one should know, a sentence each.
    """

    placement: Placement
    voxels: int
    masks: Mapping[str, MaskScores]
    objects: ObjectComparison | None
    components: tuple[str, ...]
    notes: tuple[str, ...]


def compare(
    pred: LabelImage,
    truth: LabelImage,
    settings: ComparisonSettings | None = None,
    cancel: CancelToken | None = None,
) -> Generator[ProgressEvent, None, Evaluation]:
    """Compare a prediction with a truth, block by block.

    Use it as ``evaluation = yield from compare(pred, truth)``, or run it to its end with `evaluate`.
    Memory grows with the number of objects, not of voxels: by about 300 bytes for each object of either side.

    Parameters
    ----------
    pred, truth : LabelImage
        From `open_labels`, or of volumes in memory.
    settings : ComparisonSettings, optional
        What is compared, and how.
    cancel : CancelToken, optional
        Polled before each block.

    Raises
    ------
    InputError
        When the images cannot be compared.
    SettingsError
        When the region makes no sense.
    Cancelled
        When `cancel` asked for it.
    """
    settings = settings or ComparisonSettings()
    placement = place(pred.volume, truth.volume, settings.region, settings.offset)
    blocks = block_shape(placement.shape, pred.volume.chunks, truth.volume.chunks)
    layout = Layout(placement.shape, blocks, settings.connectivity)
    ours = yield from label_source(
        pred,
        StoredLabels(pred.volume, placement.pred.start, (), settings.pred_value),
        settings,
        layout,
        cancel,
    )
    theirs = yield from label_source(
        truth,
        StoredLabels(truth.volume, placement.truth.start, settings.ignore, settings.truth_value),
        settings,
        layout,
        cancel,
    )
    overlaps = yield from _count(ours, theirs, layout, cancel)
    notes = [*placement.notes, *_component_notes(ours, theirs, settings)]
    ignored = placement.truth.size - overlaps.total
    if settings.ignore:
        notes.append(f"{ignored:,} of {placement.truth.size:,} voxels were left out, as the truth says.")
    if settings.meaning is Meaning.CLASSES:
        masks = {str(value): scores for value, scores in class_scores(overlaps).items()}
        return Evaluation(placement, overlaps.total, masks, None, (), tuple(notes))
    name = truth.name or pred.name or "foreground"
    masks = {name: foreground_scores(overlaps)}
    kept = overlaps.without_small(settings.min_voxels)
    notes += _size_notes(overlaps, kept, settings.min_voxels)
    objects = compare_objects(kept, settings.iou, placement)
    sides = (("pred", ours), ("truth", theirs))
    components = tuple(name for name, source in sides if isinstance(source, ComponentLabels))
    return Evaluation(placement, overlaps.total, masks, objects, components, tuple(notes))


def evaluate(
    pred: LabelImage,
    truth: LabelImage,
    settings: ComparisonSettings | None = None,
    cancel: CancelToken | None = None,
) -> Evaluation:
    """Run `compare` to its end; parameters and errors are its own."""
    return finish(compare(pred, truth, settings, cancel))


def compare_objects(overlaps: Overlaps, iou: float, placement: Placement) -> ObjectComparison:
    """All scores of objects, from the counts of their overlaps."""
    return ObjectComparison(
        matched=instance_scores(overlaps, iou),
        thresholds=tuple(instance_scores(overlaps, limit, pairs=False) for limit in THRESHOLDS),
        variation=variation_of_information(overlaps),
        rand=adapted_rand(overlaps),
        table=object_table(overlaps, match(overlaps, iou), placement.truth.start),
    )


def _count(
    pred: LabelSource, truth: LabelSource, layout: Layout, cancel: CancelToken | None
) -> Generator[ProgressEvent, None, Overlaps]:
    """Count the overlaps of all blocks, a few at the same time."""

    def work(block: Block) -> Tally:
        return Tally.of_block(pred.read(block), truth.read(block), block.write.start)

    counter = OverlapCounter(truth.ignore)
    for done, tally in enumerate(in_threads(work, layout.blocks(), cancel), start=1):
        counter.add(tally)
        yield ProgressEvent(Stage.COMPARE, done, layout.count)
    return counter.finish()


def _size_notes(found: Overlaps, kept: Overlaps, min_voxels: int) -> list[str]:
    """Say how many objects were too small."""
    ours = len(found.pred_ids) - len(kept.pred_ids)
    theirs = len(found.truth_ids) - len(kept.truth_ids)
    if not ours and not theirs:
        return []
    return [
        f"Objects of fewer than {min_voxels} voxels counted as background in the scores of objects: "
        f"{ours:,} of {len(found.pred_ids):,} predicted, {theirs:,} of {len(found.truth_ids):,} true."
    ]


def _component_notes(pred: LabelSource, truth: LabelSource, settings: ComparisonSettings) -> list[str]:
    """Say where components were taken for objects, and why."""
    notes = []
    sides: tuple[tuple[str, Any, int | None], ...] = (
        ("prediction", pred, settings.pred_value),
        ("truth", truth, settings.truth_value),
    )
    for name, source, value in sides:
        if isinstance(source, ComponentLabels):
            what = "is a mask" if value is None else f"was taken for a mask where it is {value}"
            notes.append(
                f"The {name} {what}: the {source.table.count:,} connected components "
                f"(connectivity {int(settings.connectivity)}) in it were taken for its objects."
            )
    return notes
