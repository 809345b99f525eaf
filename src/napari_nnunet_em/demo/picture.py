"""Image, truth and result of one slice beside each other."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries

from napari_nnunet_em.evaluation import InstanceScores
from napari_nnunet_em.quantities import count

Colour = tuple[int, int, int]
Labels = npt.NDArray[np.integer[Any]]
Picture = npt.NDArray[np.uint8]

_PAPER: Colour = (250, 250, 250)
_INK: Colour = (30, 30, 30)
_ALONE: Colour = (230, 0, 0)
"""Objects without a partner."""
_GAP = 16
_HEAD = 44
_FOOT = 40
_FILL = 0.45


def overlay_picture(
    raw: npt.NDArray[np.uint8],
    truth: Labels,
    found: Labels,
    scores: InstanceScores,
    voxel_size_nm: Sequence[float],
) -> Image.Image:
    """Draw the slice with most objects: the image, the truth, and what was found.

    Objects that match have the same colour on both sides; those without a partner are red.

    Parameters
    ----------
    raw, truth, found : array, (z, y, x)
        Grey values uint8, and two label images.
    scores : InstanceScores
        Of `found` against `truth`.
    voxel_size_nm : sequence of float, (z, y, x)
        For the scale bar.

    Returns
    -------
    PIL.Image.Image, RGB
    """
    z = busiest_slice(truth)
    colours = _palette(scores.true_positives)
    pairs = ((truth, scores.matched_truth_ids), (found, scores.matched_pred_ids))
    plain = np.repeat(raw[z][..., None], 3, axis=-1)
    painted = [
        paint_objects(plain, labels[z], dict(zip(ids.tolist(), colours, strict=True)))
        for labels, ids in pairs
    ]
    n_true, n_found = (scores.true_positives + n for n in (scores.false_negatives, scores.false_positives))
    heads = [
        f"EM image, slice {z + 1} of {len(raw)}",
        f"Truth: {count(n_true, 'object')}",
        f"Found: {count(n_found, 'object')}, F1 {scores.f1:.2f}",
    ]
    foot = (
        f"Numbers are for the whole volume. Same colour: matched with IoU above {scores.iou_threshold:g}. "
        "Red: without a partner."
    )
    sheet = _compose([plain, *painted], heads, foot)
    _scale_bar(sheet, raw.shape[1], raw.shape[2], voxel_size_nm[2])
    return sheet


def busiest_slice(labels: Labels) -> int:
    """The slice, of a (z, y, x) label image, with the most objects; the one nearest the middle of several."""
    counts = np.array([np.unique(plane[plane != 0]).size for plane in labels])
    best = np.flatnonzero(counts == counts.max())
    return int(best[np.argmin(np.abs(best - (len(labels) - 1) / 2))])


def paint_objects(plain: Picture, labels: Labels, colours: Mapping[int, Colour]) -> Picture:
    """Tint objects and draw their outlines.

    Parameters
    ----------
    plain : array, (y, x, 3), uint8
    labels : array, (y, x), integer
    colours : mapping of label to colour
        Labels that are not in it are drawn red.

    Returns
    -------
    array, (y, x, 3), uint8
    """
    painted = plain.astype(np.float32)
    border = find_boundaries(labels, mode="inner")
    for label in np.unique(labels[labels != 0]).tolist():
        colour = np.array(colours.get(label, _ALONE), np.float32)
        mask = labels == label
        painted[mask] += _FILL * (colour - painted[mask])
        painted[mask & border] = colour
    return painted.round().astype(np.uint8)


def _palette(count: int) -> list[Colour]:
    """Distinct colours, none of them near red: steps of the golden ratio never come back to a hue."""
    hues = [0.08 + 0.84 * ((i * 0.618034) % 1.0) for i in range(count)]
    bright = [colorsys.hsv_to_rgb(hue, 0.75, 1.0) for hue in hues]
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in bright]


def _compose(panels: Sequence[Picture], heads: Sequence[str], foot: str) -> Image.Image:
    """Panels side by side on paper, each with its heading, and a line below."""
    height, width = panels[0].shape[:2]
    size = (len(panels) * width + (len(panels) + 1) * _GAP, _HEAD + height + _FOOT)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, (panel, head) in enumerate(zip(panels, heads, strict=True)):
        left = _GAP + place * (width + _GAP)
        sheet.paste(Image.fromarray(panel), (left, _HEAD))
        draw.text((left, _HEAD / 2), head, _INK, ImageFont.load_default(20), anchor="lm")
    draw.text((_GAP, size[1] - _FOOT / 2), foot, _INK, ImageFont.load_default(16), anchor="lm")
    return sheet


def _scale_bar(sheet: Image.Image, height: int, width: int, pixel_nm: float) -> None:
    """A bar of a round length, at most a third of the first panel, in its lower right corner."""
    nm = max((n for n in (50, 100, 200, 500, 1000, 2000, 5000) if n / pixel_nm <= width / 3), default=50)
    right, bottom = _GAP + width - 12, _HEAD + height - 12
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((right - nm / pixel_nm, bottom - 5, right, bottom), fill="white", outline="black")
    middle = right - nm / pixel_nm / 2
    font = ImageFont.load_default(18)
    draw.text(
        (middle, bottom - 10), f"{nm} nm", "white", font, anchor="ms", stroke_width=2, stroke_fill="black"
    )
