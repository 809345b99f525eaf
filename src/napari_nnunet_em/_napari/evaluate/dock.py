"""The dock widget that compares two labels layers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtWidgets import QLabel, QWidget

from napari_nnunet_em._napari.evaluate.comparison import layer_labels, run_comparison
from napari_nnunet_em._napari.evaluate.score_tables import ObjectList, ScoreList
from napari_nnunet_em._napari.evaluate.words import score_rows
from napari_nnunet_em._napari.forms.form import Field, SettingsForm
from napari_nnunet_em._napari.forms.frame import DockWidget
from napari_nnunet_em._napari.forms.layer_choice import LayerBox
from napari_nnunet_em._napari.forms.rows import (
    add_field,
    add_row,
    column,
    form_layout,
    note_label,
)
from napari_nnunet_em._napari.forms.task_panel import TaskPanel
from napari_nnunet_em._napari.layers.placement import offset_between
from napari_nnunet_em._napari.layers.viewing import show_voxel
from napari_nnunet_em.errors import InputError, NnunetEmError
from napari_nnunet_em.evaluation import ComparisonSettings, Evaluation

if TYPE_CHECKING:
    import napari
    import pandas as pd

_FIELDS = ("iou", "min_voxels", "relabel")


class EvaluateWidget(DockWidget):
    """Choose a prediction and a truth, press the button, read the scores, and click through the objects.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer that the widget is docked in.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._compared: dict[str, Labels] = {}
        self._renumbered: tuple[str, ...] = ()
        self.pred = LayerBox("The labels layer that is judged.", "no labels layer")
        self.truth = LayerBox("The labels layer that it is judged by.", "no labels layer")
        self.form = SettingsForm(ComparisonSettings, [Field(ComparisonSettings, name) for name in _FIELDS])
        self.scores = ScoreList()
        self.objects = ObjectList()
        self.notes: QLabel = note_label()
        self.progress = TaskPanel("Evaluate", "Stop; there are no scores then.")
        self._lay_out()
        self.progress.started.connect(self.start)
        self.objects.chosen.connect(self._on_chosen)
        self.reset_choices()

    def _lay_out(self) -> None:
        content = QWidget()
        rows = column(content)
        top = form_layout()
        add_row(top, "Prediction", self.pred)
        add_row(top, "Truth", self.truth)
        for field in self.form:
            add_field(top, field)
        rows.addLayout(top)
        rows.addWidget(self.scores)
        rows.addWidget(self.notes)
        rows.addWidget(self.objects, 1)
        self.stack(content, self.progress)
        for widget in (self.scores, self.notes, self.objects):
            widget.setVisible(False)

    def reset_choices(self, _event: object = None) -> None:
        """Offer the labels layers that there are now; napari calls this when they change."""
        offered = [layer for layer in self._viewer.layers if isinstance(layer, Labels)]
        for box in (self.pred, self.truth):
            box.offer(offered, box.layer)
        if self.pred.currentIndex() == self.truth.currentIndex():
            # Results are added above what they are compared with.
            last = len(offered) - 1
            box, other = (self.pred, last) if self.truth.currentIndex() != last else (self.truth, 0)
            box.setCurrentIndex(other)

    def start(self) -> None:
        """Compare what is chosen; what cannot be compared is said below the button and in a notification."""
        try:
            pred, truth = self.pred.layer, self.truth.layer
            if pred is None or truth is None or pred is truth:
                raise InputError("Two labels layers are needed, a prediction and a truth: choose two.")
            offset = offset_between(pred, truth)
            settings = self.form.settings(offset=offset)
            sides = (layer_labels(pred), layer_labels(truth))
        except NnunetEmError as error:
            self.progress.refuse(error)
            return
        self._compared = {"pred": pred, "truth": truth}
        work = partial(run_comparison, *sides, settings)
        self.progress.start(f"comparison of {pred.name} with {truth.name}", work, self._on_judged)

    def close_down(self) -> None:
        """Stop the running comparison after the block in hand."""
        self.progress.stop()

    def _on_judged(self, evaluation: Evaluation) -> None:
        self.scores.show_rows(score_rows(evaluation))
        self.notes.setText("<br>".join(evaluation.notes))
        self.notes.setVisible(bool(evaluation.notes))
        self.scores.setVisible(True)
        self._renumbered = evaluation.components
        if evaluation.objects is not None:
            self.objects.show_objects(evaluation.objects.table)
            self.objects.setVisible(True)

    def _on_chosen(self, row: pd.Series) -> None:
        """Go to an object, and select it in its layer, unless its number is not the layer's own."""
        truth, layer = self._compared["truth"], self._compared[row["image"]]
        if truth not in self._viewer.layers:
            return
        show_voxel(self._viewer, truth, [row[f"centroid_{axis}"] for axis in "zyx"])
        if layer in self._viewer.layers and row["image"] not in self._renumbered:
            self._viewer.layers.selection.active = layer
            layer.selected_label = int(row["id"])
