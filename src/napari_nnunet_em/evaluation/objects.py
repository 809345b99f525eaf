"""Every object of both sides with its partner, as a table."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from napari_nnunet_em.errors import OutputError
from napari_nnunet_em.evaluation.overlaps import Counts, Ids, Overlaps, Points
from napari_nnunet_em.geometry import Shape
from napari_nnunet_em.io.staging import replacing

_SIDES = ("pred", "truth")
_LARGEST = np.iinfo(np.int64).max


def object_table(overlaps: Overlaps, matches: Counts, start: Shape = (0, 0, 0)) -> pd.DataFrame:
    """One row for each object, the predicted ones first, by id.

    Parameters
    ----------
    overlaps : Overlaps
        Of the two sides.
    matches : array, (matches,), int64
        Places of the pairs that match.
    start : tuple of int, (z, y, x)
        Voxel of the truth at which the part that was compared begins.

    Returns
    -------
    pandas.DataFrame
        ``image`` (pred or truth), ``id``, ``voxels``; ``matched_id`` and ``iou`` of its partner, missing
        without one; ``best_id`` and ``best_iou`` of the object on the other side that it shares the largest
        IoU with, missing where it meets none; ``centroid_z`` and so on in voxels of the truth.
    """
    origin = np.asarray(start, dtype=np.float64)
    iou = overlaps.iou
    # One type for the ids of both sides: pandas would make floats of signed beside unsigned numbers.
    signed = all(ids.max(initial=0) <= _LARGEST for ids in (overlaps.pred_ids, overlaps.truth_ids))
    kind = pd.Int64Dtype() if signed else pd.UInt64Dtype()
    pred = _side(
        "pred",
        (overlaps.pred_ids, overlaps.pred_voxels, overlaps.pred_centroids + origin),
        (overlaps.pred, overlaps.truth_ids[overlaps.truth], iou),
        matches,
        kind,
    )
    truth = _side(
        "truth",
        (overlaps.truth_ids, overlaps.truth_voxels, overlaps.truth_centroids + origin),
        (overlaps.truth, overlaps.pred_ids[overlaps.pred], iou),
        matches,
        kind,
    )
    return pd.concat([pred, truth], ignore_index=True)


def _side(
    image: str,
    objects: tuple[Ids, Counts, Points],
    pairs: tuple[Counts, Ids, np.ndarray],
    matches: Counts,
    kind: pd.Int64Dtype | pd.UInt64Dtype,
) -> pd.DataFrame:
    """Rows of one side; `pairs` are place on this side, id on the other side, and IoU; ids are of `kind`."""
    ids, voxels, centroids = objects
    place, other, iou = pairs
    # The last of equal places wins, so the best pair of each object comes last, of equals that of lowest id.
    order = np.lexsort((-np.arange(len(place)), iou))
    sides = pd.Categorical(_SIDES).take(np.full(len(ids), _SIDES.index(image)))
    frame = pd.DataFrame({"image": sides, "id": pd.Series(ids).astype(kind), "voxels": voxels})
    for names, chosen in ((("matched_id", "iou"), matches), (("best_id", "best_iou"), order)):
        partner = np.zeros(len(ids), dtype=other.dtype)
        quality = np.full(len(ids), np.nan)
        partner[place[chosen]] = other[chosen]
        quality[place[chosen]] = iou[chosen]
        frame[names[0]] = pd.Series(partner).astype(kind).mask(np.isnan(quality))
        frame[names[1]] = quality
    for axis, name in enumerate("zyx"):
        frame[f"centroid_{name}"] = centroids[:, axis]
    return frame


def write_objects(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write the table as CSV, whole or not at all.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    target = Path(path)
    try:
        with replacing(target) as draft:
            frame.to_csv(draft, index=False, lineterminator="\n")
    except OSError as error:
        raise OutputError(
            f"The table of objects could not be written to {target} ({error}): "
            "check that the folder exists, can be written and has space."
        ) from error
