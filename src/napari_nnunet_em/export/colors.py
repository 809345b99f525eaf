"""Colours for labels that stay the same from file to file."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable

Color = tuple[int, int, int, int]

MOST_COLORS = 4096
"""Up to so many labels have their colours stated; more would make metadata too large for viewers."""

_GOLDEN = 0.618033988749895


def label_colors(labels: Iterable[int]) -> dict[int, Color]:
    """Red, green, blue and alpha, 0 to 255, of each label; none for 0.

    Hues step by the golden ratio, so that labels with near numbers, which often touch, look apart.
    """
    return {label: _color(label) for label in sorted(labels) if label != 0}


def _color(label: int) -> Color:
    hue = label * _GOLDEN % 1.0
    saturation, value = (0.9, 0.65, 0.8)[label % 3], (1.0, 0.95, 0.8)[label // 3 % 3]
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue, 255
