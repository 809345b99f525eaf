"""Previews of the prediction and of objects side by side, without a window."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from napari.components import ViewerModel

from napari_nnunet_em._napari.live import PREVIEW_KEY
from napari_nnunet_em._napari.predicted_layers import PredictedLayers, hide_previews
from napari_nnunet_em._napari.previewlayers import OBJECTS, PreviewLayers
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import open_volume

SHAPE = (2, 8, 9)


def predicted(viewer: ViewerModel, value: float) -> None:
    """Show a preview whose probabilities are all `value`."""
    volume = open_volume(np.zeros(SHAPE, np.uint8))
    request: Any = SimpleNamespace(layer=viewer.layers["em"], volume=volume, class_names=("cells",))
    box = Box.whole(SHAPE)
    values = np.full((1, *SHAPE), value, np.float32)
    part: Any = SimpleNamespace(box=box, probabilities=values, provisional=False, runner="fake")
    PredictedLayers(viewer, request, box).show(part)


def test_a_preview_of_the_prediction_leaves_that_of_objects_alone() -> None:
    viewer = ViewerModel()
    em = viewer.add_image(np.zeros(SHAPE, np.uint8), name="em")
    found: Any = SimpleNamespace(box=Box.whole(SHAPE), labels=np.ones(SHAPE, np.int32), evidence=None)
    objects = PreviewLayers(viewer, em)
    objects.show(found, set())
    for value in (0.25, 0.75):
        predicted(viewer, value)
    by_mark = {str(x.metadata.get(PREVIEW_KEY)): x for x in viewer.layers}
    assert len(viewer.layers) == len(by_mark) == 3
    np.testing.assert_array_equal(by_mark[OBJECTS].data, 1)
    np.testing.assert_array_equal(viewer.layers["em cells preview"].data, np.float32(0.75))
    hide_previews(viewer)
    assert [x.visible for x in viewer.layers] == [True, True, False]
    assert objects.showing()
