"""The part that is meant: views, rectangles, and what is said where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image, Shapes

from napari_nnunet_em._napari.layers.levels import LayerLevel
from napari_nnunet_em._napari.layers.regions import (
    RegionChoice,
    RegionKind,
    looked_at,
    region_words,
    shape_box,
)
from napari_nnunet_em._napari.layers.viewing import visible_box
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Lattice

from .conftest import PLACE

SHAPE = (6, 40, 50)


def image(shape=SHAPE, **keywords) -> Image:
    return Image(np.zeros(shape, np.uint8), name="em", **keywords)


def rectangle(start, stop, z=0, **keywords) -> Shapes:
    (y0, x0), (y1, x1) = start, stop
    corners = [(z, y0, x0), (z, y0, x1), (z, y1, x1), (z, y1, x0)]
    return Shapes([np.array(corners, float)], shape_type="rectangle", **keywords)


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_layer(image())
    viewer.canvas.size = (20, 30)
    viewer.scene.camera.zoom = 1.0
    viewer.scene.camera.center = (0, 20.0, 25.0)
    viewer.dims.set_current_step(0, 4)
    return viewer


def test_slices_around_the_view_end_at_the_volume(viewer) -> None:
    layer = viewer.layers["em"]
    seen = visible_box(viewer, layer)
    assert (seen.start[0], seen.stop[0]) == (4, 5)
    around = RegionChoice(RegionKind.VIEW, around=3).box(viewer, layer)
    assert (around.start[0], around.stop[0]) == (1, 6)
    assert around.start[1:] == seen.start[1:]
    assert around.stop[1:] == seen.stop[1:]
    assert looked_at(viewer, layer) == (4, 20, 25)
    assert RegionChoice().box(viewer, layer) is None


def test_slices_around_follow_the_axis_of_the_slider(viewer) -> None:
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_current_step(1, 7)
    viewer.canvas.size = (100, 100)
    viewer.scene.camera.zoom = 1.0
    viewer.scene.camera.center = (0, 3.0, 25.0)
    box = visible_box(viewer, viewer.layers["em"], 2)
    assert box == Box((0, 5, 0), (6, 10, 50))


@given(
    st.tuples(*[st.integers(-20, 60)] * 2),
    st.tuples(*[st.integers(1, 40)] * 2),
    st.tuples(st.integers(0, 5), st.integers(1, 6)),
)
def test_a_rectangle_gives_the_voxels_below_it(start, size, slices) -> None:
    first, last = min(slices), max(slices) + 1
    stop = (start[0] + size[0], start[1] + size[1])
    wanted = Box((first, *start), (last, stop[0] + 1, stop[1] + 1)).intersect(Box.whole(SHAPE))
    shapes = rectangle(start, stop, z=17)
    if wanted.size:
        assert shape_box(shapes, image(), (first, last)) == wanted
    else:
        with pytest.raises(InputError, match="lies outside"):
            shape_box(shapes, image(), (first, last))


def test_units_and_places_of_both_layers_count() -> None:
    layer = image(scale=(40, 8, 8), units=("nm",) * 3, translate=(0, 80, 160))
    shapes = rectangle((0.1, 0.2), (0.2, 0.4), units=("um",) * 3)
    assert shape_box(shapes, layer, (2, 4)) == Box((2, 3, 5), (4, 16, 31))


def test_the_selected_rectangle_counts_else_the_last() -> None:
    shapes = rectangle((0, 0), (4, 4))
    shapes.add_rectangles(np.array([[(0, 10, 10), (0, 10, 12), (0, 12, 12), (0, 12, 10)]], float))
    shapes.selected_data = set()
    assert shape_box(shapes, image(), (0, 1)).start == (0, 10, 10)
    shapes.selected_data = {0}
    assert shape_box(shapes, image(), (0, 1)).start == (0, 0, 0)


def test_images_of_one_slice() -> None:
    shapes = Shapes([np.array([(1, 2), (1, 6), (5, 6), (5, 2)], float)], shape_type="rectangle")
    assert shape_box(shapes, image((40, 50)), (0, 1)) == Box((0, 1, 2), (1, 6, 7))


def test_what_is_missing_is_said(viewer) -> None:
    layer = viewer.layers["em"]
    with pytest.raises(InputError, match="no Shapes layer"):
        RegionChoice(RegionKind.RECTANGLE).box(viewer, layer)
    with pytest.raises(InputError, match="holds no shape"):
        RegionChoice(RegionKind.RECTANGLE, shapes=Shapes(name="empty", ndim=3)).box(viewer, layer)
    with pytest.raises(InputError, match="lies outside"):
        shape_box(rectangle((0, 0), (4, 4)), layer, (6, 9))
    viewer.scene.camera.center = (0, 2000.0, 25.0)
    assert looked_at(viewer, layer) is None


def test_words() -> None:
    full, half = LayerLevel(0, SHAPE, Lattice()), LayerLevel(1, (6, 20, 25), Lattice())
    assert region_words(None, full) == "6 × 40 × 50 voxels"
    assert region_words(None, half) == "6 × 20 × 25 voxels of pyramid level 1"
    box = Box((1, 2, 3), (2, 12, 33))
    assert region_words(box, full) == "1 × 10 × 30 voxels, from z 1, y 2, x 3"


@pytest.mark.gui
def test_the_form_shows_the_voxels_that_are_meant_now(open_widget, em, qtbot) -> None:
    viewer, widget = open_widget()
    viewer.add_image(em, name="em", **PLACE)
    region = widget.region
    assert region.note.text() == "33 × 96 × 112 voxels"
    region.kind.setCurrentText("Current view")
    viewer.dims.set_current_step(0, 5)
    qtbot.waitUntil(lambda: "from z 5" in region.note.text())
    region.around.setValue(1)
    assert region.note.text().startswith("3 × ")
    viewer.dims.ndisplay = 3
    qtbot.waitUntil(lambda: "three-dimensional" in region.note.text())
    viewer.dims.ndisplay = 2
    region.kind.setCurrentText("Rectangle")
    assert "no Shapes layer" in region.note.text()
    shapes = viewer.add_shapes(rectangle((10, 20), (40, 60)).data, shape_type="rectangle", **PLACE)
    shapes.selected_data = set()
    assert region.note.text() == "33 × 31 × 41 voxels, from z 0, y 10, x 20"
    region.first.setValue(3)
    region.last.setValue(4)
    assert region.note.text() == "2 × 31 × 41 voxels, from z 3, y 10, x 20"
    assert widget.inputs.request().job.prediction.region == Box((3, 10, 20), (5, 41, 61))
    viewer.layers.remove(shapes)
    assert "no Shapes layer" in region.note.text()
