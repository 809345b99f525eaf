"""Rows of the table on their way out: files and the clipboard."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_nnunet_em._napari.forms.task_panel import TaskPanel
from napari_nnunet_em._napari.table.buttons import SELECTED, SHOWN
from napari_nnunet_em._napari.table.cells import rows_text
from napari_nnunet_em._napari.table.object_list import ObjectList
from napari_nnunet_em._napari.table.session import ObjectSession
from napari_nnunet_em._napari.table.work import export_rows
from napari_nnunet_em.measurement.selection import Rows
from napari_nnunet_em.quantities import count

_MOST_COPIED = 100_000
"""Rows that go to the clipboard at once; many more would freeze the window."""


class RowExports:
    """Writes and copies rows of the table that is shown.

    Parameters
    ----------
    objects : ObjectList
        Has the rows.
    panel : TaskPanel
        Runs the writing, and says what came of it.
    """

    def __init__(self, objects: ObjectList, panel: TaskPanel) -> None:
        self._objects = objects
        self._panel = panel

    def choose_and_write(self, which: str) -> None:
        """Ask for a file, and write objects to it; parameter as of `write`."""
        session = self._objects.session
        name = "" if session is None else f"{session.layer.name}.csv"
        path, kind = QFileDialog.getSaveFileName(
            self._objects, "Export objects", name, "CSV (*.csv);;Parquet (*.parquet)"
        )
        if path:
            ending = "" if Path(path).suffix else (".parquet" if "parquet" in kind else ".csv")
            self.write(Path(path + ending), which)

    def write(self, path: Path, which: str) -> None:
        """Write objects as CSV or Parquet.

        Parameters
        ----------
        path : pathlib.Path
            Ends in ``.csv`` or ``.parquet``.
        which : str
            ``all``, ``shown`` or ``selected``.
        """
        session = self._objects.session
        if session is None:
            return
        rows = self._rows(session, which)
        work = partial(export_rows, session.table, rows, path)
        said = f"{count(len(rows), 'object')} written to {path}."
        self._panel.start(f"export to {path.name}", work, lambda _: said)

    def copy(self) -> None:
        """Copy the selected rows, or all that are shown, with the columns that are shown."""
        session = self._objects.session
        if session is None:
            return
        selected = self._objects.selected_rows()
        rows = selected if len(selected) else self._objects.model.rows
        if len(rows) > _MOST_COPIED:
            self._panel.refuse(
                f"{len(rows):,} rows are too many for the clipboard, which takes {_MOST_COPIED:,}: "
                "export them to a file."
            )
            return
        shown = session.table.frame.iloc[rows][self._objects.table.shown_columns()]
        QApplication.clipboard().setText(rows_text(shown))
        self._panel.rest(f"{count(len(rows), 'row')} copied.")

    def _rows(self, session: ObjectSession, which: str) -> Rows:
        if which == SHOWN:
            return self._objects.model.rows
        if which == SELECTED:
            return self._objects.selected_rows()
        return np.flatnonzero(np.isin(session.table.columns["id"], session.deleted, invert=True))
