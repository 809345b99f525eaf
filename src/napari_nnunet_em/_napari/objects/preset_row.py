"""Choice of saved settings, and two buttons to save and to delete them."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QInputDialog, QLabel, QPushButton, QSizePolicy, QWidget

from napari_nnunet_em._napari.forms.notices import show_problem
from napari_nnunet_em.config import InstanceSettings
from napari_nnunet_em.errors import NnunetEmError
from napari_nnunet_em.instances.presets import PresetStore

_NONE = "choose …"


class PresetRow(QWidget):  # type: ignore[misc]
    """Presets by name.

    Parameters
    ----------
    presets : PresetStore
        Where they are kept.
    current : callable
        Gives the settings that are saved.

    Signals
    -------
    chosen : InstanceSettings
        The user chose a preset.
    """

    chosen = Signal(object)

    def __init__(self, presets: PresetStore, current: Callable[[], InstanceSettings]) -> None:
        super().__init__()
        self._presets, self._current = presets, current
        self.box = QComboBox()
        self.box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.box.setToolTip("Settings that you saved under a name.")
        self.save_button = QPushButton("Save …")
        self.save_button.setToolTip("Keep the settings below under a name.")
        self.delete_button = QPushButton("Delete")
        self.delete_button.setToolTip("Delete the preset that is chosen.")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("Preset"))
        layout.addWidget(self.box, 1)
        layout.addWidget(self.save_button)
        layout.addWidget(self.delete_button)
        self.refresh()
        self.box.activated.connect(self._load)
        self.save_button.clicked.connect(self._ask_name)
        self.delete_button.clicked.connect(self._delete)

    def refresh(self, name: str = _NONE) -> None:
        """Offer what there is now, with `name` chosen."""
        self.box.clear()
        self.box.addItems([_NONE, *self._presets.names()])
        self.box.setCurrentIndex(max(self.box.findText(name), 0))
        self.delete_button.setEnabled(self.box.currentIndex() > 0)

    def save(self, name: str) -> None:
        """Keep the settings on screen under a name."""
        try:
            self._presets.save(name, self._current())
        except NnunetEmError as error:
            show_problem(error)
            return
        self.refresh(name)

    def choose(self, name: str) -> None:
        """Choose a preset by its name."""
        self.box.setCurrentIndex(self.box.findText(name))
        self._load()

    def _load(self) -> None:
        self.delete_button.setEnabled(self.box.currentIndex() > 0)
        if self.box.currentIndex() <= 0:
            return
        try:
            settings = self._presets.load(self.box.currentText())
        except NnunetEmError as error:
            show_problem(error)
            return
        self.chosen.emit(settings)

    def _ask_name(self) -> None:
        suggestion = self.box.currentText() if self.box.currentIndex() > 0 else ""
        name, agreed = QInputDialog.getText(self, "Save settings", "Name of the preset:", text=suggestion)
        if agreed:
            self.save(name.strip())

    def _delete(self) -> None:
        try:
            self._presets.remove(self.box.currentText())
        except NnunetEmError as error:
            show_problem(error)
        self.refresh()
