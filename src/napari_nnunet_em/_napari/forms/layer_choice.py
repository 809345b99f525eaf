"""Choosing a layer in the list that a dock offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker

from napari_nnunet_em._napari.forms.name_box import NameBox
from napari_nnunet_em.errors import InputError

if TYPE_CHECKING:
    from napari.layers import Layer


class LayerBox(NameBox):
    """A choice of layers, and of what may stand in their place.

    Parameters
    ----------
    tip : str
        What is chosen here.
    nothing : str
        What is shown where there is no layer.

    Attributes
    ----------
    offered : list of napari.layers.Layer
        Its first entries.
    """

    def __init__(self, tip: str, nothing: str = "") -> None:
        super().__init__(nothing)
        self.offered: list[Layer] = []
        self.setToolTip(tip)

    @property
    def layer(self) -> Layer | None:
        """The layer that is chosen; None where there is none, or something else is chosen."""
        index = self.currentIndex()
        return self.offered[index] if 0 <= index < len(self.offered) else None

    def offer(
        self, layers: Sequence[Layer], *preferred: Layer | str | None, others: Sequence[str] = ()
    ) -> None:
        """Offer these layers in place of those before; no signal tells of it.

        Parameters
        ----------
        layers : sequence of Layer
            What can be chosen.
        *preferred : Layer, str or None
            The first of these that is offered is chosen; without any, the first entry.
        others : sequence of str
            Entries below the layers.
        """
        self.offered = list(layers)
        entries = [*layers, *others]
        with QSignalBlocker(self):
            self.clear()
            self.addItems([*(layer.name for layer in layers), *others])
            self.setCurrentIndex(next((entries.index(x) for x in preferred if x in entries), 0))

    def choose(self, layer: Layer, kind: str) -> None:
        """Choose a layer.

        Parameters
        ----------
        layer : napari.layers.Layer
            What is chosen.
        kind : str
            What is offered, for the message: "an image that can be segmented".

        Raises
        ------
        InputError
            If the layer is not offered.
        """
        if layer not in self.offered:
            raise InputError(f"The layer {layer.name!r} is not {kind}: select one in the list of layers.")
        self.setCurrentIndex(self.offered.index(layer))
