"""Offers to continue a job that was not finished."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_nnunet_em._napari.forms.progress_words import unfinished_text
from napari_nnunet_em._napari.forms.rows import note_label

if TYPE_CHECKING:
    from napari_nnunet_em.pipeline.unfinished import UnfinishedJob


class ResumeOffer(QWidget):  # type: ignore[misc]
    """A sentence and two buttons; hidden while there is nothing to offer.

    Signals
    -------
    accepted : UnfinishedJob
        The user wants it to be continued.
    """

    accepted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.offered: UnfinishedJob | None = None
        self.text = note_label()
        self.accept_button = QPushButton("Continue it")
        self.decline_button = QPushButton("Not now")
        buttons = QHBoxLayout()
        buttons.addWidget(self.accept_button)
        buttons.addWidget(self.decline_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.text)
        layout.addLayout(buttons)
        self.accept_button.clicked.connect(self._accept)
        self.decline_button.clicked.connect(lambda: self.offer(None))
        self.offer(None)

    def offer(self, job: UnfinishedJob | None) -> None:
        """Offer a job, or nothing."""
        self.offered = job
        if job is not None:
            self.text.setText(unfinished_text(job.job.store, job.predicted, job.started))
        self.setVisible(job is not None)

    def _accept(self) -> None:
        job = self.offered
        self.offer(None)
        if job is not None:
            self.accepted.emit(job)
