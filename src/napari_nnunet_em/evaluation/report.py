"""An evaluation as plain values, for JSON."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from napari_nnunet_em.evaluation.comparing import Evaluation, ObjectComparison
from napari_nnunet_em.evaluation.scores import InstanceScores


def evaluation_document(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as plain JSON values; what is not defined is None.

    Returns
    -------
    dict
        ``region`` (z0:z1,y0:y1,x0:x1 in voxels of the truth), ``voxels``, ``masks`` by class, ``objects``
        (None where values are classes), ``components`` (sides whose objects are components of a mask) and
        ``notes``. The table of objects is not in it.
    """
    return {
        "region": str(evaluation.placement.truth),
        "voxels": evaluation.voxels,
        "masks": {name: dataclasses.asdict(scores) for name, scores in evaluation.masks.items()},
        "objects": None if evaluation.objects is None else _objects(evaluation.objects),
        "components": list(evaluation.components),
        "notes": list(evaluation.notes),
    }


def _objects(objects: ObjectComparison) -> dict[str, Any]:
    variation, rand = objects.variation, objects.rand
    return {
        "pred": objects.matched.true_positives + objects.matched.false_positives,
        "truth": objects.matched.true_positives + objects.matched.false_negatives,
        "matched": _scores(objects.matched),
        "thresholds": [_scores(scores) for scores in objects.thresholds],
        "mean_accuracy": objects.mean_accuracy,
        "variation_of_information": {
            "split": variation.split,
            "merge": variation.merge,
            "total": variation.total,
        },
        "adapted_rand": {name: _defined(value) for name, value in dataclasses.asdict(rand).items()},
    }


def _scores(scores: InstanceScores) -> dict[str, Any]:
    """The numbers; which objects match stands in the table."""
    names = [f.name for f in dataclasses.fields(scores) if not f.name.startswith("matched_")]
    return {name: getattr(scores, name) for name in names}


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
