"""Choosing a layer in the list that a dock offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_nnunet_em.errors import InputError

if TYPE_CHECKING:
    from napari.layers import Layer
    from qtpy.QtWidgets import QComboBox


def choose_layer(box: QComboBox, offered: Sequence[Layer], layer: Layer, kind: str) -> None:
    """Choose a layer in a box that lists layers.

    Parameters
    ----------
    box : QComboBox
        Its first entries are the layers of `offered`.
    offered : sequence of Layer
        What can be chosen.
    layer : napari.layers.Layer
        What is chosen.
    kind : str
        What is offered, for the message: "an image that can be segmented".

    Raises
    ------
    InputError
        If the layer is not offered.
    """
    if layer not in offered:
        raise InputError(f"The layer {layer.name!r} is not {kind}: select one in the list of layers.")
    box.setCurrentIndex(list(offered).index(layer))
