"""A number with a slider beside it."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QSlider, QWidget

from napari_nnunet_em._napari.forms.form import Field
from napari_nnunet_em._napari.forms.rows import keep_width

_STEPS_PER_ONE = 100
_BOX_WIDTH = 90


class SliderRow(QWidget):  # type: ignore[misc]
    """The field of a share between 0 and 1, and a slider that moves it by hundredths.

    Parameters
    ----------
    field : Field
        A setting with a lower and an upper bound.
    """

    def __init__(self, field: Field) -> None:
        super().__init__()
        self._field = field
        box = field.widget
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(round(box.min * _STEPS_PER_ONE), round(box.max * _STEPS_PER_ONE))
        self.slider.setPageStep(5)
        box.native.setFixedWidth(_BOX_WIDTH)
        keep_width(box.native, _BOX_WIDTH)
        box.native.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider, 1)
        layout.addWidget(box.native)
        for widget in (self, self.slider, box.native):
            widget.setToolTip(field.tooltip)
        self._follow(field.value)
        box.changed.connect(self._follow)
        self.slider.valueChanged.connect(self._lead)

    def _follow(self, value: float) -> None:
        """Move the slider to what the field holds; what lies between two steps stays in the field."""
        self.slider.blockSignals(True)
        self.slider.setValue(round(value * _STEPS_PER_ONE))
        self.slider.blockSignals(False)

    def _lead(self, place: int) -> None:
        self._field.value = place / _STEPS_PER_ONE
