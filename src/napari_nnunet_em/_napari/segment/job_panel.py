"""The lower end of the Segment dock: run, preview, pause, stop, what waits, and how far the job is."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QAction,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_nnunet_em._napari.forms.progress_panel import ProgressPanel
from napari_nnunet_em._napari.forms.progress_words import paused_text, queue_text
from napari_nnunet_em._napari.forms.rows import more_button
from napari_nnunet_em._napari.segment.job_queue import QueueEntry
from napari_nnunet_em.progress import ProgressEvent


class JobPanel(ProgressPanel):
    """Start, preview, pause and stop of jobs that may wait for one another.

    Attributes
    ----------
    save_action : QAction
        Saves the job as a file.

    Signals
    -------
    previewed
        The user pressed Preview.
    paused : bool
        The user pressed Pause, or Continue.
    removed : int
        The user took the entry of this number out of the queue.
    """

    previewed = Signal()
    paused = Signal(bool)
    removed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        self.preview_button = QPushButton("Preview")
        self.pause_button = QPushButton("Pause")
        self.save_action = QAction("Save job file …")
        self.queue = QueueList()
        super().__init__(parent)
        self.preview_button.setMinimumHeight(34)
        self.preview_button.setToolTip(
            "Predict what is on the canvas now, with the voxels that a run will have there. Nothing is saved."
        )
        self.pause_button.setCheckable(True)
        self.pause_button.setToolTip("Stand still, and keep everything in memory, until it is pressed again.")
        self.buttons.addWidget(self.preview_button)
        self.buttons.addWidget(self._more())
        self.buttons.removeWidget(self.stop_button)
        self._running = QWidget()
        running = QHBoxLayout(self._running)
        running.setContentsMargins(0, 0, 0, 0)
        self.rows.removeWidget(self.bar)
        running.addWidget(self.bar, 1)
        for button in (self.pause_button, self.stop_button):
            button.setMinimumHeight(0)
            running.addWidget(button)
        self.rows.insertWidget(1, self._running)
        self.rows.addWidget(self.queue)
        self.preview_button.clicked.connect(self.previewed)
        self.pause_button.toggled.connect(self._on_pause)
        self.queue.removed.connect(self.removed)
        self._running.setVisible(False)

    def _more(self) -> QToolButton:
        """What is seldom wanted."""
        button = more_button("Save the job as a file, to run it on another computer.")
        button.setFixedHeight(34)
        button.menu().addAction(self.save_action)
        return button

    def rest(self, message: str) -> None:
        """Nothing runs; say `message`."""
        super().rest(message)
        self._show_running(False)

    def run(self) -> None:
        """A job has been started; another one may be added to the queue."""
        super().run()
        self.start_button.setEnabled(True)
        self._show_running(True)

    def preview(self) -> None:
        """A preview has been started, and no job runs."""
        super().run()
        self.start_button.setEnabled(True)
        self._show_running(True)
        self.pause_button.setVisible(False)

    def wait(self, text: str) -> None:
        """Something begins by itself a little later, as `text` says, and can be stopped until then."""
        self.preview()
        self._say(text)

    def stopping(self) -> None:
        """The job was asked to stop, and will as soon as it can."""
        super().stopping()
        self.pause_button.setEnabled(False)

    def show_event(self, event: ProgressEvent, text: str | None = None) -> None:
        """Show how far the job is; while it is paused, that it is."""
        super().show_event(event, paused_text(event) if self.pause_button.isChecked() else text)

    def _show_running(self, running: bool) -> None:
        self.pause_button.setVisible(running)
        self.pause_button.setEnabled(running)
        self.pause_button.setChecked(False)
        running_row = getattr(self, "_running", None)  # the base rests before there is one
        if running_row is not None:
            running_row.setVisible(running)

    def _on_pause(self, paused: bool) -> None:
        self.pause_button.setText("Continue" if paused else "Pause")
        if paused:
            self._say("Paused")
        self.paused.emit(paused)


class QueueList(QWidget):  # type: ignore[misc]
    """The jobs that wait, each with a button that removes it.

    Signals
    -------
    removed : int
        The number of an entry whose button was pressed.
    """

    removed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(2)
        self.setVisible(False)

    def show_entries(self, entries: Sequence[QueueEntry]) -> None:
        """Show what waits."""
        while (item := self._rows.takeAt(0)) is not None:
            item.widget().deleteLater()
        for entry in entries:
            self._rows.addWidget(self._row(entry))
        self.setVisible(bool(entries))

    def _row(self, entry: QueueEntry) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        label = QElidingLabel(queue_text(entry.request.title, entry.request.job.store))
        label.setToolTip(str(entry.request.job.store))
        # A long name must not make the dock wider.
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        button = QToolButton()
        button.setText("✕")
        button.setToolTip("Remove from the queue.")
        button.clicked.connect(lambda: self.removed.emit(entry.number))
        layout.addWidget(label, 1)
        layout.addWidget(button)
        return row
