"""The layers of a preview: objects, and why they were split. Main thread only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nnunet_em._napari.layers.marks import PREVIEW_KEY
from napari_nnunet_em._napari.layers.placement import move, result_placement

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_nnunet_em.instances.preview import Preview

OBJECTS, HEIGHTS, SEEDS, BOUNDARIES = "objects", "heights", "seeds", "boundaries"

_TITLES = {
    OBJECTS: "preview",
    HEIGHTS: "preview: distance",
    SEEDS: "preview: seeds",
    BOUNDARIES: "preview: boundaries",
}


class PreviewLayers:
    """Shows the previews of one layer beside it.

    Parameters
    ----------
    viewer : napari viewer
        Where layers are added.
    source : napari.layers.Image
        The layer whose objects are previewed.
    """

    def __init__(self, viewer: ViewerModel, source: Image) -> None:
        self._viewer = viewer
        self._source = source
        self._ndim = min(source.ndim, 3)
        self._layers: dict[str, Layer] = {}

    def show(self, preview: Preview, wanted: set[str]) -> None:
        """Show a preview.

        Parameters
        ----------
        preview : Preview
            What was found. A first answer leaves the evidence as it was.
        wanted : set of str
            Which of `HEIGHTS`, `SEEDS` and `BOUNDARIES` are shown beside the objects.
        """
        active = self._viewer.layers.selection.active
        start = preview.box.start
        self._put(OBJECTS, self._flat(preview.labels), start, opacity=0.6)
        evidence = preview.evidence
        if evidence is not None:
            if HEIGHTS in wanted:
                self._put(HEIGHTS, self._flat(evidence.heights), start, colormap="inferno", opacity=0.8)
            if BOUNDARIES in wanted:
                self._put(BOUNDARIES, self._flat(evidence.boundaries.astype(np.uint8)), start, opacity=1.0)
            if SEEDS in wanted:
                points = (evidence.seeds - np.asarray(start))[:, -self._ndim :]
                self._put(SEEDS, points, start, size=6, face_color="yellow", border_color="black")
        for kind in set(self._layers) - wanted - {OBJECTS}:
            self._remove(kind)
        if active is not None and active in self._viewer.layers:
            self._viewer.layers.selection.active = active  # a new layer must not take the brush away

    def showing(self, kind: str = OBJECTS) -> bool:
        """Whether the layer of a kind is there; the user may have removed it."""
        return self._layers.get(kind) in self._viewer.layers

    def remove(self) -> None:
        """Take all layers away."""
        for kind in list(self._layers):
            self._remove(kind)

    def _put(self, kind: str, data: Any, start: tuple[int, int, int], **look: Any) -> None:
        layer = self._layers.get(kind)
        place = result_placement(self._source, start, self._ndim)
        if layer is None or layer not in self._viewer.layers:
            keywords = {
                "name": f"{self._source.name} {_TITLES[kind]}",
                "metadata": {PREVIEW_KEY: kind},
                **place,
                **look,
            }
            self._layers[kind] = self._add(kind, data, keywords)
            return
        move(layer, place)
        layer.data = data

    def _add(self, kind: str, data: Any, keywords: dict[str, Any]) -> Layer:
        if kind == SEEDS:
            return self._viewer.add_points(data, ndim=self._ndim, out_of_slice_display=False, **keywords)
        if kind == HEIGHTS:
            return self._viewer.add_image(data, blending="additive", **keywords)
        return self._viewer.add_labels(data, **keywords)

    def _remove(self, kind: str) -> None:
        layer = self._layers.pop(kind)
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _flat(self, array: np.ndarray) -> np.ndarray:
        """Without the axis of slices where the source has none."""
        return array[0] if self._ndim == 2 else array
