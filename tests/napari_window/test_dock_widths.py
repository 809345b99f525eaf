"""Docks with the letters that the user has chosen."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QLabel, QSpinBox, QWidget

from napari_nnunet_em._napari.forms.frame import DockWidget
from napari_nnunet_em._napari.forms.rows import add_row, column, form_layout, keep_width
from napari_nnunet_em._napari.table.filter_bar import FilterBar

pytestmark = pytest.mark.gui


def test_larger_letters_have_more_room_and_smaller_ones_no_less(qtbot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    dock = DockWidget(window)
    number, narrow, rows = QSpinBox(), QSpinBox(), form_layout()
    narrow.setFixedWidth(80)
    keep_width(narrow, 80)
    rows.addRow(narrow)
    add_row(rows, "Minimum volume (µm³)", number)
    column(dock).addLayout(rows)
    keep_width(dock, 340)
    window.show()
    for points, dock_width, number_width in ((10, 340, 110), (20, 680, 220), (13, 442, 143), (8, 340, 110)):
        window.setStyleSheet(f"QLabel {{ font-size: {points}pt; }}")  # as napari: not of plain widgets
        qtbot.waitUntil(lambda width=dock_width: dock.minimumWidth() == width)
        assert number.minimumWidth() == number_width
    window.setStyleSheet("QLabel { font-size: 14pt; }")
    qtbot.waitUntil(lambda: dock.minimumWidth() == 476)
    assert dock.findChild(QLabel).minimumWidth() == 213
    assert narrow.minimumWidth() == narrow.maximumWidth() == 112


def test_the_filter_of_a_table_fits_into_a_narrow_dock(qtbot) -> None:
    bar = FilterBar()
    qtbot.addWidget(bar)
    assert bar.minimumSizeHint().width() < 420  # as the buttons below it
