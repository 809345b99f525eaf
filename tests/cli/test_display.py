"""Progress as plain lines, as JSON and as bars."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

from napari_nnunet_em.cli.bar import BarDisplay
from napari_nnunet_em.cli.display import JsonDisplay, PlainDisplay, open_display, progress_line, write_json
from napari_nnunet_em.geometry import Box
from napari_nnunet_em.progress import ProgressEvent, Stage


def predicting(done: int, **more: object) -> ProgressEvent:
    return ProgressEvent(Stage.PREDICT, done, 100, **more)  # type: ignore[arg-type]


def test_plain_lines_come_at_the_first_and_last_block_and_every_ten_seconds() -> None:
    stream, now = io.StringIO(), [0.0]
    with PlainDisplay(stream, every_seconds=10, clock=lambda: now[0]) as display:
        display.show(ProgressEvent(Stage.OPEN, message="Voxel size 8 nm"))
        for done in range(1, 101):
            now[0] += 1.0
            display.show(predicting(done))
        display.show(ProgressEvent(Stage.LABELS, 1, 2))
    lines = stream.getvalue().splitlines()
    percents = [int(m[1]) for line in lines if (m := re.search(r"\((\d+) %\)", line))]
    assert lines[0] == "Voxel size 8 nm"
    assert percents == [1, 11, 21, 31, 41, 51, 61, 71, 81, 91, 100, 50]


def test_a_progress_line_gives_rate_and_time_left() -> None:
    event = predicting(25, eta_seconds=130.0, voxels_per_second=1.3e6)
    assert progress_line(event) == "Predicting 25/100 (25 %), 1.3 Mvoxel/s, 2 min 10 s left"
    assert progress_line(predicting(100, eta_seconds=0.0)) == "Predicting 100/100 (100 %)"


def test_json_events_are_one_strict_object_on_each_line() -> None:
    stream = io.StringIO()
    with JsonDisplay(stream) as display:
        display.stopping()
        display.show(
            predicting(
                3,
                box=Box((0, 1, 2), (3, 4, 5)),
                eta_seconds=float("nan"),
                voxels_per_second=float("inf"),
                store=Path("o.zarr"),
                message="two\nlines",
            )
        )
        display.show(ProgressEvent(Stage.FINISHED))
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first == {
        "event": "progress",
        "stage": "predict",
        "done": 3,
        "total": 100,
        "message": "two\nlines",
        "box": {"start": [0, 1, 2], "stop": [3, 4, 5]},
        "eta_seconds": None,
        "voxels_per_second": None,
        "store": "o.zarr",
    }
    assert second["stage"] == "finished"
    assert second["box"] is None


def test_json_refuses_values_it_cannot_say() -> None:
    with pytest.raises(TypeError):
        write_json(io.StringIO(), {"a": object()})


def drawn(width: int, events: list[ProgressEvent], stop: bool = False) -> str:
    """What stays on a terminal of this width."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=width, color_system=None, legacy_windows=False)
    with BarDisplay(console) as display:
        for event in events:
            display.show(event)
        if stop:
            display.stopping()
            display._progress.refresh()
    return stream.getvalue()


EVENTS = [
    ProgressEvent(Stage.OPEN, message="Voxel size 56 × 8 × 8 nm [given]"),
    ProgressEvent(Stage.STATISTICS, 2, 2),
    predicting(12, eta_seconds=130.0, voxels_per_second=1.3e6),
]


def last_frame(text: str) -> list[str]:
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")
    return [line.rstrip() for line in plain.splitlines() if line.strip()]


def test_bars_show_count_rate_and_time_left_on_80_columns() -> None:
    lines = last_frame(drawn(80, EVENTS))
    assert max(map(len, lines)) <= 80
    assert "Voxel size 56 × 8 × 8 nm [given]" in lines
    assert re.search(r"Predicting\s+\S+\s+12/100\s+1\.3 Mvoxel/s\s+2 min (10|9) s left$", lines[-1])
    assert "━" in lines[-1]
    assert re.search(r"✓ Opening", lines[-3])
    assert re.search(r"✓ Measuring intensities .* 2/2", lines[-2])


def test_bars_end_cleanly_after_the_last_event() -> None:
    lines = last_frame(drawn(100, [*EVENTS, predicting(100), ProgressEvent(Stage.FINISHED, message="Done")]))
    assert re.search(r"✓ Predicting .* 100/100", lines[-1])
    assert "Done" in lines
    assert not any("Finished" in line for line in lines)


def test_a_request_to_stop_appears_below_the_bars_while_they_are_drawn() -> None:
    lines = last_frame(drawn(80, EVENTS, stop=True))
    assert "Stopping after the work in hand; Ctrl-C again stops at once." in lines
    assert "Predicting" in lines[-1]


def test_the_display_fits_where_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_display(machine=True), JsonDisplay)
    assert isinstance(open_display(machine=False), PlainDisplay)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert isinstance(open_display(machine=False), BarDisplay)


def test_the_plain_display_announces_a_stop_past_its_buffer(capfd: pytest.CaptureFixture[str]) -> None:
    PlainDisplay(io.StringIO()).stopping()
    assert capfd.readouterr().err == "Stopping after the work in hand; Ctrl-C again stops at once.\n"
