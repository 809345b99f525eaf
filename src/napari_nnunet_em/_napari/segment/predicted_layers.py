"""The layers in which a preview of the prediction fills in. Main thread only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nnunet_em._napari.layers.marks import PREVIEW_KEY
from napari_nnunet_em._napari.layers.placement import move, result_placement
from napari_nnunet_em._napari.segment.live import probability_colormap

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_nnunet_em._napari.segment.request import Request
    from napari_nnunet_em.geometry import Box
    from napari_nnunet_em.pipeline.preview import PreviewPart


class PredictedLayers:
    """Layers in memory that a preview fills in; main thread only.

    Parameters
    ----------
    viewer : napari viewer
        Where they are shown.
    request : Request
        The job whose probabilities are previewed, and its layer.
    box : Box
        Voxels of its volume.
    """

    def __init__(self, viewer: ViewerModel, request: Request, box: Box) -> None:
        self._viewer = viewer
        self._request, self._box = request, box
        self._data = np.zeros((len(request.class_names), *box.shape), np.float32)
        self._layers: list[Image] = []

    def show(self, part: PreviewPart) -> None:
        """Take in a finished piece."""
        place = part.box.relative_to(self._box.start).slices
        self._data[(slice(None), *place)] = part.probabilities
        if not self._layers:
            self._layers = self._placed(part)
        for layer in self._layers:
            layer.refresh(extent=False, highlight=False, thumbnail=False)

    def _placed(self, part: PreviewPart) -> list[Image]:
        """One layer for each class: those of the last preview, which takes napari a tenth of the time."""
        source = self._request.layer
        ndim = min(source.ndim, 3)
        older = _shown(self._viewer)
        if [x.ndim for x in older] != [ndim] * len(self._data):
            for layer in older:
                self._viewer.layers.remove(layer)
            older = []
        volume = self._request.volume
        lattice = volume.lattice(volume.level).begun_at(self._box.start)
        place = result_placement(source, lattice.first, ndim, lattice.step)
        word = "preview, provisional" if part.provisional else "preview"
        layers = []
        for index, name in enumerate(self._request.class_names):
            data = self._data[index] if ndim == 3 else self._data[index, 0]
            layer = older[index] if older else self._add(data, index, place)
            layer.metadata = {PREVIEW_KEY: {"provisional": part.provisional, "runner": part.runner}}
            layer.name = f"{source.name} {name} {word}"
            if older:
                layer.data = data
                move(layer, place)
                layer.visible = True
            layers.append(layer)
        return layers

    def _add(self, data: np.ndarray, index: int, place: dict[str, Any]) -> Image:
        return self._viewer.add_image(
            data,
            name="preview",
            colormap=probability_colormap(index),
            blending="additive",
            opacity=0.6,
            contrast_limits=(0.0, 1.0),
            metadata={PREVIEW_KEY: {}},
            **place,
        )


def hide_previews(viewer: ViewerModel) -> None:
    """Take these previews off the screen; they stay in the list of layers, for the next one."""
    for layer in _shown(viewer):
        layer.visible = False


def _shown(viewer: ViewerModel) -> list[Image]:
    """Layers of earlier previews; those of objects have another mark under the same key."""
    return [layer for layer in viewer.layers if isinstance(layer.metadata.get(PREVIEW_KEY), dict)]
