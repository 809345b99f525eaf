"""Scores for people: small tables of plain text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from napari_nnunet_em.cli.facts import write_facts

if TYPE_CHECKING:
    from napari_nnunet_em.evaluation import Evaluation, InstanceScores, MaskScores, ObjectComparison


def write_evaluation(stream: TextIO, evaluation: Evaluation) -> None:
    """Write all scores, and the notes below them."""
    stream.write(f"Voxels ({evaluation.voxels:,} compared)\n")
    write_table(stream, ("", "Dice", "IoU", "precision", "recall"), _mask_rows(evaluation.masks))
    if evaluation.objects is not None:
        _write_objects(stream, evaluation.objects)
    if evaluation.notes:
        stream.write("\n")
        write_facts(stream, [("Notes", "\n".join(evaluation.notes))])
    stream.flush()


def _mask_rows(masks: Mapping[str, MaskScores]) -> Iterator[tuple[str, ...]]:
    for name, scores in masks.items():
        numbers = (scores.dice, scores.iou, scores.precision, scores.recall)
        yield (name, *(score_text(number) for number in numbers))


def _write_objects(stream: TextIO, objects: ObjectComparison) -> None:
    matched = objects.matched
    found, true = (matched.true_positives + n for n in (matched.false_positives, matched.false_negatives))
    stream.write(f"\nObjects ({found:,} predicted, {true:,} true)\n")
    heads = ("IoU above", "matched", "precision", "recall", "F1", "AP *")
    listed = {scores.iou_threshold: scores for scores in (matched, *objects.thresholds)}
    rows = [_threshold_row(listed[threshold]) for threshold in sorted(listed)]
    write_table(stream, heads, [*rows, ("mean 0.5:0.95", "", "", "", "", score_text(objects.mean_accuracy))])
    stream.write("* TP / (TP + FP + FN), as StarDist and cellpose count it; not the detection AP of COCO\n\n")
    variation, rand = objects.variation, objects.rand
    quality = score_text(matched.panoptic_quality)
    parts = f"SQ {score_text(matched.mean_matched_iou)}, RQ {score_text(matched.f1)}"
    facts = [
        ("Panoptic quality", f"{quality} ({parts}; IoU above {matched.iou_threshold:g})"),
        (
            "Variation of information",
            f"{variation.total:.4f} bit (split {variation.split:.4f}, merge {variation.merge:.4f})",
        ),
        (
            "Adapted Rand error",
            f"{score_text(rand.error)} (precision {score_text(rand.precision)}, "
            f"recall {score_text(rand.recall)})",
        ),
    ]
    write_facts(stream, facts)


def _threshold_row(scores: InstanceScores) -> tuple[str, ...]:
    rates = (scores.precision, scores.recall, scores.f1, scores.accuracy)
    return (f"{scores.iou_threshold:g}", f"{scores.true_positives:,}", *(score_text(rate) for rate in rates))


def score_text(value: float) -> str:
    """A score from 0 to 1 with four digits; a dash where it is not defined."""
    return "-" if math.isnan(value) else f"{value:.4f}"


def write_table(stream: TextIO, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows below heads, the first column to the left and the others to the right."""
    table = [tuple(heads), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    for first, *rest in table:
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        stream.write("  ".join([f"  {first:<{widths[0]}}", *cells]).rstrip() + "\n")
