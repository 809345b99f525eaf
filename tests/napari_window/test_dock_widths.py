"""Docks with the letters that the user has chosen."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QLabel, QSpinBox

from napari_nnunet_em._napari.widgets.dock import DockWidget
from napari_nnunet_em._napari.widgets.filter_bar import FilterBar
from napari_nnunet_em._napari.widgets.rows import add_row, column, form_layout, keep_width

pytestmark = pytest.mark.gui


def test_larger_letters_have_more_room_and_smaller_ones_no_less(qtbot) -> None:
    dock = DockWidget()
    qtbot.addWidget(dock)
    number, rows = QSpinBox(), form_layout()
    add_row(rows, "Minimum volume (µm³)", number)
    column(dock).addLayout(rows)
    keep_width(dock, 340)
    for points, dock_width, number_width in ((9, 340, 110), (18, 680, 220), (12, 453, 147), (7, 340, 110)):
        dock.setStyleSheet(f"QWidget {{ font-size: {points}pt; }}")
        dock.ensurePolished()
        assert dock.minimumWidth() == dock_width
        assert number.minimumWidth() == number_width
    label = dock.findChild(QLabel)
    dock.setStyleSheet("QWidget { font-size: 14pt; }")
    assert label.minimumWidth() >= label.sizeHint().width()  # the title is not cut off


def test_the_filter_of_a_table_fits_into_a_narrow_dock(qtbot) -> None:
    bar = FilterBar()
    qtbot.addWidget(bar)
    assert bar.minimumSizeHint().width() < 420  # as the buttons below it
