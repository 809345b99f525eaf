"""What waits, what is remembered and what is found again, without a window."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Image

from napari_nnunet_em._napari.forms.progress_words import preview_text, queue_text, unfinished_text
from napari_nnunet_em._napari.segment.job_queue import JobQueue
from napari_nnunet_em._napari.segment.remembered import remember_folder, remembered_file, remembered_folders
from napari_nnunet_em._napari.segment.resuming import Search, folders_to_search, search_unfinished
from napari_nnunet_em._napari.segment.words import resampling_note
from napari_nnunet_em.errors import SettingsError
from napari_nnunet_em.model import ModelBundle


def request(name: str) -> SimpleNamespace:
    return SimpleNamespace(job=SimpleNamespace(store=Path(name)))


def test_jobs_run_one_at_a_time_in_the_order_in_which_they_came() -> None:
    queue = JobQueue()
    assert queue.take() is None
    first, second, third = (request(f"{name}.zarr") for name in "abc")
    numbers = [queue.add(r).number for r in (first, second, third)]
    assert queue.take() is first
    assert queue.take() is None  # while one runs
    assert [entry.number for entry in queue.waiting] == numbers[1:]
    queue.remove(numbers[1])
    queue.remove(numbers[0])  # runs already
    queue.done()
    assert queue.take() is third
    queue.clear()
    queue.done()
    assert queue.take() is None


def test_two_jobs_never_share_an_output() -> None:
    queue = JobQueue()
    queue.add(request("a.zarr"))
    with pytest.raises(SettingsError, match="already that of a job"):
        queue.add(request(str(Path("a.zarr").absolute())))
    queue.take()
    with pytest.raises(SettingsError, match="already that of a job"):
        queue.add(request("a.zarr"))
    queue.done()
    queue.add(request("a.zarr"))
    assert queue.stores == {Path("a.zarr").absolute()}


@pytest.fixture
def _own_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "data")


@pytest.mark.usefixtures("_own_memory")
def test_folders_are_remembered_the_latest_first(tmp_path) -> None:
    assert remembered_folders() == []
    for name in ("a", "b", "a"):
        remember_folder(tmp_path / name)
    assert remembered_folders() == [tmp_path / "a", tmp_path / "b"]
    for number in range(40):
        remember_folder(tmp_path / str(number))
    assert len(remembered_folders()) == 20
    remembered_file().write_text("no list", encoding="utf-8")
    assert remembered_folders() == []
    remembered_file().unlink()
    remembered_file().mkdir()
    remember_folder(tmp_path)  # cannot be written, and does not matter
    assert remembered_folders() == []


def test_where_jobs_are_looked_for(tmp_path) -> None:
    layer = Image(np.zeros((2, 20, 20), np.uint8))
    assert folders_to_search(layer, [tmp_path, tmp_path]) == [tmp_path]
    assert search_unfinished(layer, [tmp_path, tmp_path / "gone"]) == Search(layer)


def test_layers_that_cannot_be_segmented_have_no_jobs(tmp_path) -> None:
    (tmp_path / "x.zarr" / ".nnunet-em").mkdir(parents=True)
    (tmp_path / "x.zarr" / ".nnunet-em" / "job.json").write_text("{}")
    colours = Image(np.zeros((20, 20, 3), np.uint8), rgb=True)
    assert search_unfinished(colours, [tmp_path]) == Search(colours)


def bundle(spacing, forward=(0, 1, 2)) -> SimpleNamespace:
    stub = SimpleNamespace(spacing_nm=lambda _unit: spacing, transpose_forward=forward)
    stub.spacing_by_axis = partial(ModelBundle.spacing_by_axis, stub)
    return stub


@pytest.mark.parametrize(
    ("spacing", "forward", "typed", "expected"),
    [
        ((8.0, 8.0), (0, 1, 2), "40, 16, 16", "y × 2, x × 2"),
        ((40.0, 8.0, 8.0), (0, 1, 2), "40, 8, 8", "as the model expects"),
        ((8.0, 40.0, 8.0), (1, 0, 2), "20, 8, 4", "z × 0.5, x × 0.5"),
        ((8.0, 40.0, 8.0), (1, 0, 2), "20, 8, 4", "works at 40 × 8 × 8 nm"),
        ((8.0, 8.0), (0, 1, 2), "4, 4", "y × 0.5, x × 0.5"),
        (None, (0, 1, 2), "40, 8, 8", ""),
        ((8.0, 8.0), (0, 1, 2), "forty", ""),
        ((8.0, 8.0), (0, 1, 2), None, ""),
        ((8.0, 8.0), (0, 1, 2), "0, 0, 0", ""),
    ],
)
def test_what_happens_with_voxels_of_another_size(spacing, forward, typed, expected) -> None:
    note = resampling_note(bundle(spacing, forward), typed)
    assert expected in note
    assert bool(note) == bool(expected)


def test_sentences() -> None:
    assert queue_text("mitochondria in SBEM", Path("a") / "b.zarr") == "Then: mitochondria in SBEM, to b.zarr"
    offered = unfinished_text(Path("a") / "<b>.zarr", 0.427, "2026-03-01T12:00:00+00:00")
    assert "&lt;b&gt;.zarr" in offered
    assert "42 % done" in offered
    assert "objects still to be found" in unfinished_text(Path("b"), 1.0, "2026-03-01T12:00:00+00:00")
    assert "Provisional" in preview_text(1.23, True)
    assert preview_text(1.23, False) == "Preview after 1.2 s; nothing was saved."
