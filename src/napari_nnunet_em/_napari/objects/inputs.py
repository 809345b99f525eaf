"""What the Objects dock asks for and shows: the probability, the settings, the preview and what it found."""

from __future__ import annotations

from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QSpinBox, QWidget

from napari_nnunet_em._napari.forms.form import Field, SettingsForm
from napari_nnunet_em._napari.forms.layer_choice import LayerBox
from napari_nnunet_em._napari.forms.object_fields import follow_split, object_form
from napari_nnunet_em._napari.forms.rows import add_field, add_row, column, form_layout, note_label, section
from napari_nnunet_em._napari.forms.size_plot import SizePlot
from napari_nnunet_em._napari.forms.sliders import SliderRow
from napari_nnunet_em._napari.layers.voxels import with_thickness
from napari_nnunet_em._napari.objects.preset_row import PresetRow
from napari_nnunet_em._napari.objects.preview_layers import BOUNDARIES, HEIGHTS, SEEDS
from napari_nnunet_em._napari.words import error_note
from napari_nnunet_em.config import InputSettings
from napari_nnunet_em.instances.presets import PresetStore
from napari_nnunet_em.instances.preview import Preview, size_histogram

_FIRST = (
    "threshold",
    "min_voxels",
    "min_volume_um3",
    "split",
    "split_strength",
    "split_depth_nm",
    "smooth_nm",
    "fill_holes",
)
_CLEANING = ("threshold_high", "open_nm", "max_voxels", "max_volume_um3", "drop_border")
_SELDOM = ("connectivity", "linking", "link_iou", "link_gap", "split_memory_gb")
_SLIDERS = ("threshold", "split_strength")
_WHY = {HEIGHTS: "Distance", SEEDS: "Seeds", BOUNDARIES: "Boundaries"}
_WHY_TIPS = {
    HEIGHTS: "By what objects are cut: the distance to their outside in nm, or the probability.",
    SEEDS: "The highest point of each object.",
    BOUNDARIES: "Where objects touch each other.",
}
_SLICES = 7


class ObjectsInputs(QWidget):  # type: ignore[misc]
    """The form of the Objects dock, and below it the objects in view.

    Parameters
    ----------
    presets : PresetStore
        Where presets are kept.

    Attributes
    ----------
    layers : LayerBox
        Choice of the probability.
    size : Field
        Its voxel size, with `size_note` below it.
    form : SettingsForm of InstanceSettings
        The settings; those in `sliders` are sliders too.
    presets : PresetRow
        Settings by name.
    live : QCheckBox
        Whether there is a preview; of as many slices up and down as in `slices`.
    why : dict of str to QCheckBox
        Layers that show why objects are split.
    found, plot
        What was found, in words and by size.
    """

    def __init__(self, presets: PresetStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.form = object_form()
        self.sliders = {name: SliderRow(self.form[name]) for name in _SLIDERS}
        follow_split(self.form, self.sliders)
        self.size = Field(InputSettings, "voxel_size_nm")
        self.layers = LayerBox("The layer that holds a probability: 0 to 255, or 0 to 1.", "no image layer")
        self.presets = PresetRow(presets, self.form.settings)
        self.live = QCheckBox("Preview what is in view")
        self.live.setChecked(True)
        self.slices = QSpinBox()
        self.slices.setRange(0, 64)
        self.slices.setValue(_SLICES)
        self.slices.setToolTip("Slices above and below the one on screen that the preview covers.")
        self.why = {kind: QCheckBox(title) for kind, title in _WHY.items()}
        self.size_note, self.found = note_label(), note_label()
        self.plot = SizePlot(choosable=False)
        self.plot.setToolTip("Objects by size. Those that the edge of the view cuts are not counted here.")
        self.plot.show_nothing("")
        self._lay_out()

    def show_found(self, words: str, preview: Preview) -> None:
        """Say what a preview has found, and plot how large it is."""
        self.found.setText(words)
        sizes = size_histogram(preview)
        if sizes.scale is None:
            self.plot.show_nothing("No whole object in view", sizes.unit)
        else:
            self.plot.show_counts(sizes.scale, sizes.unit, sizes.counts, sizes.counts)

    def show_problem(self, problem: Exception | str) -> None:
        """Say why there is no preview; an empty one says nothing."""
        self.found.setText(error_note(problem))
        self.plot.show_nothing("")

    def typed_size(self) -> tuple[float, float, float] | None:
        """The voxel size in the form, (z, y, x) in nm; None where nothing is typed.

        Two numbers are those of a single slice, which is then as thick as a pixel is high; the field says so.

        Raises
        ------
        SettingsError
            For what is no voxel size.
        """
        typed = self.size.value
        if typed != (complete := with_thickness(typed)):
            self.size.value = complete
        form: SettingsForm[InputSettings] = SettingsForm(InputSettings, [self.size])
        return form.settings(path="layer").voxel_size_nm

    def _lay_out(self) -> None:
        rows = column(self)
        top = form_layout()
        add_row(top, "Probability", self.layers)
        add_field(top, self.size)
        top.addRow(self.size_note)
        top.addRow(self.presets)
        rows.addLayout(top)
        rows.addWidget(section("Objects", self._fields(_FIRST), open_now=True, widgets=self.sliders))
        rows.addWidget(section("Clean objects", self._fields(_CLEANING), open_now=False))
        rows.addWidget(section("More", self._fields(_SELDOM), open_now=False))
        preview = form_layout()
        preview.addRow(self.live)
        add_row(preview, "Slices either side", self.slices)
        title = QLabel("Layers that show why objects are split:")
        title.setWordWrap(True)
        preview.addRow(title)
        why = QHBoxLayout()
        for kind, box in self.why.items():
            box.setToolTip(_WHY_TIPS[kind])
            why.addWidget(box)
        why.addStretch(1)
        preview.addRow(why)
        rows.addLayout(preview)
        rows.addWidget(self.found)
        rows.addWidget(self.plot)
        rows.addStretch(1)

    def _fields(self, names: tuple[str, ...]) -> list[Field]:
        return [self.form[name] for name in names]
