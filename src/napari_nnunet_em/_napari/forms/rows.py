"""Rows of a form, alike in every widget."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QFormLayout,
    QFrame,
    QLabel,
    QMenu,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_nnunet_em._napari.forms.form import Field

_LABEL_WIDTH = 152
_FIELD_WIDTH = 110
_NORMAL_POINTS = 10.0
"""Size of napari's labels, unless the user has chosen another size of letters; widths are meant for it."""

_WIDTH = "nnunet_em_width"
"""Property of a widget: how wide it is at least, with letters of the normal size."""


def keep_width(widget: QWidget, width: int) -> None:
    """Make a widget at least so many pixels wide, with letters of the normal size; see `fit_to_letters`."""
    widget.setProperty(_WIDTH, width)
    widget.setMinimumWidth(width)


def fit_to_letters(root: QWidget) -> None:
    """Widen a widget, and all in it that `keep_width` was asked for, as its letters are larger."""
    kept = [w for w in (root, *root.findChildren(QWidget)) if w.property(_WIDTH) is not None]
    # Those of titles: napari gives letters to labels and buttons, and not to what they stand in.
    points = [w.font().pointSizeF() for w in kept if isinstance(w, QLabel)]
    factor = max([1.0, *(p / _NORMAL_POINTS for p in points)])
    for widget in kept:
        fixed = widget.minimumWidth() == widget.maximumWidth()
        set_width = widget.setFixedWidth if fixed else widget.setMinimumWidth
        set_width(round(widget.property(_WIDTH) * factor))


def form_layout(parent: QWidget | None = None) -> QFormLayout:
    """An empty form whose fields take the width there is."""
    layout = QFormLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(10)
    layout.setVerticalSpacing(5)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return layout


def more_button(tip: str) -> QToolButton:
    """A narrow button that opens a menu of what is seldom wanted; the menu is for the caller to fill."""
    button = QToolButton()
    button.setText("⋯")
    button.setToolTip(tip)
    button.setStyleSheet("QToolButton::menu-indicator { image: none; }")
    button.setFixedWidth(26)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    button.setMenu(QMenu(button))
    return button


def add_row(layout: QFormLayout, title: str, widget: QWidget) -> None:
    """A row with a title before its widget."""
    label = QLabel(title)
    label.setToolTip(widget.toolTip())
    keep_width(label, _LABEL_WIDTH)
    keep_width(widget, _FIELD_WIDTH)
    layout.addRow(label, widget)


def add_wide_row(layout: QFormLayout, title: str, widget: QWidget) -> QWidget:
    """A title, and its widget below it over the whole width, as paths need it; returns the row."""
    row = QWidget()
    both = QVBoxLayout(row)
    both.setContentsMargins(0, 0, 0, 0)
    both.setSpacing(2)
    label = QLabel(title)
    label.setToolTip(widget.toolTip())
    both.addWidget(label)
    both.addWidget(widget)
    layout.addRow(row)
    return row


def add_wide_field(layout: QFormLayout, field: Field) -> None:
    """A setting over the whole width, with its title above: for paths."""
    native = field.widget.native
    native.setToolTip(field.tooltip)
    add_wide_row(layout, field.label, native)


def add_field(layout: QFormLayout, field: Field) -> None:
    """A row for a setting: title, value, and the description as tooltip of both."""
    native = field.widget.native
    native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    native.setToolTip(field.tooltip)
    add_row(layout, field.label, native)


def section(
    title: str, fields: list[Field], *, open_now: bool, widgets: Mapping[str, QWidget] | None = None
) -> QCollapsible:
    """A titled part of the form that folds away.

    Parameters
    ----------
    title : str
        Its title.
    fields : list of Field
        Its rows.
    open_now : bool
        Whether it is unfolded at first.
    widgets : mapping from str to QWidget, optional
        What stands in a row in place of the field's own widget, by the name of the setting.
    """
    content = QWidget()
    layout = form_layout(content)
    layout.setContentsMargins(0, 2, 0, 2)
    for field in fields:
        if widgets and field.name in widgets:
            add_row(layout, field.label, widgets[field.name])
        else:
            add_field(layout, field)
    box = QCollapsible(title)
    # The arrow is part of the text, because superqt paints its own in the colour of another theme.
    box.setExpandedIcon(QIcon())
    box.setCollapsedIcon(QIcon())
    box.toggled.connect(lambda opened: box.setText(f"{'▾' if opened else '▸'}  {title}"))
    box.setText(f"▸  {title}")
    box.setDuration(0)
    box.layout().setContentsMargins(0, 0, 0, 0)
    box.content().layout().setContentsMargins(0, 0, 0, 0)
    # Without this napari paints every open section in its highlight colour.
    box.toggleButton().setStyleSheet(
        "text-align: left; font-weight: bold; background: transparent; padding: 2px 0;"
    )
    box.addWidget(content)
    if open_now:
        box.expand(animate=False)
    return box


def note_label() -> QLabel:
    """Small wrapped text below a field."""
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * 0.9)
    label.setFont(font)
    return label


def scrolling(content: QWidget) -> QScrollArea:
    """`content` with a bar at its side where the window is too low for it."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(content)
    return area


def column(parent: QWidget) -> QVBoxLayout:
    """A vertical layout without wasted margins."""
    layout = QVBoxLayout(parent)
    layout.setContentsMargins(6, 6, 6, 6)
    layout.setSpacing(8)
    return layout
