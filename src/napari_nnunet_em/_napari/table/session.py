"""The table of one layer together with what the user has deleted from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_nnunet_em._napari.table.hiding import hidden_ids, hiding_of
from napari_nnunet_em.measurement.selection import Deletions, Ids, ascending_ids

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_nnunet_em._napari.table.tables import LayerTable


class ObjectSession:
    """What the widget knows of one layer; it changes only on the main thread.

    Objects that an earlier widget hid in the layer, and those that a deletion cut short has begun to remove
    from the disk, are hidden from the start; the latter cannot be taken back.

    Parameters
    ----------
    layer : napari.layers.Labels
        The layer.
    table : LayerTable
        Its objects.

    Attributes
    ----------
    deletions : Deletions
        What was deleted, and can be undone until it is saved.
    deleted : array of int64
        Every object that is not to be seen, ascending.
    """

    def __init__(self, layer: Labels, table: LayerTable) -> None:
        self.layer = layer
        self.table = table
        earlier = hidden_ids(layer)
        earlier = earlier[table.has(earlier) & np.isin(earlier, table.begun, invert=True)]
        self._hiding = hiding_of(layer, table.frame)
        self.change(Deletions().delete(earlier))

    @property
    def saveable(self) -> bool:
        """Whether there is something to delete from the disk."""
        return self.table.stored is not None and len(self.deleted) > 0

    def change(self, deletions: Deletions) -> None:
        """Delete, undo or redo: the layer shows it at once."""
        self.deletions = deletions
        self.deleted: Ids = ascending_ids(self.table.begun, deletions.ids)
        self._hiding.hide(self.deleted)

    def saved(self, table: LayerTable) -> None:
        """Go on with the table as it was saved; what was deleted is gone."""
        self.table = table
        self.change(Deletions())
