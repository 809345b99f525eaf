"""Problems as notifications of napari."""

from __future__ import annotations

from napari.utils.notifications import show_error

from napari_nnunet_em._napari.words import without_options


def show_problem(problem: Exception | str) -> None:
    """Say in a notification what went wrong or cannot be done."""
    show_error(without_options(problem))
