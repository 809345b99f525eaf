"""The layers of a job: probability that fills in while it runs, objects when it is done. Main thread only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QTimer

from napari_nnunet_em import io
from napari_nnunet_em._napari.layers.features import LABELS_KEY, label_features
from napari_nnunet_em._napari.layers.lazy_views import FixedAxes
from napari_nnunet_em._napari.layers.marks import STORE_KEY, belongs_to
from napari_nnunet_em._napari.layers.placement import result_placement
from napari_nnunet_em._napari.layers.voxels import VOXEL_SIZE_KEY, layer_shape, level_zero

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from napari_nnunet_em._napari.threads.outcome import FoundObjects
    from napari_nnunet_em.io import Lattice

REFRESH_MILLISECONDS = 300
"""The least time between two redraws; each takes about 10 ms on a 4096 x 4096 view."""

_COLORMAPS = ("magenta", "green", "cyan", "yellow", "red", "blue")


class LiveLayers:
    """Shows the store of one job beside the layer that is being segmented.

    Parameters
    ----------
    viewer : napari viewer
        Where layers are added.
    source : napari.layers.Image
        The layer that is segmented; results take its place in the world.
    store : pathlib.Path
        Output of the job.
    class_names : sequence of str
        Foreground classes, in the order of the probability channels.
    place : Lattice
        Where the voxels of the result lie among those of the source layer.
    prefix : str, optional
        What names of new layers begin with; the source's name without it.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        source: Image,
        store: Path,
        class_names: tuple[str, ...],
        place: Lattice,
        prefix: str | None = None,
    ) -> None:
        self._viewer = viewer
        self._ndim = min(source.ndim, 3)
        self._placement = result_placement(source, place.first, self._ndim, place.step)
        self._store = store
        self._names = class_names
        self._prefix = source.name if prefix is None else prefix
        self.probability: list[Image] = []
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(REFRESH_MILLISECONDS)
        self._timer.timeout.connect(self.refresh)

    def show_probability(self) -> None:
        """Add the probability layers, in place of older ones of the same store."""
        if self.probability:
            return
        sink = io.MultiscaleSink.open(self._store, "")
        levels, metadata = sink.levels, self._metadata(sink)
        names = [f"{self._prefix} {name} probability" for name in self._names]
        self._drop_older(names, levels)
        for channel, name in enumerate(names):
            layer = self._older(name)
            if layer is None:
                layer = self._viewer.add_image(
                    self._lazy(levels, channel),
                    multiscale=len(levels) > 1,
                    name=name,
                    colormap=probability_colormap(channel),
                    blending="additive",
                    opacity=0.6,
                    contrast_limits=probability_limits(levels[0].dtype),
                    metadata=metadata,
                    **self._placement,
                )
            else:
                layer.data = self._lazy(levels, channel)
                layer.metadata = {**layer.metadata, **metadata}
                layer.visible = True
            self.probability.append(layer)

    def refresh_soon(self) -> None:
        """Redraw what is visible, now or together with the next blocks."""
        if not self._timer.isActive():
            self._timer.start()

    def refresh(self, *, thumbnail: bool = False) -> None:
        """Redraw the probability layers that still exist."""
        for layer in self.probability:
            if layer in self._viewer.layers:
                layer.refresh(extent=False, highlight=False, thumbnail=thumbnail)

    def show_objects(self, found: Sequence[FoundObjects]) -> None:
        """Add a labels layer for each class, with the object table as its features."""
        self.stop()
        for objects in found:
            sink = io.MultiscaleSink.open(self._store, objects.labels.relative_to(self._store).as_posix())
            levels = sink.levels
            self._viewer.add_labels(
                self._lazy(levels, None),
                multiscale=len(levels) > 1,
                name=f"{self._prefix} {objects.name}",
                opacity=0.6,
                features=label_features(objects.table),
                metadata={**self._metadata(sink), LABELS_KEY: str(objects.labels)},
                **self._placement,
            )
        if found:
            for layer in self.probability:
                layer.visible = False

    def stop(self) -> None:
        """Redraw once more, the thumbnails too, and then no longer."""
        self._timer.stop()
        self.refresh(thumbnail=True)

    def _metadata(self, sink: io.MultiscaleSink) -> dict[str, Any]:
        """What a layer notes of its store; the voxel size too, because the source layer may state none."""
        return {STORE_KEY: str(self._store), VOXEL_SIZE_KEY: sink.spec.voxel_size_nm}

    def _lazy(self, levels: list[Any], channel: int | None) -> Any:
        """Pyramid levels, or the only one, without the axes that the source layer does not have."""
        with_channels = levels[0].ndim == 4
        leading = ((channel or 0,) if with_channels else ()) + ((0,) if self._ndim == 2 else ())
        views = [FixedAxes(level, leading) if leading else level for level in levels]
        return views if len(views) > 1 else views[0]

    def _older(self, name: str) -> Image | None:
        """The layer of this name that shows this store already, from an earlier run."""
        return next((x for x in self._viewer.layers if x.name == name and belongs_to(x, self._store)), None)

    def _drop_older(self, names: Sequence[str], levels: Sequence[Any]) -> None:
        """Remove layers of the same store, but those that show the same probabilities.

        Removing a layer and adding another one takes napari a quarter of a second, in which the window stands
        still.
        """
        shape, dtype = tuple(levels[0].shape)[-self._ndim :], np.dtype(levels[0].dtype)
        for layer in [x for x in self._viewer.layers if belongs_to(x, self._store)]:
            same = layer.name in names and layer_shape(layer)[-self._ndim :] == shape
            if (
                not same
                or np.dtype(level_zero(layer).dtype) != dtype
                or layer.multiscale != (len(levels) > 1)
            ):
                self._viewer.layers.remove(layer)


def probability_colormap(index: int) -> str:
    """Colour of a class, by its place among the classes."""
    return _COLORMAPS[index % len(_COLORMAPS)]


def hide_objects(viewer: ViewerModel, store: Path) -> None:
    """Take the objects of a store off the screen; their layers stay in the list."""
    for layer in viewer.layers:
        if isinstance(layer, Labels) and belongs_to(layer, store):
            layer.visible = False


def probability_limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Contrast limits from probability 0 to 1 as stored in `dtype`."""
    return (0.0, 255.0) if np.dtype(dtype) == np.uint8 else (0.0, 1.0)
