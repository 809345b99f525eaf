"""Asking where to save: a file, or a ``.zarr`` folder that need not exist."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from magicgui.widgets import FileEdit
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_nnunet_em._napari.forms.outputs import file_filter, saved_path
from napari_nnunet_em.export import Format, renamed
from napari_nnunet_em.export.formats import format_of


def save_field(formats: Sequence[Format]) -> FileEdit:
    """A path with a button that asks where to save.

    Qt's own dialog, which magicgui opens, goes into an existing ``.zarr`` and adds no ending.

    Parameters
    ----------
    formats : sequence of Format
        What can be written, the usual one first.
    """
    edit = FileEdit(mode="w")

    def ask() -> None:
        chosen = ask_where_to_save(edit.native, edit.value, formats)
        if chosen is not None:
            edit.value = chosen

    edit.choose_btn.changed.disconnect()
    edit.choose_btn.changed.connect(ask)
    return edit


def ask_where_to_save(parent: QWidget, proposed: Path, formats: Sequence[Format]) -> Path | None:
    """Ask for a file or a ``.zarr`` folder to write; whether it may be replaced is not asked here.

    Parameters
    ----------
    parent : QWidget
        Before which the dialog stands.
    proposed : pathlib.Path
        What the dialog shows at first; its ending tells the format, the first one without.
    formats : sequence of Format
        What is offered.

    Returns
    -------
    pathlib.Path or None
        None where the user has changed their mind.
    """
    filters = {file_filter(kind): kind for kind in formats}
    stated = format_of(proposed)
    current = stated if stated is not None and stated in formats else formats[0]
    dialog = QFileDialog(parent, "Save as")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setFileMode(QFileDialog.FileMode.AnyFile)
    dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)
    dialog.setNameFilters(list(filters))
    dialog.selectNameFilter(file_filter(current))
    absolute = proposed.expanduser().absolute()
    dialog.setDirectory(str(absolute.parent if proposed.name else absolute))
    dialog.selectFile(proposed.name)

    def follow(chosen_filter: str) -> None:
        names = dialog.selectedFiles()
        if names:
            dialog.selectFile(renamed(Path(names[0]), filters[chosen_filter]).name)

    dialog.filterSelected.connect(follow)
    accepted = dialog.exec() == QFileDialog.DialogCode.Accepted
    chosen, kind = dialog.selectedFiles(), filters[dialog.selectedNameFilter()]
    dialog.deleteLater()
    return saved_path(Path(chosen[0]), kind) if accepted and chosen else None
