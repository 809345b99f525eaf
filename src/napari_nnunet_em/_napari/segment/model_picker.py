"""Choice of a model, with what it is for and under which licence."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

from napari.qt.threading import create_worker
from napari.utils.notifications import show_info
from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices, QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QMessageBox,
    QVBoxLayout,
    QWidget,
)

from napari_nnunet_em._napari.forms.name_box import NameBox
from napari_nnunet_em._napari.forms.notices import show_problem
from napari_nnunet_em._napari.forms.rows import more_button, note_label
from napari_nnunet_em._napari.segment.model_card import CardDialog
from napari_nnunet_em._napari.segment.models import ChosenModel, Installation, change_installed, open_model
from napari_nnunet_em._napari.segment.words import model_note
from napari_nnunet_em._napari.threads.worker import start_once_drawn
from napari_nnunet_em._napari.words import error_note
from napari_nnunet_em.model import installed_models, list_models

_FOLDER, _FILE = "<folder>", "<file>"
_SHORT_TITLE = 16
"""Letters for which there is room in any case: those of the bundled models' titles."""


class ModelPicker(QWidget):  # type: ignore[misc]
    """Offers the installed models and any folder, zip or checkpoint; models dropped on it are installed.

    Attributes
    ----------
    note : QLabel
        What the model expects, its licence and a link to its card; to be placed where there is room.
    chosen : ChosenModel
        The choice; its bundle is None while it is being opened, and where that failed.

    Signals
    -------
    changed
        Another model was chosen, or the chosen one has been opened.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.models = NameBox()
        self.models.setToolTip("A model of this plugin, or one that you trained with nnU-Net v2.")
        self.configurations = QComboBox()
        self.configurations.setToolTip("There are several models at this place; choose one.")
        self.manage = more_button("Install or remove a model, or open its folder.")
        self.menu = self.manage.menu()
        self.menu.aboutToShow.connect(self._fill_menu)
        self.setAcceptDrops(True)
        for box in (self.models, self.configurations):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.models.setMinimumContentsLength(_SHORT_TITLE)
        self.note = note_label()
        self.note.linkActivated.connect(self._show_card)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        row = QHBoxLayout()
        row.setSpacing(2)
        row.addWidget(self.models, 1)
        row.addWidget(self.manage)
        layout.addLayout(row)
        layout.addWidget(self.configurations)
        self._fill()
        self._open(ChosenModel(self.models.itemData(0)))
        self.models.activated.connect(self._on_activated)
        self.configurations.activated.connect(self._on_configuration)

    def choose(self, path: str) -> None:
        """Choose an installed model by name, or any model by its path."""
        index = self.models.findData(path)
        if index < 0:
            index = int(self.models.findData(_FOLDER)) - 1
            self.models.insertItem(index, Path(path).name, path)
        self.models.setCurrentIndex(index)
        self._open(ChosenModel(path, trust=self.chosen.trust))

    def set_trust(self, trust: bool) -> None:
        """Open the chosen model again, allowed to run code or not."""
        self._open(ChosenModel(self.chosen.path, self.chosen.configuration, trust))

    def install(self, path: str) -> None:
        """Install a zip or a folder, in a thread, and choose it."""
        self.note.setText(f"Installing {Path(path).name} …")
        self._change(Installation(path))

    def remove(self, name: str) -> None:
        """Remove an installed model, in a thread; the default is chosen in its place."""
        self._change(Installation(name, remove=True))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802
        """Take files and folders of this computer."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802
        """Install what is dropped, and keep napari from opening it as an image."""
        event.acceptProposedAction()
        for url in event.mimeData().urls():
            if url.isLocalFile():
                self.install(url.toLocalFile())

    def _change(self, wanted: Installation) -> None:
        worker = create_worker(change_installed, wanted)
        worker.returned.connect(self._on_changed)
        worker.start()

    def _on_changed(self, done: Installation) -> None:
        if done.problem:
            show_problem(done.problem)
            self._on_opened(self.chosen)
            return
        self.models.blockSignals(True)
        self.models.clear()
        self._fill()
        self.models.blockSignals(False)
        show_info(f"{'Removed' if done.remove else 'Installed'} the model {done.name}.")
        self.choose(done.name if not done.remove else str(self.models.itemData(0)))

    def _fill_menu(self) -> None:
        """What can be done with the models, and with the one that is chosen."""
        self.menu.clear()
        self.menu.addAction("Install a zip …", lambda: self._ask_and_install(_FILE))
        self.menu.addAction("Install a folder …", lambda: self._ask_and_install(_FOLDER))
        self.menu.addSeparator()
        removing = self.menu.addAction("Remove this model …", self._ask_and_remove)
        removing.setEnabled(any(m.summary.name == self.chosen.path for m in installed_models()))
        showing = self.menu.addAction("Open its folder", self._open_folder)
        showing.setEnabled(self.chosen.bundle is not None)

    def _ask_and_install(self, kind: str) -> None:
        path = self._ask(kind)
        if path:
            self.install(path)

    def _ask_and_remove(self) -> None:
        name = self.chosen.path
        question = f"Remove the model {name} from this computer? Results made with it stay."
        if QMessageBox.question(self, "Remove model", question) == QMessageBox.StandardButton.Yes:
            self.remove(name)

    def _open_folder(self) -> None:
        if self.chosen.bundle is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.chosen.bundle.root)))

    def _fill(self) -> None:
        for summary in list_models():
            self.models.addItem(summary.title, summary.name)
        self.models.insertSeparator(self.models.count())
        self.models.addItem("Choose a model folder …", _FOLDER)
        self.models.addItem("Choose a zip or checkpoint …", _FILE)

    def _on_activated(self, index: int) -> None:
        data = self.models.itemData(index)
        path = self._ask(data) if data in (_FOLDER, _FILE) else data
        if path:
            self.choose(path)
        else:
            self.models.setCurrentIndex(self.models.findData(self.chosen.path))

    def _ask(self, kind: str) -> str:
        if kind == _FOLDER:
            return str(QFileDialog.getExistingDirectory(self, "Folder of a trained nnU-Net v2 model"))
        kinds = "nnU-Net v2 models (*.zip *.pth);;All files (*)"
        title = "Zip or checkpoint of an nnU-Net v2 model"
        return str(QFileDialog.getOpenFileName(self, title, "", kinds)[0])

    def _on_configuration(self) -> None:
        name = self.configurations.currentData()
        self._open(dataclasses.replace(ChosenModel(self.chosen.path, name), trust=self.chosen.trust))

    def _open(self, wanted: ChosenModel) -> None:
        self.chosen = wanted
        self.note.setText("Reading the model …")
        then = {"returned": self._on_opened}
        start_once_drawn(partial(create_worker, open_model, wanted, _connect=then, _start_thread=False), self)
        self.changed.emit()

    def _on_opened(self, opened: ChosenModel) -> None:
        if (opened.path, opened.trust) != (self.chosen.path, self.chosen.trust):
            return  # The user has chosen another one meanwhile.
        self.chosen = opened
        self.configurations.clear()
        for choice in opened.choices:
            self.configurations.addItem(choice.full_name, choice.full_name)
        self.configurations.setCurrentIndex(self.configurations.findData(opened.configuration))
        self.configurations.setVisible(len(opened.choices) > 1)
        if opened.bundle is None:
            self.note.setText(error_note(opened.problem))
        else:
            self.note.setText(model_note(opened.bundle, opened.licence))
        self.changed.emit()

    def _show_card(self) -> None:
        if self.chosen.bundle is not None:
            CardDialog(self.chosen.bundle, self).open()
