"""What the form says, without a window."""

from __future__ import annotations

import itertools

import pint
import pytest

from napari_nnunet_em._napari.forms.progress_words import finished_text, first_line, status_text
from napari_nnunet_em._napari.layers.voxels import KnownSize, length_in_nm
from napari_nnunet_em._napari.segment.choices import (
    flip_choices,
    fold_choices,
    planes_choices,
    preset_choices,
)
from napari_nnunet_em._napari.segment.words import (
    button_text,
    model_note,
    short_licence,
    voxel_size_note,
    waiting_text,
)
from napari_nnunet_em._napari.words import as_text, error_note
from napari_nnunet_em.config import InputSettings, ModelSettings, Planes, PredictionSettings, Preset
from napari_nnunet_em.model import ModelBundle
from napari_nnunet_em.progress import ProgressEvent, Stage


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        (("mitochondria",), "Segment mitochondria"),
        (("mitochondria", "vesicles", "nuclei"), "Segment 3 classes"),
        ((), "Segment"),
    ],
)
def test_the_button_is_named_after_the_target(classes: tuple[str, ...], text: str) -> None:
    assert button_text(classes) == text


def test_flips_are_every_combination_that_the_model_allows_and_valid_settings() -> None:
    values = [value for _, value in flip_choices((0, 1, 2), 3)]
    expected = ["none", *("".join(c) for n in (1, 2) for c in itertools.combinations("zyx", n)), "all"]
    assert values == expected
    for value in values:
        assert PredictionSettings(tta=value).tta == value


def test_flips_of_a_2d_model_name_the_axes_of_the_image() -> None:
    assert [value for _, value in flip_choices((0, 1), 2)] == ["none", "y", "x", "all"]
    assert flip_choices((0, 1), 2)[-1][0] == "all: y, x (4 × the time)"


def test_every_preset_is_offered_and_one_more_for_settings_without_a_name() -> None:
    assert [value for _, value in preset_choices()] == [*Preset, None]


def test_only_a_2d_model_has_planes_to_choose() -> None:
    assert [value for _, value in planes_choices(2)] == list(Planes)
    assert [value for _, value in planes_choices(3)] == [Planes.SLICES]


def test_without_allowed_axes_there_is_nothing_to_choose() -> None:
    assert [value for _, value in flip_choices((), 3)] == ["none"]


@pytest.mark.parametrize(
    ("folds", "values"),
    [
        (("all",), [("all",)]),
        (("0",), [("0",)]),
        (("0", "1", "2"), [("0", "1", "2"), ("0",), ("1",), ("2",)]),
        (("0", "all"), [("0",), ("all",)]),
        (("0", "1", "all"), [("0", "1"), ("0",), ("1",), ("all",)]),
        ((), [None]),
    ],
)
def test_the_first_offered_fold_is_what_the_model_would_take_itself(folds, values) -> None:
    offered = fold_choices(folds)
    assert [value for _, value in offered] == values
    assert len({label for label, _ in offered}) == len(offered)
    assert all(ModelSettings(folds=value).folds == value for value in values)


def test_the_note_of_a_model_shows_what_it_expects_and_its_licence() -> None:
    note = model_note(ModelBundle.open("mitochondria-3d"), "Research use only; no <sale>.")
    assert "3D" in note
    assert "50 × 8 × 8 nm" in note
    assert "Research use only; no &lt;sale&gt;." in note


def test_a_short_licence_skips_headings_and_long_texts() -> None:
    assert short_licence("# Licence\n\nCC BY 4.0\nmore") == "CC BY 4.0"
    assert len(short_licence("word " * 100)) <= 120
    assert short_licence("") == "Licence not stated."


def test_the_voxel_size_note_tells_stated_entered_and_missing_apart() -> None:
    known = KnownSize((40.0, 8.0, 8.0), "layer scale and units")
    assert voxel_size_note(known, as_text(known.voxel_size_nm)) == "from layer scale and units"
    assert voxel_size_note(known, "50, 8, 8") == "as entered here"
    assert "states no voxel size" in voxel_size_note(KnownSize(None, "unknown"), None)


@pytest.mark.parametrize(
    "size", [(56.0, 8.0, 8.0), (4.54545454545, 8.123456789, 0.1), (1e7, 12345.678, 1 / 3)]
)
def test_a_voxel_size_in_the_form_is_the_one_that_is_stated(size: tuple[float, float, float]) -> None:
    stated = length_in_nm(size, (pint.Unit("nanometer"),) * 3)
    assert stated is not None
    assert InputSettings(path="em", voxel_size_nm=as_text(stated)).voxel_size_nm == stated


def test_notes_cannot_smuggle_in_markup() -> None:
    assert "<b>" not in error_note("<b>bold</b>")


def test_the_status_line_holds_stage_blocks_speed_and_time_left() -> None:
    event = ProgressEvent(Stage.PREDICT, 3, 12, eta_seconds=125, voxels_per_second=1.23e6)
    assert status_text(event) == "Predicting, 3 of 12 tiles, 1.2 Mvoxel/s, 2 min 5 s left"
    assert status_text(ProgressEvent(Stage.LABELS, 1, 2)) == "Writing objects, 1 of 2 blocks"
    assert (
        status_text(ProgressEvent(Stage.OPEN, message="Voxel size 8 nm.\n\nMore."))
        == "Opening, Voxel size 8 nm."
    )


def test_every_stage_has_words() -> None:
    for stage in Stage:
        assert status_text(ProgressEvent(stage, 1, 1))


def test_the_last_line_counts_objects_and_says_where_they_are(tmp_path) -> None:
    several = {"mitochondria": 1041, "nucleus": 1, "vesicles": 0}
    found = "1,041 objects (mitochondria), 1 object (nucleus), no objects (vesicles)"
    assert finished_text(several, tmp_path) == f"Found {found}. Saved in {tmp_path}"
    # What is made of somebody else's probability has no name but this.
    assert finished_text({"objects": 1}, tmp_path) == f"Found 1 object. Saved in {tmp_path}"
    assert finished_text({"objects": 2}, tmp_path) == f"Found 2 objects. Saved in {tmp_path}"
    assert finished_text({}, tmp_path).startswith("Found no objects.")


def test_what_waits_for_the_model_is_named() -> None:
    said = waiting_text("preview begins")
    assert said == "Reading the model; the preview begins by itself when that is done."


def test_a_window_names_no_options_of_the_command_line() -> None:
    refused = "out.zarr exists already: choose another one, or overwrite it (--overwrite)."
    plain = "out.zarr exists already: choose another one, or overwrite it."
    assert plain in error_note(refused)
    assert first_line(f"{refused}\nMore.") == plain
