"""What every dock says alike: problems, and settings as one would type them. Without a window."""

from __future__ import annotations

import html
import re
from typing import Any

LINK_COLOR = "#5b9bd5"
"""Readable on napari's dark and light themes; Qt's own blue is not."""


def error_note(problem: Exception | str) -> str:
    """What went wrong or cannot be done, as rich text for the form; empty where nothing is said."""
    words = html.escape(without_options(problem), quote=False)
    return f"<span style='color: #e0564a'>{words}</span>" if words else ""


def without_options(sentence: Exception | str) -> str:
    """A sentence of the pipeline without the options of the command line that it names in brackets.

    Every problem passes here on its way to the screen: under a bar (`ProgressPanel.refuse`), in the form
    (`error_note`), as a notification (`show_problem`), or where work in a thread ends with it (`guarded`).
    """
    return re.sub(r" \(--[^)]*\)", "", str(sentence))


def as_text(value: Any) -> str:
    """A setting as one would type it: ``56, 8, 8`` for a tuple."""
    if isinstance(value, list | tuple):
        return ", ".join(as_text(v) for v in value)
    # As many digits as `length_in_nm` gives: what is typed for the user must be what the layer states.
    return f"{value:.12g}" if isinstance(value, float) else str(value)
