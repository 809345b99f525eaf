"""A coarser level of a layer's pyramid: what is offered, and that results lie over the layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image

from napari_nnunet_em._napari.layers.levels import (
    LayerLevel,
    full_size,
    layer_levels,
    level_choices,
    level_note,
    resized,
)
from napari_nnunet_em._napari.layers.marks import PREVIEW_KEY
from napari_nnunet_em._napari.layers.placement import result_placement
from napari_nnunet_em._napari.layers.voxels import KnownSize, level_zero
from napari_nnunet_em._napari.segment.request import layer_volume
from napari_nnunet_em._napari.segment.resuming import search_unfinished
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.io import Lattice
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.pipeline import unfinished
from napari_nnunet_em.pipeline.journal import JobFolder

NM = ("nanometer",) * 3
KNOWN = KnownSize((40.0, 4.0, 4.0), "layer scale and units")
MINUTE = 60_000


@pytest.fixture(scope="module")
def fine() -> list[np.ndarray]:
    """A pyramid whose level 1 has pixels of 8 nm, as the model: (z, y, x) uint8."""
    half = np.random.default_rng(0).integers(60, 200, (3, 60, 70), np.uint8)
    full = half.repeat(2, axis=1).repeat(2, axis=2)
    return [full, half, half[:, ::2, ::2]]


def pyramid(fine, **keywords) -> Image:
    return Image(fine, multiscale=True, name="em", scale=(40, 4, 4), units=NM, **keywords)


def test_the_levels_of_a_layer_lie_over_its_full_resolution(fine) -> None:
    levels = layer_levels(pyramid(fine))
    assert [level.shape for level in levels] == [a.shape for a in fine]
    assert levels[2].lattice == Lattice((0, 1.5, 1.5), (1, 4, 4))
    assert levels[1].size(KNOWN) == KnownSize((40, 8, 8), "layer scale and units, pyramid level 1")
    assert levels[1].box(Box((1, 3, 4), (2, 9, 10))) == Box((1, 1, 2), (2, 5, 5))
    assert levels[1].box(None) is None
    assert (levels[2].voxel((2, 7, 139)), levels[2].voxel(None)) == ((2, 1, 34), None)
    assert level_choices(levels, KNOWN)[1] == ("1: 40 × 8 × 8 nm", 1)
    assert level_choices(levels[:2], KnownSize(None, ""))[1] == ("1: 3 × 60 × 70 voxels", 1)


def test_what_is_no_pyramid_has_one_level(fine) -> None:
    colours = Image([np.zeros((8, 8, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)], rgb=True, multiscale=True)
    for layer in (Image(fine[0]), colours):
        assert [level.number for level in layer_levels(layer)] == [0]
    mixed = Image([np.zeros((8, 8), np.uint8), np.zeros((4, 4), np.float32)], multiscale=True)
    assert len(layer_levels(mixed)) == 1


def test_the_note_leads_to_the_level_that_is_nearest_to_the_model(fine) -> None:
    bundle, levels = ModelBundle.open("mitochondria-2d"), layer_levels(pyramid(fine))
    note = level_note(levels, KNOWN, 0, bundle)
    assert "href='1'" in note
    assert "40 × 8 × 8 nm" in note
    assert level_note(levels, KNOWN, 1, bundle) == ""
    assert "href='1'" in level_note(levels, KNOWN, 2, bundle)
    assert level_note(levels, KNOWN, 0, None) == level_note(levels, KnownSize(None, ""), 0, bundle) == ""


def test_a_size_that_was_typed_follows_the_level() -> None:
    full, half = LayerLevel(0, (4, 8, 8), Lattice()), LayerLevel(1, (4, 4, 4), Lattice(step=(1, 2, 2)))
    assert resized("40, 5, 5", full, half) == "40, 10, 10"
    assert resized("40, 10, 10", half, full) == "40, 5, 5"
    assert resized("5, 5", full, half) == "10, 10"
    assert [resized(text, full, half) for text in (None, "a, 5", "5")] == [None, "a, 5", "5"]
    assert full_size("40, 10, 12", half).voxel_size_nm == (40, 5, 6)
    assert full_size("10, 12", full).voxel_size_nm == (10, 10, 12)
    assert [full_size(text, full).voxel_size_nm for text in (None, "a", "0, 5, 5")] == [None] * 3


def test_a_result_of_a_level_lies_over_the_voxels_below_it(fine) -> None:
    source = pyramid(fine, translate=(10, 20, 30), rotate=(0, 0, 30))
    volume = layer_volume(source, 1, (40, 8, 8), 1)
    assert (volume.shape, volume.voxel_size_nm, volume.level) == (fine[1].shape, (40, 8, 8), 1)
    place = volume.lattice(1).begun_at((1, 5, 6))
    placed = Image(np.zeros((1, 4, 4), np.uint8), **result_placement(source, place.first, 3, place.step))
    below = [source.data_to_world((1, 10 + y, 12 + x)) for y in (0, 1) for x in (0, 1)]
    np.testing.assert_allclose(placed.data_to_world((0, 0, 0)), np.mean(below, axis=0))
    far = [source.data_to_world((1, 16 + y, 18 + x)) for y in (0, 1) for x in (0, 1)]
    np.testing.assert_allclose(placed.data_to_world((0, 3, 3)), np.mean(far, axis=0))


@pytest.mark.gui
def test_a_level_is_chosen_by_a_click_previewed_and_segmented(
    open_widget, fine, qtbot, tmp_path: Path
) -> None:
    viewer, widget = open_widget()
    inputs = widget.inputs
    level = widget.form.input["level"]
    flat = viewer.add_image(fine[0], name="flat", scale=(40, 4, 4), units=NM)
    assert not level.widget.native.isVisibleTo(widget)
    image = viewer.add_image(fine, multiscale=True, name="em", scale=(40, 4, 4), units=NM)
    viewer.layers.remove(flat)
    assert level.widget.native.isVisibleTo(widget)
    assert "href='1'" in widget.size_note.text()
    widget.size_note.linkActivated.emit("1")
    assert level.value == 1
    assert widget.form.input["voxel_size_nm"].value == "40, 8, 8"
    assert "as the model expects" in widget.size_note.text()
    assert "pyramid level 1" in widget.region.note.text()
    assert "href" not in widget.size_note.text()
    viewer.dims.set_current_step(0, 1)
    viewer.reset_view()
    widget.preview()
    qtbot.waitUntil(lambda: not widget.busy, timeout=2 * MINUTE)
    (preview,) = [x for x in viewer.layers if PREVIEW_KEY in x.metadata]
    assert preview.data.shape == (1, 60, 70)
    widget.region.kind.setCurrentText("Current view")
    assert inputs.request().near == (1, 30, 35)
    widget.start()
    qtbot.waitUntil(lambda: "Found" in widget.progress.status.text(), timeout=2 * MINUTE)
    probability = viewer.layers["em mitochondria probability"]
    np.testing.assert_allclose(level_zero(probability)[0] / 255, preview.data[0], atol=0.5 / 255 + 1e-5)
    for result in (preview, probability, viewer.layers["em mitochondria"]):
        np.testing.assert_allclose(
            result.data_to_world((0, -0.5, -0.5)), image.data_to_world((1, -0.5, -0.5))
        )
        far, below = (0, 59.5, 69.5), (1, 119.5, 139.5)
        np.testing.assert_allclose(result.data_to_world(far), image.data_to_world(below))
    # As if it had been killed before its end: found again, at the level that it was begun on.
    store = tmp_path / "out.zarr"
    JobFolder(store).discard("result")
    (found,) = search_unfinished(image, [tmp_path]).jobs
    assert found.job.input.level == 1
    level.value = 0
    assert widget.form.input["voxel_size_nm"].value == "40, 4, 4"
    assert "level" not in widget.region.note.text()


def test_a_level_lies_where_the_layer_lies() -> None:
    levels = [np.zeros((4, 40, 40), np.uint8), np.zeros((4, 20, 20), np.uint8)]
    layer = Image(levels, multiscale=True, translate=(400, 80, 160), scale=(40, 8, 8), units=NM)
    assert layer_volume(layer, 1, (40, 8, 8)).origin_nm == (400, 80, 160)
    # The centre of a voxel of level 1 is that of the four below it.
    assert layer_volume(layer, 1, (40, 16, 16), 1).origin_nm == (400, 84, 164)


def test_a_job_is_found_also_where_its_levels_do_not_belong_together(fine, tmp_path, monkeypatch) -> None:
    layer = pyramid([fine[0], fine[1].astype(np.float32)])
    marker = tmp_path / "out.zarr" / ".nnunet-em"
    marker.mkdir(parents=True)
    (marker / "job.json").write_text("{}")
    asked = []
    monkeypatch.setattr(unfinished, "find_unfinished", lambda _, fingerprint: asked.append(fingerprint) or [])
    search_unfinished(layer, [tmp_path])
    assert asked == [layer_volume(layer, 1, None).fingerprint()]
