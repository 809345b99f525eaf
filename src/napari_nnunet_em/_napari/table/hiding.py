"""Objects of a labels layer that are deleted vanish from the view, and come back.

An array in memory is changed, as painting changes it. Anything else (multiscale layers, files, arrays with
very many objects) is looked at through a view that reads deleted objects as 0: it works at any size, at once,
and changes no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_nnunet_em._napari.layers.lazy_views import ArrayView
from napari_nnunet_em._napari.layers.voxels import level_zero
from napari_nnunet_em.geometry import Box, as_shape
from napari_nnunet_em.measurement.selection import Ids, places_of

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Labels


_MOST_ERASED = 5_000
"""Objects that are erased from an array one by one, without the window standing still."""


class Hiding(Protocol):
    """Hides objects of one layer."""

    def hide(self, ids: Ids) -> None:
        """Hide exactly these objects, ascending, and show all others; main thread only."""


class HiddenIds:
    """Ids that views read as 0; shared by all levels of a layer.

    Attributes
    ----------
    ids : array of int64
        Ascending.
    """

    def __init__(self) -> None:
        self.ids: Ids = np.empty(0, np.int64)

    def cleared(self, labels: NDArray[Any]) -> NDArray[Any]:
        """`labels` with 0 in place of the hidden ids; the same array where there are none."""
        if not len(self.ids):
            return labels
        return np.where(np.isin(labels, self.ids.astype(labels.dtype)), labels.dtype.type(0), labels)


class HidingView(ArrayView):
    """A stored label array in which some objects read as 0.

    Parameters
    ----------
    array : array-like
        With ``shape``, ``dtype`` and indexing, such as a `zarr.Array` or a dask array.
    hidden : HiddenIds
        Which objects, now and later.
    """

    def __init__(self, array: Any, hidden: HiddenIds) -> None:
        super().__init__(array)
        self.hidden = hidden

    @property
    def chunks(self) -> Any:
        """Chunks of the array, or None."""
        return getattr(self.array, "chunks", None)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self.hidden.cleared(np.asarray(self.array[key]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        whole = self.hidden.cleared(np.asarray(self.array))
        return np.array(whole, dtype=dtype)


class ViewHiding:
    """Hides objects of a layer by looking at its data through views.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer; its data become views when the first object is hidden. A layer that has views already
        goes on with what is hidden in them.
    """

    def __init__(self, layer: Labels) -> None:
        self._layer = layer

    def hide(self, ids: Ids) -> None:
        """Hide exactly these objects, and show all others."""
        view = level_zero(self._layer)
        if not isinstance(view, HidingView):
            if not len(ids):
                return
            view = self._attach()
        elif np.array_equal(view.hidden.ids, ids):
            return
        view.hidden.ids = ids
        self._layer.refresh(extent=False)

    def _attach(self) -> HidingView:
        layer, hidden = self._layer, HiddenIds()
        levels = [HidingView(level, hidden) for level in (layer.data if layer.multiscale else [layer.data])]
        layer.data = levels if layer.multiscale else levels[0]
        return levels[0]


class ArrayHiding:
    """Hides objects of an array in memory by writing 0 over them, and remembers where they were.

    Parameters
    ----------
    layer : napari.layers.Labels
        A layer that holds a NumPy array, (z, y, x) or (y, x).
    frame : pandas.DataFrame
        Its object table, whose bounding boxes are in voxels of the array.
    """

    def __init__(self, layer: Labels, frame: pd.DataFrame) -> None:
        self._layer = layer
        self._ids = frame["id"].to_numpy()
        ends = [frame[[f"bbox_{axis}_{end}" for axis in "zyx"]].to_numpy() for end in ("min", "max")]
        self._lower, self._upper = ends
        self._removed: dict[int, tuple[tuple[slice, ...], NDArray[np.uint8]]] = {}

    def hide(self, ids: Ids) -> None:
        """Hide exactly these objects, and show all others."""
        data = self._layer.data
        wanted = set(ids.tolist())
        if wanted == set(self._removed):
            return
        for label in [label for label in self._removed if label not in wanted]:
            where, packed = self._removed.pop(label)
            part = data[where]
            inside = np.unpackbits(packed, count=part.size).reshape(part.shape).astype(np.bool_)
            # What was painted there since then stays.
            part[inside & (part == 0)] = label
        for place in places_of(self._ids, np.array(sorted(wanted - set(self._removed)), np.int64)).tolist():
            self._erase(data, place)
        self._layer.refresh(extent=False)

    def _erase(self, data: NDArray[Any], place: int) -> None:
        box = Box(as_shape(self._lower[place]), as_shape(self._upper[place]))
        where = box.slices[-data.ndim :]
        part = data[where]
        inside = part == self._ids[place]
        self._removed[int(self._ids[place])] = where, np.packbits(inside)
        part[inside] = 0


def hiding_of(layer: Labels, frame: pd.DataFrame) -> Hiding:
    """How objects of a layer are hidden.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer.
    frame : pandas.DataFrame
        Its object table.
    """
    data = level_zero(layer)
    # Not a memory map: that would change the user's file.
    in_memory = type(data) is np.ndarray and data.flags.writeable
    if in_memory and not layer.multiscale and len(frame) <= _MOST_ERASED:
        return ArrayHiding(layer, frame)
    return ViewHiding(layer)


def hidden_ids(layer: Labels) -> Ids:
    """What a layer hides in its views, ascending; also what an earlier widget hid there."""
    view = level_zero(layer)
    return view.hidden.ids if isinstance(view, HidingView) else np.empty(0, np.int64)


def stored_levels(layer: Labels) -> Sequence[Any]:
    """The arrays of a layer, level 0 first, with every object in them."""
    levels = list(layer.data) if layer.multiscale else [layer.data]
    return [level.array if isinstance(level, HidingView) else level for level in levels]
