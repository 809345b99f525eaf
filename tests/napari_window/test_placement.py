"""Voxel sizes, the part in view and the place of results, on napari's models without a window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image

from napari_nnunet_em._napari.layers.placement import result_placement
from napari_nnunet_em._napari.layers.regions import RegionChoice, RegionKind
from napari_nnunet_em._napari.layers.viewing import slicing_axis, visible_box
from napari_nnunet_em._napari.layers.voxels import layer_shape, layer_voxel_size
from napari_nnunet_em.errors import InputError
from napari_nnunet_em.geometry import Box

NM = ("nanometer",) * 3


def image(shape=(6, 40, 50), **keywords) -> Image:
    return Image(np.zeros(shape, np.uint8), **keywords)


def test_a_scale_of_one_pixel_is_not_a_size() -> None:
    assert layer_voxel_size(image()).voxel_size_nm is None
    assert layer_voxel_size(image(scale=(5, 1, 1))).voxel_size_nm is None


@pytest.mark.parametrize(
    ("scale", "units", "size"),
    [
        ((56, 8, 8), NM, (56.0, 8.0, 8.0)),
        ((0.056, 0.008, 0.008), ("micrometer",) * 3, (56.0, 8.0, 8.0)),
        ((0.04, 8, 8), ("um", "nm", "nm"), (40.0, 8.0, 8.0)),
        ((40, -8, 8), NM, (40.0, 8.0, 8.0)),
    ],
)
def test_scale_with_units_of_length_is_the_voxel_size(scale, units, size) -> None:
    assert layer_voxel_size(image(scale=scale, units=units)).voxel_size_nm == size


def test_mixed_units_are_not_a_size() -> None:
    assert layer_voxel_size(image(scale=(1, 8, 8), units=("pixel", "nm", "nm"))).voxel_size_nm is None


def test_a_2d_layer_is_as_deep_as_it_is_high() -> None:
    assert layer_voxel_size(image((40, 50), scale=(8, 9), units=("nm", "nm"))).voxel_size_nm == (
        8.0,
        8.0,
        9.0,
    )


def test_channels_have_no_size() -> None:
    layer = image((2, 6, 40, 50), scale=(1, 40, 8, 8), units=("pixel", *NM))
    assert layer_voxel_size(layer).voxel_size_nm == (40.0, 8.0, 8.0)
    assert layer_shape(layer) == (6, 40, 50)


def test_metadata_may_state_the_size() -> None:
    known = layer_voxel_size(image(metadata={"voxel_size_nm": (50, 4, 4)}))
    assert known.voxel_size_nm == (50.0, 4.0, 4.0)
    assert known.source == "layer metadata"


def test_the_shape_of_a_multiscale_layer_is_that_of_its_first_level() -> None:
    levels = [np.zeros((8, 64, 64), np.uint8), np.zeros((4, 32, 32), np.uint8)]
    assert layer_shape(Image(levels, multiscale=True)) == (8, 64, 64)


def test_colours_are_no_axis_of_space() -> None:
    assert layer_shape(Image(np.zeros((30, 40, 3), np.uint8), rgb=True)) == (1, 30, 40)
    assert layer_shape(Image(np.zeros((5, 30, 40, 4), np.uint8), rgb=True)) == (5, 30, 40)


def viewer_with(layer: Image, *, size=(20, 30), zoom=1.0, centre=(20.0, 25.0), step=2) -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_layer(layer)
    viewer.canvas.size = size
    viewer.scene.camera.zoom = zoom
    viewer.scene.camera.center = (0, *centre)
    viewer.dims.set_current_step(0, step)
    return viewer


def test_the_part_in_view_is_what_the_canvas_covers_at_the_slice() -> None:
    layer = image()
    # 20 x 30 pixels around (20, 25): from 10 to 30 and 10 to 40; voxel i reaches from i - 0.5 to i + 0.5.
    assert visible_box(viewer_with(layer), layer) == Box((2, 10, 10), (3, 31, 41))


def test_zooming_in_halves_the_part_in_view() -> None:
    layer = image()
    assert visible_box(viewer_with(layer, zoom=2.0), layer) == Box((2, 15, 18), (3, 26, 34))


def test_a_view_larger_than_the_layer_shows_a_whole_slice() -> None:
    layer = image()
    assert visible_box(viewer_with(layer, zoom=0.01), layer) == Box((2, 0, 0), (3, 40, 50))


def test_scale_and_translation_are_undone() -> None:
    layer = image(scale=(40, 8, 8), units=NM, translate=(400, 80, 160))
    viewer = viewer_with(layer, size=(80, 160), centre=(80 + 160, 160 + 200), step=3)
    assert visible_box(viewer, layer) == Box((3, 15, 15), (4, 26, 36))


def test_layers_in_other_units_than_the_viewer_are_converted() -> None:
    layer = image(scale=(0.04, 0.008, 0.008), units=("um",) * 3)
    viewer = viewer_with(layer)
    viewer.add_image(np.zeros((6, 40, 50)), scale=(40, 8, 8), units=NM)  # the viewer now counts in nm
    viewer.canvas.size = (80, 160)
    viewer.scene.camera.zoom = 1.0
    viewer.scene.camera.center = (0, 160.0, 200.0)
    viewer.dims.set_current_step(0, 2)
    assert visible_box(viewer, layer) == Box((2, 15, 15), (3, 26, 36))


def test_a_rotated_layer_gives_the_box_around_what_is_seen() -> None:
    layer = image((1, 100, 100), rotate=(0, 0, 45))
    centre = layer.data_to_world((0, 50, 50))[1:]
    box = visible_box(viewer_with(layer, size=(20, 20), centre=centre, step=0), layer)
    half = 10 * np.sqrt(2)
    assert box == Box(
        (0, round(50 - half), round(50 - half)), (1, round(50 + half) + 1, round(50 + half) + 1)
    )


def test_other_planes_can_be_in_view() -> None:
    layer = image()
    viewer = viewer_with(layer)
    viewer.dims.order = (1, 0, 2)  # z runs down the screen, y is the slider
    viewer.dims.set_current_step(1, 7)
    viewer.canvas.size = (4, 30)
    viewer.scene.camera.zoom = 1.0  # napari fits the view anew when axes change
    viewer.scene.camera.center = (0, 3.0, 25.0)
    assert visible_box(viewer, layer) == Box((1, 7, 10), (6, 8, 41))


@pytest.mark.parametrize("beside", [None, (3, 6, 40, 50), (2, 3, 6, 40, 50)])
def test_slices_are_taken_across_the_axis_that_is_not_on_the_canvas(beside) -> None:
    layer = image()
    viewer = viewer_with(layer)
    plane = viewer.add_image(np.zeros((40, 50), np.uint8))
    if beside is not None:
        viewer.add_image(np.zeros(beside, np.uint8))
    before = tuple(range(viewer.dims.ndim - 3))
    for across in range(3):
        shown = [axis for axis in range(3) if axis != across]
        viewer.dims.order = (*before, *(len(before) + axis for axis in (across, *shown)))
        assert slicing_axis(viewer, layer) == across
        assert slicing_axis(viewer, plane) == across  # it has one slice across z
    viewer.dims.order = (
        (1, 0, 2) if beside is None else (len(before) + 1, *before, len(before), len(before) + 2)
    )
    assert slicing_axis(viewer, layer) == 1


def test_a_2d_layer_has_one_slice() -> None:
    layer = image((40, 50))
    assert visible_box(viewer_with(layer, step=0), layer) == Box((0, 10, 10), (1, 31, 41))


def test_a_3d_view_and_an_empty_view_are_refused() -> None:
    layer = image()
    viewer = viewer_with(layer, centre=(4000.0, 25.0))
    with pytest.raises(InputError, match="No voxel of the layer"):
        visible_box(viewer, layer)
    viewer.dims.ndisplay = 3
    with pytest.raises(InputError, match=r"three-dimensional.*2D view \(Ctrl\+Y\)\.$"):
        visible_box(viewer, layer)
    # Only where a form offers it.
    with pytest.raises(InputError, match=r"three-dimensional.*, or choose the whole volume\.$"):
        RegionChoice(RegionKind.VIEW).box(viewer, layer)


@given(
    scale=st.tuples(*[st.floats(0.1, 100)] * 3),
    translate=st.tuples(*[st.floats(-500, 500)] * 3),
    angle=st.floats(-180, 180),
    shear=st.tuples(*[st.floats(-0.5, 0.5)] * 3),
    offset=st.tuples(*[st.integers(0, 5)] * 3),
    point=st.tuples(*[st.floats(0, 30)] * 3),
)
def test_results_lie_exactly_on_their_source(scale, translate, angle, shear, offset, point) -> None:
    affine = np.eye(4)
    affine[:3, 3] = (5, -6, 7)
    affine[1, 2] = 0.25
    source = image(
        scale=scale, translate=translate, rotate=(0, 0, angle), shear=shear, affine=affine, units=NM
    )
    result = image(**result_placement(source, offset, 3))
    expected = source.data_to_world(np.add(point, offset))
    np.testing.assert_allclose(result.data_to_world(point), expected, rtol=1e-5, atol=1e-3)
    assert result.units == source.units


def test_results_of_channels_lie_on_the_spatial_axes() -> None:
    source = image((2, 6, 40, 50), scale=(1, 40, 8, 8), translate=(0, 1, 2, 3), units=("pixel", *NM))
    placed = image(**result_placement(source, (1, 2, 3), 3))
    np.testing.assert_allclose(placed.data_to_world((0, 0, 0)), source.data_to_world((0, 1, 2, 3))[1:])


def test_results_of_a_slice_have_two_axes() -> None:
    source = image((40, 50), scale=(8, 8), units=("nm", "nm"))
    placed = image((20, 20), **result_placement(source, (0, 10, 20), 2))
    np.testing.assert_allclose(placed.data_to_world((0, 0)), source.data_to_world((10, 20)))


def test_results_of_a_layer_without_units_stay_in_its_pixels() -> None:
    placed = image(**result_placement(image(), (0, 10, 20), 3))
    assert all(str(unit) == "pixel" for unit in placed.units)
    np.testing.assert_allclose(placed.scale, 1)
