"""The lower end of a dock: the button, Stop, and how far the job is."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_nnunet_em._napari.forms.notices import show_problem
from napari_nnunet_em._napari.forms.progress_words import STOPPED_TEXT, finished_text, first_line, status_text
from napari_nnunet_em._napari.threads.outcome import Ending, RunOutcome
from napari_nnunet_em._napari.words import without_options
from napari_nnunet_em.progress import ProgressEvent


class ProgressPanel(QWidget):  # type: ignore[misc]
    """Start, stop and progress of one job at a time.

    Signals
    -------
    started, stopped
        The user pressed the button, or Stop.
    """

    started = Signal()
    stopped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._declined = ""
        self.start_button = QPushButton("Segment")
        self.stop_button = QPushButton("Stop")
        self.bar = QProgressBar()
        self.status = QLabel()
        self.start_button.setMinimumHeight(34)
        self.stop_button.setMinimumHeight(34)
        self.start_button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.stop_button.setToolTip(
            "Stop. Finished blocks are kept, and pressing the button again continues from there."
        )
        self.status.setWordWrap(True)
        self.bar.setTextVisible(True)
        self.buttons = QHBoxLayout()
        self.buttons.addWidget(self.start_button, 1)
        self.buttons.addWidget(self.stop_button)
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(0, 0, 0, 0)
        self.rows.addLayout(self.buttons)
        self.rows.addWidget(self.bar)
        self.rows.addWidget(self.status)
        self.start_button.clicked.connect(self.started)
        self.stop_button.clicked.connect(self.stopped)
        self.rest("")

    def rest(self, message: str) -> None:
        """Nothing runs; say `message`."""
        self.start_button.setEnabled(True)
        self.stop_button.setEnabled(False)
        self.stop_button.setVisible(False)
        self.bar.setVisible(False)
        self._say(message)

    def refuse(self, problem: Exception | str) -> None:
        """Nothing runs; say what went wrong or cannot be done, also in a notification."""
        self.rest(without_options(problem))
        show_problem(problem)

    def decline(self, problem: Exception | str) -> None:
        """As `refuse`, of what is asked for in a form: it is said until that is changed."""
        self.refuse(problem)
        self._declined = self.status.text()

    def forget_declined(self) -> None:
        """The form is changed, so that what was declined is not what it asks for any more."""
        if self._declined and self.status.text() == self._declined:
            self.rest("")
        self._declined = ""

    def show_result(self, outcome: RunOutcome, store: Path) -> None:
        """Nothing runs; say how a run ended that leaves its objects in `store`."""
        if outcome.ending is Ending.FINISHED:
            counts = {found.name: len(found.table) for found in outcome.value or ()}
            self.rest(finished_text(counts, store))
        elif outcome.ending is Ending.STOPPED:
            self.rest(STOPPED_TEXT)
        else:
            self.refuse(outcome.message)

    def run(self) -> None:
        """A job has been started."""
        self.status.setToolTip("")
        self.start_button.setEnabled(False)
        self.stop_button.setEnabled(True)
        self.stop_button.setVisible(True)
        self.bar.setRange(0, 0)
        self.bar.setVisible(True)
        self._say("Starting")

    def stopping(self) -> None:
        """The job was asked to stop, and will as soon as it can."""
        self.stop_button.setEnabled(False)
        self._say("Stopping")

    def show_event(self, event: ProgressEvent, text: str | None = None) -> None:
        """Show how far the job is; what it wants to be known stays in the tooltip of the status line.

        Parameters
        ----------
        event : ProgressEvent
            What has just finished.
        text : str, optional
            What the status line says; the event in words without it.
        """
        if event.message:
            self.status.setToolTip(f"{self.status.toolTip()}\n{first_line(event.message)}".strip())
        # Until a first block is done there is nothing to extrapolate from: show that something moves.
        self.bar.setRange(0, event.total if event.done else 0)
        self.bar.setValue(event.done)
        if self.stop_button.isEnabled():
            self._say(status_text(event) if text is None else text)

    def _say(self, text: str) -> None:
        self.status.setText(text)
        self.status.setVisible(bool(text))
