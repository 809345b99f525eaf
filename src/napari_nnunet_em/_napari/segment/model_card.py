"""The whole card and licence of a model, to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtGui import QColor
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from napari_nnunet_em._napari.words import LINK_COLOR

if TYPE_CHECKING:
    from napari_nnunet_em.model import ModelBundle


class CardDialog(QDialog):  # type: ignore[misc]
    """Shows a model's card and licence.

    Parameters
    ----------
    bundle : ModelBundle
        The model.
    parent : QWidget
        Where the dialog appears.
    """

    def __init__(self, bundle: ModelBundle, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(bundle.name)
        self.text = QTextBrowser()
        self.text.setOpenExternalLinks(True)
        palette = self.text.palette()
        palette.setColor(palette.ColorRole.Link, QColor(LINK_COLOR))
        self.text.setPalette(palette)
        self.text.setMarkdown(f"{bundle.card}\n\n---\n\n{bundle.licence}\n\nFolder: {bundle.root}")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)
        self.resize(760, 640)
