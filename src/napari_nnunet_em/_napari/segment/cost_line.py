"""The line of the Segment dock that says what the job in the form will take."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_nnunet_em._napari.forms.rows import note_label
from napari_nnunet_em._napari.segment.cost import Cost, Draft, estimate, problem_words
from napari_nnunet_em._napari.segment.speeds import Speeds
from napari_nnunet_em._napari.threads.tasks import NewestFirst
from napari_nnunet_em.errors import NnunetEmError

_SETTLE_MILLISECONDS = 150


class CostLine(QWidget):  # type: ignore[misc]
    """Tiles, time, memory and disk of a job, followed while the form is filled in.

    Parameters
    ----------
    draft : callable
        Gives what the form holds: a `Draft`, or None while there is nothing to say. It may raise
        `NnunetEmError`, and then the line says why.

    Attributes
    ----------
    speeds : Speeds
        What was measured in this dock; whoever measures adds it here.
    label : QLabel
        The line.
    """

    def __init__(self, draft: Callable[[], Draft | None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self.speeds = Speeds()
        self.label = note_label()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        self._newest = NewestFirst(self)
        self._newest.found.connect(self._show)
        self._asked = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLE_MILLISECONDS)
        self._timer.timeout.connect(self._ask)
        self._say(Cost(""))

    def follow(self, _event: object = None) -> None:
        """Say it anew, once the form has come to rest."""
        self._timer.start()

    def stop(self) -> None:
        """Forget what was asked for."""
        self._timer.stop()
        self._asked = False

    def _ask(self) -> None:
        self._asked = False
        try:
            draft = self._draft()
        except NnunetEmError as error:
            self._say(problem_words(error))
            return
        if draft is None:
            self._say(Cost(""))
            return
        self._asked = True
        self._newest.ask(partial(estimate, draft, self.speeds))

    def _show(self, cost: Cost) -> None:
        if self._asked:  # the form may have become incomplete meanwhile
            self._say(cost)

    def _say(self, cost: Cost) -> None:
        self.label.setText(cost.text)
        self.label.setToolTip(cost.tip)
        self.setVisible(bool(cost.text))
