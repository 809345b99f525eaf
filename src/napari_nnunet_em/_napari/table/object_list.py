"""The objects of one layer: plot of sizes, filter, table and counts, kept in step."""

from __future__ import annotations

from functools import partial

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_nnunet_em._napari.forms.rows import note_label
from napari_nnunet_em._napari.forms.size_plot import SizePlot
from napari_nnunet_em._napari.table.cells import counts_text, shown_at_first
from napari_nnunet_em._napari.table.filter_bar import FilterBar
from napari_nnunet_em._napari.table.model import ObjectTableModel
from napari_nnunet_em._napari.table.query import Answer, Query, find_answer
from napari_nnunet_em._napari.table.session import ObjectSession
from napari_nnunet_em._napari.table.view import ObjectTableView
from napari_nnunet_em._napari.threads.tasks import NewestFirst
from napari_nnunet_em.measurement.selection import Ids, Rows, Sorting

_SHORT_ROWS = 20_000
"""Tables of so many rows are filtered and sorted within a few milliseconds, and so at once."""


class ObjectList(QWidget):  # type: ignore[misc]
    """Shows one session at a time.

    Attributes
    ----------
    session : ObjectSession or None
        The one that is shown.
    answer : Answer or None
        The rows that are shown, once they have been found.

    Signals
    -------
    changed
        Other rows are shown or selected.
    """

    changed = Signal()

    def __init__(self, model: ObjectTableModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session: ObjectSession | None = None
        self._sorting = Sorting()
        self._next_line: int | None = None
        self.answer: Answer | None = None
        self.model = model
        self.plot, self.filter = SizePlot(), FilterBar()
        self.table = ObjectTableView(model)
        self.counts: QLabel = note_label()
        self.under = QHBoxLayout()
        self.under.addWidget(self.counts, 1)
        self._finder = NewestFirst(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        layout.addWidget(self.filter)
        layout.addWidget(self.table, 1)
        layout.addLayout(self.under)
        self.plot.range_chosen.connect(self.filter.set_size_range)
        self.filter.changed.connect(lambda _: self.refresh())
        self.model.sorting_asked.connect(self._on_sorting)
        self.table.selection_changed.connect(self._on_selection)
        self._finder.found.connect(self._on_answer)

    @property
    def busy(self) -> bool:
        """Whether rows are being looked for."""
        return self._finder.busy

    def show_session(self, session: ObjectSession | None) -> None:
        """Show this table in place of another, or none."""
        if session is not self.session:
            self.session, self.answer = session, None
            self.table.clearSelection()
        self.refresh()

    def refresh(self) -> None:
        """Look again which rows are to be shown; in a thread where the table is long."""
        session = self.session
        self.filter.setEnabled(session is not None)
        if session is None:
            self.answer = None
            self.model.show({}, np.empty(0, np.intp), np.empty(0, np.intp))
            self.plot.show_counts(None, "", (), ())
            self._on_selection()
            return
        query = Query(session.table, self.filter.shown, self._sorting, session.deleted)
        if len(session.table.frame) <= _SHORT_ROWS:
            self._on_answer(find_answer(query))
        else:
            self._finder.ask(partial(find_answer, query))

    def selected_rows(self) -> Rows:
        """Rows of the table that are selected, in the order in which they are shown."""
        return self.model.rows[self.table.selected_lines()]

    def selected_ids(self) -> Ids:
        """The objects in those rows, in the same order."""
        return self.model.ids_at(self.table.selected_lines())

    def go_on_below(self) -> None:
        """Once the selected rows are gone, let the arrow keys go on from where they were."""
        lines = self.table.selected_lines()
        self._next_line = int(lines[0]) if len(lines) else None

    def _on_sorting(self, sorting: Sorting) -> None:
        self._sorting = sorting
        self.refresh()

    def _on_answer(self, answer: Answer) -> None:
        if self.session is None or answer.query.table is not self.session.table:
            return
        first = self.answer is None or self.answer.query.table is not answer.query.table
        selected = np.empty(0, np.intp) if first else self.selected_rows()
        self.answer = answer
        table, shown = answer.query.table, answer.query.shown
        self.model.show(table.columns, answer.rows, answer.lines)
        if first:
            self.table.show_columns(shown_at_first(table.columns))
        self.filter.unit.setText(table.size_unit)
        self.plot.show_counts(table.scale, table.size_unit, answer.all_sizes, answer.shown_sizes)
        self.plot.show_range(shown.min_size, shown.max_size)
        self.table.select_rows(selected)
        if self._next_line is not None and len(answer.rows) and not len(self.table.selected_lines()):
            self.table.make_current(self._next_line)
        self._next_line = None

    def _on_selection(self) -> None:
        answer, session = self.answer, self.session
        if answer is None or session is None:
            self.counts.setText("")
        else:
            unsaved = len(session.deleted) if session.table.stored is not None else 0
            selected = len(self.table.selected_lines())
            self.counts.setText(counts_text(answer.total, len(answer.rows), selected, unsaved))
        self.changed.emit()
